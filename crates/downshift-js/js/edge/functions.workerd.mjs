// For workers: the module as the platform has compiled it.
import * as glue from "../edge.js";
import { functionsOf } from "../edge.mjs";
import module from "../edge.wasm";
import { instantiate } from "../instance.mjs";

export const {
  answerPath,
  asksFor,
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
} = functionsOf(instantiate(glue, module));
