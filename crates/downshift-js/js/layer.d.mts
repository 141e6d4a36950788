// Layers, unpacked as they stream: gzip, zstd, bzip2, xz or plain, by their first bytes.
import type { Digest, LayerFacts } from "./types.js";

export type { Digest, LayerFacts } from "./types.js";
export { DownshiftError } from "./types.js";

/** What is wanted of a layer: what there is to know of it, or from `start` to `end` the bytes of its plain tar. */
export interface LayerOptions {
  /** That of the blob. Nothing but a part that ends before the end goes without it. */
  digest?: Digest;
  /** That of the plain tar, where `end` is the end of it: the last bytes are held back until both digests are right. */
  diffId?: Digest;
  /** 0 unless said otherwise. */
  start?: number;
  /** Without an end nothing is sent. */
  end?: number;
  /** Several parts in the place of one, each behind the one before. */
  parts?: { start: number; end: number }[];
  /** The bytes to send before each of them, and after all. */
  beside?: Uint8Array[];
  /** Other limits than those of an edge, by the names that `downshift layer --limit` has for them. */
  limits?: Record<string, number>;
}

/** What came of reading. */
export type LayerOutcome =
  /** All was read, and both digests are right. */
  | { facts: LayerFacts }
  /** The part that was wanted is sent. */
  | { isAll: true }
  /** The stream broke off after so many bytes, if that can be known. Another `read` goes on behind them. */
  | { isBroken: true; read: number | null }
  /** The blob has another digest, or the plain tar has. */
  | { isCorrupt: true }
  /** `write` has said that nobody wants any more. */
  | { isGone: true }
  /** It cannot be unpacked. */
  | { refused: { code: string; cause: string } };

/** A layer that is open. */
export interface Layer {
  /**
   * Reads a stream, of which `length` bytes belong to the blob, or all. `write` takes plain bytes, and says whether
   * more are wanted.
   */
  read(
    stream: ReadableStream<Uint8Array>,
    length?: number,
    write?: (bytes: Uint8Array) => Promise<boolean>,
  ): Promise<LayerOutcome>;
  /** What no other `read` comes for is closed: so does the end of each but one that broke off. */
  close(): void;
}

/** Opens a layer; nothing while as many are open as may be. The window of zstd may have 8 MiB, as everywhere at an edge. */
export function openLayer(options?: LayerOptions): Layer | undefined;
