// For Node: the module from its file.
import { readFileSync } from "node:fs";
import * as glue from "../full.js";
import { instantiate } from "../instance.mjs";

instantiate(glue, new WebAssembly.Module(readFileSync(new URL("../full.wasm", import.meta.url))));

export * from "../full.mjs";
