// What people want to know of a manifest, as small as it can be: signatures are verified by the engine's WebCrypto. Who
// wants to convert, to compare or to sign, or to see what clients get, takes the whole package.
import { reports } from "./reports.mjs";
import { sharing } from "./share.mjs";

export function functionsOf(glue) {
  const { check, inspect, pack, payload, secrets, unpack, variant, verify } = reports(glue);
  return { check, inspect, payload, secrets, variant, verify, ...sharing({ pack, unpack }) };
}
