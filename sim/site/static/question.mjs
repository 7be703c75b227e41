// The form and the fragment of the address: two ways to write the options of a scenario.
import { byId, make } from "./words.mjs";

const FIRST = "models=mobilenet_v2_1.0_224&threads=2&host=raspberry-pi-4&preprocess=resize";
const RATES = ["poisson", "periodic"];
const COUNTS = /:\d+\s*(?:[,>@]|$)/; // threads of a network: a:2,b:1
// Set-ups that many people have, as fragments.
const PRESETS = {
  "a camera recorder on a small PC (Frigate)":
    "models=ssdlite_mobiledet_320&host=x86-desktop&preprocess=resize&cameras=6x5&regions=2",
  "one stick on a Raspberry Pi 4": "models=mobilenet_v2_1.0_224&host=raspberry-pi-4&preprocess=resize",
  "two sticks on a Raspberry Pi 5, two threads":
    "models=efficientdet_lite0_320&host=raspberry-pi-5&threads=2&accelerators=2&preprocess=resize",
  "a detector and a classifier on one stick":
    "models=ssdlite_mobiledet_320:1,mobilenet_v2_1.0_224:1&host=raspberry-pi-4",
  "a pipeline over four accelerators": "models=inception_v4_299&mode=pipeline&accelerators=4",
  "a DPU on a KV260 board": "models=resnet_50_v1_224&size=dpu-b4096&threads=2",
};

export class Question {
  constructor(onChange) {
    this.form = byId("question");
    this.extra = {}; // options of the address that no control has
    this.onChange = onChange;
  }

  fill({ networks, sizes, links, hosts, defaults }) {
    this.defaults = defaults;
    byId("networks").append(...networks.map(({ name, task }) => make("option", { value: name, label: task })));
    this.#offer("size", sizes);
    this.#offer("link", links, "usual for the size");
    this.#offer("host", hosts, "usual for the size");
    byId("preset").append(...Object.entries(PRESETS).map(([text, value]) => make("option", { value }, text)));
    this.#listen();
    this.read(location.hash.slice(1) || FIRST);
  }

  #offer(id, names, usual) {
    const options = names.map((name) => make("option", { value: name }, name));
    byId(id).replaceChildren(...(usual ? [make("option", { value: "" }, usual)] : []), ...options);
  }

  #listen() {
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("input", ({ target }) => {
      if (["file", "preset", "models"].includes(target.id)) return;
      this.#changed();
    });
    byId("models").addEventListener("change", () => this.#changed());
    byId("preset").addEventListener("change", ({ target }) => {
      if (target.value) this.set(target.value);
      target.value = "";
    });
    addEventListener("hashchange", () => {
      if (location.hash.slice(1) !== this.fragment()) this.set(location.hash.slice(1));
    });
  }

  #changed() {
    this.#showKind();
    history.replaceState(null, "", `#${this.fragment()}`);
    this.onChange();
  }

  set(fragment) {
    this.read(fragment);
    this.#changed();
  }

  // Change some options, as advice does.
  change(options) {
    this.set(this.#written({ ...this.options(), ...options }));
  }

  read(fragment) {
    const given = Object.fromEntries(new URLSearchParams(fragment.replaceAll("+", "%2B")));
    const { models = "", arrivals = "closed", cameras = "", ...others } = given;
    byId("models").value = models;
    this.extra = {};
    for (const name of ["threads", "mode", "preprocess", "accelerators", "size", "motion", "regions"]) {
      this.#put(name, others[name] ?? this.defaults[name]);
    }
    for (const name of ["link", "host"]) this.#put(name, others[name] ?? "");
    byId("cocompile").checked = others.cocompile === "true";
    this.#readRequests(arrivals, cameras);
    const known = new Set([...this.form.elements].map((element) => element.name));
    for (const name of Object.keys(others)) if (!known.has(name)) this.extra[name] = this.#typed(name, others[name]);
    this.#showKind();
  }

  // A value that a menu or a slider does not have is kept as it is, so that the link says what it said.
  #put(name, value) {
    const control = byId(name);
    if (control.tagName === "SELECT" && ![...control.options].some((option) => option.value === String(value))) {
      control.append(make("option", { value }, value));
    }
    if (control.type === "range" && Number(value) > Number(control.max)) control.max = value;
    control.value = value;
  }

  #readRequests(arrivals, cameras) {
    const [kind, rate] = arrivals.split(":");
    byId("kind").value = cameras ? "cameras" : RATES.includes(kind) ? kind : "closed";
    if (RATES.includes(kind)) byId("rate").value = rate;
    else if (kind !== "closed") this.extra.arrivals = arrivals;
    const [count, fps] = cameras.split("x");
    if (cameras) {
      this.#put("count", count);
      byId("fps").value = fps;
    }
  }

  #typed(name, text) {
    const kind = typeof this.defaults[name];
    if (kind === "number") return Number(text);
    return kind === "boolean" ? text === "true" : text;
  }

  #showKind() {
    const kind = byId("kind").value;
    for (const part of this.form.querySelectorAll("[data-for]")) part.hidden = !part.dataset.for.split(" ").includes(kind);
    byId("threads").disabled = COUNTS.test(byId("models").value); // the name says how many
    for (const output of this.form.querySelectorAll("output")) output.value = byId(output.htmlFor[0]).value;
  }

  // Only what differs from the defaults: the simulator knows those.
  options() {
    const number = (id) => Number(byId(id).value);
    const kind = byId("kind").value;
    const found = { models: byId("models").value.trim(), ...this.extra };
    for (const name of ["threads", "accelerators"]) found[name] = number(name);
    for (const name of ["mode", "preprocess", "size", "link", "host"]) found[name] = byId(name).value;
    found.cocompile = byId("cocompile").checked;
    if (RATES.includes(kind)) found.arrivals = `${kind}:${byId("rate").value}`;
    if (kind === "cameras") Object.assign(found, { cameras: `${number("count")}x${byId("fps").value}`, motion: number("motion"), regions: number("regions") });
    const isPlain = ([name, value]) => value === "" || (!["link", "host"].includes(name) && value === this.defaults[name]);
    return Object.fromEntries(Object.entries(found).filter((entry) => !isPlain(entry)));
  }

  fragment() {
    return this.#written(this.options());
  }

  #written(options) {
    const usual = ([name, value]) => value === "" || value === this.defaults[name];
    return written(Object.fromEntries(Object.entries(options).filter((entry) => (["link", "host"].includes(entry[0]) ? entry[1] !== "" : !usual(entry)))));
  }
}

// Options as the fragment of an address.
export function written(options) {
  return Object.entries(options).map(([name, value]) => `${name}=${encodeURIComponent(value).replaceAll("%3A", ":").replaceAll("%2C", ",")}`).join("&");
}
