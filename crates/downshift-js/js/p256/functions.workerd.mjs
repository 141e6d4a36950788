// For workers: the module as the platform has compiled it.
import * as glue from "../p256.js";
import { functionsOf } from "../p256.mjs";
import module from "../p256.wasm";
import { instantiate } from "../instance.mjs";

export const { generateP256Signer, p256Signer, webCryptoSigner } = functionsOf(instantiate(glue, module));
