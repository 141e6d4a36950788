// What people want to know of a manifest, as small as it can be: signatures are verified by the engine's WebCrypto. Who
// wants to convert, to compare or to sign, or to see what clients get, takes the whole package.
import * as glue from "./inspect.js";
import { reports } from "./reports.mjs";
import { sharing } from "./share.mjs";

const looked = reports(glue);

export const { inspect, verify, check, variant, payload, secrets } = looked;
export const { share, unshare } = sharing(looked);
export { digestOf } from "./document.mjs";
export { DownshiftError } from "./error.mjs";
