// For workers: the module as the platform has compiled it.
import * as glue from "../full.js";
import { functionsOf } from "../full.mjs";
import module from "../full.wasm";
import { instantiate } from "../instance.mjs";

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
} = functionsOf(instantiate(glue, module));
