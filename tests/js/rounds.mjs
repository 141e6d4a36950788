// Conversions that would go on without end, with modules that the suite makes up: each ends with an error.
//
// node rounds.mjs FOLDER
import assert from "node:assert/strict";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [folder] = process.argv.slice(2);
const inside = (name) => import(pathToFileURL(join(folder, "node_modules/downshift-oci", name)));
const { converter } = await inside("convert.mjs");
const { call, instantiate } = await inside("instance.mjs");

const request = { name: "a", tag: "latest", digest: "sha256:0", client: { forms: {} } };
const signer = { publicKey: { x: "", y: "" }, sign: async () => new Uint8Array(64) };

/** A module whose steps are all the same. */
function made(step) {
  const module = { steps: 0, freed: 0, resets: 0 };
  class Conversion {
    add() {}
    step() {
      module.steps += 1;
      return JSON.stringify(step(module.steps));
    }
    signingInput() {
      return new Uint8Array(1);
    }
    free() {
      module.freed += 1;
    }
  }
  const glue = {
    Conversion,
    maxRounds: () => 4,
    initSync() {},
    __wbg_reset_state: () => (module.resets += 1),
  };
  return { module, glue: instantiate(glue, undefined) };
}

// One that always needs one document more, which there is not.
const needy = made((round) => ({
  need: { documents: [{ digest: `sha256:${round}`, size: null, kind: "blob" }], layers: [] },
}));
let fetched = 0;
const fetchDocument = async () => {
  fetched += 1;
};
await assert.rejects(converter(needy.glue, () => undefined)(request, fetchDocument, signer), {
  code: "endless-conversion",
  cause: "the conversion of `sha256:0` asks for documents without end",
});
assert.deepEqual([needy.module.steps, fetched, needy.module.freed], [4, 4, 4]);

// One whose instance is taken by the trap of another request whenever it waits for a signature.
const taken = made(() => ({ sign: true }));
const trap = () => {
  throw new WebAssembly.RuntimeError("unreachable");
};
const sign = async () => {
  assert.throws(() => call(taken.glue, trap), { code: "trap" });
  return new Uint8Array(64);
};
await assert.rejects(converter(taken.glue, () => undefined)(request, fetchDocument, { ...signer, sign }), {
  code: "trap",
});
assert.equal(taken.module.steps, taken.module.resets);
assert.ok(taken.module.steps <= 8, `it begins ${taken.module.steps} times`);
