// The worker: a request in, a response out. What to do for it comes from `downshift-oci/pull`; what is fetched, streamed,
// kept and signed with is the platform's.
import {
  carryOut,
  failedPull,
  generateP256Signer,
  openEdge,
  p256Signer,
  webCryptoSigner,
} from "downshift-oci/pull";
import { nearCache } from "./cloudflare/cache.mjs";
import { clientOf, pause } from "./cloudflare/platform.mjs";
import { records } from "./cloudflare/records.mjs";
import { conversions } from "./conversions.mjs";
import { hash } from "./hash.mjs";
import { streams } from "./streams.mjs";

/** The edge and its signer, made once by each isolate. */
let known;

export default {
  async fetch(request, env, context) {
    const { method, url } = request;
    // As it came: a parsed URL has others for `\` and `..`, which are refused.
    const target = url.replace(/^[a-z]+:\/\/[^/?#]*/i, "");
    const isSecure = url.startsWith("https:");
    const head = { method, target, headers: [...request.headers], isSecure, ...clientOf(request) };
    try {
      const { edge, signer } = await settled(env);
      const common = {
        ...nearCache(),
        ...records(env.RECORDS),
        ...conversions(signer),
        hash,
        mac: ({ text }) => ({ done: "mac", bytes: [signer.mac(text)] }),
        pause,
        tell: ({ text }) => console.error(text),
      };
      const effectsOf = (resolve) => ({ ...streams(resolve), ...common, learn });
      /** Layers are read one after the other, and no further one when nobody waits for it any more. */
      let last = Promise.resolve();
      async function learn({ reading }, signal) {
        const read = () => signal.aborted || carryOut(reading, effectsOf);
        last = last.then(read).catch(console.error);
        // Whoever comes next has something of what is read after the response.
        context.waitUntil(last);
        await last;
      }
      return await carryOut(edge.pull(head), effectsOf);
    } catch (error) {
      // A setting that is wrong, or a fault of this program: the cause is for the log.
      console.error(error.code ? `${error.code}: ${error.message}` : error);
      return carryOut(failedPull(head), streams);
    }
  },
};

async function settled(env) {
  if (!known) {
    // Old clients check that a document fits its signature, not whose it is: without a key, one that is gone some day.
    const key = env.SIGNING_KEY || generateP256Signer().toJwk();
    const signer = await (env.SIGNER === "webcrypto" ? webCryptoSigner : p256Signer)(key);
    const own = { RECORDS: Boolean(env.RECORDS), SIGNING_KEY: Boolean(env.SIGNING_KEY) };
    const edge = openEdge({ ...variables(env), ...own }, signer.publicKey.kid);
    // No request can wait for what another one has begun. Of several the first decides, for all have the same key then.
    known ??= { edge, signer };
  }
  return known;
}

/** What is plain data among the bindings: of others, not even their members can be listed without a call. */
function variables(env) {
  const isPlain = (value) => Object(value) !== value || [Object, Array].includes(value.constructor);
  return Object.fromEntries(Object.entries(env).filter(([, value]) => isPlain(value)));
}
