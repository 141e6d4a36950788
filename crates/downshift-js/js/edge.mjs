// What an edge needs: requests read, manifests converted, responses made.
import * as glue from "./edge.js";
import { functions } from "./functions.mjs";

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
export { digestOf, hasDigest } from "./document.mjs";
export { DownshiftError } from "./error.mjs";
