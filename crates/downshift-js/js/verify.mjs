// Signatures, verified by the engine: so the module stays small.

const HASHES = { 256: "SHA-256", 384: "SHA-384", 512: "SHA-512" };
const CURVES = { ES256: "P-256", ES384: "P-384", ES512: "P-521" };

/** Whether a signature holds; `undefined` where the engine cannot tell. */
export async function holds({ algorithm, key, input, bytes }) {
  const hash = HASHES[algorithm.slice(2)];
  const scheme = algorithm.startsWith("ES")
    ? { name: "ECDSA", namedCurve: CURVES[algorithm], hash }
    : { name: "RSASSA-PKCS1-v1_5", hash };
  // Pages over plain HTTP have no WebCrypto, and some engines not all curves.
  if (!globalThis.crypto?.subtle) return undefined;
  let imported;
  try {
    imported = await crypto.subtle.importKey("spki", key, scheme, false, ["verify"]);
  } catch {
    return undefined;
  }
  return crypto.subtle.verify(scheme, imported, bytes, input);
}
