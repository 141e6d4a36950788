// What is kept near the clients: the Cache API, by URLs that only this worker knows.

/** No client can ask for this host. */
const ORIGIN = "https://downshift.invalid/";

export class NearCache {
  #budget;
  /** What this request has had or put there: it is not asked for twice. */
  #atHand = new Map();

  constructor(budget) {
    this.#budget = budget;
  }

  /** What was kept under a path: its bytes, and what was said of them. */
  async get(...path) {
    const url = key(path);
    if (this.#atHand.has(url)) return this.#atHand.get(url);
    if (!this.#budget.takeCacheCall()) return undefined;
    const found = await caches.default.match(url);
    if (!found) return undefined;
    const about = JSON.parse(found.headers.get("downshift-about"));
    const kept = { about, bytes: new Uint8Array(await found.arrayBuffer()) };
    this.#atHand.set(url, kept);
    return kept;
  }

  /** Keeps bytes for so many seconds, or for less. */
  async put(path, seconds, about, bytes) {
    if (seconds <= 0) return;
    this.#atHand.set(key(path), { about, bytes });
    if (!this.#budget.takeCacheCall()) return;
    const headers = { "cache-control": `max-age=${seconds}`, "downshift-about": JSON.stringify(about) };
    await caches.default.put(key(path), new Response(bytes, { headers }));
  }
}

function key(path) {
  return ORIGIN + path.map(encodeURIComponent).join("/");
}
