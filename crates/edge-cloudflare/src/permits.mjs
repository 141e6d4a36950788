// Who may pull from which repository: what the registry has said yes to lately.
import { Memory } from "./memory.mjs";

/** Seconds for which it is remembered that somebody may pull, so that a right that was taken away is gone then. */
const REMEMBERED = 60;

/** How many of these are remembered: with their keys they take some 2 MB of an isolate's 128. */
const MAX_REMEMBERED = 10_000;

/** The key of the hash: an isolate has no random numbers before its first request, and no other isolate has this one. */
let secret;

/**
 * What stands for what a caller says of itself: nobody who sees it can say the same, nor try what it might be.
 *
 * @param {string | undefined} authorization the header of that name
 */
export async function callerId(authorization) {
  if (authorization === undefined) return "";
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const made = secret ?? (await crypto.subtle.generateKey(algorithm, false, ["sign"]));
  // No request may wait for what another one has begun: of several the first decides.
  secret ??= made;
  const hash = await crypto.subtle.sign(algorithm, secret, new TextEncoder().encode(authorization));
  return btoa(String.fromCharCode(...new Uint8Array(hash)));
}

/** Each by the caller's id and the repository. */
export class Permits {
  #given = new Memory(MAX_REMEMBERED);
  /** What is being asked, by caller: a no that comes meanwhile is newer than the yes that may come of it. */
  #asking = new Map();

  has(id, repository) {
    return this.#given.get(key(id, repository)) !== undefined;
  }

  /** Asks, and remembers a yes, which is any answer but nothing: if there was no refusal since it was asked for. */
  async ask(id, repository, question) {
    const asking = { repository, isRefused: false };
    this.#asking.set(id, (this.#asking.get(id) ?? new Set()).add(asking));
    try {
      const answer = await question();
      if (answer && !asking.isRefused) this.#given.set(key(id, repository), true, REMEMBERED);
      return answer;
    } finally {
      const left = this.#asking.get(id);
      left.delete(asking);
      if (left.size === 0) this.#asking.delete(id);
    }
  }

  /** The registry has said no to a caller: for a repository, or without one for all of them. */
  refuse(id, repository) {
    if (repository === undefined) this.#given.deleteBelow(key(id, ""));
    else this.#given.delete(key(id, repository));
    for (const asking of this.#asking.get(id) ?? []) {
      if (repository === undefined || repository === asking.repository) asking.isRefused = true;
    }
  }
}

/** An id has no spaces. */
function key(id, repository) {
  return `${id} ${repository}`;
}
