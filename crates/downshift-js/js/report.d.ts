// The reports on manifests. Exported from `downshift-oci`, the full module. A test of `downshift-inspect` holds the types to
// those of Rust.
//
// Documents go in as exact bytes, reports come out as plain objects. They are those of `downshift inspect --json`, and
// so their members are named as there, in snake case. A member with `?` is absent where there is nothing to say; an
// array is always there, and may be empty. Every text in a report is one line of English, ready to be shown, and may
// quote the document: it is text, never markup.

import type { LayerFacts } from "./types.js";

/** What a manifest is written in. */
export type Form = "schema1" | "schema1-unsigned" | "schema2" | "list" | "oci" | "index";

/**
 * What a document is: a manifest in one of the forms; `config`: an image's config; `errors`: a registry's error
 * answer; `layer-facts`: facts about layers; `json`: JSON of an unknown kind, or a manifest that cannot be read (then
 * `failure` says why); `not-json`.
 */
export type Kind = Form | "config" | "errors" | "layer-facts" | "json" | "not-json";

/** A part of some bytes: from `start`, up to but without `end`. In bytes, not characters. */
export interface Span {
  start: number;
  end: number;
}

/** The id that a tool gives the image which it makes of schema 1: the digest of the config. */
export interface ImageId {
  /**
   * Stable: `docker`, `skopeo`, `skopeo-oci`, `containerd`, `oci-schema1`, `frozen-image`. One is left out where its id
   * depends on the tool's version.
   */
  tool: string;
  /** The tool, for people. */
  text: string;
  id: string;
}

/** Why something was not done. Also what `DownshiftError` holds. */
export interface Failure {
  /** Stable, for programs. */
  code: string;
  /** Whose fault it is. */
  fault: "caller" | "client" | "document" | "image" | "limit";
  /** What is wrong. */
  cause: string;
  /** What can be done about it. */
  remedy: string;
}

// ---------------------------------------------------------------------------------------------------------- inspect

/** A file that is given: a manifest, a config, facts about layers as `downshift layer --json` writes them, or a response as
 * `curl -i` prints it, told apart by their bytes. */
export interface Given {
  /** The exact bytes. */
  bytes: Uint8Array;
  /** A name to show, such as that of the file. */
  label?: string;
  /** The digest that it is expected to have: of the bytes, or of the signed payload. */
  expected?: string;
}

/**
 * Reports on documents that are given together: those that name each other by digest are joined. At most 64 documents
 * of together 64 MiB (`DownshiftError` of the code `limit-exceeded` beyond); whatever else is wrong with a document is
 * in its report. A promise, as signatures of other algorithms than ES256 are verified by the engine's WebCrypto.
 */
export function inspect(documents: Given[]): Promise<Report>;

export interface Report {
  /** One for each that was given, in their order. */
  documents: DocumentReport[];
  /** What is worth explaining about these documents. */
  explanations: Explanation[];
}

export interface DocumentReport {
  /** As given, else `document 1` and so on. */
  label: string;
  /** Where the document is in the bytes that were given: all of them, or the body of a response. All other spans in
   * this report count from its start. */
  span: Span;
  /** The response in whose body the document came. */
  response?: ResponseReport;
  /** Bytes of the document. */
  size: number;
  kind: Kind;
  /** The kind in words, such as `Docker schema 1, signed`. */
  title: string;
  /** What the document is in one sentence, such as `Docker schema 1, signed: 8 layers, 3 of them empty.` */
  summary: string;
  /** The media type under which it is served. */
  media_type?: string;
  /** Why it is of that kind: the evidence for, and (`agrees: false`) against it. */
  why: Evidence[];
  digests: Digests;
  /** Why it cannot be read as what it seems to be, or at all. The rest of the report has what is known anyway: of kind
   * `schema1`, it was changed after it was signed, and what is shown is not signed (problem `changed-after-signing`). */
  failure?: Failure;
  /** Where it stops being JSON, and what it may be instead. */
  unreadable?: Unreadable;
  /** What is missing, odd or contradicts itself, most severe first: at most 200, and a note `problems-left-out` that counts
   * the others. */
  problems: Problem[];

