// Everything: what an edge needs, keys that sign, and what people want to know of a manifest.
import type {
  Answer,
  ConversionRequest,
  Digest,
  Form,
  LayerNeed,
  LayerReading,
  Need,
  Signer,
} from "./types.js";

export * from "./edge.mjs";
export * from "./p256.mjs";
export * from "./report.js";
export type { Failure, Form, Signer } from "./types.js";

/** A manifest in a report. */
export interface Described {
  form: Form;
  digest: Digest;
  /** In bytes. */
  size: number;
}

/** What was lost or added in a conversion. */
export interface Note {
  /** Stable, for programs: such as `annotations`. */
  code: string;
  /** Where it was: such as `layers[2].urls`. */
  path: string;
}

/** As Go names them. */
export interface Platform {
  os: string;
  architecture: string;
  variant?: string;
}

/** What a conversion did. */
export interface ConversionReport {
  /** The stored manifest. */
  source: Described;
  /** The manifest that is given out; of schema 1, its payload. */
  result: Described;
  policy: "strict" | "reference";
  /** The one that was picked from a list or index. */
  platform?: Platform;
  /** Why the digest is another; absent where it is not. */
  digest_changed?: string;
  lost: Note[];
  added: Note[];
  /** Entries of a list or index that were left out. */
  left_out: { digest: Digest; platform?: Platform; code: string }[];
}

/** As `convert` of `downshift-oci/edge`, with a report. */
export function convert(
  request: ConversionRequest,
  fetchDocument: (need: Need) => Promise<Uint8Array | undefined>,
  signer: Signer,
  readLayer?: (need: LayerNeed) => Promise<LayerReading>,
): Promise<Answer & { report: ConversionReport }>;
