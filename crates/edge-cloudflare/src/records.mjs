// The digests that were reported, in R2: whoever reads there sees what was written before (Cloudflare, "R2 consistency
// model"), from wherever. In KV it could be missing for a minute, and a client is told the digest at once.

/** Seconds for which it is known near the clients that a digest is kept. */
const KNOWN = 3600;

export class Records {
  #bucket;
  #cache;
  #budget;

  constructor(bucket, cache, budget) {
    this.#bucket = bucket;
    this.#cache = cache;
    this.#budget = budget;
  }

  /** Keeps records, all of them before this is ready. */
  async keep(records) {
    await Promise.all(records.map((record) => this.#keepOne(record)));
  }

  async #keepOne({ payload, ...about }) {
    const path = ["records", about.name, about.digest];
    const known = await this.#cache.get(...path);
    if (known && JSON.stringify(known.about) === JSON.stringify(about)) return;
    await this.#put(path.join("/"), payload, JSON.stringify(about));
    await this.#cache.put(path, KNOWN, about, payload);
  }

  async #put(path, payload, about) {
    this.#budget.take();
    try {
      await this.#bucket.put(path, payload, { customMetadata: { about } });
    } catch (error) {
      // One object is written once a second at the most (Cloudflare, "R2 limits"): somebody else was first.
      this.#budget.take();
      const kept = await this.#bucket.head(path);
      if (kept?.customMetadata.about !== about) throw error;
    }
  }

  /** The record of a digest in a repository, if it was reported. */
  async get(name, digest) {
    const path = ["records", name, digest];
    const known = await this.#cache.get(...path);
    if (known) return { ...known.about, payload: known.bytes };
    this.#budget.take();
    const found = await this.#bucket.get(path.join("/"));
    if (!found) return undefined;
    const about = JSON.parse(found.customMetadata.about);
    const payload = new Uint8Array(await found.arrayBuffer());
    await this.#cache.put(path, KNOWN, about, payload);
    return { ...about, payload };
  }
}
