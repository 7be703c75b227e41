// The page: a question from the form, answers from the worker, the newest question first.
import { showFigures } from "./cards.mjs";
import { showCurve } from "./chart.mjs";
import { Newest, Simulator, isServed, keepSite } from "./client.mjs";
import { Question } from "./question.mjs";
import { Timeline } from "./timeline.mjs";
import { byId, digits, make, save, sentence } from "./words.mjs";

const THREADS = [1, 2, 3, 4, 6, 8, 12, 16];
const PAUSE_MS = 100; // pictures wait for a pause of the reader: while a slider moves, only figures follow
const IDLE_MS = 400; // advice takes longest
const SOON_MS = 200; // between two drawings of a curve whose points come one by one
const status = (text) => (byId("status").textContent = text);
const simulator = new Simulator(status);
const question = new Question(() => refresh());
let timeline;
let answer;
let kept = null;

let wake = () => {};

// Answer the question as it is now; what becomes stale meanwhile is left unfinished.
const newest = new Newest((isStale) => show(question.options(), question.fragment(), isStale));

function refresh() {
  wake();
  return newest.ask();
}

async function show(options, fragment, isStale) {
  byId("answer").setAttribute("aria-busy", "true");
  delete document.body.dataset.finished;
  const started = performance.now();
  try {
    answer = await simulator.ask("run", options);
    refuse("");
  } catch (error) {
    refuse(error.message);
    status("Not answered.");
    byId("answer").setAttribute("aria-busy", "false");
    document.body.dataset.answered = fragment;
    return;
  }
  showFigures(answer, kept);
  const { throughput_ips: rate, latency_ms: latency } = answer.summary;
  const ms = digits(performance.now() - started);
  status(`${digits(rate)} inferences a second, ${digits(latency.mean)} ms each. Answered in ${ms} ms${isServed ? "" : ", on this computer"}.`);
  document.body.dataset.answered = fragment;
  byId("answer").setAttribute("aria-busy", "false");
  await pause(PAUSE_MS);
  const parts = [showTimeline, showThreads, showAdvice];
  for (const part of parts) {
    if (isStale()) return;
    await part(options, isStale).catch((error) => refuse(error.message));
  }
  if (!isStale()) document.body.dataset.finished = fragment;
}

function refuse(text) {
  byId("refused").textContent = text;
  byId("refused").hidden = !text;
  byId("answer").classList.toggle("refused", Boolean(text));
}

async function showTimeline(options) {
  timeline.show(await simulator.ask("timeline", options));
}

async function showThreads(options, isStale) {
  const here = answer.summary.scenario.threads;
  const canVary = !/[:>]/.test(options.models) && options.mode !== "pipeline";
  byId("curve").parentElement.hidden = !canVary;
  if (!canVary) return;
  const rows = [];
  let drawn = performance.now();
  for (const threads of [...new Set([...THREADS, here])].sort((a, b) => a - b)) {
    if (isStale()) return;
    rows.push({ threads, ...(await simulator.ask("point", { ...options, threads })) });
    if (performance.now() - drawn < SOON_MS) continue;
    showCurve(byId("curve"), rows, here);
    drawn = performance.now();
  }
  showCurve(byId("curve"), rows, here);
}

// Until so much time is over or the reader asks anew.
function pause(ms) {
  return new Promise((resolve) => {
    wake = resolve;
    setTimeout(resolve, ms);
  });
}

async function showAdvice(options, isStale) {
  await pause(IDLE_MS);
  if (isStale()) return;
  byId("judged").textContent = "Trying the next steps …";
  const { steps, notes, judged_by: judge } = await simulator.ask("advice", options);
  if (isStale()) return;
  byId("judged").textContent = judge === "work" ? "Gains are of work: each inference counts as long as it takes alone." : "Gains are of throughput. Choose a step to take it.";
  byId("advice").replaceChildren(...steps.map((one) => step(one, notes)));
  byId("notes").replaceChildren(...notes.map((text) => make("li", {}, sentence(text))));
}

// What holds for the set-up as it is stands once below, not at every step.
function step({ change, gain, why, options, notes }, known) {
  const kind = gain > 1.02 ? "good" : gain < 0.98 ? "bad" : "";
  const button = make("button", { type: "button", onclick: () => question.change(options) }, change);
  return make("li", {}, button, make("span", { className: `gain ${kind}` }, `${digits(gain)} ×`), make("span", { className: "why" }, [why, ...notes.filter((text) => !known.includes(text)).map(sentence)].join(" ")));
}

// Two set-ups side by side: the kept one stands in every card.
function keep() {
  kept = { summary: answer.summary };
  byId("kept").replaceChildren("Kept: ", make("a", { href: `#${question.fragment()}` }, answer.command));
  byId("forget").hidden = false;
  showFigures(answer, kept);
}

function forget() {
  kept = null;
  byId("kept").replaceChildren();
  byId("forget").hidden = true;
  showFigures(answer, kept);
}

async function take(file) {
  if (!file) return;
  try {
    byId("models").value = await simulator.drop(file);
    question.change({});
  } catch (error) {
    refuse(error.message);
  }
}

function listen() {
  const drop = byId("drop");
  const isOver = (value) => (event) => {
    event.preventDefault();
    drop.classList.toggle("over", value);
  };
  addEventListener("dragover", isOver(true));
  addEventListener("dragleave", isOver(false));
  addEventListener("drop", (event) => {
    isOver(false)(event);
    take(event.dataTransfer.files[0]);
  });
  byId("file").addEventListener("change", ({ target }) => take(target.files[0]));
  byId("keep").addEventListener("click", keep);
  byId("forget").addEventListener("click", forget);
  byId("save").addEventListener("click", () => save("answer.json", JSON.stringify(answer.summary, null, 1), "application/json"));
  byId("trace").addEventListener("click", async () => save("trace.json", await simulator.ask("trace", question.options()), "application/json"));
  for (const button of document.querySelectorAll("[data-copy]")) button.addEventListener("click", () => copy(button.dataset.copy));
}

async function copy(what) {
  const text = what === "command" ? answer.command : location.href;
  try {
    await navigator.clipboard.writeText(text);
    byId("copied").textContent = "Copied.";
  } catch {
    byId("copied").textContent = `The browser does not allow it. Copy it yourself: ${text}`;
  }
}

async function open() {
  try {
    await simulator.ready;
  } catch (error) {
    status(`This page could not start: ${error.message}. It needs a web server (python -m http.server) and a browser of 2023 or newer.`);
    return;
  }
  const offers = await simulator.ask("about");
  byId("version").textContent = offers.version;
  timeline = new Timeline(byId("timeline"), offers.states);
  question.fill(offers);
  listen();
  await refresh();
  keepSite();
}

open();