  /** Schema 1: the repository's name. */
  name?: string;
  /** Schema 1: the tag. */
  tag?: string;
  /** Of a config or schema 1, or of the config of a manifest if that is given too. */
  platform?: Platform;
  /** The media type that makes it an artifact instead of an image. */
  artifact?: string;
  /** The manifest that this one is about. */
  subject?: Part;
  /** The config; its digest is the image's id since Docker 1.10. */
  config?: Part;
  /** Lowest first. Schema 1 stores them the other way round, and has no sizes. */
  layers: Layer[];
  /** Numbers over the layers, where there are some. */
  totals?: Totals;
  /** Oldest first: of schema 1, of a config, or of the config of a manifest if that is given too. */
  history: HistoryEntry[];
  /** The manifests of a list or index, in the document's order. */
  manifests: Entry[];
  /** What the image runs with: of a config, of schema 1's newest entry, or of the config of a manifest if given. */
  image?: ImageConfig;
  /** Schema 1: the chain of its ids, lowest first. */
  chain: ChainLink[];
  /** Schema 1: in the document's order. The first 16 are verified, and the others `unchecked` (`too-many-signatures`). */
  signatures: SignatureReport[];
  /** Signed schema 1: how payload and signatures lie in the bytes. */
  anatomy?: Anatomy;
  /** Schema 1, where facts about all of its layers are given: the ids that its image gets, from the tools that convert it.
   * The whole package tells them; `downshift-oci/inspect`, which converts nothing, has none. */
  image_ids: ImageId[];
  /** The structural rules of old engines that it breaks: what `downshift check` prints. */
  findings: Finding[];
  /** A registry's error response: its errors, at most 200 (problem `errors-left-out`). */
  errors: RegistryError[];
  /** The annotations of the manifest itself. */
  annotations: Pair[];
}

export interface Evidence {
  /** Stable: `member`, `media-type`, `content-type`, `named-by` (another given document names it so), `shape`. */
  code: string;
  /** Such as `schemaVersion is 1`. */
  text: string;
  /** Whether it speaks for the kind. */
  agrees: boolean;
}

export interface Digests {
  /** SHA-256 of the document's bytes: what `sha256sum` prints. */
  bytes: string;
  /** Signed schema 1: of the payload, without the signatures. */
  payload?: string;
  /** By which registries and engines name it: that of the payload, else that of the bytes. */
  registry: string;
  /** The digest that was given as expected, compared with these. */
  expected?: Expected;
}

export interface Expected {
  digest: string;
  /**
   * `bytes` or `payload`: it is that digest. `variant`: the document would have it with a change, see `variant`.
   * `other`: it is that of another document that is given, see `document`. `none`: no change that was tried leads to
   * it. `unsupported`: it is not a digest, or its algorithm is not sha256, sha384 or sha512.
   */
  verdict: "bytes" | "payload" | "variant" | "other" | "none" | "unsupported";
  /** The verdict in one sentence. */
  text: string;
  /** The change that leads to it. */
  variant?: Variant;
  /** The given document that has it: an index into `documents`. */
  document?: number;
  /** The changes that were tried, in this order, up to the one that leads to it. Where the documents are too large to try
   * all, `text` says so. */
  tried: Variant[];
}

/** A change that keeps what a document says. `variant(bytes, code)` makes it. */
export interface Variant {
  /** Stable, such as `final-newline-removed`. */
  code: string;
  /** Such as `one line break at the end removed`. */
  text: string;
  /** What does that: such as `editors, echo and jq add one`. */
  cause: string;
}

export interface Unreadable {
  /** Where it stops being JSON. */
  offset: number;
  /** From 1. */
  line: number;
  /** From 1, in bytes. */
  column: number;
  /** What is wrong there. */
  problem: string;
  /** Stable: `html`, `gzip`, `zstd`, `chunked`, `base64`, `truncated`, `two-documents`, `utf-16`, `bom`, `text`, `empty`, `binary`. */
  guess: string;
  /** The guess as a sentence, with what to do. */
  text: string;
}

