// Runs one program, of WASI or one that imports nothing, under node: `node node.mjs PROGRAM.wasm [ARGS]`.
import { readFileSync } from 'node:fs';
import { argv, exit } from 'node:process';
import { WASI } from 'node:wasi';

const module = new WebAssembly.Module(readFileSync(argv[2]));
if (WebAssembly.Module.imports(module).length === 0) {
  new WebAssembly.Instance(module).exports._start();
  exit(0);
}
const wasi = new WASI({ version: 'preview1', args: argv.slice(2), returnOnExit: true });
exit(wasi.start(new WebAssembly.Instance(module, wasi.getImportObject())));
