// The types of `downshift-oci/inspect`: the reports, without what converts and compares.
export { digestOf } from "./edge.mjs";
export type * from "./report.js";
export { check, inspect, payload, secrets, share, unshare, variant, verify } from "./report.js";
export { DownshiftError } from "./types.js";
