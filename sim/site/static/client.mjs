// The page's end of the simulator: questions in, answers out. A page of `edgetpusim lab` carries a sign that its server
// answers; every other page starts Python in a worker of its own.

export const isServed = Boolean(document.querySelector("meta[name=transport][content=server]"));

// Words that hold for one of the two ways only.
for (const part of document.querySelectorAll("[data-by]")) part.hidden = (part.dataset.by === "server") !== isServed;

class Worked {
  constructor(onStep) {
    this.waiting = new Map();
    this.count = 0;
    this.ready = this.#start(onStep);
  }

  async #start(onStep) {
    const source = await (await fetch("worker.js")).blob();
    const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    this.worker = new Worker(address, { type: "module" });
    return new Promise((resolve, reject) => {
      this.worker.onerror = (event) => reject(new Error(event.message || "the worker did not start"));
      this.worker.onmessage = ({ data }) => {
        if (data.step) onStep(data.step);
        else if (data.ready) resolve();
        else if (data.failed) reject(new Error(data.failed));
        else this.#settle(data);
      };
      this.worker.postMessage({ home: new URL(".", location.href).href });
    });
  }

  #settle({ id, reply, ...plain }) {
    const { resolve, reject } = this.waiting.get(id);
    const { answer, error } = reply ? JSON.parse(reply) : plain;
    this.waiting.delete(id);
    if (error) reject(new Error(error));
    else resolve(answer);
  }

  async #send(message, transfer = []) {
    await this.ready;
    const id = ++this.count;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, ...message }, transfer);
    });
  }

  ask(verb, options = {}) {
    return this.#send({ verb, options });
  }

  // The file is read here and handed to the worker's memory: nothing is sent anywhere.
  async drop(file) {
    const data = await file.arrayBuffer();
    return this.#send({ file: { name: file.name, data } }, [data]);
  }
}

class Served {
  constructor() {
    this.ready = Promise.resolve();
  }

  async #post(address, body) {
    const response = await fetch(address, { method: "POST", body }).catch(() => {
      throw new Error("The lab does not answer: is it still running?");
    });
    if (!response.ok) throw new Error(await response.text());
    const { answer, error } = await response.json();
    if (error) throw new Error(error);
    return answer;
  }

  ask(verb, options = {}) {
    return this.#post("ask", JSON.stringify({ verb, options }));
  }

  drop(file) {
    return this.#post(`drop?name=${encodeURIComponent(file.name)}`, file);
  }
}

export const Simulator = isServed ? Served : Worked;

// After the first visit the site opens without a network; a lab needs its server anyway.
export function keepSite() {
  if (!isServed && "serviceWorker" in navigator) navigator.serviceWorker.register("service.js").catch(() => {});
}

// Answers a reader's newest question: while one is answered, only the last that came meanwhile is remembered.
export class Newest {
  constructor(answer) {
    this.answer = answer;
    this.version = 0;
    this.isRunning = false;
  }

  async ask() {
    this.version += 1;
    if (this.isRunning) return;
    this.isRunning = true;
    for (let mine = 0; mine !== this.version; ) {
      mine = this.version;
      await this.answer(() => mine !== this.version);
    }
    this.isRunning = false;
  }
}
