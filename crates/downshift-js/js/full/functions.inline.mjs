// For Node, browsers and bundlers: the module as a part of the script, so that nothing has to be found beside it.
import * as glue from "../full.js";
import { functionsOf } from "../full.mjs";
import base64 from "../full.wasm.mjs";
import { fromBase64 } from "../instance.mjs";

export const {
  answerPath,
  asksFor,
  authorization,
  check,
  checkLimits,
  contentRange,
  conversions,
  convert,
  demand,
  diff,
  everyType,
  fault,
  generateP256Signer,
  inspect,
  isDockerHub,
  matrix,
  nextQuery,
  p256Signer,
  payload,
  payloadDigest,
  readRequest,
  registryHost,
  remoteName,
  respond,
  secrets,
  share,
  token,
  tokenUrl,
  unshare,
  variant,
  verify,
  webCryptoSigner,
} = functionsOf(fromBase64(glue, base64));
