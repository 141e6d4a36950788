// For workers: the module as the platform has compiled it.
import * as glue from "../full.js";
import module from "../full.wasm";
import { instantiate } from "../instance.mjs";

instantiate(glue, module);

export * from "../full.mjs";