export interface Problem {
  severity: "error" | "warning" | "note";
  /** Stable. */
  code: string;
  text: string;
  /** Where: a JSON pointer (RFC 6901), such as `/layers/2/size`. */
  pointer?: string;
  /** Where: in the document's bytes. */
  span?: Span;
  /** Of the span's start, from 1. */
  line?: number;
  /** Of the span's start, from 1, in bytes. */
  column?: number;
}

export interface Platform {
  os: string;
  architecture: string;
  variant?: string;
}

/** Another document or blob that a document names. */
export interface Part {
  /** As written. */
  digest: string;
  media_type?: string;
  /** In bytes. */
  size?: number;
  /** The given document that this is: an index into `documents`. */
  document?: number;
  /** The given document has another size than is said here. */
  wrong_size?: true;
}

export interface Layer extends Part {
  /** From 1, the lowest. */
  number: number;
  /** The well-known empty layer, or one whose history entry says so. */
  empty: boolean;
  /** `foreign`, `zstd`, `uncompressed`, `encrypted`, `repeated` (another layer has the same digest), `unknown-type`. */
  flags: string[];
  /** SHA-256 of the uncompressed layer, by the config. */
  diff_id?: string;
  /** SHA-256 over all diff ids up to this one: by which engines name what lies under a container. */
  chain_id?: string;
  /** The entry of `history` that made it: an index. */
  history?: number;
}

export interface Totals {
  layers: number;
  empty: number;
  /** Sum of the sizes of all distinct layers, in bytes; absent in schema 1. */
  size?: number;
  /** Of the largest layer, in bytes: for bars. */
  largest?: number;
}

export interface HistoryEntry {
  created?: string;
  /** The command, as written. */
  created_by?: string;
  author?: string;
  comment?: string;
  /** It has no layer of its own. */
  empty: boolean;
  /** The layer that it made: an index into `layers`; absent where it is empty (but not in schema 1, where each has one), or where there is none left. */
  layer?: number;
}

export interface Entry extends Part {
  platform?: Platform;
  os_version?: string;
  os_features: string[];
  /** `image`, `attestation` (as BuildKit writes it), `nested` (itself a list), or `other`. */
  role: "image" | "attestation" | "nested" | "other";
  /** An attestation: the entry that it is about, an index into `manifests`. */
  about?: number;
  artifact?: string;
  annotations: Pair[];
}

/** A name and a text, in the document's order. */
export interface Pair {
  name: string;
  value: string;
}

export interface ImageConfig {
  created?: string;
  author?: string;
  docker_version?: string;
  user?: string;
  working_dir?: string;
  entrypoint?: string[];
  cmd?: string[];
  /** `NAME=value`, split at the first `=`. */
  env: Pair[];
  labels: Pair[];
  exposed_ports: string[];
  volumes: string[];
  stop_signal?: string;
  shell?: string[];
  /** The test of a health check. */
  health_check?: string[];
  diff_ids: string[];
}

export interface ChainLink {
  id: string;
  /** As written; absent where there is none. */
  parent?: string;
  /** An index into `layers`. */
  layer: number;
  /** An index into `history`. */
  history: number;
  /** Whether `parent` is the id of the link below (or absent in the lowest). */
  joined: boolean;
  /**
   * How the id comes about: `layer-and-parent`: SHA-256 of the layer's digest, a space, and the parent's id, as
   * Distribution and Docker 1.10 and later make them. `config`: the same with the config's bytes, of a config that is
   * given. `unknown`: not from data in the manifest: random, or from a config that is not given. `invalid`: not an id.
   */
  rule: "layer-and-parent" | "config" | "unknown" | "invalid";
  /** The rule in one sentence. */
  text: string;
}

