// Charts of one or several series over a number, each with a table of the same.
import { digits, draw, make, save, savePng, saveSvg, ticks } from "./words.mjs";

const WIDTH = 400;
const HEIGHT = 210;
const LEFT = 52;
const BOTTOM = 34;
const TOP = 12;
const MOST_NAMED = 12; // values of the horizontal axis; of more, round ones are named
const MARK = 3.5;

const known = (values) => values.filter((value) => value !== null);

class Frame {
  constructor(xs, lines) {
    this.xs = xs;
    this.top = 1.1 * Math.max(...lines.flatMap(({ values }) => known(values)), 1e-9);
  }

  x(value) {
    const [first, last] = [this.xs[0], this.xs[this.xs.length - 1]];
    return LEFT + 8 + ((value - first) / (last - first || 1)) * (WIDTH - LEFT - 24);
  }

  y(value) {
    return HEIGHT - BOTTOM - (value / this.top) * (HEIGHT - BOTTOM - TOP);
  }

  axes(xName) {
    const [first, last] = [this.xs[0], this.xs[this.xs.length - 1]];
    const named = this.#apart(this.xs.length <= MOST_NAMED ? this.xs : ticks(last, 8).filter((value) => value >= first));
    const rows = ticks(this.top, 4).flatMap((value) => [
      draw("line", { class: "grid", x1: LEFT, x2: WIDTH - 8, y1: this.y(value), y2: this.y(value) }),
      draw("text", { class: "soft", x: LEFT - 6, y: this.y(value) + 4, "text-anchor": "end" }, digits(value)),
    ]);
    const columns = named.map((value) => draw("text", { class: "soft", x: this.x(value), y: HEIGHT - BOTTOM + 16, "text-anchor": "middle" }, digits(value)));
    return [...rows, ...columns, draw("text", { class: "soft", x: (LEFT + WIDTH) / 2, y: HEIGHT - 4, "text-anchor": "middle" }, xName)];
  }

  // Values whose names do not touch each other.
  #apart(values) {
    let end = -Infinity;
    return values.filter((value) => {
      const half = 3.6 * digits(value).length;
      if (this.x(value) - half < end) return false;
      end = this.x(value) + half + 4;
      return true;
    });
  }

  // A series with a gap where it has no value.
  curve({ values }, number, here, xName) {
    const points = values.map((value, i) => (value === null ? "gap" : `${this.x(this.xs[i])},${this.y(value)}`)).join(" ");
    const parts = points.split("gap").filter((part) => part.trim()).map((part) => draw("polyline", { class: `curve series-${number}`, points: part.trim() }));
    values.forEach((value, i) => {
      if (value === null) return;
      const isHere = this.xs[i] === here;
      const dot = mark(number, this.x(this.xs[i]), this.y(value), isHere ? 6 : MARK, isHere ? "here" : "dot");
      dot.append(draw("title", {}, `${digits(this.xs[i])} ${xName}: ${digits(value)}`));
      parts.push(dot);
    });
    return parts;
  }
}

// Every second series has squares: colour alone tells no one apart.
function mark(number, x, y, size, kind) {
  const name = `${kind} series-${number}`;
  if (number % 2 === 0) return draw("circle", { class: name, cx: x, cy: y, r: size });
  return draw("rect", { class: name, x: x - size, y: y - size, width: 2 * size, height: 2 * size });
}

function key(lines) {
  const items = lines.map(({ name }, number) => {
    const line = draw("line", { class: `curve series-${number}`, x1: 0, x2: 30, y1: 7, y2: 7 });
    return make("li", {}, draw("svg", { width: 30, height: 14, viewBox: "0 0 30 14", "aria-hidden": "true" }, line, mark(number, 15, 7, MARK, "dot")), name);
  });
  return make("ul", { className: "legend" }, ...items);
}

// chart: {title, x: name of the horizontal axis, xs, lines: [{name, values}], at: the reader's own point}
function picture({ title, x: xName, xs, lines, at }) {
  const frame = new Frame(xs, lines);
  const curves = lines.flatMap((line, number) => frame.curve(line, number, at, xName));
  const label = lines.length > 1 ? `${title}, over ${xName}: ${lines.map(({ name }) => name).join(", ")}` : `${title}, over ${xName}`;
  const svg = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label }, ...frame.axes(xName), ...curves);
  return make("div", {}, make("div", {}, title), ...(lines.length > 1 ? [key(lines)] : []), svg);
}

// Rows that begin with their heading; numbers are shown as people read them.
export function table(headings, rows) {
  const shown = (cell) => (typeof cell === "string" ? cell : digits(cell ?? NaN));
  const head = make("tr", {}, ...headings.map((name) => make("th", { scope: "col" }, name)));
  const lines = rows.map(([first, ...others]) => make("tr", {}, make("th", { scope: "row" }, shown(first)), ...others.map((cell) => make("td", {}, shown(cell)))));
  return make("table", {}, make("thead", {}, head), make("tbody", {}, ...lines));
}

export function asCsv(names, rows) {
  const quoted = (cell) => (/[",\n]/.test(cell) ? `"${String(cell).replaceAll('"', '""')}"` : String(cell ?? ""));
  return [names, ...rows].map((row) => row.map(quoted).join(",")).join("\r\n") + "\r\n";
}

// Pictures side by side, and below them their table with what saves them.
function show(box, charts, { headings, rows, csvNames, name, names }) {
  const isOpen = box.querySelector("details")?.open ?? false;
  const button = (text, onclick) => make("button", { type: "button", onclick }, text);
  const pictures = (store) => () => box.querySelectorAll("svg[role=img]").forEach((svg, i) => store(names[i], svg));
  const buttons = [
    button("Save as CSV", () => save(`${name}.csv`, asCsv(csvNames, rows), "text/csv")),
    button("Save as SVG", pictures(saveSvg)),
    button("Save as PNG", pictures(savePng)),
  ];
  const wide = make("div", { className: "scrolls" }, table(headings, rows));
  box.replaceChildren(
    make("div", { className: "charts" }, ...charts.map(picture)),
    make("details", { open: isOpen }, make("summary", {}, "The same as a table"), wide, make("p", { className: "actions" }, ...buttons)),
  );
}

export function showChart(box, chart) {
  const headings = [chart.x, ...chart.lines.map(({ name }) => name)];
  const rows = chart.xs.map((x, i) => [x, ...chart.lines.map(({ values }) => values[i])]);
  show(box, [chart], { headings, rows, csvNames: headings, name: "chart", names: ["chart"] });
}

// Throughput and latency over the number of threads; rows: {threads, throughput_ips, latency_ms, energy_mj}, rising.
export function showCurve(box, rows, at) {
  const csvNames = ["threads", "throughput_ips", "latency_ms", "energy_mj"];
  const xs = rows.map((row) => row.threads);
  const chart = (title, key) => ({ title, x: "threads", xs, lines: [{ name: title, values: rows.map((row) => row[key]) }], at });
  const charts = [chart("Inferences a second", "throughput_ips"), chart("Latency, mean (ms)", "latency_ms")];
  const headings = ["threads", "inferences a second", "latency, ms", "energy, mJ"];
  const cells = rows.map((row) => csvNames.map((name) => row[name]));
  show(box, charts, { headings, rows: cells, csvNames, name: "threads", names: ["throughput", "latency"] });
}
