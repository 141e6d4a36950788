// An upstream registry: what it has, asked for on behalf of this worker or of the client, checked and kept for a while.
import {
  authorization,
  contentRange,
  demand,
  digestOf,
  DownshiftError,
  everyType,
  hasDigest,
  nextQuery,
  payloadDigest,
  token,
  tokenUrl,
} from "downshift-oci/edge";
import { Fault, retry } from "./fault.mjs";
import { Memory } from "./memory.mjs";

/** Bytes of a manifest or config, unless `LIMITS` says otherwise. */
const DOCUMENT_BYTES = 4 * 1024 * 1024;

/** Bytes of a list of tags: room for some 100,000. */
const TAGS_BYTES = 8 * 1024 * 1024;

/** Bytes of a token service's answer. */
const TOKEN_BYTES = 256 * 1024;

/** Redirects that are followed. */
const MAX_REDIRECTS = 5;

/** Seconds for which documents stay near the clients: what a digest names never changes. */
const DOCUMENT_TTL = 24 * 3600;

/** Seconds before its end at which a token is taken for expired, and for which it is used at the most. */
const [MARGIN, MAX_LIFETIME] = [5, 3600];

/** Where a registry has what the core needs, by the kind of that. */
const PATHS = { manifest: "manifests", blob: "blobs" };

/** On whose behalf a registry is asked, if not on a client's: then that is `{ authorization }`. */
export const SERVER = Symbol("server");

/**
 * The tokens of this worker, by registry, name there and repository, and which of the first two want a password each
 * time. One registry may stand twice among the settings, with other credentials.
 */
const tokens = new Memory(1000);
const basic = new Set();

export class Upstream {
  #settings;
  #cache;
  #budget;
  #tagTtl;
  #documentBytes;

  constructor(settings, { cache, budget, tagTtl, limits }) {
    this.#settings = settings;
    this.#cache = cache;
    this.#budget = budget;
    this.#tagTtl = tagTtl;
    this.#documentBytes = limits?.["document-bytes"] ?? DOCUMENT_BYTES;
  }

  get base() {
    return this.#settings.base;
  }

  /** The digest that a tag points to, as it was when the registry last said so, for as long as that holds. */
  async tag(name, tag, caller) {
    const kept = this.#tagTtl > 0 ? await this.#cache.get(...this.#path("tags", name, tag)) : undefined;
    return kept ? kept.about : this.askTag(name, tag, caller);
  }

