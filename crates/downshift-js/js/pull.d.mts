// Whole pulls, for the shell of an edge: from the head of a request to the last byte of its response.
//
// A pull decides, and does nothing itself: `step` gives what it wants done, and takes what came of that. What there is to
// want, and what comes of it, is what the crate `downshift-pull` documents of its effects.
import type { Signer } from "./types.js";

export type { Signer } from "./types.js";
export { DownshiftError } from "./types.js";
export { digestOf } from "./edge.mjs";
export { generateP256Signer, p256Signer, webCryptoSigner } from "./p256.mjs";

/** The head of a request. */
export interface RequestHead {
  method: string;
  /** Path and query, as they came. */
  target: string;
  headers: [name: string, value: string][];
  /** Whether it came by HTTPS. */
  isSecure: boolean;
  /** The client's own `Accept-Encoding`, where the platform has written another one into the headers. */
  acceptEncoding?: string | null;
  /** The client's address, if the platform knows it: by that old engines are told why their last pull failed. */
  address?: string | null;
}

/** Something that a pull wants done. */
export interface Effect {
  ticket: number;
  /** What: `ask`, `load`, `convert`, `respond`, and so on. */
  kind: string;
  /** The bytes that belong to it. */
  bytes: Uint8Array[];
  /** The pull that does it, where it is `learn`: what it learns is the outcome, whatever else is said of that. */
  reading?: Pull;
  [member: string]: unknown;
}

/** What came of an effect. */
export interface Outcome {
  ticket: number;
  /** Of what: `asked`, `loaded`, `converted`, `responded`, and so on; anything else where it could not be done. */
  done: string;
  bytes?: Uint8Array[];
  [member: string]: unknown;
}

/** A pull on its way. */
export interface Pull {
  /**
   * Goes on at `now`, in milliseconds since 1970, with what came of one effect, or with nothing to begin with.
   *
   * @throws {DownshiftError} If the module has trapped: then every pull is lost.
   */
  step(
    now: number,
    outcome?: Outcome,
  ): {
    new: Effect[];
    /** The tickets of what is not wanted any more. */
    dropped: number[];
    /** Whether nothing that comes of what was wanted is waited for: then it takes no further step. */
    isOver: boolean;
  };
}

/** What carries out effects, by their kinds; and at the end of the pull, or where the module has trapped, what is left. */
export type Effects = {
  [kind: string]: (effect: Effect, signal: AbortSignal) => unknown;
} & { end(): void; abort(): void };

/**
 * Has everything done that a pull wants, and gives the response as soon as there is its head: what `respond` has called the
 * function with that `effectsOf` got. Of a pull that reads a layer it gives nothing, at its end.
 */
export function carryOut<R>(
  pull: Pull,
  effectsOf: (resolve: (response: R) => void) => Effects,
): Promise<R | undefined>;

/** What all pulls of a program have in common. */
export interface Edge {
  pull(request: RequestHead): Pull;
}

/**
 * Reads the settings: the variables of the platform, with secrets by their names, and `RECORDS` and `SIGNING_KEY` as
 * whether there is a bucket and a key. `key` is the name of the key that signs.
 *
 * @throws {DownshiftError} If one of them is wrong.
 */
export function openEdge(variables: object, key: string): Edge;

/** A pull that responds with an error of this program, unless its request is refused as it stands. */
export function failedPull(request: RequestHead): Pull;

/**
 * Carries out the effect `convert`, in another instance of the module than that of the pulls.
 *
 * @throws {DownshiftError} If the module has trapped.
 */
export function convert(effect: Effect, signer: Signer): Promise<object>;