export interface SignatureReport {
  /** Such as `ES256`. */
  algorithm: string;
  /** The id of the key in the header, computed from the key. */
  key_id?: string;
  /** Such as `P-256` or `RSA, 2048 bits`. */
  key?: string;
  /** The subject of the certificate that holds the key, if it came in one (`x5c`), as one line. */
  certificate?: string;
  /** The time in the protected header, as written. Signed, but not checked by anybody. */
  time?: string;
  /** `valid`; `invalid`: it does not hold; `unchecked`: it cannot be verified here. */
  verdict: "valid" | "invalid" | "unchecked";
  /** Stable, of what is not valid: `invalid-signature`, `missing-key`, `unsupported-algorithm` and others. */
  code?: string;
  /** What the verdict says, and what it does not prove. */
  text: string;
  /** Where the signature's block lies in the document. */
  span?: Span;
}

export interface Anatomy {
  /** The payload's beginning, as it stands in the document: `formatLength` bytes. */
  head: Span;
  /** The signatures. */
  signatures: Span;
  /** What the payload ends with, in place of the signatures: `formatTail`. */
  tail: string;
  /** Bytes of the payload. */
  payload_size: number;
}

export interface Finding {
  /** Stable. */
  rule: string;
  /** The engines that refuse the manifest for it. */
  engines: string;
  /** Where, such as `history[2]`, newest first. */
  path: string;
  detail: string;
}

export interface RegistryError {
  /** Such as `MANIFEST_UNKNOWN`. */
  code: string;
  message?: string;
  /** `detail` as JSON. */
  detail?: string;
  /** What the code means, and what to do. */
  text: string;
}

/** Text that answers a question, and a command that proves it. */
export interface Explanation {
  /** Stable: `digest-of-payload`, `old-client-by-digest`, `signed-anew`, `reported-digest-404`, `oci-only-accept`,
   * `unknown-platform`, `missing-signature-key`, `cache-without-vary`, `converted-digest`, `wrong-bytes`, `whose-key`. */
  code: string;
  /** The question, such as `Why is my digest different?` */
  title: string;
  /** The answer, one sentence each, at most five. */
  text: string[];
  /** For a POSIX shell: one line, in which what a stranger wrote is at most one word, in quotes. Upper-case words stand for
   * what the reader knows. */
  command: string;
  /** The documents that it is about: indices into `documents`. */
  documents: number[];
}

// -------------------------------------------------------------------------------------------------------- responses

/** A response as `curl -i` prints it: possibly after others, to which it redirects. */
export interface ResponseReport {
  /** Such as `HTTP/1.1` or `HTTP/2`. */
  version: string;
  status: number;
  /** As written: names in their case, in order, with repetitions. At most 200 (problem `headers-left-out`). */
  headers: Pair[];
  /** Whether lines end with CRLF. */
  crlf: boolean;
  /** The responses before it, and where they redirect to. */
  earlier: { version: string; status: number; headers: Pair[] }[];
  /** What headers claim, held against the body. */
  claims: Claim[];
}

export interface Claim {
  /** Stable: `content-type`, `docker-content-digest`, `content-length`, `etag`, `vary`, `cache-control`,
   * `content-encoding`. */
  code: string;
  /** What the header says; absent where there is none. */
  value?: string;
  /** `true`, `false`, or `unclear`: it can be neither shown nor refuted. */
  holds: "true" | "false" | "unclear";
  text: string;
  /** Of `docker-content-digest`: as with an expected digest, with the search for a change that leads to it. */
  expected?: Expected;
}

// --------------------------------------------------------------------------------------------------- bytes and diffs

/** The bytes of a variant, by its code; `undefined` where the change cannot be made. Takes a document, not a response. */
export function variant(bytes: Uint8Array, code: string): Uint8Array | undefined;

/** The payload of a signed schema 1 manifest. Throws if there is none. */
export function payload(bytes: Uint8Array): Uint8Array;

/** An exact comparison of two documents: applying all changes to `before` gives `after`, to the byte. */
export function diff(before: Uint8Array, after: Uint8Array): Diff;

