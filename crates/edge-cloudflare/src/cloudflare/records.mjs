// The digests that were reported, and what is known of layers, in R2: whoever reads there sees what was written before (Cloudflare, "R2 consistency
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

  async function about(path) {
    const { customMetadata } = (await bucket.head(path.join("/"))) ?? {};
    return customMetadata;
  }

  /** All that was put below a path. Most paths have nothing, which costs less to see than to list. */
  async function below({ path }) {
    if (!(await about(path))) return { found: [] };
    const { objects } = await bucket.list({ prefix: `${path.join("/")}/`, include: ["customMetadata"] });
    const found = ({ customMetadata, uploaded }) => ({ ...customMetadata, time: uploaded.getTime() });
    return { found: objects.map(found) };
  }

  return {
    record: ({ records: all, bytes }) =>
      outcome(
        "recorded",
        async () => void (await Promise.all(all.map((one, index) => put(one, bytes[index])))),
      ),
    recall: (effect) => outcome("recalled", () => get(effect)),
    recallFacts: ({ paths }) =>
      outcome("knownLayer", async () => ({ found: await Promise.all(paths.map(about)) })),
    recallLayer: (effect) => outcome("sources", () => below(effect)),
  };
}

async function outcome(done, run) {
  try {
    return { done, ...(await run()) };
  } catch (error) {
    console.error(error);
    return { done, isFailed: true };
  }
}
