// For Node: the module from its file.
import { readFileSync } from "node:fs";
import * as glue from "../inspect.js";
import { instantiate } from "../instance.mjs";

instantiate(glue, new WebAssembly.Module(readFileSync(new URL("../inspect.wasm", import.meta.url))));

export * from "../inspect.mjs";
