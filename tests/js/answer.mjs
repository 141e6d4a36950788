// Answers one request of the suite with the package: what goes in and what comes out is JSON.

const toBase64 = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
const fromBase64 = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

const encoded = (records) => records.map((record) => ({ ...record, payload: toBase64(record.payload) }));

class Missing extends Error {}

export async function answer({ convert }, signer, { request, documents }) {
  const fetchDocument = async ({ digest }) => {
    if (!(digest in documents)) throw Object.assign(new Missing(), { digest });
    return fromBase64(documents[digest]);
  };
  const { record } = request;
  if (record) request.record = { ...record, payload: fromBase64(record.payload) };
  try {
    const { body, records, ...answered } = await convert(request, fetchDocument, signer);
    return { answered: { ...answered, body: toBase64(body), records: encoded(records) } };
  } catch (error) {
    if (error instanceof Missing) return { missing: error.digest };
    const { code, fault, cause, remedy, records } = error;
    if (code === undefined) throw error;
    return { refused: { code, fault, cause, remedy }, records: encoded(records) };
  }
}
