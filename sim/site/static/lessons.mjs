// The list of lessons: what each asks, what it takes, and what should come before.
import { byId, make, marked } from "./words.mjs";

// "Lessons 1 and 2." leads to them.
function linked(text) {
  if (!text.startsWith("Lesson")) return marked(text);
  return text.split(/(\d+)/).map((part) => (/^\d/.test(part) ? make("a", { href: `lesson.html#${part}` }, part) : part));
}

const row = ({ number, title, question, minutes, goals, before }) =>
  make(
    "li",
    { value: number },
    make("h2", {}, make("a", { href: `lesson.html#${number}` }, title)),
    make("p", { className: "question" }, ...marked(question)),
    make("ul", {}, ...goals.map((goal) => make("li", {}, ...marked(goal)))),
    make("p", { className: "more" }, `${minutes} minutes. Before it: `, ...before.flatMap((text, i) => [i ? " " : "", ...linked(text)])),
  );

const { lessons, version } = await (await fetch("lessons.json")).json();
byId("lessons").replaceChildren(...lessons.map(row));
byId("version").textContent = version;
