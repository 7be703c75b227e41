// The page's end of the worker: questions in, answers out.

export class Simulator {
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

  #settle({ id, answer, error }) {
    const { resolve, reject } = this.waiting.get(id);
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
