// Figures of an answer, beside those of a kept one; the exact value stands in each card for whoever checks.
import { byId, digits, make, sentence } from "./words.mjs";

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
  byId("figures").replaceChildren(...Object.entries(CARDS).flatMap(([key, label]) => card(key, label, answer, kept)));
  showModels(answer.summary.models);
  byId("bottleneck").replaceChildren(make("b", {}, `Limited by: ${answer.summary.bottleneck}. `), answer.summary.bottleneck_text);
  const { warnings } = answer.summary;
  const details = byId("warnings");
  details.hidden = !warnings.length;
  details.querySelector("summary").textContent = warnings.length === 1 ? "One note" : `${warnings.length} notes`;
  details.querySelector("ul").replaceChildren(...warnings.map((text) => make("li", {}, sentence(text))));
  byId("command").textContent = answer.command;
}

// One line a network: the total of a mix is a sum of unlike things.
function showModels(models) {
  const rows = Object.entries(models);
  if (rows.length < 2) return;
  for (const [name, { throughput_ips: rate, latency_mean_ms: ms }] of rows) {
    const figure = make("dd", { className: "value" }, digits(rate));
    Object.assign(figure.dataset, { model: name, value: String(rate) });
    byId("figures").append(make("div", {}, make("dt", {}, `${name}, a second`), figure, make("dd", { className: "more" }, `latency ${digits(ms)} ms`)));
  }
}
