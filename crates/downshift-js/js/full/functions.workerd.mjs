// For workers: the module as the platform has compiled it.
import * as glue from "../full.js";
import { functionsOf } from "../full.mjs";
import module from "../full.wasm";
import { instantiate } from "../instance.mjs";

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
} = functionsOf(instantiate(glue, module));
