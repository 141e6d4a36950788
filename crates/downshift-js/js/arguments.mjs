// What callers give, checked at the border: the arguments of each function, by name and shape. What is valid beyond its
// type is decided in Rust.
import { bytes, callback, count, counts, flag, header, keyFile, signer, stream, text } from "./shapes.mjs";

const RECORD = {
  name: text,
  digest: text,
  form: text,
  payload: bytes,
  source: text,
  "tag?": text,
  "platform?": text,
  "time?": count,
  "signature?": text,
};
const CLIENT = {
  forms: counts,
  "types?": counts,
  "any?": flag,
  "unreadable?": [text],
  "zstd?": text,
  "platform?": text,
};
const CONVERSION = {
  name: text,
  digest: text,
  "tag?": text,
  "byDigest?": flag,
  "record?": RECORD,
  client: CLIENT,
  "policy?": text,
  "allow?": text,
  "plainLayers?": text,
  "unsignedSchema1?": text,
  "platform?": text,
  "time?": count,
  "limits?": counts,
};
const REQUEST = { method: text, target: text, headers: [header] };
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
  "signature?": text,
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

const LAYER_FACTS = {
  digest: text,
  compression: text,
  size: count,
  diffId: text,
  plainSize: count,
  "zstdWindow?": count,
  decoderVersion: count,
};

export const check = { bytes };
export const conversions = {
  documents: [DOCUMENT],
  options: {
    document: count,
    "name?": text,
    "tag?": text,
    "policy?": text,
    "platform?": text,
    "facts?": [LAYER_FACTS],
  },
  signer,
};
export const convert = { request: CONVERSION, fetchDocument: callback, signer, "readLayer?": callback };
export const diff = { before: bytes, after: bytes };
export const digestOf = { bytes, "algorithm?": text };
export const generateP256Signer = {};
export const hasDigest = { bytes, digest: text, payloadDigest: callback };
export const inspect = { documents: [DOCUMENT] };
export const layerFacts = { bytes };
export const mac = { message: text };
export const matrix = { "own?": { accept: [text], "user_agent?": text } };
export const openLayer = {
  "options?": {
    "digest?": text,
    "diffId?": text,
    "start?": count,
    "end?": count,
    "parts?": [{ start: count, end: count }],
    "beside?": [bytes],
    "limits?": counts,
  },
};
export const p256Signer = { file: keyFile };
export const payload = { bytes };
export const payloadDigest = { bytes };
export const readLayer = { stream, "length?": count, "write?": callback };
export const readRequest = { request: REQUEST };
export const respond = { request: REQUEST, found: FOUND, "bytes?": bytes };
export const secrets = { documents: [DOCUMENT] };
export const share = { shared: { documents: [DOCUMENT] } };
export const sign = { input: bytes };
export const unshare = { fragment: text };
export const variant = { bytes, code: text };
export const verify = { bytes };
export const webCryptoSigner = { file: keyFile };
