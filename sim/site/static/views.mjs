// What a lesson's controls show: cards, a limit, timelines, charts, tables and words, as the simulator answered.
import { showChart, table } from "./chart.mjs";
import { written } from "./question.mjs";
import { Timeline } from "./timeline.mjs";
import { make, marked, sentence, update } from "./words.mjs";

function card({ key, label, value, text }) {
  const figure = make("dd", { className: "value" }, text);
  Object.assign(figure.dataset, { figure: key, value: String(value) });
  return make("div", {}, make("dt", {}, label), figure);
}

// The way to the page of questions, and to a terminal.
function ways({ asked, command }) {
  if (!asked) return "";
  const code = make("pre", {}, make("code", {}, command));
  return make("div", { className: "ways" }, make("a", { href: `index.html#${written(asked)}` }, "Ask this yourself"), make("details", {}, make("summary", {}, "Show the command"), code));
}

const SHOW = {
  figures(box, view) {
    const cards = make("dl", { className: "figures" }, ...view.cards.map(card));
    cards.dataset.scenario = JSON.stringify(view.scenario);
    update(box, cards, ways(view));
  },
  limit(box, { by, text }) {
    update(box, make("p", { className: "limit" }, make("b", {}, `Limited by ${by}. `), ...marked(sentence(text))));
  },
  timeline(box, { film }, slot, states) {
    slot.timeline ??= new Timeline(box, states);
    slot.timeline.show(film);
  },
  chart: showChart,
  table(box, { headings, rows }) {
    update(box, make("div", { className: "scrolls" }, table(headings, rows)));
  },
  words(box, { text }) {
    update(box, make("p", {}, ...marked(text)));
  },
};

// A box for each view; one that shows the same kind as before is used again, so that nothing jumps or is closed.
export class Views {
  constructor(box, states) {
    this.box = box;
    this.states = states;
    this.slots = [];
  }

  show(views) {
    this.slots = views.map((view, i) => (this.slots[i]?.kind === view.kind ? this.slots[i] : { kind: view.kind, box: make("div", { className: `view view-${view.kind}` }) }));
    const boxes = this.slots.map((slot) => slot.box);
    if (boxes.length !== this.box.children.length || boxes.some((box, i) => box !== this.box.children[i])) this.box.replaceChildren(...boxes);
    views.forEach((view, i) => SHOW[view.kind](this.slots[i].box, view, this.slots[i], this.states));
  }
}
