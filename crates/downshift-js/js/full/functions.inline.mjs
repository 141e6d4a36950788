// For Node, browsers and bundlers: the module as a part of the script, so that nothing has to be found beside it.
import * as glue from "../full.js";
import { functionsOf } from "../full.mjs";
import base64 from "../full.wasm.mjs";
import { fromBase64 } from "../instance.mjs";

export const {
  check,
  conversions,
  convert,
  diff,
  generateP256Signer,
  inspect,
  layerFacts,
  matrix,
  p256Signer,
  payload,
  payloadDigest,
  readRequest,
  respond,
  secrets,
  share,
  unshare,
  variant,
  verify,
  webCryptoSigner,
} = functionsOf(fromBase64(glue, base64));