  /** Asks the registry what a tag points to, whatever is known of it. */
  async askTag(name, tag, caller) {
    const last = await this.#cache.get(...this.#path("last", name, tag));
    const isAtHand = last && (await this.#cache.get(...this.#path("documents", name, last.about)));
    let digest = isAtHand ? await this.headManifest(name, tag, caller) : "";
    // The document is needed, or the registry does not say its digest.
    if (digest === "") digest = await this.#getTag(name, tag, caller);
    if (digest === undefined) return undefined;
    await this.#cache.put(this.#path("tags", name, tag), this.#tagTtl, digest);
    if (digest !== last?.about) await this.#cache.put(this.#path("last", name, tag), DOCUMENT_TTL, digest);
    return digest;
  }

  /** Gets the manifest that a tag points to, keeps it, and gives its digest. */
  async #getTag(name, tag, caller) {
    const found = await this.#get(
      `${name}/manifests/${tag}`,
      name,
      this.#documentBytes,
      caller,
      async (headers, bytes) => {
        const reported = this.#reported(headers);
        if (reported !== "") await this.#check(reported, bytes);
        return reported || payloadDigest(bytes) || (await digestOf(bytes));
      },
    );
    if (!found) return undefined;
    await this.#cache.put(this.#path("documents", name, found.value), DOCUMENT_TTL, null, found.bytes);
    return found.value;
  }

  /** The digest of a manifest, `""` if the registry does not say it, or nothing if there is none. */
  async headManifest(name, reference, caller) {
    const path = `${name}/manifests/${reference}`;
    const found = await retry(() =>
      this.#within((signal) => this.#askOnce("HEAD", path, name, caller, signal)),
    );
    return found && this.#reported(found.headers);
  }

  /** Whether this caller may pull from a repository, of which nothing else is known: then it may list its tags. */
  async hasRepository(name, caller) {
    const path = `${name}/tags/list?n=1`;
    const found = await retry(() =>
      this.#within((signal) => this.#askOnce("GET", path, name, caller, signal)),
    );
    await found?.body?.cancel();
    return found !== undefined;
  }

  /** A document, if there is one: kept, or from the registry. */
  async document(name, need, caller) {
    const path = this.#path("documents", name, need.digest);
    const kept = await this.#cache.get(...path);
    if (kept) return kept.bytes;
    const kind = pathOf(need);
    const found = await this.#get(
      `${name}/${kind}/${need.digest}`,
      name,
      this.#documentBytes,
      caller,
      (_, bytes) => this.#check(need.digest, bytes),
    );
    if (!found) return undefined;
    await this.#cache.put(path, DOCUMENT_TTL, null, found.bytes);
    return found.bytes;
  }

  /**
   * A blob, or the `range` of it that is passed on as it came: what is found of it, and its body. `isAsked` tells whether
   * a part is the one that the client asks for.
   */
  async blob(name, digest, range, isAsked, caller) {
    // What is compressed on the way has another length.
    const headers = { "accept-encoding": "identity", ...(range && { range }) };
    const isRedirect = this.#settings.blobs === "redirect";
    const path = `${name}/blobs/${digest}`;
    const response = await retry(() =>
      this.#within(async (signal) => {
        const answer = await this.#respond("GET", path, headers, name, caller, signal, !isRedirect);
        return [206, 301, 302, 303, 307, 308, 416].includes(answer.status) ? answer : this.#found(answer);
      }),
    );
    if (!response) return undefined;
    if (response.status >= 300 && response.status < 400) {
      return { found: { kind: "blobElsewhere", location: this.#target(response.url, response).href } };
    }
    const part = partOf(response);
    if (response.status === 416 && range) return { found: { kind: "rangeInvalid", size: part?.size ?? 0 } };
    const length = contentLength(response);
    if (response.status === 206) {
      const isPart = part && part.start !== null && part.end - part.start === length;
      if (range && isPart && isAsked(part)) {
        return { found: { kind: "blobPart", ...part }, body: response.body, length };
      }
      await response.body?.cancel();
      throw range
        ? this.#invalid("a part of a blob that is not the one that was asked for")
        : this.fault({ problem: "corrupt", digest });
    }
    if (response.status !== 200) throw this.fault({ problem: "status", status: response.status });
    if (length) return { found: { kind: "blobPart", size: length }, body: response.body, length };
    // Clients have to be told the length first, and what says that it is empty may be the end of nothing.
    const bytes = await this.#within((signal) => this.#read(response, this.#documentBytes, signal));
    await this.#check(digest, bytes);
    return { found: { kind: "blobPart", size: bytes.byteLength }, body: bytes, length: bytes.byteLength };
  }

  /** How many bytes a blob has, if there is one. */
  async blobSize(name, digest, caller) {
    const path = `${name}/blobs/${digest}`;
    const found = await retry(() =>
      this.#within((signal) => this.#askOnce("HEAD", path, name, caller, signal)),
    );
    if (!found) return undefined;
    const length = contentLength(found);
    if (length === undefined) throw this.#invalid("a blob without its length");
    if (length === 0) await this.#check(digest, new Uint8Array());
    return length;
  }

  /** The tags of a repository, and the query of the next page. */
  async tags(name, query, caller) {
    const path = withQuery(`${name}/tags/list`, query);
    const found = await this.#get(path, name, TAGS_BYTES, caller, (headers, bytes) => {
      const { tags } = this.#object(bytes, "the tag list is not a JSON object");
      // A repository without tags has none, or null.
      const all = tags ?? [];
      const isList = Array.isArray(all) && all.every((tag) => typeof tag === "string");
      if (!isList) throw this.#invalid("the tags are not a list of strings");
      return { tags: all, next: next(headers) };
    });
    return found?.value;
  }

  /** What the registry knows of a manifest's referrers, if it knows of referrers at all. */
  async referrers(name, digest, query, caller) {
    const path = withQuery(`${name}/referrers/${digest}`, query);
    return this.#get(path, name, this.#documentBytes, caller, (headers, bytes) => {
      // A page that says "not found" with status 200 is no index.
      this.#object(bytes, "the list of referrers is not a JSON object");
      return { filters: headers.get("oci-filters-applied"), next: next(headers) };
    });
  }

  /** What the registry asks of this caller before anything else: nothing, or credentials. */
  async demand(caller) {
    try {
      const found = await retry(() => this.#within((signal) => this.#askOnce("GET", "", "", caller, signal)));
      await found?.body?.cancel();
      return undefined;
    } catch (error) {
      if (error instanceof Fault && error.described.problem === "unauthorized") return error.described;
      throw error;
    }
  }

  /** Asks a token service for the client: what it says. */
  async clientToken(request, header) {
    const url = this.#tokenUrl(tokenUrl(request));
    return this.#within(async (signal) => {
      const response = await this.#send("GET", url, {}, header, signal);
      return { status: response.status, body: await this.#read(response, TOKEN_BYTES, signal) };
    });
  }

  fault(problem) {
    return new Fault({ host: this.#settings.host, ...problem });
  }

  #path(kind, ...parts) {
    return [kind, this.base, ...parts];
  }

  async #get(path, name, limit, caller, read) {
    return retry(() =>
      this.#within(async (signal) => {
        const response = await this.#askOnce("GET", path, name, caller, signal);
        if (!response) return undefined;
        const bytes = await this.#read(response, limit, signal);
        return { bytes, value: await read(response.headers, bytes) };
      }),
    );
  }

  /** Asks, and follows redirects. What is not there is no error. */
  async #askOnce(method, path, name, caller, signal) {
    return this.#found(
      await this.#respond(method, path, { accept: everyType() }, name, caller, signal, true),
    );
  }

  /** What the registry responds below `/v2/`, once it knows who asks. */
  async #respond(method, path, headers, name, caller, signal, isFollowed) {
    const url = new URL(`v2/${path}`, this.base);
    const send = (header) => this.#follow(method, url, headers, header, signal, isFollowed);
    if (caller !== SERVER) return send(caller.authorization);
    const used = this.#atHand(name);
    const response = await send(used);
    if (response.status !== 401) return response;
    const renewed = await this.#renew(this.#demandOf(response), name, used, signal);
    if (renewed === undefined) return response;
    await response.body?.cancel();
    return send(renewed);
  }

  async #follow(method, start, headers, header, signal, isFollowed) {
    let url = start;
    let own = header;
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
      const response = await this.#send(method, url, headers, own, signal);
      if (![301, 302, 303, 307, 308].includes(response.status)) return response;
      const target = this.#target(url, response);
      // Nobody else is told who asks, nor whom they send back with it.
      if (target.origin !== url.origin) own = undefined;
      url = target;
      if (!isFollowed) return response;
      await response.body?.cancel();
    }
    throw this.fault({ problem: "circle" });
  }

  async #send(method, url, headers, header, signal) {
    this.#budget.take();
    const all = { ...headers, ...(header && { authorization: header }) };
    try {
      return await fetch(url, { method, headers: all, redirect: "manual", signal });
    } catch (error) {
      throw this.#broken(error, signal);
    }
  }

  #broken(error, signal) {
    if (error instanceof Fault) return error;
    if (signal.aborted) return this.fault({ problem: "timeout" });
    return this.fault({ problem: "unreachable", what: String(error.message ?? error) });
  }

  /** Where a redirect leads. */
  #target(from, response) {
    const location = response.headers.get("location");
    const target = location !== null && URL.canParse(location, from) ? new URL(location, from) : undefined;
    if (!target || !/^https?:$/.test(target.protocol)) throw this.fault({ problem: "nowhere" });
    const isDowngrade = new URL(from).protocol === "https:" && target.protocol === "http:";
    if (isDowngrade) throw this.fault({ problem: "downgrade" });
    return target;
  }

  /** A response, if it says that there is something: errors of registries are errors here. */
  #found(response) {
    const { status } = response;
    if (status === 200) return response;
    if (status === 404) return undefined;
    if (status === 401) throw this.fault({ problem: "unauthorized", ...this.#demandOf(response) });
    if (status === 403) throw this.fault({ problem: "denied" });
    if (status === 429) throw this.fault({ problem: "too-many-requests", retryAfter: retryAfter(response) });
    throw this.fault({ problem: "status", status });
  }

  #demandOf(response) {
    const asked = demand(response.headers.get("www-authenticate") ?? "");
    if (!asked) throw this.#invalid("status 401 without a challenge that can be answered");
    return asked;
  }

  /** What to say with a request, before the registry has asked. */
  #atHand(name) {
    const { credentials } = this.#settings;
    if (credentials && basic.has(this.#key())) return credentials.header;
    return tokens.get(this.#key(name));
  }

  /** What to say after the registry has asked, and did not take `used`; nothing if there is nothing else to say. */
  async #renew({ scheme, realm, service }, name, used, signal) {
    const { credentials } = this.#settings;
    const own = credentials?.header;
    if (scheme === "basic") {
      if (own === undefined || own === used) {
        basic.delete(this.#key());
        return undefined;
      }
      basic.add(this.#key());
      return own;
    }
    const scopes = name === "" ? [] : [{ name, actions: "pull" }];
    const url = this.#tokenUrl(tokenUrl({ realm, service, scopes, account: credentials?.username }));
    const response = await this.#send("GET", url, {}, own, signal);
    if (response.status === 401 || response.status === 403) throw this.fault({ problem: "denied" });
    if (response.status === 429) {
      throw this.fault({ problem: "too-many-requests", retryAfter: retryAfter(response) });
    }
    if (response.status !== 200) throw this.fault({ problem: "status", status: response.status });
    const issued = token(await this.#read(response, TOKEN_BYTES, signal));
    const header = issued && authorization({ token: issued.value });
    if (!header) throw this.#invalid("its token service gave no token");
    const lifetime = Math.min(Math.max(issued.lifetime - MARGIN, 0), MAX_LIFETIME);
    tokens.set(this.#key(name), header, lifetime);
    return header;
  }

  /** What a token, or a registry without any, is remembered by. */
  #key(...name) {
    return JSON.stringify([this.base, this.#settings.credentials?.username ?? null, ...name]);
  }

  /** The URL of a token service, to which credentials go: never in the clear where the registry itself has HTTPS. */
  #tokenUrl(text) {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    const isAllowed =
      url?.protocol === "https:" || (url?.protocol === "http:" && this.base.startsWith("http:"));
    if (!isAllowed) throw this.#invalid("its token service has no URL that can be asked");
    return url;
  }

  /** The digest that a response reports; `""` if it reports none, as some registries do. */
  #reported(headers) {
    const digest = headers.get("docker-content-digest");
    if (digest === null) return "";
    if (!/^[a-z0-9+._-]+:[a-f0-9]{32,}$/.test(digest))
      throw this.#invalid("its `Docker-Content-Digest` is not a digest");
    return digest;
  }

  async #check(digest, bytes) {
    if (!(await hasDigest(bytes, digest, payloadDigest))) throw this.fault({ problem: "corrupt", digest });
  }

  /** Reads a body of at most so many bytes. */
  async #read(response, limit, signal) {
    const tooLarge = () => this.fault({ problem: "too-large", limit });
    const announced = Number(response.headers.get("content-length") ?? 0);
    if (announced > limit) {
      await response.body?.cancel();
      throw tooLarge();
    }
    const chunks = [];
    let length = 0;
    try {
      for await (const chunk of response.body ?? []) {
        length += chunk.byteLength;
        if (length > limit) throw tooLarge();
        chunks.push(chunk);
      }
    } catch (error) {
      throw this.#broken(error, signal);
    }
    if (announced > length)
      throw this.fault({ problem: "unreachable", what: "the body ends before its length" });
    const bytes = new Uint8Array(length);
    let offset = 0;
    for (const chunk of chunks) {
      bytes.set(chunk, offset);
      offset += chunk.byteLength;
    }
    return bytes;
  }

  #object(bytes, what) {
    try {
      const object = JSON.parse(new TextDecoder().decode(bytes));
      if (typeof object === "object" && object !== null && !Array.isArray(object)) return object;
    } catch {
      // It is none.
    }
    throw this.#invalid(what);
  }

  #invalid(what) {
    return this.fault({ problem: "invalid", what });
  }

  /** What comes of `asking`, if it comes in time. A body that is passed on may take longer. */
  async #within(asking) {
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(), this.#settings.timeout);
    try {
      return await asking(controller.signal);
    } catch (error) {
      throw controller.signal.aborted ? this.fault({ problem: "timeout" }) : error;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** The path at a registry of a document that the core needs. */
function pathOf({ digest, kind }) {
  if (Object.hasOwn(PATHS, kind)) return PATHS[kind];
  throw new DownshiftError({
    code: "unknown-need",
    fault: "caller",
    cause: `the core needs \`${digest}\` as a \`${kind}\`, which this worker does not know`,
    remedy: "build the worker and its module from the same sources",
  });
}

/** The length that a response announces, if that can be counted. */
function contentLength({ headers }) {
  return counted(headers.get("content-length") ?? "");
}

/** Which part of a blob a response says that it has, if its numbers can be counted. */
function partOf({ headers }) {
  const part = contentRange(headers.get("content-range") ?? "");
  const isCounted = part && [part.start ?? 0, part.end ?? 0, part.size].every(Number.isSafeInteger);
  return isCounted ? part : undefined;
}

/** A whole number that JavaScript has exactly. */
function counted(text) {
  const number = /^\s*\d+\s*$/.test(text) ? Number(text) : undefined;
  return Number.isSafeInteger(number) ? number : undefined;
}

function withQuery(path, query) {
  return query === "" ? path : `${path}?${query}`;
}

function next(headers) {
  const link = headers.get("link");
  return link === null ? undefined : nextQuery(link);
}

/** After how many seconds to come again. A date is not passed on. */
function retryAfter(response) {
  return counted(response.headers.get("retry-after") ?? "");
}
