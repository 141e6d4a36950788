// What is kept near the clients: the Cache API, by URLs that only this worker knows.

/** No client can ask for this host. */
const ORIGIN = "https://downshift.invalid/";

export class NearCache {
  #budget;

  constructor(budget) {
    this.#budget = budget;
  }

  /** What was kept under a path: its bytes, and what was said of them. */
  async get(...path) {
    if (!this.#budget.takeCacheCall()) return undefined;
    const found = await caches.default.match(key(path));
    if (!found) return undefined;
    const about = JSON.parse(found.headers.get("downshift-about"));
    return { about, bytes: new Uint8Array(await found.arrayBuffer()) };
  }

  /** Keeps bytes for so many seconds, or for less. */
  async put(path, seconds, about, bytes) {
    if (seconds <= 0 || !this.#budget.takeCacheCall()) return;
    const headers = { "cache-control": `max-age=${seconds}`, "downshift-about": JSON.stringify(about) };
    await caches.default.put(key(path), new Response(bytes, { headers }));
  }

  async drop(...path) {
    if (this.#budget.takeCacheCall()) await caches.default.delete(key(path));
  }
}

function key(path) {
  return ORIGIN + path.map(encodeURIComponent).join("/");
}
