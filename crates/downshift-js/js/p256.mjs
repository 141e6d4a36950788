// Keys on P-256 that sign.
export { signers as functionsOf } from "./signer.mjs";
