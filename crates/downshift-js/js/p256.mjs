// Keys on P-256 that sign.
import * as glue from "./p256.js";
import { signers } from "./signer.mjs";

export const { p256Signer, generateP256Signer, webCryptoSigner } = signers(glue);
export { DownshiftError } from "./error.mjs";
