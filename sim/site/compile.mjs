// Compiles the page's Python with the page's own Python, in Node: node compile.mjs FOLDER.
// The folder holds Pyodide's files and code.tar.gz; code.tar.gz and python_stdlib.zip are replaced, and the lock file
// without the packages that a page could load from elsewhere, as this one may not.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const folder = process.argv[2];
const { loadPyodide } = await import(pathToFileURL(join(folder, "pyodide.mjs")));
const python = await loadPyodide({ indexURL: folder });
const names = ["code.tar.gz", "python_stdlib.zip"];
for (const name of names) python.FS.writeFile(name, readFileSync(join(folder, name)));
python.runPython(readFileSync(fileURLToPath(new URL("compile_inside.py", import.meta.url)), "utf8"));
python.runPython("compile_code('code.tar.gz'); compile_library('python_stdlib.zip')");
const lock = join(folder, "pyodide-lock.json");
writeFileSync(lock, JSON.stringify({ ...JSON.parse(readFileSync(lock, "utf8")), packages: {} }));
for (const name of names) writeFileSync(join(folder, name), python.FS.readFile(name));
