// What is kept near the clients: the Cache API, by URLs that only this worker knows.

/** No client can ask for this host. */
const ORIGIN = "https://downshift.invalid/";

/** Calls of the Cache API that one request may make on the free plan (Cloudflare, "Workers limits"). */
const CALLS = 50;

export function nearCache() {
  /** What this request has had or put there: it is not asked for twice. */
  const atHand = new Map();
  let calls = 0;

  /** Whether there may be one more call, which nothing depends on. */
  const isLeft = () => ++calls <= CALLS;

  const match = (url) => (isLeft() ? caches.default.match(url) : undefined);

  async function load({ path }) {
    const url = urlOf(path);
    if (!atHand.has(url)) {
      const found = await match(url);
      if (!found) return { done: "loaded" };
      const about = found.headers.get("downshift-about");
      atHand.set(url, { about, bytes: [new Uint8Array(await found.arrayBuffer())] });
    }
    return { done: "loaded", ...atHand.get(url) };
  }

  async function has({ path }) {
    const url = urlOf(path);
    const found = atHand.has(url) || (await match(url));
    await found?.body?.cancel();
    return { done: "has", has: Boolean(found) };
  }

  async function keep({ path, about, seconds, bytes }) {
    const url = urlOf(path);
    atHand.set(url, { about, bytes });
    if (!isLeft()) return;
    const headers = { "cache-control": `max-age=${seconds}`, "downshift-about": about };
    await caches.default.put(url, new Response(bytes[0], { headers }));
  }

  async function forget({ path }) {
    const url = urlOf(path);
    atHand.delete(url);
    await caches.default.delete(url);
  }

  return { load, has, keep, forget };
}

function urlOf(path) {
  return ORIGIN + path.map(encodeURIComponent).join("/");
}
