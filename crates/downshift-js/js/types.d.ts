// What the package's entries have in common.

/** The forms of a manifest. */
export type Form = "schema1-unsigned" | "schema1" | "schema2" | "list" | "oci" | "index";

/** `sha256:` or `sha512:`, and hexadecimal digits. */
export type Digest = string;

/** Whose fault an error is: of who calls, of the client that asks, of a document, of the image, or a limit was passed. */
export type FaultOf = "caller" | "client" | "document" | "image" | "limit";

/** Why something was not done. */
export interface Failure {
  /** Stable, for programs: such as `zstd-layer`. */
  code: string;
  fault: FaultOf;
  /** What is wrong, in one line. */
  cause: string;
  /** What can be done about it, in one line. */
  remedy: string;
}

/** A failure, thrown. Its message is the cause and the remedy. */
export declare class DownshiftError extends Error implements Failure {
  constructor(failure: Failure & { records?: Reported[]; layers?: LayerRecord[] });
  readonly code: string;
  readonly fault: FaultOf;
  readonly cause: string;
  readonly remedy: string;
  /** What has to be kept before the error is told to a client: it may name a digest to pull instead. */
  readonly records: Reported[];
  /** The layers that are named there by their diff ids: what has to be recorded, too. */
  readonly layers: LayerRecord[];
}

/** What a client understands. One without forms is Docker 1.6 to 1.9, and gets schema 1. */
export interface Client {
  /** Forms with their weight in thousandths, as `q` in an Accept header: `{ schema2: 1000 }`. */
  forms: Partial<Record<Form, number>>;
  /** Types of manifests that are passed on as they are, with their weight. */
  types?: Record<string, number>;
  /** Whether it takes anything else as well. */
  any?: boolean;
  /** Forms that it is known not to read, whatever it names, also where it asks by digest. */
  unreadable?: Form[];
  /** In which manifests it is known to read layers that are compressed with zstd: in none, in OCI's, or in all. */
  zstd?: "none" | "oci" | "all" | null;
  /** Where it runs: `linux/arm64`. */
  platform?: string | null;
}

/** How much is taken in and given out, by the names that the command line has for it. */
export interface Limits {
  "document-bytes"?: number;
  depth?: number;
  layers?: number;
  history?: number;
  entries?: number;
  "converted-children"?: number;
  "string-bytes"?: number;
  "output-bytes"?: number;
}

/** A converted manifest that was reported to a client, or a config that was made with one: keep it by name and digest, and
 * it can be pulled for good. */
export interface Reported {
  /** The repository. */
  name: string;
  digest: Digest;
  /** `other` of a config, which is a blob. */
  form: Form | "other";
  /** The exact bytes; of schema 1, those that are signed. */
  payload: Uint8Array;
  /** The stored manifest that it was made from. */
  source: Digest;
  tag: string | null;
  platform: string | null;
  /** Of its signature, in seconds since 1970. */
  time: number | null;
  /** What the signatures of its source prove, if it was made of schema 1. */
  signature: string | null;
}

/** What is asked for, by whom, and how it is to be answered. */
export interface ConversionRequest {
  /** The repository: it is a part of schema 1. */
  name: string;
  /** The manifest that the tag points to, or that is asked for. */
  digest: Digest;
  /** The tag: needed, unless it is asked for by digest. */
  tag?: string | null;
  /** Whether it is asked for by digest: then the answer has this digest, or there is an error. */
  byDigest?: boolean;
  /** What was kept of this digest, if it was reported for a converted manifest. */
  record?: Reported | null;
  client: Client;
  /** What to do with images that Distribution converts with a loss: refuse them (the default), or do as it does. */
  policy?: "strict" | "reference";
  /** What is allowed beside what the policy allows: codes of its refusals, such as `foreign-layer`, with commas between them. */
  allow?: string;
  /**
   * Who gets plain layers instead of what is compressed with zstd: nobody (the default: `convert` needs no `readLayer`
   * then), clients that do not read zstd, or everybody.
   */
  plainLayers?: "never" | "old" | "always";
  /** What becomes of stored schema 1 without a signature: it is converted and signed (the default), or refused. */
  unsignedSchema1?: "allow" | "refuse";
  /** For clients that do not say theirs: `linux/amd64` by default. */
  platform?: string;
  /** Of the signature, in seconds since 1970; by default that of the image. */
  time?: number | null;
  limits?: Limits;
}

/** A document that is needed. */
export interface Need {
  digest: Digest;
  /** In bytes, where that is known. */
  size: number | null;
  mediaType: string | null;
  /** Where registries have it. */
  kind: "manifest" | "blob";
}

/** A layer whose facts are needed: all of it has to be read for them. */
export interface LayerNeed {
  /** Of the blob as it is stored. */
  digest: Digest;
  /** In bytes, where that is known; it may be wrong. */
  size: number | null;
  /** It may be wrong, too. */
  mediaType: string | null;
}

/** What is known of a layer once all of it has been read and checked. */
export interface LayerFacts {
  /** Of the blob as it is stored. */
  digest: Digest;
  /** By its first bytes. */
  compression: "plain" | "gzip" | "zstd" | "bzip2" | "xz";
  /** Bytes of the blob. */
  size: number;
  /** The digest of the plain tar. */
  diffId: Digest;
  /** Bytes of the plain tar. */
  plainSize: number;
  /** The largest window of a zstd frame, in bytes. */
  zstdWindow?: number | null;
  /** The version of the rules by which it was read. */
  decoderVersion: number;
}

/** What came of reading a layer: its facts, that there is none, or why it cannot be unpacked. */
export type LayerReading =
  | { facts: LayerFacts }
  | { missing: true }
  | { refused: { code: string; cause: string } };

/** A layer that a manifest names by its diff id: the plain tar of the stored blob, which has to be served under it. */
export interface LayerRecord {
  /** The repository's name. */
  name: string;
  facts: LayerFacts;
}

/** A manifest for the client. */
export interface Answer {
  /** `other` if it is of another kind, and passed on as it is. */
  form: Form | "other";
  mediaType: string;
  /** The digest to report: of schema 1, that of its payload. */
  digest: Digest;
  /** The stored manifest that it was made from, where it is not that itself. */
  source: Digest | null;
  /** What the signatures of that prove, if it is schema 1: `valid; key=ID`, `invalid` or `none`. */
  signature: string | null;
  /** Whether it depends on the client's platform. */
  byPlatform: boolean;
  /** What has to be kept before it goes out. */
  records: Reported[];
  /** The layers that are named by their diff ids: what has to be kept, too. */
  layers: LayerRecord[];
  /** The exact bytes. */
  body: Uint8Array;
}

/** What signs with a key on P-256. */
export interface Signer {
  publicKey: {
    /** The key's name, as libtrust computes it. */
    kid: string;
    /** The coordinates, in base64url. */
    x: string;
    y: string;
  };
  /** A signature of ES256: the numbers r and s, 32 bytes each. */
  sign(input: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

/** A signer with message authentication codes of the same key. */
export interface KeyedSigner extends Signer {
  /** The code of a message, 32 bytes: the same wherever the key is, and nobody else can make one. */
  mac(message: string): Uint8Array;
}

/** A signer whose key can be kept. */
export interface P256Signer extends KeyedSigner {
  sign(input: Uint8Array): Uint8Array;
  /** The private key. */
  toJwk(): string;
}

/** A key file: PEM (SEC1 or PKCS#8) or JWK. */
export type KeyFile = string | Uint8Array;
