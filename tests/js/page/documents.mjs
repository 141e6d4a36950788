// The documents that the cases are about: the samples, as they were built.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

/** The digest of bytes or text. */
export const sha256 = (bytes) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** The exact bytes of a sample's file. */
export const sample = ({ folder }, path) => readFileSync(`${folder}/samples/${path}`);

/** The samples, as they are listed. */
export const samples = ({ folder }) => JSON.parse(readFileSync(`${folder}/samples/index.json`, "utf8"));

/** The text that a signed schema 1 manifest's signatures cover. */
export function payload(signed) {
  const text = signed.toString();
  const { protected: header } = JSON.parse(text).signatures[0];
  const { formatLength, formatTail } = JSON.parse(Buffer.from(header, "base64url"));
  return text.slice(0, formatLength) + Buffer.from(formatTail, "base64url");
}
