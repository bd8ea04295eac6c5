// Compiles one MoonBit program to WebAssembly on the collected heap: node moonbit.mjs DIST SOURCE OUT
//
// DIST is the folder `dist` of the npm package @moonbit/moonpad-monaco, an editor for web pages. It holds two things
// that are needed here: the compiler, a script for a web worker, and the sources of the standard library, as base64
// within the editor's own script. The library comes compiled for JavaScript only, so it is compiled here as well: its
// package `builtin` and what that depends on. A program can use no other, nor the prelude.

import { readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import vm from "node:vm";

const [dist, source, out] = process.argv.slice(2);
const CORE = "moonbitlang/core";
const TARGET = "wasm-gc";

// Gives back a function that calls one of the compiler's. It answers messages, as a worker does that uses Comlink:
// `{ id, type: "APPLY", path, argumentList }`.
function startCompiler() {
  let listener;
  let answer;
  const worker = vm.createContext({
    console: { error() {}, log() {}, warn: console.warn },
    TextEncoder,
    TextDecoder,
    addEventListener: (_, to) => (listener = to),
    postMessage: (message) => answer(message),
  });
  vm.runInContext(readFileSync(join(dist, "moonc-worker.js"), "utf8"), worker);
  return (name, parameters) =>
    new Promise((resolve, reject) => {
      answer = ({ type, value }) => {
        if (type === "RAW") resolve(value);
        else reject(new Error(`${name}: ${value.value?.message ?? JSON.stringify(value)}`));
      };
      const argumentList = [{ type: "RAW", value: parameters }];
      listener({ origin: "", data: { id: "1", type: "APPLY", path: [name], argumentList } });
    });
}

// The library's files, by path: `NAME = decode("...")` defines each, `files["/lib/core/..."] = NAME` names it.
function libraryFiles() {
  const script = readFileSync(join(dist, "moonpad-monaco.js"), "utf8");
  const texts = new Map();
  for (const [, name, base64] of script.matchAll(/([\w$]+) = \w+\("([A-Za-z0-9+\/=]*)"\)/g)) texts.set(name, base64);
  const files = new Map();
  for (const [, path, name] of script.matchAll(/\["\/lib\/core\/([^"]+)"\] = ([\w$]+);/g)) {
    files.set(`moonbit-core:/lib/core/${path}`, Buffer.from(texts.get(name), "base64").toString());
  }
  return files;
}

async function build(parameters) {
  const result = await call("buildPackage", {
    indirectImportMiFiles: [],
    target: TARGET,
    errorFormat: "json",
    enableValueTracing: false,
    noOpt: false,
    ...parameters,
  });
  const errors = result.diagnostics.map((each) => JSON.parse(each)).filter(({ level }) => level === "error");
  for (const { path, loc, message } of errors) console.error(`${path}:${loc}: ${message}`);
  if (errors.length > 0 || !result.core) throw new Error(`${parameters.pkg} does not compile`);
  return result;
}

// Compiles a package of the library, and before it what it depends on.
async function buildLibrary(rel) {
  if (compiled.has(rel)) return;
  const { deps, files: listed } = packages.get(rel);
  const needs = deps.map(({ path }) => path.slice(CORE.length + 1));
  for (const each of needs) await buildLibrary(each);
  const used = ([, { backend, optlevel }]) => backend.includes("WasmGC") && optlevel.includes("Release");
  const paths = Object.entries(listed).filter(used).map(([path]) => path);
  const result = await build({
    mbtFiles: paths.map((path) => [basename(path), files.get(path)]),
    miFiles: interfacesOf(needs),
    stdMiFiles: [],
    pkg: `${CORE}/${rel}`,
    pkgSources: [`${CORE}:moonbit-core:/lib/core`],
    isMain: false,
  });
  compiled.set(rel, result);
}

function interfacesOf(rels) {
  return rels.map((rel) => [`/lib/core/${rel}:${rel}`, compiled.get(rel).mi]);
}

// The module with its memory exported as `memory`, which WASI needs and the worker has no option for.
function withMemoryExported(module) {
  const EXPORTS = 7;
  const MEMORY = 2;
  const number = (at) => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      value += (module[at] & 127) * 2 ** shift;
      if (module[at++] < 128) return [value, at];
    }
  };
  const encode = (value) => (value < 128 ? [value] : [(value & 127) | 128, ...encode(value >>> 7)]);
  for (let at = 8; at < module.length; ) {
    const [size, body] = number(at + 1);
    if (module[at] === EXPORTS) {
      const [count, entries] = number(body);
      const name = Buffer.from("memory");
      const added = Buffer.from([name.length, ...name, MEMORY, 0]);
      const section = Buffer.concat([Buffer.from(encode(count + 1)), module.subarray(entries, body + size), added]);
      const head = Buffer.from([EXPORTS, ...encode(section.length)]);
      return Buffer.concat([module.subarray(0, at), head, section, module.subarray(body + size)]);
    }
    at = body + size;
  }
  throw new Error("the compiled module exports nothing");
}

const call = startCompiler();
const files = libraryFiles();
const listed = JSON.parse(files.get("moonbit-core:/lib/core/_build/packages.json")).packages;
const packages = new Map(listed.map((each) => [each.rel, each]));
const compiled = new Map(); // rel => { core, mi }, in the order to link

await buildLibrary("builtin");
const pkgSources = ["program:/", `${CORE}:moonbit-core:/lib/core`];
const program = await build({
  mbtFiles: [[basename(source), readFileSync(source, "utf8")]],
  miFiles: [],
  stdMiFiles: interfacesOf([...compiled.keys()]),
  pkg: "program",
  pkgSources,
  isMain: true,
});
const { result } = await call("linkCore", {
  coreFiles: [...compiled.values(), program].map(({ core }) => core),
  main: "program",
  pkgSources,
  target: TARGET,
  exportedFunctions: [],
  outputFormat: "wasm",
  testMode: false,
  debug: false,
  noOpt: false,
  sourceMap: false,
  sources: {},
  stopOnMain: false,
});
writeFileSync(out, withMemoryExported(Buffer.from(result)));
