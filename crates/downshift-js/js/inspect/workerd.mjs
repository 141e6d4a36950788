// For workers: the module as the platform has compiled it.
import * as glue from "../inspect.js";
import module from "../inspect.wasm";
import { instantiate } from "../instance.mjs";

instantiate(glue, module);

export * from "../inspect.mjs";
