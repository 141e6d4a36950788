// For workers: the module as the platform has compiled it.
import * as glue from "../p256.js";
import module from "../p256.wasm";
import { instantiate } from "../instance.mjs";

instantiate(glue, module);

export * from "../p256.mjs";
