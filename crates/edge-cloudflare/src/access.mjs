// Who may pull: everybody, or those whom the upstream registry lets in.
import { token } from "downshift-oci/edge";
import { Fault } from "./fault.mjs";
import { callerId, Permits } from "./permits.mjs";
import { SERVER } from "./upstream.mjs";

/** What is told to people who have to log in. */
const REALM = "downshift";

/** Where clients get tokens; the registry crate knows the path as well. */
const TOKEN_PATH = "/_downshift/token";

/** Seconds for which a client is told that a token is good, at the most: a year, which no service means. */
const MAX_LIFETIME = 365 * 24 * 3600;

const BASIC = { scheme: "basic", realm: REALM };

/** What the registry has said yes to, remembered by this isolate. */
const permits = new Permits();

/** Everybody may pull. */
export class Open {
  /** Whether answers are for one caller only. */
  isPrivate = false;

  async caller() {
    return SERVER;
  }

  async base() {
    return { kind: "base" };
  }

  async token() {
    return { kind: "unknownPath" };
  }

  tag(upstream, name, tag, caller) {
    return upstream.tag(name, tag, caller);
  }

  async mayPull() {
    return true;
  }

  refused() {
    // It is this worker that was refused, and not the caller.
  }

  refusal() {
    return undefined;
  }
}

/** Those whom the upstream registry lets in: its demands in this worker's name, and what it has said yes to. */
export class PassThrough {
  isPrivate = true;
  #origin;

  constructor(origin) {
    this.#origin = origin;
  }

  /** On whose behalf the registry is asked: what the caller says of itself, and what stands for that in memory. */
  async caller(asked) {
    const authorization = asked.authorization ?? undefined;
    return { authorization, id: await callerId(authorization) };
  }

  /** `/v2/`: whether the registry wants to know who asks. */
  async base(upstream, caller) {
    const demand = await upstream.demand(caller);
    if (!demand) return { kind: "base" };
    this.refused(caller);
    return { kind: "unauthorized", ...this.#own(demand) };
  }

  /** A token from the registry's token service. */
  async token(upstream, asked, remote) {
    const demand = await upstream.demand({});
    if (demand?.scheme !== "bearer") return { kind: "unknownPath" };
    const scopes = asked.scopes.flatMap(({ name, actions }) => {
      const there = remote(name);
      return there === undefined ? [] : [{ name: there, actions }];
    });
    const { realm, service } = demand;
    // A token is asked for with a name and password, or without anything.
    const header = asked.hasCredentials ? asked.authorization : undefined;
    const { status, body } = await upstream.clientToken(
      { realm, service, scopes, account: asked.account },
      header,
    );
    if (status === 401 || status === 403) return { kind: "unauthorized", ...BASIC };
    if (status === 429) throw upstream.fault({ problem: "too-many-requests" });
    if (status !== 200) throw upstream.fault({ problem: "status", status });
    const issued = token(body);
    if (!issued) throw upstream.fault({ problem: "invalid", what: "its token service gave no token" });
    return { kind: "token", ...issued, lifetime: Math.min(issued.lifetime, MAX_LIFETIME) };
  }

  /** What a tag points to, once the registry has said yes to this caller. */
  async tag(upstream, name, tag, caller) {
    const repository = repositoryAt(upstream, name);
    if (permits.has(caller.id, repository)) return upstream.tag(name, tag, caller);
    return permits.ask(caller.id, repository, () => upstream.askTag(name, tag, caller));
  }

  /** Whether the registry says yes to this caller: for a manifest, and where that is gone, for the repository. */
  async mayPull(upstream, name, source, caller) {
    const repository = repositoryAt(upstream, name);
    if (permits.has(caller.id, repository)) return true;
    return permits.ask(
      caller.id,
      repository,
      async () =>
        (await upstream.headManifest(name, await source(), caller)) !== undefined ||
        (await upstream.hasRepository(name, caller)),
    );
  }

  /**
   * The registry has said no to this caller, whatever was asked for: that it said yes before is forgotten, for the
   * repository, or where the answer was about none of them, for all.
   */
  refused({ authorization, id }, remote) {
    if (remote) permits.refuse(id, repositoryAt(remote.upstream, remote.name));
    // A registry that wants to hear something has not turned away those who say nothing.
    else if (authorization !== undefined) permits.refuse(id);
  }

  /** What to say to a client that the registry turned away, if that is what `error` is about. */
  refusal(error, { name }) {
    if (!(error instanceof Fault)) return undefined;
    const { problem } = error.described;
    if (problem === "unauthorized") return { kind: "unauthorized", ...this.#own(error.described) };
    return problem === "denied" && name !== undefined ? { kind: "denied" } : undefined;
  }

  /** The registry's demand in this worker's name, so that clients never hear of the registry's own. */
  #own({ scheme }) {
    return scheme === "basic" ? BASIC : { scheme, realm: this.#origin + TOKEN_PATH, service: REALM };
  }
}

function repositoryAt(upstream, name) {
  return `${upstream.base} ${name}`;
}
