// For browsers and bundlers: the module as a part of the script, so that nothing has to be found beside it.
import * as glue from "../inspect.js";
import base64 from "../inspect.wasm.mjs";
import { decoded, instantiate } from "../instance.mjs";

instantiate(glue, await WebAssembly.compile(decoded(base64)));

export * from "../inspect.mjs";
