// For workers: the module as the platform has compiled it.
import * as glue from "../inspect.js";
import { functionsOf } from "../inspect.mjs";
import module from "../inspect.wasm";
import { instantiate } from "../instance.mjs";

export const { check, inspect, payload, secrets, share, unshare, variant, verify } = functionsOf(
  instantiate(glue, module),
);
