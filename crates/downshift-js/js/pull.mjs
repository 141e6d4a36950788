// Whole pulls, which a shell steps, over three instances of one module: one has the pulls, another one converts, so that a
// trap there takes no pull with it, and only the third sees a key that signs.
import { round } from "./convert.mjs";
import { call, generation } from "./instance.mjs";
import { signers } from "./signer.mjs";

export function functionsOf(pulls, conversions, keys) {
  const to = (run) => call(pulls, run);

  /** A pull with plain objects on both sides, which is gone once it is over. */
  function stepped(pull) {
    function step(now, outcome) {
      const { bytes = [], ...rest } = outcome ?? {};
      for (const one of bytes) pull.give(one);
      const wants = JSON.parse(pull.step(now, outcome && JSON.stringify(rest)));
      const effect = (wanted) => ({
        ...wanted,
        ...(wanted.kind === "learn" && { reading: stepped(pull.reading(wanted.ticket)) }),
        bytes: Array.from({ length: wanted.bytes }, () => pull.bytes()),
      });
      const wanted = {
        isOver: wants.isOver,
        dropped: wants.dropped ?? [],
        new: (wants.new ?? []).map(effect),
      };
      if (wanted.isOver) pull.free();
      return wanted;
    }
    return { step: (now, outcome) => to(() => step(now, outcome)) };
  }

  function openEdge(variables, key) {
    const json = JSON.stringify(variables);
    let born;
    let edge;
    // After a trap it is in an instance that is gone, with all pulls of that.
    const alive = () => {
      if (born !== generation(pulls)) {
        edge = to(() => new pulls.Edge(json, key));
        born = generation(pulls);
      }
      return edge;
    };
    alive();
    return { pull: (request) => stepped(to(() => alive().pull(JSON.stringify(request)))) };
  }

  async function convert({ request, hasPayload, documents, layers, bytes }, signer) {
    const [payload, ...rest] = hasPayload ? bytes : [undefined, ...bytes];
    const found = documents.map(({ digest, isThere }) => [digest, isThere ? rest.shift() : undefined]);
    const readings = layers.map(({ digest, reading }) => [digest, reading]);
    const {
      records = [],
      body,
      ...step
    } = await round(conversions, request, payload, found, readings, signer);
    const parts = records.map(({ payload: part }) => part);
    return { ...step, records, bytes: body ? [body, ...parts] : parts };
  }

  return {
    ...signers(keys),
    convert,
    failedPull: (request) => stepped(to(() => pulls.failedPull(JSON.stringify(request)))),
    openEdge,
  };
}
