// The front: what there is to answer to a request, from upstream registries.
import { answerPath, asksFor, convert, DownshiftError, remoteName } from "downshift-oci/edge";
import { Open, PassThrough } from "./access.mjs";
import { Budget } from "./budget.mjs";
import { NearCache } from "./cache.mjs";
import { Fault } from "./fault.mjs";
import { Records } from "./records.mjs";
import { Upstream } from "./upstream.mjs";

/** Seconds for which answers stay near the clients: as long as their records are known there. */
const ANSWER_TTL = 3600;

/** There is no manifest of a digest that was asked for, or that a tag points to. */
class Missing extends Error {
  constructor(digest) {
    super(`there is no manifest \`${digest}\``);
    this.digest = digest;
  }
}

/** Everything for one request. */
export class Front {
  constructor(settings, bucket, origin) {
    const budget = new Budget(settings.subrequests);
    const cache = new NearCache(budget);
    this.settings = settings;
    this.budget = budget;
    this.cache = cache;
    this.records = new Records(bucket, cache, budget);
    this.access = settings.auth === "open" ? new Open() : new PassThrough(settings.publicUrl ?? origin);
    this.upstreams = settings.upstreams.map(
      (upstream) => new Upstream(upstream, { ...settings, cache, budget }),
    );
  }

  /** What was found: its kind and what belongs to that, and a body. */
  async find(request, asked) {
    const caller = await this.access.caller(asked);
    const { found, ...content } = await this.#lookUp(request, asked, caller).catch(async (error) => {
      if (error instanceof Fault && error.isAboutCaller) this.#refused(asked, caller);
      return { found: await this.#failed(error, asked) };
    });
    // Load balancers look at `/`, which nobody has to be let in for.
    const isPrivate = this.access.isPrivate && asked.route !== "root";
    return { found: { ...found, isPrivate }, ...content };
  }

  async #lookUp(request, asked, caller) {
    switch (asked.route) {
      case "base":
        return { found: await this.access.base(this.upstreams[0], caller) };
      case "token":
        return {
          found: await this.access.token(this.upstreams[0], asked, (name) => this.#remote(name)?.name),
        };
      case "manifest":
        return this.#manifest(request, asked, caller);
      case "blob":
        return this.#blob(request, asked, caller);
      case "tags":
        return { found: await this.#tags(asked, caller) };
      case "referrers":
        return this.#referrers(asked, caller);
      default:
        // What needs nothing from anywhere has the name of its response.
        return { found: { kind: asked.route } };
    }
  }

  /** The upstream registry that has a repository, and its name there. */
  #remote(name) {
    const mappings = this.settings.upstreams.map(({ mapping }) => mapping);
    const chosen = remoteName(mappings, name);
    return chosen && { upstream: this.upstreams[chosen.index], name: chosen.name };
  }

  async #manifest(request, asked, caller) {
    const unknown = { found: { kind: "manifestUnknown" } };
    const remote = this.#remote(asked.name);
    if (!remote) return unknown;
    const digest = await this.#resolve(remote, asked, caller);
    if (digest === undefined) return unknown;
    const path = ["answers", ...this.#fingerprint(), remote.upstream.base, answerPath(request, digest)];
    const kept = await this.cache.get(...path);
    if (kept) return { found: { kind: "manifest", ...kept.about }, bytes: kept.bytes };
    const { body, records, ...answer } = await this.#make(asked, digest, remote, caller);
    await this.records.keep(records);
    const { form, source } = answer;
    const about = { form, digest: answer.digest, source };
    // What a passing key has signed is of no use to anybody else.
    if (this.settings.isLasting || !form.startsWith("schema1")) {
      await this.cache.put(path, ANSWER_TTL, about, body);
    }
    return { found: { kind: "manifest", ...about }, bytes: body };
  }

  /** The digest that a reference stands for, if the client may know. */
  async #resolve({ upstream, name }, asked, caller) {
    if (asked.tag !== undefined) return this.access.tag(upstream, name, asked.tag, caller);
    const source = async () => (await this.records.get(asked.name, asked.digest))?.source ?? asked.digest;
    return (await this.access.mayPull(upstream, name, source, caller)) ? asked.digest : undefined;
  }

  async #make(asked, digest, { upstream, name }, caller) {
    const { policy, platform, limits, signer } = this.settings;
    const byDigest = asked.tag === undefined;
    const record = byDigest ? await this.records.get(asked.name, digest) : undefined;
    const request = { name: asked.name, tag: asked.tag, digest, byDigest, record, client: asked.client };
    const fetchDocument = async (need) => {
      const bytes = await upstream.document(name, need, caller);
      if (bytes === undefined && need.digest === digest) throw new Missing(digest);
      return bytes;
    };
    return convert({ ...request, policy, platform, limits }, fetchDocument, signer);
  }

  /** What decides an answer beside the request. */
  #fingerprint() {
    const { policy, platform, limits, signer } = this.settings;
    return [policy, platform, JSON.stringify(limits ?? {}), signer.publicKey.kid];
  }

  async #blob(request, asked, caller) {
    const unknown = { found: { kind: "blobUnknown" } };
    const remote = this.#remote(asked.name);
    if (!remote) return unknown;
    const { upstream, name } = remote;
    if (asked.method === "HEAD" || asked.has) {
      const size = await upstream.blobSize(name, asked.digest, caller);
      return size === undefined ? unknown : { found: { kind: "blob", size } };
    }
    const isAsked = (part) => asksFor(request, part);
    return (await upstream.blob(name, asked.digest, asked.range, isAsked, caller)) ?? unknown;
  }

  async #tags(asked, caller) {
    const remote = this.#remote(asked.name);
    const tags = remote && (await remote.upstream.tags(remote.name, asked.query, caller));
    if (tags) return { kind: "tags", ...tags };
    // Registries hide what somebody may not see: for them there is no such repository.
    this.#refused(asked, caller);
    return { kind: "nameUnknown" };
  }

  async #referrers(asked, caller) {
    const remote = this.#remote(asked.name);
    const found = remote && (await remote.upstream.referrers(remote.name, asked.digest, asked.query, caller));
    if (!found) return { found: { kind: "noReferrers" } };
    return { found: { kind: "referrers", ...found.value }, bytes: found.bytes };
  }

  /** The registry has turned this caller away: from a repository, or where none is asked for, from all of it. */
  #refused({ name }, caller) {
    this.access.refused(caller, name === undefined ? undefined : this.#remote(name));
  }

  async #failed(error, asked) {
    const refusal = this.access.refusal(error, asked);
    if (refusal) return refusal;
    if (error instanceof Fault) {
      console.error(`${error.code}: ${error.message}`);
      return { kind: "fault", ...error.described };
    }
    if (error instanceof Missing) return { kind: "manifestUnknown", digest: error.digest };
    if (error instanceof DownshiftError) return this.#notConverted(error);
    console.error(error);
    return { kind: "internal" };
  }

  async #notConverted({ code, fault, cause, remedy, records }) {
    try {
      await this.records.keep(records);
    } catch (error) {
      console.error(error);
      return { kind: "internal" };
    }
    if (fault === "caller") console.error(`${code}: ${cause}`);
    return { kind: "refused", code, fault, cause, remedy };
  }
}
