// From a request to its answer: fetches what is needed, and signs.
import { check } from "./document.mjs";
import { DownshiftError } from "./error.mjs";
import { call, generation } from "./instance.mjs";
import { bytes as bytesOf } from "./shapes.mjs";

/** After a trap of another request, with the instance gone: begin again. */
const AGAIN = Symbol("again");

/**
 * How often a request begins again at the most. Each time, another one has trapped while this one waited; no input is
 * known that traps, so that more of them mean that nothing works.
 */
const MAX_ATTEMPTS = 8;

/** `convert` over the functions of a module. */
export function converter(glue, payloadDigest) {
  return async function convert(request, fetchDocument, signer) {
    const found = new Map();
    const fetch = async (need) => {
      const bytes = await fetchDocument(need);
      if (bytes !== undefined) await check(need, bytesOf(bytes, "fetchDocument()"), payloadDigest);
      else if (need.digest === request.digest) throw missing(need.digest);
      found.set(need.digest, bytes);
    };
    for (let attempts = 0; attempts < MAX_ATTEMPTS; attempts += 1) {
      const result = await attempt(glue, request, found, fetch, signer);
      if (result !== AGAIN) return result;
    }
    throw new DownshiftError({
      code: "trap",
      fault: "caller",
      cause: `other conversions failed in the sandbox \`${MAX_ATTEMPTS}\` times while this one waited`,
      remedy: "report the conversion that fails, with its manifest and config",
    });
  };
}

async function attempt(glue, { record, ...request }, found, fetch, signer) {
  const born = generation(glue);
  const isGone = () => generation(glue) !== born;
  const { payload, ...rest } = record ?? {};
  const json = JSON.stringify(record ? { ...request, record: rest } : request);
  const conversion = call(glue, () => new glue.Conversion(json, payload));
  try {
    const added = new Set();
    const maxRounds = call(glue, () => glue.maxRounds());
    for (let rounds = 0; rounds < maxRounds; rounds += 1) {
      for (const [digest, bytes] of found) {
        if (!added.has(digest)) call(glue, () => conversion.add(digest, bytes));
        added.add(digest);
      }
      const step = JSON.parse(call(glue, () => conversion.step()));
      if (step.need) {
        await Promise.all(step.need.map(fetch));
        if (isGone()) return AGAIN;
      } else if (step.sign) {
        const input = call(glue, () => conversion.signingInput());
        const signature = bytesOf(await signer.sign(input), "signer.sign()");
        if (isGone()) return AGAIN;
        const { x, y } = signer.publicKey;
        return answered(glue, conversion, JSON.parse(call(glue, () => conversion.seal(signature, x, y))));
      } else {
        return answered(glue, conversion, step);
      }
    }
  } finally {
    if (!isGone()) conversion.free();
  }
  throw endless(request.digest);
}

function answered(glue, conversion, { answer, refused, records = answer.records }) {
  const complete = records.map((record, index) => ({
    ...record,
    payload: call(glue, () => conversion.payload(index)),
  }));
  if (refused) throw new DownshiftError({ ...refused, records: complete });
  return { ...answer, records: complete, body: call(glue, () => conversion.body()) };
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
