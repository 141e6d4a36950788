// For Node, browsers and bundlers: the module as a part of the script, so that nothing has to be found beside it.
import * as glue from "../p256.js";
import { functionsOf } from "../p256.mjs";
import base64 from "../p256.wasm.mjs";
import { fromBase64 } from "../instance.mjs";

export const { generateP256Signer, p256Signer, webCryptoSigner } = functionsOf(fromBase64(glue, base64));
