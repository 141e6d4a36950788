// For workers: the module as the platform has compiled it.
import { instantiate } from "../instance.mjs";
import { instance } from "../layer.js";
import { functionsOf, hashInStream } from "../layer.mjs";
import module from "../layer.wasm";

export const { openLayer } = functionsOf(() => instantiate(instance(), module), hashInStream);
