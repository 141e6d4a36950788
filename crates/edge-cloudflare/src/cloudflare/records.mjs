// The digests that were reported, in R2: whoever reads there sees what was written before (Cloudflare, "R2 consistency
// model"), from wherever. In KV it could be missing for a minute, and a client is told the digest at once.

export function records(bucket) {
  async function put({ path, about }, payload) {
    const key = path.join("/");
    try {
      await bucket.put(key, payload, { customMetadata: { about } });
    } catch (error) {
      // One object is written once a second at the most (Cloudflare, "R2 limits"): somebody else was first.
      const kept = await bucket.head(key);
      if (kept?.customMetadata.about !== about) throw error;
    }
  }

  async function get({ path }) {
    const found = await bucket.get(path.join("/"));
    if (!found) return undefined;
    return { about: found.customMetadata.about, bytes: [new Uint8Array(await found.arrayBuffer())] };
  }

  return {
    record: ({ records: all, bytes }) =>
      outcome("recorded", () => Promise.all(all.map((one, index) => put(one, bytes[index])))),
    recall: (effect) => outcome("recalled", () => get(effect)),
  };
}

async function outcome(done, run) {
  try {
    const { about, bytes } = (await run()) ?? {};
    return { done, about, bytes };
  } catch (error) {
    console.error(error);
    return { done, isFailed: true };
  }
}
