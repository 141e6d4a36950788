// For Node, browsers and bundlers: the module as a part of the script, so that nothing has to be found beside it.
import * as glue from "../edge.js";
import { functionsOf } from "../edge.mjs";
import base64 from "../edge.wasm.mjs";
import { fromBase64 } from "../instance.mjs";

export const { convert, payloadDigest, readRequest, respond } = functionsOf(fromBase64(glue, base64));
