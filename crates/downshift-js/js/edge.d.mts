// What an edge needs: requests read, manifests converted, responses made.
import type {
  Answer,
  Client,
  ConversionRequest,
  Digest,
  Failure,
  Form,
  LayerNeed,
  LayerReading,
  Need,
  Signer,
} from "./types.js";

export type * from "./types.js";
export { DownshiftError } from "./types.js";

/**
 * Answers a request for a manifest.
 *
 * `fetchDocument` gives the bytes of what is needed, or nothing if there is no such document; they are checked against
 * digest and size. `signer` signs where the answer is schema 1. `readLayer` says what is known of a layer, where
 * `plainLayers` of the request has layers needed.
 *
 * @throws {DownshiftError} If there is no answer for this client. Keep its `records` and `layers` before you tell the
 * client.
 */
export function convert(
  request: ConversionRequest,
  fetchDocument: (need: Need) => Promise<Uint8Array | undefined>,
  signer: Signer,
  readLayer?: (need: LayerNeed) => Promise<LayerReading>,
): Promise<Answer>;

/** The digest by which registries know a document where it is schema 1: that of its payload. */
export function payloadDigest(bytes: Uint8Array): Digest | undefined;

/** The digest of bytes, by the engine's own implementation. */
export function digestOf(bytes: Uint8Array, algorithm?: "sha256" | "sha512"): Promise<Digest>;

/** Whether bytes are those of a digest; `payloadDigest` tells that of a schema 1 manifest. */
export function hasDigest(
  bytes: Uint8Array,
  digest: Digest,
  payloadDigest: (bytes: Uint8Array) => Digest | undefined,
): Promise<boolean>;

/** A request over HTTP. */
export interface HttpRequest {
  method: string;
  /** Path and query. */
  target: string;
  headers: [name: string, value: string][];
}

/** A response over HTTP. */
export interface HttpResponse {
  status: number;
  headers: [name: string, value: string][];
  /** Whether the body is that of the blob, or of its part, which is not in `body`. */
  isBlob: boolean;
  body: Uint8Array;
}

/** What a request asks for. */
export type Asked = {
  method: "GET" | "HEAD";
  client: Client;
  /** The header of that name. */
  authorization: string | null;
  /** Whether that has a name and a password. */
  hasCredentials: boolean;
  host: string | null;
} & (
  | { route: "root" | "base" | "emptyLayer" | "noV1" | "unknownPath" }
  | { route: "manifest"; name: string; tag: string; digest?: undefined }
  | { route: "manifest"; name: string; tag?: undefined; digest: Digest }
  | {
      route: "blob";
      name: string;
      digest: Digest;
      /** The `Range` to pass on, if it is of use for this blob. */
      range: string | null;
      /** Whether the client has it already. */
      has: boolean;
    }
  | { route: "tags"; name: string; query: string }
  | { route: "referrers"; name: string; digest: Digest; query: string }
  | { route: "catalog"; query: string }
  | { route: "token"; scopes: Scope[]; account: string | null }
);

/** What a token is for. */
export interface Scope {
  resource: "repository" | "registry";
  /** The repository's name, or `catalog`. */
  name: string;
  /** Such as `pull`. */
  actions: string;
}

/** What a registry wants to know of who asks. */
export interface Demand {
  scheme: "basic" | "bearer";
  realm: string;
  service?: string | null;
}

/** What can go wrong with an upstream registry. */
export type UpstreamFault = { host: string } & (
  | { problem: "circle" | "denied" | "downgrade" | "nowhere" | "timeout" }
  | { problem: "corrupt"; digest: Digest }
  | { problem: "invalid" | "unreachable"; what: string }
  | { problem: "status"; status: number }
  | { problem: "too-large"; limit: number }
  | { problem: "too-many-requests"; retryAfter?: number | null }
  | ({ problem: "unauthorized" } & Demand)
);

/** What there is to respond with. */
export type Found = {
  /** Whether somebody had to be let in for it, so that it is for this caller only. */
  isPrivate?: boolean;
} & (
  | { kind: "root" | "base" | "emptyLayer" | "noV1" | "unknownPath" | "internal" }
  | { kind: "noReferrers" | "noCatalog" }
  | { kind: "denied" | "blobUnknown" | "nameUnknown" }
  // As an answer of `convert` has it. `byPlatform` decides nothing: every manifest varies on the User-Agent.
  | {
      kind: "manifest";
      form: Form | "other";
      /** That of a manifest of another kind, which is `application/octet-stream` without it. */
      mediaType?: string;
      digest: Digest;
      source?: Digest | null;
      /** Of an answer of `convert`: what the signatures of its source prove. */
      signature?: string | null;
      byPlatform?: boolean;
    }
  | { kind: "manifestUnknown"; digest?: Digest | null }
  | ({ kind: "refused" } & Failure)
  | ({ kind: "fault" } & UpstreamFault)
  | ({ kind: "unauthorized" } & Demand)
  | { kind: "token"; value: string; lifetime: number }
  | { kind: "blob"; size: number }
  | { kind: "blobPart"; size: number; start?: number | null; end?: number | null }
  | { kind: "blobElsewhere"; location: string }
  | { kind: "rangeInvalid"; size: number }
  | { kind: "tags"; tags: string[]; next?: string | null }
  | { kind: "catalog"; repositories: string[]; next?: string | null }
  | { kind: "referrers"; filters?: string | null; next?: string | null }
);

/** What a request asks for; nothing where `respond` has its response without anything else, whatever is found. */
export function readRequest(request: HttpRequest): Asked | undefined;

/** The response to a request: what was found, and of a manifest or of referrers, their bytes. */
export function respond(request: HttpRequest, found: Found, bytes?: Uint8Array): HttpResponse;
