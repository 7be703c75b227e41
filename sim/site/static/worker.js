// Python in a worker of its own, so that the page never waits for it. Its text is started from a blob by client.mjs:
// only then does the page's policy, which allows no other host, hold here too.
const { home } = await new Promise((resolve) => addEventListener("message", (event) => resolve(event.data), { once: true }));
const say = (step) => postMessage({ step });
const fetched = fetch.bind(globalThis);

async function plain(address) {
  const response = await fetched(address);
  if (!response.ok) throw new Error(`${address} is missing (${response.status})`);
  return response.body.pipeThrough(new DecompressionStream("gzip"));
}

async function bytes(name) {
  return new Uint8Array(await new Response(await plain(new URL(name, home))).arrayBuffer());
}

// Files of a tar archive go into Python's file system; Python itself takes far longer for it.
function unpack(data, { FS }) {
  const words = new TextDecoder();
  const text = (from, length) => words.decode(data.subarray(from, from + length)).replace(/\0.*$/s, "");
  for (let at = 0; data[at]; ) {
    const path = `/lib/simulator/${text(at, 100)}`;
    const size = parseInt(text(at + 124, 12), 8);
    FS.mkdirTree(path.slice(0, path.lastIndexOf("/")));
    FS.writeFile(path, data.subarray(at + 512, at + 512 + size), { canOwn: true });
    at += 512 + 512 * Math.ceil(size / 512);
  }
}

// Pyodide asks for its engine by this name; the site has it compressed, as few servers compress by themselves.
globalThis.fetch = async (resource, options) => {
  const address = String(resource.url ?? resource);
  if (!address.endsWith("/pyodide.asm.wasm")) return fetched(resource, options);
  return new Response(await plain(`${address}.gz`), { headers: { "Content-Type": "application/wasm" } });
};

async function start() {
  say("Loading Python …");
  const archives = [bytes("code.tar.gz"), bytes("zoo.tar.gz")];
  const { loadPyodide } = await import(new URL("pyodide.mjs", home));
  python = await loadPyodide({ indexURL: home, env: { HOME: "/home/pyodide", PYTHONDONTWRITEBYTECODE: "1" } });
  say("Loading the simulator and the networks …");
  for (const archive of archives) unpack(await archive, python);
  python.runPython("import sys, os; sys.path.insert(0, '/lib/simulator'); os.makedirs('/dropped'); os.chdir('/dropped')");
  return python.pyimport("sim.site.questions");
}

let python;
let questions;
try {
  questions = await start();
  postMessage({ ready: true });
} catch (error) {
  postMessage({ failed: String(error.message ?? error) });
}

addEventListener("message", ({ data: { id, verb, options, file } }) => {
  try {
    if (file) postMessage({ id, answer: questions.keep(file.name, python.toPy(new Uint8Array(file.data))) });
    else postMessage({ id, reply: questions.reply(verb, JSON.stringify(options)) });
  } catch (error) {
    const lines = String(error.message ?? error).trim().split("\n");
    postMessage({ id, error: `The simulator failed: ${lines[lines.length - 1]}` });
  }
});
