// The worker in workerd, as it runs at the edge.
import { connect, createServer } from "node:net";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { Miniflare } from "miniflare";

/** The module that is run. */
const MAIN = "worker.mjs";

/** What a client of TLS begins with. */
const TLS_HANDSHAKE = 0x16;

const TEXT = { type: "string" };

/** What the worker is told on a command line. */
export function optionsOf(args) {
  const { values } = parseArgs({
    args,
    options: {
      help: { type: "boolean" },
      upstream: TEXT,
      upstreams: TEXT,
      "upstream-ns": TEXT,
      "upstream-username": TEXT,
      "upstream-password-file": TEXT,
      "upstream-docker-config": TEXT,
      "upstream-timeout": TEXT,
      worker: { ...TEXT, default: resolve(import.meta.dirname, "../../target/worker") },
      data: TEXT,
      cache: TEXT,
      listen: { ...TEXT, default: "127.0.0.1:5000" },
      key: TEXT,
      secret: { ...TEXT, multiple: true, default: [] },
      signer: TEXT,
      auth: TEXT,
      blobs: TEXT,
      policy: TEXT,
      allow: TEXT,
      client: { ...TEXT, multiple: true, default: [] },
      platform: TEXT,
      "plain-layers": TEXT,
      v1: TEXT,
      "unsigned-schema1": TEXT,
      "facts-wait": TEXT,
      "layer-bytes": TEXT,
      limit: { ...TEXT, multiple: true, default: [] },
      "tag-ttl": TEXT,
      "public-url": TEXT,
      subrequests: TEXT,
    },
  });
  return values;
}

/** What is in a file, without the end of its line. */
function secretOf(file) {
  return readFileSync(file, "utf8").replace(/\r?\n$/, "");
}

/** Who Docker's config.json says that this machine is towards a registry. */
function fromDocker(file, upstream) {
  const { auths = {} } = JSON.parse(readFileSync(file, "utf8"));
  const { username, password, auth, identitytoken } = auths[new URL(upstream).host] ?? {};
  if (identitytoken) return ["<token>", identitytoken];
  if (username) return [username, password];
  const [name, ...rest] = Buffer.from(auth ?? "", "base64")
    .toString()
    .split(":");
  return [name, rest.join(":")];
}

/** The worker's variables. */
function variablesOf(values) {
  const variables = {
    UPSTREAM: values.upstream,
    UPSTREAMS: values.upstreams,
    UPSTREAM_NS: values["upstream-ns"],
    UPSTREAM_USERNAME: values["upstream-username"],
    UPSTREAM_TIMEOUT: values["upstream-timeout"],
    SIGNER: values.signer,
    AUTH: values.auth,
    BLOBS: values.blobs,
    POLICY: values.policy,
    ALLOW: values.allow,
    CLIENT: values.client.join(","),
    PLATFORM: values.platform,
    PLAIN_LAYERS: values["plain-layers"],
    V1: values.v1,
    UNSIGNED_SCHEMA1: values["unsigned-schema1"],
    FACTS_WAIT: values["facts-wait"],
    LAYER_BYTES: values["layer-bytes"],
    TAG_TTL: values["tag-ttl"],
    PUBLIC_URL: values["public-url"],
    SUBREQUESTS: values.subrequests,
  };
  if (values["upstream-password-file"]) {
    variables.UPSTREAM_PASSWORD = secretOf(values["upstream-password-file"]);
  }
  for (const secret of values.secret) {
    const [name, ...file] = secret.split("=");
    variables[name] = secretOf(file.join("="));
  }
  if (values["upstream-docker-config"]) {
    const [name, password] = fromDocker(values["upstream-docker-config"], values.upstream);
    Object.assign(variables, { UPSTREAM_USERNAME: name, UPSTREAM_PASSWORD: password });
  }
  if (values.key) variables.SIGNING_KEY = readFileSync(values.key, "utf8");
  if (values.limit.length > 0) {
    variables.LIMITS = JSON.stringify(
      Object.fromEntries(
        values.limit.map((limit) => {
          const [name, value] = limit.split("=");
          return [name, Number(value)];
        }),
      ),
    );
  }
  return Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== undefined));
}

/** The modules of a worker, the one that is run first. Looking for them in the script takes longer than the worker's start. */
function modules(folder) {
  const names = readdirSync(folder).filter((name) => /\.(mjs|wasm)$/.test(name) && name !== MAIN);
  return [MAIN, ...names].map((name) => ({
    type: name.endsWith(".wasm") ? "CompiledWasm" : "ESModule",
    path: join(folder, name),
  }));
}

/**
 * Starts a worker. `listenToRuntime` is given what workerd writes, as two streams; by default that goes where this process
 * writes.
 */
export async function serve(values, listenToRuntime) {
  const worker = resolve(values.worker);
  const data = values.data ?? mkdtempSync(join(tmpdir(), "downshift-"));
  mkdirSync(data, { recursive: true });
  const [, host, port] = values.listen.match(/^(.*):(\d+)$/);
  const miniflare = new Miniflare({
    // What is between clients and workers by default compresses, which nobody asked for.
    unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
    host: "127.0.0.1",
    port: 0,
    // Where this machine is does not matter, and asking for it takes seconds where there is no way out.
    cf: false,
    handleRuntimeStdio: listenToRuntime,
    modulesRoot: worker,
    modules: modules(worker),
    compatibilityDate: "2025-12-01",
    bindings: variablesOf(values),
    r2Buckets: ["RECORDS"],
    r2Persist: join(resolve(data), "r2"),
    cachePersist: values.cache && resolve(values.cache),
  });
  await miniflare.ready;
  const workerd = await miniflare.unsafeGetDirectURL();
  // Engines try TLS first. workerd leaves them waiting for seconds; here they are told at once that there is none.
  const server = createServer((client) => {
    client.on("error", () => client.destroy());
    client.once("data", (first) => {
      if (first[0] === TLS_HANDSHAKE) return client.destroy();
      const inside = connect(Number(workerd.port), "127.0.0.1");
      inside.on("error", () => client.destroy());
      client.on("close", () => inside.destroy());
      inside.write(first);
      client.pipe(inside).pipe(client);
    });
  });
  await new Promise((resolve) => server.listen(Number(port), host, resolve));
  return {
    url: `http://${host}:${server.address().port}`,
    async stop() {
      server.close();
      await miniflare.dispose();
      if (!values.data) rmSync(data, { recursive: true, force: true });
    },
  };
}
