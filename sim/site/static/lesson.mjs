// A lesson: first a prediction, then what the simulator answers, exercises, a quiz, and a sentence of one's own.
import { Simulator, keepSite } from "./client.mjs";
import { Asked, Explored, fact, text } from "./parts.mjs";
import { byId, make, marked, recall, remember } from "./words.mjs";

const status = (text) => (byId("status").textContent = text);
const simulator = new Simulator(status);
const outlines = fetch("lessons.json").then((response) => response.json());
let lesson;
let moved = {}; // index of a part -> values of its controls that differ from the start

const kept = (place, index) => `edgetpusim-lesson-${lesson.number}-${place}-${index}`;

// The fragment: "3&2.threads=4" is lesson 3 with a control of its part 2.
function read() {
  const [number, ...rest] = location.hash.slice(1).split("&");
  const values = {};
  for (const [name, value] of new URLSearchParams(rest.join("&").replaceAll("+", "%2B"))) {
    const [index, control] = name.split(/\.(.*)/);
    (values[index] ??= {})[control] = value;
  }
  return { number: Number(number || 1), values };
}

function write() {
  const values = Object.entries(moved).flatMap(([index, controls]) => Object.entries(controls).map(([name, value]) => `${index}.${name}=${encodeURIComponent(value)}`));
  history.replaceState(null, "", `#${[lesson.number, ...values].join("&")}`);
}

const judge = (place, index) => (given) => simulator.ask("judge", { lesson: lesson.number, place, index, given });

function showParts({ states, values }) {
  let open = Promise.resolve();
  const parts = lesson.parts.map((part, index) => {
    const { element, start, isAnswered } = PARTS[part.kind](part, index, { states, values });
    reveal(element, open, start);
    open = Promise.all([open, isAnswered]);
    return element;
  });
  byId("parts").replaceChildren(...parts);
}

// What follows a question shows itself when the reader has predicted.
async function reveal(element, open, start) {
  element.hidden = true;
  await open;
  element.hidden = false;
  await start?.();
}

const PARTS = {
  text: (part) => ({ element: text(part) }),
  fact(part, index) {
    const element = fact(part);
    const compare = async () => element.append(make("p", {}, make("b", {}, "Here. "), ...marked(await simulator.ask("ours", { lesson: lesson.number, index }))));
    return { element, start: part.is_compared ? () => compare().catch(refuse) : undefined };
  },
  choice: predicted,
  number: predicted,
  explore(part, index, { states, values }) {
    const onMoved = (changed) => {
      moved[index] = changed;
      write();
    };
    const ask = (values) => simulator.ask("explore", { lesson: lesson.number, index, values });
    const explored = new Explored(part, { states, ask, onMoved });
    moved[index] = explored.put(values[index] ?? {});
    return { element: explored.element, start: () => explored.start() };
  },
};

// A prediction is remembered until the tab is closed, so that who comes back from elsewhere finds the page as it was.
function predicted(part, index) {
  let done;
  const isAnswered = new Promise((resolve) => (done = resolve));
  const asked = new Asked(part, judge("parts", index), ({ given }) => {
    remember("sessionStorage", kept("parts", index), JSON.stringify(given));
    done();
  });
  asked.element.classList.add("prediction");
  asked.verdict.textContent = "Choose first: a wrong guess teaches more than none. What follows shows itself then.";
  const before = recall("sessionStorage", kept("parts", index));
  if (before !== null) {
    asked.put(JSON.parse(before));
    asked.answer();
  }
  return { element: asked.element, isAnswered };
}

function showExercises() {
  byId("exercises").replaceChildren(...lesson.exercises.map((one, index) => make("li", {}, new Asked(one, judge("exercises", index)).element)));
  byId("exercises").parentElement.hidden = !lesson.exercises.length;
}

function showQuiz() {
  const found = new Map();
  const tell = () => {
    const right = [...found.values()].filter(Boolean).length;
    byId("score").textContent = found.size ? `${right} of ${lesson.quiz.length} right${found.size < lesson.quiz.length ? `, ${lesson.quiz.length - found.size} to go` : ""}.` : "";
  };
  const judged = (index) => ({ is_right: isRight }) => {
    if (!found.has(index)) found.set(index, isRight); // the first answer counts
    tell();
  };
  byId("quiz").replaceChildren(...lesson.quiz.map((one, index) => make("li", {}, new Asked(one, judge("quiz", index), judged(index)).element)));
  byId("quiz").parentElement.hidden = !lesson.quiz.length;
  tell();
}

// The reader's own sentence stays in this browser.
function showSentence() {
  const own = byId("own");
  own.value = recall("localStorage", kept("own", 0)) ?? "";
  own.oninput = () => remember("localStorage", kept("own", 0), own.value);
}

function showSteps(lessons) {
  const step = (number, word) => {
    const other = lessons.find((one) => one.number === number);
    return other ? [make("a", { href: `lesson.html#${number}` }, `${word}: ${other.title}`)] : [];
  };
  byId("steps").replaceChildren(...step(lesson.number - 1, "Before"), ...step(lesson.number + 1, "Next"), make("a", { href: "lessons.html" }, "All lessons"), make("a", { href: `notebooks/lesson_${lesson.number}.ipynb`, download: "" }, "This lesson as a notebook"));
}

function showHead() {
  document.title = `${lesson.number} ${lesson.title} · edgetpusim`;
  byId("title").textContent = `${lesson.number} · ${lesson.title}`;
  byId("question").replaceChildren(...marked(lesson.question));
  byId("minutes").textContent = `About ${lesson.minutes} minutes.`;
  byId("goals").replaceChildren(...lesson.goals.map((goal) => make("li", {}, ...marked(goal))));
}

const refuse = (error) => status(error.message);

async function show() {
  const { lessons, states, version } = await outlines;
  const { number, values } = read();
  byId("version").textContent = version;
  lesson = lessons.find((one) => one.number === number);
  byId("lesson").hidden = !lesson;
  byId("none").hidden = Boolean(lesson);
  if (!lesson) return;
  moved = {};
  showHead();
  showParts({ states, values });
  for (const part of [showExercises, showQuiz, showSentence]) part();
  showSteps(lessons);
  document.body.dataset.lesson = number;
}

async function open() {
  addEventListener("hashchange", async () => {
    await show();
    scrollTo(0, 0);
  });
  await show();
  try {
    await simulator.ready;
    status("The simulator is ready.");
    keepSite();
  } catch (error) {
    status(`This page could not start: ${error.message}. It needs a web server (python -m http.server) and a browser of 2023 or newer.`);
  }
}

open();
