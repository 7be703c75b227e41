// Python in a worker of its own, so that the page never waits for it. Its text is started from a blob by client.mjs:
// only then does the page's policy, which allows no other host, hold here too.
const { home } = await new Promise((resolve) => addEventListener("message", (event) => resolve(event.data), { once: true }));
const say = (step) => postMessage({ step });
const fetched = fetch.bind(globalThis);

async function bytes(name) {
  const response = await fetched(new URL(name, home));
  if (!response.ok) throw new Error(`${name} is missing (${response.status})`);
  return response.arrayBuffer();
}

// Pyodide asks for its engine by this name; the site has it compressed, as few servers compress by themselves.
globalThis.fetch = async (resource, options) => {
  const address = String(resource.url ?? resource);
  if (!address.endsWith("/pyodide.asm.wasm")) return fetched(resource, options);
  const response = await fetched(`${address}.gz`);
  const plain = response.body.pipeThrough(new DecompressionStream("gzip"));
  return new Response(plain, { headers: { "Content-Type": "application/wasm" } });
};

async function start() {
  say("Loading Python …");
  const archives = [bytes("code.tar.gz"), bytes("zoo.tar.gz")];
  const { loadPyodide } = await import(new URL("pyodide.mjs", home));
  python = await loadPyodide({ indexURL: home, env: { HOME: "/home/pyodide", PYTHONDONTWRITEBYTECODE: "1" } });
  say("Loading the simulator and the networks …");
  for (const archive of archives) python.unpackArchive(await archive, "gztar", { extractDir: "/lib/simulator" });
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
    else postMessage({ id, ...JSON.parse(questions.reply(verb, JSON.stringify(options))) });
  } catch (error) {
    const lines = String(error.message ?? error).trim().split("\n");
    postMessage({ id, error: `The simulator failed: ${lines[lines.length - 1]}` });
  }
});
