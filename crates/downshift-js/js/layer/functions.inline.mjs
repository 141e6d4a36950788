// For Node, browsers and bundlers: the module as a part of the script, so that nothing has to be found beside it.
import { instancesFromBase64 } from "../instance.mjs";
import { instance } from "../layer.js";
import { functionsOf } from "../layer.mjs";
import base64 from "../layer.wasm.mjs";

export const { openLayer } = functionsOf(instancesFromBase64(instance, base64));
