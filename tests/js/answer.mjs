// Answers one request of the suite with the package: what goes in and what comes out is JSON. What is measured is
// answered several times.

const toBase64 = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
const fromBase64 = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

const encoded = (records) => records.map((record) => ({ ...record, payload: toBase64(record.payload) }));

class Missing extends Error {}

/** Answers a question with the package and one of the `signers`. */
export async function answer(
  { convert },
  signers,
  { request, documents, layers = {}, signer = "p256", times = 1 },
) {
  const decoded = new Map(Object.entries(documents).map(([digest, base64]) => [digest, fromBase64(base64)]));
  const fetchDocument = async ({ digest }) => {
    if (!decoded.has(digest)) throw Object.assign(new Missing(), { digest });
    return decoded.get(digest);
  };
  const readLayer = async ({ digest }) => layers[digest] ?? { missing: true };
  const { record } = request;
  if (record) request.record = { ...record, payload: fromBase64(record.payload) };
  try {
    const signWith = await signers[signer]();
    for (let time = 1; time < times; time += 1) {
      await convert(request, fetchDocument, signWith, readLayer);
    }
    const { body, records, ...answered } = await convert(request, fetchDocument, signWith, readLayer);
    return { answered: { ...answered, body: toBase64(body), records: encoded(records) } };
  } catch (error) {
    if (error instanceof Missing) return { missing: error.digest };
    const { code, fault, cause, remedy, records, layers: named } = error;
    if (code === undefined) throw error;
    return { refused: { code, fault, cause, remedy }, records: encoded(records), layers: named };
  }
}

/** The signers of a key, each made when it is first asked for. */
export function signersOf({ p256Signer, webCryptoSigner }, key) {
  const made = {};
  return {
    p256: () => (made.p256 ??= p256Signer(key)),
    webcrypto: () => (made.webcrypto ??= webCryptoSigner(key)),
  };
}