export interface Diff {
  /**
   * `same-bytes`; `same-content`: the same JSON, written otherwise; `same-image`: the same config and layers in
   * another form, or under other media types; `same-layers`: another config; `other-layers`; `other`.
   */
  verdict: "same-bytes" | "same-content" | "same-image" | "same-layers" | "other-layers" | "other";
  /** The verdict in one sentence, with numbers. */
  text: string;
  /** The layers of both, aligned by digest, lowest first; empty where one has none. */
  layers: { digest: string; in: "both" | "before" | "after" }[];
  /** In order and without gaps: together they are all of both documents, line by line. */
  chunks: Chunk[];
  /** The documents have too many lines for a comparison line by line: the changed middle is one chunk. */
  coarse: boolean;
}

export interface Chunk {
  kind: "same" | "changed";
  /** In the bytes of `before`: whole lines, with their line breaks. */
  before: Span;
  after: Span;
  /** Of its first line, from 1. */
  before_line: number;
  after_line: number;
  /** Number of lines. */
  before_lines: number;
  after_lines: number;
  /** Of a changed chunk: what exactly differs, in order; empty where there is too much to compare. */
  parts: DiffPart[];
}

/** A part within a changed chunk: `same` has both spans of equal bytes, `removed` an empty `after`, `added` an empty `before`. */
export interface DiffPart {
  kind: "same" | "removed" | "added";
  before: Span;
  after: Span;
}

// -------------------------------------------------------------------------------------------------------- conversions

