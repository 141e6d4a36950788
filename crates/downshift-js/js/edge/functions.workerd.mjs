// For workers: the module as the platform has compiled it.
import * as glue from "../edge.js";
import { functionsOf } from "../edge.mjs";
import module from "../edge.wasm";
import { instantiate } from "../instance.mjs";

export const { convert, payloadDigest, readRequest, respond } = functionsOf(instantiate(glue, module));
