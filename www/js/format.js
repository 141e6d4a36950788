// Numbers and digests, for people.

const UNITS = ["KiB", "MiB", "GiB", "TiB"];
const THIN = "\u2009";

/** A number with thin spaces between its groups of digits. @param {number} number */
export function grouped(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, THIN);
}

/** A number and its noun. @param {number} number @param {string} noun */
export function counted(number, noun) {
  return `${grouped(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/** A size such as `2.6 MiB`. @param {number} bytes */
export function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  let [value, unit] = [bytes / 1024, 0];
  while (value >= 1024 && unit < UNITS.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

/** A digest's algorithm and its first digits. @param {string} digest */
export function short(digest) {
  const [algorithm, hex] = digest.includes(":") ? digest.split(":", 2) : ["", digest];
  return `${algorithm}${algorithm && ":"}${hex.slice(0, 12)}${hex.length > 12 ? "…" : ""}`;
}

/** What made a layer, as it stood in the Dockerfile as far as that can be told. @param {string} command */
export function step(command) {
  return command.replace(/^\/bin\/sh -c #\(nop\)\s*/, "").replace(/^\/bin\/sh -c /, "RUN ");
}

/** What a form is called. @type {Record<string, string>} */
export const FORMS = {
  schema1: "signed schema 1",
  "schema1-unsigned": "unsigned schema 1",
  schema2: "schema 2",
  list: "manifest list",
  oci: "OCI manifest",
  index: "OCI index",
};

/** Names of a platform's parts, as in `linux/arm64/v8`. @param {import("./core.js").Platform} platform */
export function platformName({ os, architecture, variant }) {
  return [os, architecture, variant].filter(Boolean).join("/");
}

/** Bytes as text; what is no UTF-8 shows as such. @param {Uint8Array} bytes */
export function text(bytes) {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}
