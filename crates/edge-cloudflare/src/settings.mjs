// What an operator says of the worker: its bindings and variables.
import {
  authorization,
  checkLimits,
  DownshiftError,
  isDockerHub,
  registryHost,
  remoteName,
} from "downshift-oci/edge";
import { generateP256Signer, p256Signer, webCryptoSigner } from "downshift-oci/p256";

/** Seconds for which a registry may be silent: as long as a client cares to wait. */
const UPSTREAM_TIMEOUT = 30;

/** Seconds for which a tag points to what it pointed to when that was last asked. */
const TAG_TTL = 10;

/** Subrequests of one request that the free plan allows (Cloudflare, "Workers limits"). */
const SUBREQUESTS = 50;

/** What may be said of a registry in `UPSTREAMS`. */
const MEMBERS = ["url", "prefix", "remotePrefix", "library", "blobs", "username", "password"];

/** Reads the settings, and checks all of them. */
export async function readSettings(env) {
  const upstreams = readUpstreams(env);
  const limits = readLimits(env.LIMITS);
  const auth = oneOf(env, "AUTH", ["open", "upstream"]);
  if (auth === "upstream" && upstreams.length > 1) {
    throw invalid("AUTH", "a client's token is good for one registry, and there are several");
  }
  if (!env.RECORDS) throw invalid("RECORDS", "bind an R2 bucket: reported digests are kept there");
  const { signer, isLasting } = await readSigner(env);
  return {
    upstreams,
    limits,
    auth,
    signer,
    isLasting,
    policy: oneOf(env, "POLICY", ["strict", "reference"]),
    platform: env.PLATFORM || "linux/amd64",
    tagTtl: number(env, "TAG_TTL", TAG_TTL),
    subrequests: number(env, "SUBREQUESTS", SUBREQUESTS),
    publicUrl: env.PUBLIC_URL ? env.PUBLIC_URL.replace(/\/+$/, "") : undefined,
  };
}

function readUpstreams(env) {
  const timeout = 1000 * number(env, "UPSTREAM_TIMEOUT", UPSTREAM_TIMEOUT);
  const upstreams = described(env).map((one) => readUpstream(env, one, timeout));
  // That the prefixes can begin a name is looked at here, and not with the first request.
  remoteName(
    upstreams.map(({ mapping }) => mapping),
    "library/any",
  );
  return upstreams;
}

/** What is said of each registry. */
function described(env) {
  if (!env.UPSTREAMS) {
    const isKnown = env.UPSTREAM_USERNAME || env.UPSTREAM_PASSWORD;
    const credentials = isKnown ? { username: env.UPSTREAM_USERNAME, password: "UPSTREAM_PASSWORD" } : {};
    return [{ url: env.UPSTREAM, ...credentials }];
  }
  // They would be told to every one of them.
  for (const name of ["UPSTREAM_USERNAME", "UPSTREAM_PASSWORD"]) {
    if (env[name]) {
      const remedy = "give the registry that they are for its own `username` and `password` in `UPSTREAMS`";
      throw wrong(`\`${name}\` is for the one registry of \`UPSTREAM\`, and \`UPSTREAMS\` is set`, remedy);
    }
  }
  const all = parsed(env.UPSTREAMS);
  if (!Array.isArray(all) || all.length === 0 || all.some((one) => typeof one !== "object" || one === null)) {
    throw invalid("UPSTREAMS", "write an array of registries, each with its `url`");
  }
  for (const name of all.flatMap(Object.keys)) {
    if (!MEMBERS.includes(name)) {
      throw wrong(
        `a registry of \`UPSTREAMS\` has the unknown member \`${name}\``,
        `write ${choice(MEMBERS)}`,
      );
    }
  }
  return all;
}

function readUpstream(env, { url, username, password, blobs = env.BLOBS || "stream", ...mapping }, timeout) {
  const base = URL.canParse(url ?? "") ? new URL(url) : undefined;
  const isRegistry =
    base && /^https?:$/.test(base.protocol) && !(base.search || base.hash || base.username || base.password);
  if (!isRegistry)
    throw invalid("UPSTREAM", "write the registry's URL, such as https://registry.example.org");
  if (!["stream", "redirect"].includes(blobs)) throw invalid("BLOBS", "write `stream` or `redirect`");
  base.hostname = registryHost(base.hostname);
  base.pathname = `${base.pathname.replace(/\/+$/, "").replace(/\/v2$/, "")}/`;
  const { prefix = "", remotePrefix = "", library = isDockerHub(base.hostname) } = mapping;
  return {
    base: base.href,
    host: base.hostname,
    credentials: readCredentials(env, base.host, username, password),
    blobs,
    timeout,
    mapping: { prefix, remotePrefix, library },
  };
}

/** Who this worker is towards one registry. `password` is the name of the secret that has it. */
function readCredentials(env, host, username, password) {
  if (!username && !password) return undefined;
  const value = env[password];
  if (!username || typeof value !== "string" || value === "") {
    const missing = username ? `its secret \`${password}\`` : "its `username`";
    throw wrong(
      `the registry \`${host}\` has credentials without ${missing}`,
      "give both the name, and the secret that has the password",
    );
  }
  return { username, header: authorization({ username, password: value }) };
}

function readLimits(text) {
  if (!text) return undefined;
  const limits = parsed(text);
  if (limits === undefined) throw invalid("LIMITS", 'write them as {"layers": 127}');
  checkLimits(limits);
  return limits;
}

async function readSigner(env) {
  const kind = oneOf(env, "SIGNER", ["p256", "webcrypto"]);
  const read = kind === "p256" ? p256Signer : webCryptoSigner;
  // Old clients check that a document fits its signature, not whose it is: without a key, one that is gone some day.
  const key = env.SIGNING_KEY || generateP256Signer().toJwk();
  return { signer: await read(key), isLasting: Boolean(env.SIGNING_KEY) };
}

function oneOf(env, name, values) {
  const value = env[name] || values[0];
  if (!values.includes(value)) throw invalid(name, `write ${choice(values)}`);
  return value;
}

function number(env, name, fallback) {
  const value = env[name] === undefined || env[name] === "" ? fallback : Number(env[name]);
  if (!Number.isFinite(value) || value < 0) throw invalid(name, "write a number");
  return value;
}

function parsed(json) {
  try {
    return typeof json === "string" ? JSON.parse(json) : json;
  } catch {
    return undefined;
  }
}

function choice(values) {
  return values.map((one) => `\`${one}\``).join(" or ");
}

function invalid(name, remedy) {
  return wrong(`the variable \`${name}\` is missing or wrong`, remedy);
}

function wrong(cause, remedy) {
  return new DownshiftError({ code: "invalid-setting", fault: "caller", cause, remedy });
}
