// The teacher's sheet: what each lesson is for, and its questions with the answers that the simulator gives.
import { Simulator, keepSite } from "./client.mjs";
import { byId, end, make, marked } from "./words.mjs";

const PLACES = { parts: "Prediction", exercises: "Exercise", quiz: "Quiz" };
const status = (text) => (byId("status").textContent = text);
const simulator = new Simulator(status);

const list = (items) => make("ul", {}, ...items.map((item) => make("li", {}, ...marked(item))));

function answered({ place, ask, text, because }) {
  const right = make("p", {}, make("b", {}, ...marked(text)), `${end(text)} `, ...marked(because));
  return make("li", {}, make("p", {}, make("b", {}, `${PLACES[place]}: `), ...marked(ask)), right);
}

function sheet(lesson) {
  const notes = make("ul");
  const answers = make("ol", { className: "answers" });
  const details = make("details", {}, make("summary", {}, make("h2", {}, `${lesson.number} · ${lesson.title}`)));
  details.append(
    make("p", {}, ...marked(lesson.question), ` ${lesson.minutes} minutes. `, make("a", { href: `lesson.html#${lesson.number}` }, "Open the lesson")),
    make("h3", {}, "Afterwards, pupils can"), list(lesson.goals), make("h3", {}, "Before"), list(lesson.before), make("h3", {}, "In class"), notes, make("h3", {}, "Questions and answers"), answers,
  );
  details.addEventListener("toggle", () => details.open && fill(answers, notes, lesson));
  return details;
}

async function fill(box, notes, { number }) {
  if (box.dataset.filled) return;
  box.dataset.filled = "asked";
  box.replaceChildren(make("li", {}, "Asking the simulator …"));
  try {
    const found = await simulator.ask("answers", { lesson: number });
    box.replaceChildren(...found.answers.map(answered));
    notes.replaceChildren(...found.notes.map((text) => make("li", {}, ...marked(text))));
    box.dataset.filled = "done";
  } catch (error) {
    box.replaceChildren(make("li", {}, error.message));
    delete box.dataset.filled;
  }
}

async function open() {
  const { lessons, presets, version } = await (await fetch("lessons.json")).json();
  byId("version").textContent = version;
  byId("lessons").replaceChildren(...lessons.map(sheet));
  byId("presets").replaceChildren(...presets.map(({ name, fragment }) => make("li", {}, make("a", { href: `index.html#${fragment}` }, name))));
  byId("all").addEventListener("click", () => document.querySelectorAll("#lessons > details").forEach((one) => (one.open = true)));
  try {
    await simulator.ready;
    status("The simulator is ready.");
    keepSite();
  } catch (error) {
    status(`This page could not start: ${error.message}`);
  }
}

open();
