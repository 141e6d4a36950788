// What callers give, checked at the border: the arguments of each function, by name and shape. What is valid beyond its
// type is decided in Rust.
import {
  bytes,
  callback,
  count,
  counts,
  flag,
  header,
  isMissing,
  keyFile,
  object,
  signer,
  take,
  text,
} from "./shapes.mjs";

/** A token, or a name and a password. */
function anyCredentials(value, path) {
  const isToken = !isMissing(object(value, path).token);
  return take(isToken ? { token: text } : { username: text, password: text }, value, path);
}

const RECORD = {
  name: text,
  digest: text,
  form: text,
  payload: bytes,
  source: text,
  "tag?": text,
  "platform?": text,
  "time?": count,
};
const CLIENT = { forms: counts, "any?": flag, "schema1Engine?": flag, "platform?": text };
const CONVERSION = {
  name: text,
  digest: text,
  "tag?": text,
  "byDigest?": flag,
  "record?": RECORD,
  client: CLIENT,
  "policy?": text,
  "platform?": text,
  "time?": count,
  "limits?": counts,
};
const REQUEST = { method: text, target: text, headers: [header] };
const SCOPES = [{ name: text, actions: text }];
const MAPPINGS = [{ "prefix?": text, "remotePrefix?": text, "library?": flag }];
/** What belongs to a fault: which of it, is for Rust to say by `problem`. */
const FACTS = {
  "digest?": text,
  "what?": text,
  "status?": count,
  "limit?": count,
  "retryAfter?": count,
  "scheme?": text,
  "realm?": text,
  "service?": text,
};
/** Likewise, by `kind`. */
const FOUND = {
  ...FACTS,
  kind: text,
  "host?": text,
  "problem?": text,
  "isPrivate?": flag,
  "form?": text,
  "source?": text,
  "byPlatform?": flag,
  "code?": text,
  "fault?": text,
  "cause?": text,
  "remedy?": text,
  "value?": text,
  "lifetime?": count,
  "size?": count,
  "start?": count,
  "end?": count,
  "location?": text,
  "tags?": [text],
  "next?": text,
  "filters?": text,
};
const DOCUMENT = { bytes, "label?": text, "expected?": text };

export const answerPath = { request: REQUEST, digest: text };
export const asksFor = { request: REQUEST, part: { start: count, end: count, size: count } };
export const authorization = { credentials: anyCredentials };
export const check = { bytes };
export const checkLimits = { limits: counts };
export const contentRange = { header: text };
export const conversions = {
  documents: [DOCUMENT],
  options: { document: count, "name?": text, "tag?": text, "policy?": text, "platform?": text },
  signer,
};
export const convert = { request: CONVERSION, fetchDocument: callback, signer };
export const demand = { header: text };
export const diff = { before: bytes, after: bytes };
export const digestOf = { bytes, "algorithm?": text };
export const everyType = {};
export const fault = { fault: { host: text, problem: text, ...FACTS } };
export const generateP256Signer = {};
export const hasDigest = { bytes, digest: text, payloadDigest: callback };
export const inspect = { documents: [DOCUMENT] };
export const isDockerHub = { host: text };
export const matrix = { "own?": { accept: [text], "user_agent?": text } };
export const nextQuery = { header: text };
export const p256Signer = { file: keyFile };
export const payload = { bytes };
export const payloadDigest = { bytes };
export const readRequest = { request: REQUEST };
export const registryHost = { host: text };
export const remoteName = { mappings: MAPPINGS, name: text };
export const respond = { request: REQUEST, found: FOUND, "bytes?": bytes };
export const secrets = { documents: [DOCUMENT] };
export const share = { shared: { documents: [DOCUMENT] } };
export const sign = { input: bytes };
export const token = { body: bytes };
export const tokenUrl = { request: { realm: text, "service?": text, "scopes?": SCOPES, "account?": text } };
export const unshare = { fragment: text };
export const variant = { bytes, code: text };
export const verify = { bytes };
export const webCryptoSigner = { file: keyFile };
