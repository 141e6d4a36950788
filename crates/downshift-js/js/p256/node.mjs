// For Node: the module from its file.
import { readFileSync } from "node:fs";
import * as glue from "../p256.js";
import { instantiate } from "../instance.mjs";

instantiate(glue, new WebAssembly.Module(readFileSync(new URL("../p256.wasm", import.meta.url))));

export * from "../p256.mjs";
