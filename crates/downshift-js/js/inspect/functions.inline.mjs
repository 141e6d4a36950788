// For Node, browsers and bundlers: the module as a part of the script, so that nothing has to be found beside it.
import * as glue from "../inspect.js";
import { functionsOf } from "../inspect.mjs";
import base64 from "../inspect.wasm.mjs";
import { fromBase64 } from "../instance.mjs";

export const { check, inspect, payload, secrets, share, unshare, variant, verify } = functionsOf(
  fromBase64(glue, base64),
);
