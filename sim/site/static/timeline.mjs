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

const short = (pixels) => Number(pixels.toFixed(2));

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
    new ResizeObserver(() => this.film && this.width !== this.#room() && this.#draw()).observe(box);
  }

  #button(text, onclick) {
    return make("button", { type: "button", onclick }, text);
  }

  show(film) {
    this.film = film;
    this.moment = Math.min(this.moment, film.ms);
    this.#draw();
    this.#showLegend();
  }

  #x(ms) {
    return this.left + (Math.min(Math.max(ms, 0), this.film.ms) / this.film.ms) * (this.width - this.left - 8);
  }

  #room() {
    return Math.max(300, this.box.clientWidth);
  }

  #draw() {
    const { components, ms, title } = this.film;
    this.width = this.#room();
    const longest = Math.max(...components.map((name) => name.length));
    this.left = Math.max(this.width < 500 ? 78 : 100, LETTER * longest + 6);
    this.bottom = TOP + components.length * ROW;
    this.defs ??= draw("defs", {}, ...this.#patterns());
    const parts = [this.defs, ...this.#axis(ms)];
    parts.push(...components.map((name, i) => draw("text", { x: 0, y: TOP + i * ROW + 16 }, name)));
    parts.push(...this.#bars());
    this.cursor = draw("line", { class: "cursor", y1: TOP - 6, y2: this.bottom });
    const size = { width: this.width, height: this.bottom + 4, viewBox: `0 0 ${this.width} ${this.bottom + 4}` };
    this.svg = draw("svg", { ...size, role: "img", "aria-label": title }, ...parts, this.cursor);
    this.picture.replaceChildren(this.svg);
    this.#go(this.moment);
  }

  // Bars that look alike are one path, and narrow ones that no pixel tells apart one bar: a large network has ten
  // thousand spans, and as many elements would take the page's memory and time.
  #bars() {
    const { on, state, starts, ends, states, ms } = this.film;
    const pixel = ms / (this.width - this.left - 8);
    const paths = new Map();
    const open = new Map(); // the last bar of each state of each component
    const close = (row, kind, [from, to]) => {
      const { path, isWide } = this.#bar(TOP + row * ROW, states[kind], from, to);
      const key = 2 * kind + isWide;
      if (!paths.has(key)) paths.set(key, []);
      paths.get(key).push(path);
    };
    for (let i = 0; i < starts.length; i++) {
      const key = on[i] * states.length + state[i];
      const bar = open.get(key);
      if (bar && starts[i] - bar[1] < pixel && ends[i] - starts[i] < 2 * pixel) {
        bar[1] = Math.max(bar[1], ends[i]);
        continue;
      }
      if (bar) close(on[i], state[i], bar);
      open.set(key, [starts[i], ends[i]]);
    }
    for (const [key, bar] of open) close(Math.floor(key / states.length), key % states.length, bar);
    const drawn = [...paths].map(([key, path]) => [states[key >> 1], key & 1, path.join("")]);
    drawn.sort(([a], [b]) => (b === "invoke") - (a === "invoke"));
    return drawn.map(([name, isWide, d]) => {
      const look = name === "invoke" ? { class: "invoke", stroke: "#777777" } : { stroke: this.states[name].colour, "stroke-width": isWide ? 0.6 : 0 };
      return draw("path", { d, fill: this.#fill(name), "data-state": name, ...look });
    });
  }

  #bar(y, name, from, to) {
    const x = this.#x(from);
    const width = Math.max(0.6, this.#x(to) - x);
    const half = name.startsWith("transfer_") ? BAR / 2 : BAR;
    const [top, height] = name === "invoke" ? [y + 1, ROW - 5] : [y + 4 + (name === "transfer_in" ? half : 0), half];
    return { isWide: width > 3, path: `M${short(x)},${top}h${short(width)}v${height}h${short(-width)}z` };
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

  #go(ms) {
    this.moment = ms;
    this.slider.value = (1000 * ms) / this.film.ms;
    const x = this.#x(ms);
    this.cursor.setAttribute("x1", x);
    this.cursor.setAttribute("x2", x);
    const { on, state, starts, ends, states, components } = this.film;
    const words = [];
    for (let i = 0; i < starts.length && starts[i] <= ms; i++) {
      if (ms >= ends[i] || states[state[i]] === "invoke") continue;
      words.push(`${components[on[i]]}: ${this.states[states[state[i]]].words} (${digits(ends[i] - starts[i])} ms)`);
    }
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
    const { starts, ends, ms: last } = this.film;
    let next = way * Infinity;
    for (const edges of [starts, ends]) {
      for (const ms of edges) {
        if (ms < 0 || ms > last || way * (ms - this.moment) <= margin) continue;
        next = way > 0 ? Math.min(next, ms) : Math.max(next, ms);
      }
    }
    if (Number.isFinite(next)) this.#go(next);
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
    if (this.legend.dataset.states === String(this.film.states)) return;
    this.legend.dataset.states = String(this.film.states);
    this.legend.replaceChildren(...this.film.states.map((name) => {
      const swatch = draw("svg", { width: 16, height: 12, "aria-hidden": "true" }, draw("rect", { width: 16, height: 12, fill: this.#fill(name), stroke: this.states[name].colour || "#777777" }));
      return make("li", {}, swatch, name === "invoke" ? "on the accelerator" : this.states[name].words);
    }));
  }
}
