// Keys on P-256 that sign.
import type { KeyFile, KeyedSigner, P256Signer } from "./types.js";

export type { Failure, FaultOf, KeyFile, KeyedSigner, P256Signer, Reported, Signer } from "./types.js";
export { DownshiftError } from "./types.js";

/** A signer whose signatures are the same wherever the same key signs the same bytes (RFC 6979). */
export function p256Signer(file: KeyFile): P256Signer;

/** A signer with a new key. */
export function generateP256Signer(): P256Signer;

/** A signer with WebCrypto: several times as fast, with another signature each time. */
export function webCryptoSigner(file: KeyFile): Promise<KeyedSigner>;
