// For workers: the module as the platform has compiled it.
import * as glue from "../edge.js";
import module from "../edge.wasm";
import { instantiate } from "../instance.mjs";

instantiate(glue, module);

export * from "../edge.mjs";
