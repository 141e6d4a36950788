// For Node: the module from its file.
import { readFileSync } from "node:fs";
import * as glue from "../edge.js";
import { instantiate } from "../instance.mjs";

instantiate(glue, new WebAssembly.Module(readFileSync(new URL("../edge.wasm", import.meta.url))));

export * from "../edge.mjs";
