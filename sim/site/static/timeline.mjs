// What threads, accelerators and links do, with a moment that can be moved, played and read.
import { digits, draw, make, savePng, saveSvg, ticks } from "./words.mjs";

const ROW = 28;
const BAR = 20;
const TOP = 22;
const LETTER = 7; // width of one in a name
const AWAY = "#cdeae0"; // a pale green: computing is green
const LAP_S = 12; // a film plays in so many seconds
// Strokes of each pattern: states repeat a colour only with another one.
const STROKES = { stripes: ["M0,0 V7", 7], hatch: ["M0,0 V7", 2], cross: ["M0,0 V7 M0,0 H7", 1.6] };

let count = 0; // of timelines on a page: each has patterns of its own, as those of a hidden one are not drawn

export class Timeline {
  constructor(box, states) {
    this.id = `fill-${count++}`;
    this.box = box;
    this.states = states;
    this.moment = 0;
    this.picture = make("div");
    this.readout = make("p", { className: "readout" });
    this.slider = make("input", { type: "range", min: 0, max: 1000, value: 0, ariaLabel: "Moment of the timeline" });
    this.slider.addEventListener("input", () => this.#go((this.slider.value / 1000) * this.film.ms));
    this.play = this.#button("Play", () => this.#toggle());
    const buttons = [this.play, this.#button("Step back", () => this.#step(-1)), this.#button("Step", () => this.#step(1))];
    buttons.push(this.#button("Save as SVG", () => saveSvg("timeline", this.svg)), this.#button("Save as PNG", () => savePng("timeline", this.svg)));
    this.legend = make("ul", { className: "legend" });
    box.append(this.picture, this.slider, make("p", { className: "actions" }, ...buttons), this.readout, this.legend);
    this.picture.addEventListener("pointermove", (event) => this.#hover(event));
    new ResizeObserver(() => this.film && this.#draw()).observe(box);
  }

  #button(text, onclick) {
    return make("button", { type: "button", onclick }, text);
  }

  show(film) {
    this.film = film;
    this.edges = [...new Set(film.spans.flatMap((span) => [span.from, span.to]))].filter((ms) => ms >= 0 && ms <= film.ms).sort((a, b) => a - b);
    this.moment = Math.min(this.moment, film.ms);
    this.#draw();
    this.#showLegend();
  }

  #x(ms) {
    return this.left + (Math.min(Math.max(ms, 0), this.film.ms) / this.film.ms) * (this.width - this.left - 8);
  }

  #draw() {
    const { components, spans, ms, title } = this.film;
    this.width = Math.max(300, this.box.clientWidth);
    const longest = Math.max(...components.map((name) => name.length));
    this.left = Math.max(this.width < 500 ? 78 : 100, LETTER * longest + 6);
    const rows = new Map(components.map((name, i) => [name, TOP + i * ROW]));
    this.bottom = TOP + components.length * ROW;
    const parts = [draw("defs", {}, ...this.#patterns()), ...this.#axis(ms)];
    parts.push(...components.map((name) => draw("text", { x: 0, y: rows.get(name) + 16 }, name)));
    const order = this.#merged(spans).sort((a, b) => (b.state === "invoke") - (a.state === "invoke"));
    parts.push(...order.map((span) => this.#bar(span, rows.get(span.on))));
    this.cursor = draw("line", { class: "cursor", y1: TOP - 6, y2: this.bottom });
    const size = { width: this.width, height: this.bottom + 4, viewBox: `0 0 ${this.width} ${this.bottom + 4}` };
    this.svg = draw("svg", { ...size, role: "img", "aria-label": title }, ...parts, this.cursor);
    this.picture.replaceChildren(this.svg);
    this.#go(this.moment);
  }

  // Narrow bars that no pixel tells apart become one: a large network has ten thousand spans.
  #merged(spans) {
    const pixel = this.film.ms / (this.width - this.left - 8);
    const last = new Map();
    const bars = [];
    for (const span of [...spans].sort((a, b) => a.from - b.from)) {
      const key = `${span.on} ${span.state}`;
      const bar = last.get(key);
      if (bar && span.from - bar.to < pixel && span.to - span.from < 2 * pixel) bar.to = Math.max(bar.to, span.to);
      else last.set(key, bars[bars.push({ ...span }) - 1]);
    }
    return bars;
  }

  #patterns() {
    return Object.entries(this.states).filter(([, { pattern }]) => pattern).map(([name, { colour, pattern }]) => {
      const [path, width] = STROKES[pattern];
      const paper = draw("rect", { class: "paper", width: 7, height: 7, fill: "#ffffff" });
      const strokes = draw("path", { d: path, stroke: colour, "stroke-width": width });
      return draw("pattern", { id: `${this.id}-${name}`, width: 7, height: 7, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" }, paper, strokes);
    });
  }

  #fill(state) {
    if (state === "invoke") return AWAY;
    const { colour, pattern } = this.states[state];
    return pattern ? `url(#${this.id}-${state})` : colour;
  }

  #axis(ms) {
    const moments = ticks(ms, this.width < 500 ? 4 : 8);
    const last = moments[moments.length - 1];
    return moments.flatMap((at) => [
      draw("line", { class: "grid", stroke: "#c9cdd3", x1: this.#x(at), x2: this.#x(at), y1: TOP - 4, y2: this.bottom }),
      draw("text", { class: "soft", "font-size": 11, x: this.#x(at), y: 12, "text-anchor": at === ms ? "end" : "middle" }, at === last ? `${digits(at)} ms` : digits(at)),
    ]);
  }

  #bar(span, y) {
    const x = this.#x(span.from);
    const width = Math.max(0.6, this.#x(span.to) - x);
    if (span.state === "invoke") return draw("rect", { class: "invoke", fill: AWAY, stroke: "#777777", x, y: y + 1, width, height: ROW - 5, rx: 3 });
    const half = span.state.startsWith("transfer_") ? BAR / 2 : BAR;
    const top = y + 4 + (span.state === "transfer_in" ? half : 0);
    return draw("rect", { x, y: top, width, height: half, fill: this.#fill(span.state), stroke: this.states[span.state].colour, "stroke-width": width > 3 ? 0.6 : 0 });
  }

  #go(ms) {
    this.moment = ms;
    this.slider.value = (1000 * ms) / this.film.ms;
    const x = this.#x(ms);
    this.cursor.setAttribute("x1", x);
    this.cursor.setAttribute("x2", x);
    const now = this.film.spans.filter((span) => span.from <= ms && ms < span.to && span.state !== "invoke");
    const words = now.map((span) => `${span.on}: ${this.states[span.state].words} (${digits(span.to - span.from)} ms)`);
    this.readout.textContent = `At ${ms.toFixed(3)} ms. ${words.join("; ") || "Nothing runs"}.`;
    this.slider.setAttribute("aria-valuetext", this.readout.textContent);
  }

  #hover(event) {
    if (this.timer) return;
    const x = event.clientX - this.svg.getBoundingClientRect().left;
    const share = (x - this.left) / (this.width - this.left - 8);
    if (share >= 0 && share <= 1) this.#go(share * this.film.ms);
  }

  #step(way) {
    const margin = 1e-7;
    const next = way > 0 ? this.edges.find((ms) => ms > this.moment + margin) : this.edges.findLast((ms) => ms < this.moment - margin);
    if (next !== undefined) this.#go(next);
  }

  #toggle() {
    this.play.textContent = this.timer ? "Play" : "Pause";
    if (this.timer) {
      cancelAnimationFrame(this.timer);
      this.timer = 0;
      return;
    }
    let before = performance.now();
    const frame = (now) => {
      this.#go((this.moment + ((now - before) / 1000 / LAP_S) * this.film.ms) % this.film.ms);
      before = now;
      this.timer = requestAnimationFrame(frame);
    };
    this.timer = requestAnimationFrame(frame);
  }

  #showLegend() {
    const seen = Object.keys(this.states).filter((name) => this.film.spans.some((span) => span.state === name));
    this.legend.replaceChildren(...seen.map((name) => {
      const swatch = draw("svg", { width: 16, height: 12, "aria-hidden": "true" }, draw("rect", { width: 16, height: 12, fill: this.#fill(name), stroke: this.states[name].colour || "#777777" }));
      return make("li", {}, swatch, name === "invoke" ? "on the accelerator" : this.states[name].words);
    }));
  }
}
