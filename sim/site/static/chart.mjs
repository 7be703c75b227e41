// Throughput and latency over the number of threads, as two small charts and a table.
import { digits, draw, make, save, savePng, saveSvg, ticks } from "./words.mjs";

const HEIGHT = 210;
const LEFT = 52;
const BOTTOM = 34;
const TOP = 12;

function chart(title, xs, values, here) {
  const width = 400;
  const top = 1.1 * Math.max(...values, 1e-9);
  const x = (value) => LEFT + 8 + ((value - xs[0]) / (xs[xs.length - 1] - xs[0] || 1)) * (width - LEFT - 24);
  const y = (value) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - BOTTOM - TOP);
  const parts = ticks(top, 4).flatMap((value) => [
    draw("line", { class: "grid", x1: LEFT, x2: width - 8, y1: y(value), y2: y(value) }),
    draw("text", { class: "soft", x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, digits(value)),
  ]);
  parts.push(...xs.map((value) => draw("text", { class: "soft", x: x(value), y: HEIGHT - BOTTOM + 16, "text-anchor": "middle" }, String(value))));
  parts.push(draw("text", { class: "soft", x: (LEFT + width) / 2, y: HEIGHT - 4, "text-anchor": "middle" }, "threads"));
  parts.push(draw("polyline", { class: "curve", points: values.map((value, i) => `${x(xs[i])},${y(value)}`).join(" ") }));
  values.forEach((value, i) => {
    const dot = draw("circle", { class: xs[i] === here ? "here" : "dot", cx: x(xs[i]), cy: y(value), r: xs[i] === here ? 6 : 3.5 });
    dot.append(draw("title", {}, `${xs[i]} threads: ${digits(value)}`));
    parts.push(dot);
  });
  const picture = draw("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": `${title}, over threads` }, ...parts);
  return make("div", {}, make("div", {}, title), picture);
}

function table(rows) {
  const head = make("tr", {}, ...["threads", "inferences a second", "latency, ms", "energy, mJ"].map((name) => make("th", { scope: "col" }, name)));
  const lines = rows.map((row) => make("tr", {}, make("th", { scope: "row" }, String(row.threads)), ...[row.throughput_ips, row.latency_ms, row.energy_mj].map((value) => make("td", {}, digits(value)))));
  return make("table", {}, make("thead", {}, head), make("tbody", {}, ...lines));
}

export function asCsv(rows) {
  const names = ["threads", "throughput_ips", "latency_ms", "energy_mj"];
  return [names.join(","), ...rows.map((row) => names.map((name) => row[name]).join(","))].join("\r\n") + "\r\n";
}

// rows: {threads, throughput_ips, latency_ms, energy_mj}, rising.
export function showCurve(box, rows, here) {
  const xs = rows.map((row) => row.threads);
  const isOpen = box.querySelector("details")?.open ?? false;
  const button = (text, onclick) => make("button", { type: "button", onclick }, text);
  const pictures = (store) => () => box.querySelectorAll("svg").forEach((svg, i) => store(["throughput", "latency"][i], svg));
  const buttons = [
    button("Save as CSV", () => save("threads.csv", asCsv(rows), "text/csv")),
    button("Save as SVG", pictures(saveSvg)),
    button("Save as PNG", pictures(savePng)),
  ];
  box.replaceChildren(
    make("div", { className: "charts" }, chart("Inferences a second", xs, rows.map((row) => row.throughput_ips), here), chart("Latency, mean (ms)", xs, rows.map((row) => row.latency_ms), here)),
    make("details", { open: isOpen }, make("summary", {}, "The same as a table"), table(rows), make("p", { className: "actions" }, ...buttons)),
  );
}
