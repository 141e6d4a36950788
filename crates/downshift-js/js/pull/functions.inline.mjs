// For Node, browsers and bundlers: the module as a part of the script, so that nothing has to be found beside it.
import { fromBase64 } from "../instance.mjs";
import { instance } from "../pull.js";
import { functionsOf } from "../pull.mjs";
import base64 from "../pull.wasm.mjs";

export const { convert, failedPull, generateP256Signer, openEdge, p256Signer, webCryptoSigner } = functionsOf(
  fromBase64(instance(), base64),
  fromBase64(instance(), base64),
  fromBase64(instance(), base64),
);
