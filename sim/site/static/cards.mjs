// Figures of an answer, beside those of a kept one; the exact value stands in each card for whoever checks.
import { byId, digits, make, sentence, update } from "./words.mjs";

// Dotted key of the answer -> its name and unit.
const CARDS = {
  throughput_ips: ["inferences a second", ""],
  "latency_ms.mean": ["latency, mean", "ms"],
  "latency_ms.p95": ["latency, 95 % are below", "ms"],
  skipped_share: ["frames that are dropped", "%"],
  "age_ms.p95": ["age of a result, 95 % are below", "ms"],
  energy_mj_per_inference: ["energy of an inference", "mJ"],
  "power_w.total": ["power, whole system", "W"],
  speedup_vs_one_thread: ["gain over one thread", "×"],
};

// Figures whose 90 % interval has a key of another form.
const INTERVALS = { "latency_ms.mean": "latency_mean_ms" };

export function valueOf(summary, key) {
  return key.split(".").reduce((part, name) => part?.[name], summary);
}

const shown = (value, unit) => (unit === "%" ? `${digits(100 * value)} %` : `${digits(value)} ${unit}`.trim());

function card(key, [name, unit], { summary }, kept) {
  const value = valueOf(summary, key);
  if (value === undefined || value === null) return [];
  const figure = make("dd", { className: "value" }, shown(value, unit));
  Object.assign(figure.dataset, { figure: key, value: String(value) });
  const parts = [make("dt", {}, name), figure];
  const range = summary.interval90[INTERVALS[key] ?? key];
  if (range) parts.push(make("dd", { className: "more" }, `90 %: ${digits(range[0])} to ${digits(range[1])}`));
  const before = kept && valueOf(kept.summary, key);
  if (before) parts.push(make("dd", { className: "more" }, `kept: ${shown(before, unit)}, now ${digits(value / before)}\u00a0×`));
  return [make("div", {}, ...parts)];
}

export function showFigures(answer, kept) {
  const { models, bottleneck, bottleneck_text: text, warnings } = answer.summary;
  update(byId("figures"), ...Object.entries(CARDS).flatMap(([key, label]) => card(key, label, answer, kept)), ...lines(models));
  update(byId("bottleneck"), make("b", {}, `Limited by: ${bottleneck}. `), text);
  const details = byId("warnings");
  details.hidden = !warnings.length;
  update(details.querySelector("summary"), warnings.length === 1 ? "One note" : `${warnings.length} notes`);
  update(details.querySelector("ul"), ...warnings.map((note) => make("li", {}, sentence(note))));
  update(byId("command"), answer.command);
}

// One line a network: the total of a mix is a sum of unlike things.
function lines(models) {
  const rows = Object.entries(models);
  if (rows.length < 2) return [];
  return rows.map(([name, { throughput_ips: rate, latency_mean_ms: ms }]) => {
    const figure = make("dd", { className: "value" }, digits(rate));
    Object.assign(figure.dataset, { model: name, value: String(rate) });
    return make("div", {}, make("dt", {}, `${name}, a second`), figure, make("dd", { className: "more" }, `latency ${digits(ms)} ms`));
  });
}
