// Who may pull: everybody, or whoever the upstream registry lets.
import { digestOf, token } from "downshift-oci/edge";
import { Fault } from "./fault.mjs";
import { Memory } from "./memory.mjs";
import { SERVER } from "./upstream.mjs";

/** Seconds for which it is remembered that somebody may pull, so that a right that was taken away is gone then. */
const REMEMBERED = 60;

/** What is told to people who have to log in. */
const REALM = "downshift";

/** Where clients get tokens; the registry crate knows the path as well. */
const TOKEN_PATH = "/_downshift/token";

/** Who may pull from which repository, by a hash of what they say of themselves. */
const permits = new Memory(10_000);

const BASIC = { scheme: "basic", realm: REALM };

/** Everybody may pull. */
export class Open {
  caller() {
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

  refusal() {
    return undefined;
  }
}

/** Whoever the upstream registry lets: its demands in this worker's name, and what it has said yes to. */
export class PassThrough {
  #origin;

  constructor(origin) {
    this.#origin = origin;
  }

  caller({ authorization }) {
    return { authorization: authorization ?? undefined };
  }

  /** `/v2/`: whether the registry wants to know who asks. */
  async base(upstream, caller) {
    const demand = await upstream.demand(caller);
    return demand ? { kind: "unauthorized", ...this.#own(demand) } : { kind: "base" };
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
    return { kind: "token", ...issued };
  }

  /** What a tag points to, once the registry has said yes to this caller. */
  async tag(upstream, name, tag, caller) {
    const key = await permit(upstream, name, caller);
    if (permits.get(key)) return upstream.tag(name, tag, caller);
    const digest = await upstream.askTag(name, tag, caller);
    if (digest !== undefined) permits.set(key, true, REMEMBERED);
    return digest;
  }

  /** Whether the registry says yes to this caller: for a manifest, and where that is gone, for the repository. */
  async mayPull(upstream, name, source, caller) {
    const key = await permit(upstream, name, caller);
    if (permits.get(key)) return true;
    const isThere =
      (await upstream.headManifest(name, await source(), caller)) !== undefined ||
      (await upstream.hasRepository(name, caller));
    if (isThere) permits.set(key, true, REMEMBERED);
    return isThere;
  }

  /** What to say to a client that the registry did not let, if that is what `error` is about. */
  refusal(error) {
    if (!(error instanceof Fault)) return undefined;
    const { problem } = error.described;
    if (problem === "unauthorized") return { kind: "unauthorized", ...this.#own(error.described) };
    return problem === "denied" ? { kind: "denied" } : undefined;
  }

  /** The registry's demand in this worker's name, so that clients never hear of the registry's own. */
  #own({ scheme }) {
    return scheme === "basic" ? BASIC : { scheme, realm: this.#origin + TOKEN_PATH, service: REALM };
  }
}

async function permit(upstream, name, { authorization = "" }) {
  const hash = await digestOf(new TextEncoder().encode(authorization));
  return `${hash} ${upstream.base} ${name}`;
}
