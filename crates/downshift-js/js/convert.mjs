// From a request to its answer: fetches what is needed, and signs.
import { check } from "./document.mjs";
import { DownshiftError } from "./error.mjs";
import { call, generation } from "./instance.mjs";
import { bytes as bytesOf, callback, object } from "./shapes.mjs";
import { holds } from "./verify.mjs";

/**
 * How often a round begins again at the most. Each time, another request has trapped while this one waited for its
 * signature; no input is known that traps, so that more of them mean that nothing works.
 */
const MAX_ATTEMPTS = 8;

/** `convert` over the functions of a module. */
export function converter(glue, payloadDigest) {
  return async function convert({ record, ...request }, fetchDocument, signer, readLayer) {
    const { payload, ...rest } = record ?? {};
    const json = JSON.stringify(record ? { ...request, record: rest } : request);
    const found = new Map();
    const layers = new Map();
    const fetch = async (need) => {
      const bytes = await fetchDocument(need);
      if (bytes !== undefined) await check(need, bytesOf(bytes, "fetchDocument()"), payloadDigest);
      else if (need.digest === request.digest) throw missing(need.digest);
      found.set(need.digest, bytes);
    };
    const read = async (need) => {
      const reading = await callback(readLayer, "readLayer")(need);
      layers.set(need.digest, JSON.stringify(object(reading, "readLayer()")));
    };
    const maxRounds = call(glue, () => glue.maxRounds());
    for (let rounds = 0; rounds < maxRounds; rounds += 1) {
      const step = await round(glue, json, payload, found, layers, signer);
      const { need, answer, refused, records, body } = step;
      if (refused) throw new DownshiftError({ ...refused, records, layers: step.layers });
      if (answer) return { ...answer, records, body };
      await Promise.all([...need.documents.map(fetch), ...need.layers.map(read)]);
    }
    throw endless(request.digest);
  };
}

/**
 * One round of a conversion, with all documents that are there, and what came of reading layers, as JSON; signatures are
 * verified on the way. What else it needs (`need`), its `answer` with its `body`, or why there is none (`refused`); and what
 * has to be recorded for that.
 *
 * Nothing of it is left in the instance afterwards.
 */
export async function round(glue, request, payload, documents, layers, signer) {
  for (let attempts = 0; attempts < MAX_ATTEMPTS; attempts += 1) {
    const born = generation(glue);
    const conversion = call(glue, () => new glue.Conversion(request, payload));
    try {
      for (const [digest, bytes] of documents) call(glue, () => conversion.add(digest, bytes));
      for (const [digest, reading] of layers) call(glue, () => conversion.addLayer(digest, reading));
      const next = () => JSON.parse(call(glue, () => conversion.step()));
      let step = next();
      while (step.verify) {
        const found = await Promise.all(
          step.verify.map((one, at) => holds(signed(glue, conversion, one, at))),
        );
        if (generation(glue) !== born) break;
        const verdicts = Uint8Array.from(found, (verdict) => Number(verdict ?? 2));
        call(glue, () => conversion.verified(verdicts));
        step = next();
      }
      if (step.verify) continue;
      if (!step.sign) return outcome(glue, conversion, step);
      const input = call(glue, () => conversion.signingInput());
      const signature = bytesOf(await signer.sign(input), "signer.sign()");
      if (generation(glue) !== born) continue;
      const { x, y } = signer.publicKey;
      return outcome(glue, conversion, JSON.parse(call(glue, () => conversion.seal(signature, x, y))));
    } finally {
      if (generation(glue) === born) conversion.free();
    }
  }
  throw new DownshiftError({
    code: "trap",
    fault: "caller",
    cause: `other conversions failed in the sandbox \`${MAX_ATTEMPTS}\` times while this one waited`,
    remedy: "report the conversion that fails, with its manifest and config",
  });
}

/** A signature that the engine verifies. */
function signed(glue, conversion, { algorithm }, at) {
  const of = (part) => call(glue, () => conversion[part](at));
  return { algorithm, key: of("keyOf"), input: of("inputOf"), bytes: of("signatureOf") };
}

function outcome(glue, conversion, { need, answer, refused, layers, records = answer?.records }) {
  if (need) return { need };
  const complete = records.map((record, index) => ({
    ...record,
    payload: call(glue, () => conversion.payload(index)),
  }));
  const body = answer && call(glue, () => conversion.body());
  return { answer, refused, records: complete, layers, body };
}

function missing(digest) {
  return new DownshiftError({
    code: "missing-document",
    fault: "document",
    cause: `there is no document \`${digest}\``,
    remedy: "push the image again, or ask for another one",
  });
}

/** The core never does that: it documents how many rounds a request takes. */
function endless(digest) {
  return new DownshiftError({
    code: "endless-conversion",
    fault: "caller",
    cause: `the conversion of \`${digest}\` asks for documents without end`,
    remedy: "report it, with the manifest and its config",
  });
}