export interface Signer {
  publicKey: { kid: string; x: string; y: string };
  sign(input: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

export interface ConversionOptions {
  /** The manifest to convert: an index into the documents. */
  document: number;
  /** The repository's name, which stands in schema 1; `library/image` if not given. */
  name?: string;
  /** The tag, which stands in schema 1; `latest` if not given. */
  tag?: string;
  /** `strict` if not given. */
  policy?: "strict" | "reference";
  /** For schema 1 from a list or index: such as `linux/arm64`; `linux/amd64` if not given. */
  platform?: string;
  /** What is known of layers, beside the facts among the documents. Who gives them vouches for them. */
  facts?: LayerFacts[];
}

/**
 * Converts a manifest to every other form, with the config, the children and the facts about layers that are given. The
 * signer is asked for the one signed form; `generateP256Signer()` makes one with a new key.
 *
 * Schema 1 has neither a config nor the sizes and diff ids of its layers, so that it goes up only with facts about these.
 */
export function conversions(
  documents: Given[],
  options: ConversionOptions,
  signer: Signer,
): Promise<ConversionResult[]>;

export interface ConversionResult {
  form: Form;
  media_type: string;
  /** The exact bytes; absent where it was refused. */
  body?: Uint8Array;
  /** By which it is pulled. */
  digest?: string;
  /** The config that was made of schema 1, which the manifest names. */
  config?: Uint8Array;
  /** What was done. */
  report?: ConversionReport;
  /** Why it was not converted. */
  failure?: Failure;
  /** The documents that have to be given for it. */
  missing: { digest: string; media_type?: string; size?: number; kind: "manifest" | "blob" }[];
  /** The layers of which facts have to be given for it. */
  unread: string[];
}

/** Facts about layers, of a document as `downshift layer --json` writes it. Throws if it is none. */
export function layerFacts(bytes: Uint8Array): LayerFacts[];

export interface ConversionReport {
  source: { form: Form; digest: string; size: number };
  /** For schema 1, digest and size are the payload's. */
  result: { form: Form; digest: string; size: number };
  policy: "strict" | "reference";
  /** The platform that was picked from a list or index. */
  platform?: Platform;
  /** What the signatures of the source prove, if it is schema 1 and another was made of it. */
  signature?: { verdict: "valid" | "invalid" | "none"; keys: string[] };
  /** Why the digest is another than the source's. */
  digest_changed?: string;
  /** What the result does not have any more. */
  lost: Note[];
  /** What the result has and the source had not. */
  added: Note[];
  /** Entries of a list or index that were left out. */
  left_out: { digest: string; platform?: Platform; code: string }[];
  /** What is odd, and did no harm. */
  warnings: Note[];
}

export interface Note {
  /** Stable, such as `annotations`. */
  code: string;
  /** Such as `layers[2].urls`. */
  path: string;
}

// -------------------------------------------------------------------------------------------------------- negotiation

/** Which client gets what: computed by what Downshift answers with, and by the rules of Distribution. */
export function matrix(own?: {
  /** The lines of an `Accept` header: adds a client `own` as the first row. */
  accept: string[];
  user_agent?: string;
}): Matrix;

export interface Matrix {
  registries: {
    /** `downshift`, `distribution-2`, `distribution-3`. */
    id: string;
    name: string;
    text: string;
  }[];
  /** The columns: what is stored, each for `linux/amd64` (and lists for `linux/arm64` too). */
  stored: Stored[];
  /** The rows, by age. */
  clients: ClientRow[];
}

export interface ClientRow {
  /** Stable, such as `docker-1.6-to-1.9`; `own` for the one that was asked about. */
  id: string;
  /** Such as `Docker 1.6 to 1.9`. */
  name: string;
  /** The headers that it sends. */
  request: Pair[];
  /** The forms that it can use. */
  understands: Form[];
  /** By the id of a registry, by what is asked for, and by what is stored. */
  answers: Record<string, Record<"tag" | "digest", Record<Stored, Cell>>>;
}

/** An image as a registry has it: in a form, with gzip layers; `zstd` is an OCI manifest with layers in zstd. */
export type Stored = Form | "zstd";

export interface Cell {
  /**
   * `stored`: the stored manifest; `converted`: in another form; `child`: a stored manifest, picked from a list or
   * index; `refused`: an error; `unusable`: the client gets what it cannot read.
   */
  outcome: "stored" | "converted" | "child" | "refused" | "unusable";
  /** The outcome in a few words, such as `signed schema 1` or `schema 2, plain layers`. */
  word: string;
  /** Of the manifest that it gets. */
  form?: Form;
  /** Of the response. */
  status: number;
  /** The headers that show it. Digests stand as `sha256:STORED`, `sha256:CONVERTED` or `sha256:CHILD`. */
  response: Pair[];
  /** Why. */
  text: string;
}

// ------------------------------------------------------------------------------------------------------------- shares

export interface Shared {
  /** Documents or whole responses, with what was expected of them. */
  documents: Given[];
}

/** Packs documents into text for the fragment of a URL, without the `#`. At most 64 documents of together 16 MiB. */
export function share(shared: Shared): Promise<{
  fragment: string;
  /** `short`: up to 8 KiB, works everywhere; `long`: up to 32 KiB, some programs cut it; `too-long`: give a file. */
  length: "short" | "long" | "too-long";
}>;

/** Unpacks what `share` packed, from a fragment with or without `#`. Throws on anything else. */
export function unshare(fragment: string): Promise<Shared>;

/** What looks secret in documents: to be shown before they are shared. At most 100. */
export function secrets(documents: Given[]): Secret[];

export interface Secret {
  /** The document: an index. */
  document: number;
  /** Stable: `env`, `label`, `annotation`, `argument`, `url`, `header`. */
  where: string;
  /** The name, such as `AWS_SECRET_ACCESS_KEY`; never the value. */
  name: string;
  /** Why it looks secret. */
  text: string;
}

// -------------------------------------------------------------------------------------------------------- as they were

/** The structural rules of old engines that a manifest breaks. */
export function check(bytes: Uint8Array): Finding[];

/** Verifies the signatures of a signed manifest. Throws if there is none. */
export function verify(bytes: Uint8Array): Promise<{
  /** There is a signature, and every one holds. */
  valid: boolean;
  /** The digest of the payload. */
  payload: string;
  signatures: SignatureReport[];
}>;
