// Documents, checked as they arrive.
import * as parameters from "./arguments.mjs";
import { DownshiftError, invalidArgument } from "./error.mjs";
import { checkedAsync } from "./shapes.mjs";

/** The names that WebCrypto has for the algorithms of digests. */
const ALGORITHMS = { sha256: "SHA-256", sha512: "SHA-512" };

/** The digest of bytes, by the engine's own implementation. */
export const digestOf = checkedAsync(parameters.digestOf, async (bytes, algorithm = "sha256") => {
  if (!Object.hasOwn(ALGORITHMS, algorithm)) {
    throw invalidArgument(`\`algorithm\` must be \`sha256\` or \`sha512\`, not \`${algorithm}\``);
  }
  return hashed(bytes, algorithm);
});

/** Whether bytes are those of a digest; `payloadDigest` tells that of a schema 1 manifest. */
export const hasDigest = checkedAsync(parameters.hasDigest, isDigestOf);

async function hashed(bytes, algorithm) {
  const hash = new Uint8Array(await crypto.subtle.digest(ALGORITHMS[algorithm], bytes));
  return `${algorithm}:${Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

async function isDigestOf(bytes, digest, payloadDigest) {
  const algorithm = digest.slice(0, digest.indexOf(":"));
  const own = Object.hasOwn(ALGORITHMS, algorithm) ? await hashed(bytes, algorithm) : undefined;
  return own === digest || payloadDigest(bytes) === digest;
}

/** Checks a document against what is known of it. */
export async function check(need, bytes, payloadDigest) {
  const { digest } = need;
  if (!(await isDigestOf(bytes, digest, payloadDigest))) {
    throw new DownshiftError({
      code: "corrupt-document",
      fault: "document",
      cause: `the bytes that are stored as \`${digest}\` have another digest`,
      remedy: "push the image again: what is stored is damaged",
    });
  }
}
