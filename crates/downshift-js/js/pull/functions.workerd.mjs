// For workers: the module as the platform has compiled it.
import { instantiate } from "../instance.mjs";
import { instance } from "../pull.js";
import { functionsOf } from "../pull.mjs";
import module from "../pull.wasm";

export const { convert, failedPull, generateP256Signer, openEdge, p256Signer, webCryptoSigner } = functionsOf(
  instantiate(instance(), module),
  instantiate(instance(), module),
  instantiate(instance(), module),
);
