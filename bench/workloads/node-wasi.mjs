// Runs one WASI program under node: `node node-wasi.mjs PROGRAM.wasm`.
import { readFileSync } from 'node:fs';
import { argv, exit } from 'node:process';
import { WASI } from 'node:wasi';

const wasi = new WASI({ version: 'preview1', args: [argv[2]], returnOnExit: true });
const module = new WebAssembly.Module(readFileSync(argv[2]));
exit(wasi.start(new WebAssembly.Instance(module, wasi.getImportObject())));
