// The parts of a lesson: words, measured facts, questions and controls.
import { Newest } from "./client.mjs";
import { Views } from "./views.mjs";
import { digits, end, make, marked, paragraphs } from "./words.mjs";

let count = 0; // of controls on the page
const LONG = 40; // letters of a choice that no column of controls has room for
const freshId = () => `part-${count++}`;

export const text = ({ body }) => make("div", { className: "text" }, ...paragraphs(body));

export function fact({ text: words, source }) {
  return make("blockquote", { className: "fact" }, make("p", {}, make("b", {}, "Measured. "), ...marked(words)), make("footer", {}, source));
}

// A question with its answer and the reason below, once the reader has answered. `judge` asks the simulator.
export class Asked {
  constructor({ kind, ask, choices, unit, tolerance }, judge, onJudged = () => {}) {
    Object.assign(this, { judge, onJudged });
    this.verdict = make("p", { className: "verdict" });
    this.verdict.setAttribute("role", "status");
    this.check = make("button", { type: "submit" }, "Check");
    this.element = make("form", { className: "asked" }, ...(kind === "choice" ? this.#choices(ask, choices) : this.#number(ask, unit, tolerance)), this.verdict);
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      this.answer();
    });
  }

  #choices(ask, choices) {
    const name = freshId();
    this.inputs = choices.map((value) => make("input", { type: "radio", name, value, required: true }));
    const rows = choices.map((value, i) => make("label", { className: "check" }, this.inputs[i], make("span", {}, ...marked(value))));
    this.given = () => this.inputs.find((input) => input.checked)?.value;
    this.put = (value) => this.inputs.forEach((input) => (input.checked = input.value === value));
    return [make("fieldset", {}, make("legend", {}, ...marked(ask)), ...rows, make("p", { className: "actions" }, this.check))];
  }

  #number(ask, unit, tolerance) {
    const id = freshId();
    const input = make("input", { id, type: "number", step: "any", required: true });
    this.inputs = [input];
    this.given = () => (input.value === "" ? undefined : Number(input.value));
    this.put = (value) => (input.value = value);
    const label = make("label", { htmlFor: id }, ...marked(ask));
    return [label, make("p", { className: "actions typed" }, input, make("span", {}, `${unit}, give or take ${digits(100 * tolerance)} %`), this.check)];
  }

  async answer() {
    const given = this.given();
    if (given === undefined) return;
    this.check.disabled = true;
    this.verdict.textContent = "Asking the simulator …";
    try {
      const found = await this.judge(given);
      this.#tell(found);
      this.onJudged(found);
    } catch (error) {
      this.verdict.textContent = error.message;
    }
    this.check.disabled = false;
  }

  #tell({ is_right: isRight, text: right, because }) {
    this.element.dataset.judged = isRight ? "right" : "wrong";
    const word = isRight ? "Right" : "Not so";
    const answer = isRight ? "." : [": the simulator says ", make("b", {}, ...marked(right)), end(right)];
    this.verdict.replaceChildren(make("b", { className: isRight ? "good" : "bad" }, word), ...answer, " ", ...marked(because));
  }
}

// Controls and what they show. `ask` answers for their values; `onMoved` is told the values that differ from the start.
export class Explored {
  constructor({ controls }, { states, ask, onMoved }) {
    Object.assign(this, { controls, ask, onMoved, values: Object.fromEntries(controls.map(({ name, start }) => [name, start])) });
    this.fields = Object.fromEntries(controls.map((control) => [control.name, control.kind === "menu" ? menu(control) : slider(control)]));
    const labels = controls.map(({ label }) => label).join(", "); // a lesson may have several such parts
    this.refused = make("p", { className: "refused", hidden: true });
    this.refused.setAttribute("role", "alert");
    const box = make("div", { className: "views" });
    this.views = new Views(box, states);
    const form = make("form", { className: "controls", ariaLabel: `Controls: ${labels}` }, ...Object.values(this.fields).map(({ element }) => element));
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => this.#moved());
    this.element = make("section", { className: "explored", ariaLabel: `Try it: ${labels}` }, form, this.refused, box);
    this.newest = new Newest((isStale) => this.#show(isStale));
  }

  // Take what a link says, and return what differs from the start; what no control has stays there.
  put(values) {
    for (const [name, value] of Object.entries(values)) this.fields[name]?.put(value);
    return this.#read();
  }

  #read() {
    for (const { name } of this.controls) this.values[name] = this.fields[name].value();
    const changed = this.controls.filter(({ name, start }) => this.values[name] !== start);
    return Object.fromEntries(changed.map(({ name }) => [name, this.values[name]]));
  }

  #moved() {
    this.onMoved(this.#read());
    this.newest.ask();
  }

  async #show(isStale) {
    const box = this.views.box;
    const asked = JSON.stringify(this.values);
    box.setAttribute("aria-busy", "true");
    try {
      const { views } = await this.ask(this.values);
      if (isStale()) return;
      this.views.show(views);
      this.refused.hidden = true;
    } catch (error) {
      this.refused.textContent = error.message;
      this.refused.hidden = false;
    }
    box.setAttribute("aria-busy", "false");
    this.element.dataset.shown = asked;
  }

  start() {
    return this.newest.ask();
  }
}

function menu({ label, choices, start }) {
  const id = freshId();
  const select = make("select", { id }, ...choices.map((value) => make("option", { value, selected: value === start }, value)));
  const put = (value) => {
    if (choices.includes(value)) select.value = value;
  };
  const className = choices.some((value) => value.length > LONG) ? "wide" : "";
  return { element: make("div", { className }, make("label", { htmlFor: id }, label), select), value: () => select.value, put };
}

// A slider moves over places in its list of values, which need not be evenly spaced.
function slider({ label, values, start }) {
  const id = freshId();
  const output = make("output", { htmlFor: id });
  const input = make("input", { id, type: "range", min: 0, max: values.length - 1, value: values.indexOf(start) });
  const value = () => values[input.value];
  const tell = () => {
    output.value = String(value());
    input.setAttribute("aria-valuetext", output.value);
  };
  const put = (text) => {
    const place = values.indexOf(Number(text));
    if (place >= 0) input.value = place;
    tell();
  };
  input.addEventListener("input", tell);
  tell();
  return { element: make("div", {}, make("label", { htmlFor: id }, label, " ", output), input), value, put };
}
