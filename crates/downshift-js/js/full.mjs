// Everything: what an edge needs, keys that sign, and what people want to know of a manifest.
import * as glue from "./full.js";
import { functions, reports } from "./functions.mjs";
import { signers } from "./signer.mjs";

export const {
  answerPath,
  authorization,
  checkLimits,
  contentRange,
  convert,
  demand,
  everyType,
  fault,
  isDockerHub,
  nextQuery,
  payloadDigest,
  readRequest,
  registryHost,
  remoteName,
  respond,
  token,
  tokenUrl,
} = functions(glue);
export const { p256Signer, generateP256Signer, webCryptoSigner } = signers(glue);
export const { inspect, check, verify } = reports(glue);
export { digestOf, hasDigest } from "./document.mjs";
export { DownshiftError } from "./error.mjs";
