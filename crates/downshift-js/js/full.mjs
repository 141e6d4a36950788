// Everything: what an edge needs, keys that sign, and what people want to know of a manifest.
import * as glue from "./full.js";
import { functions } from "./functions.mjs";
import { reports } from "./reports.mjs";
import { sharing } from "./share.mjs";
import { signers } from "./signer.mjs";

const convertible = functions(glue);
const looked = reports(glue, convertible.convert);

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
} = convertible;
export const { p256Signer, generateP256Signer, webCryptoSigner } = signers(glue);
export const { inspect, verify, conversions, check, variant, payload, diff, matrix, secrets } = looked;
export const { share, unshare } = sharing(looked);
export { digestOf, hasDigest } from "./document.mjs";
export { DownshiftError } from "./error.mjs";
