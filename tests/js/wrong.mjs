// Calls every function of the package with arguments of every wrong type: each error names the argument, what it must be
// and what it is.
//
// node wrong.mjs FOLDER
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [folder] = process.argv.slice(2);
const { resolve } = createRequire(join(folder, "script.js"));
const entry = (name) => import(pathToFileURL(resolve(`downshift-oci${name}`)));
const entries = await Promise.all(["", "/edge", "/inspect", "/layer", "/p256"].map(entry));
const [downshift] = entries;

/** What may be missing or null. */
class Optional {
  constructor(value) {
    this.value = value;
  }
}

const optional = (value) => new Optional(value);
const DIGEST = `sha256:${"0".repeat(64)}`;
const BYTES = new TextEncoder().encode("{}");
const REQUEST = { method: "GET", target: `/v2/a/blobs/${DIGEST}`, headers: [["accept", "*/*"]] };
const SIGNER = { publicKey: { x: "x", y: "y" }, sign: () => BYTES };
const DOCUMENTS = [{ bytes: BYTES, label: optional("a.json"), expected: optional(DIGEST) }];
const RECORD = {
  name: "a",
  digest: DIGEST,
  form: "schema1",
  payload: BYTES,
  source: DIGEST,
  tag: optional("latest"),
  platform: optional("linux/amd64"),
  time: optional(1),
};
const CONVERSION = {
  name: "a",
  digest: DIGEST,
  tag: optional("latest"),
  byDigest: optional(false),
  record: optional(RECORD),
  client: {
    forms: { schema2: optional(1000) },
    types: optional({ "application/vnd.oci.artifact.manifest.v1+json": optional(1000) }),
    any: optional(true),
    unreadable: optional(["oci"]),
    zstd: optional("none"),
    platform: optional("linux/amd64"),
  },
  policy: optional("strict"),
  allow: optional("foreign-layer"),
  platform: optional("linux/amd64"),
  time: optional(1),
  limits: optional({ layers: optional(1) }),
};

const FACTS = {
  digest: DIGEST,
  compression: "gzip",
  size: 1,
  diffId: DIGEST,
  plainSize: 1,
  zstdWindow: optional(1),
  decoderVersion: 1,
};

/** Arguments that have the right types, by name and in their order. */
const calls = {
  check: { bytes: BYTES },
  conversions: {
    documents: DOCUMENTS,
    options: {
      document: 0,
      name: optional("a"),
      tag: optional("latest"),
      policy: optional("strict"),
      platform: optional("linux/amd64"),
      facts: optional([FACTS]),
    },
    signer: SIGNER,
  },
  convert: { request: CONVERSION, fetchDocument: async () => undefined, signer: SIGNER },
  diff: { before: BYTES, after: BYTES },
  digestOf: { bytes: BYTES, algorithm: optional("sha512") },
  generateP256Signer: {},
  hasDigest: { bytes: BYTES, digest: DIGEST, payloadDigest: () => undefined },
  inspect: { documents: DOCUMENTS },
  layerFacts: { bytes: BYTES },
  matrix: { own: optional({ accept: ["*/*"], user_agent: optional("a") }) },
  openLayer: {
    options: optional({
      digest: optional(DIGEST),
      diffId: optional(DIGEST),
      start: optional(0),
      end: optional(1),
      parts: optional([{ start: 0, end: 1 }]),
      beside: optional([BYTES]),
      limits: optional({ work: optional(1) }),
    }),
  },
  p256Signer: { file: BYTES },
  payload: { bytes: BYTES },
  payloadDigest: { bytes: BYTES },
  readRequest: { request: REQUEST },
  respond: {
    request: REQUEST,
    found: {
      kind: "blobPart",
      tags: optional(["a"]),
      next: optional("n=1"),
      isPrivate: optional(true),
      size: optional(1),
    },
    bytes: optional(BYTES),
  },
  secrets: { documents: DOCUMENTS },
  share: { shared: { documents: DOCUMENTS } },
  unshare: { fragment: "1.a" },
  variant: { bytes: BYTES, code: "indent-3" },
  verify: { bytes: BYTES },
  webCryptoSigner: { file: BYTES },
};

/** What gives a promise, and so rejects it instead of throwing. */
const PROMISES = [
  "conversions",
  "convert",
  "digestOf",
  "hasDigest",
  "inspect",
  "share",
  "unshare",
  "verify",
  "webCryptoSigner",
];

/** Values of every type, and how an error names them. */
const VALUES = [
  [undefined, "undefined"],
  [null, "null"],
  ["text", "string"],
  [true, "boolean"],
  [1, "1"],
  [-1, "-1"],
  [0.5, "0.5"],
  [Number.NaN, "NaN"],
  [1n, "bigint"],
  [Symbol("a"), "symbol"],
  [() => {}, "function"],
  [{}, "object"],
  [[], "Array"],
  [new Date(), "Date"],
  [new Map(), "Map"],
  [new ArrayBuffer(1), "ArrayBuffer"],
  [new DataView(new ArrayBuffer(1)), "DataView"],
  [new Uint16Array(1), "Uint16Array"],
  [BYTES, "Uint8Array"],
];

/** Whether a value may stand where `good` does, if one looks no deeper. Key files are text as well. */
function isOfType(good, value, path) {
  if (good instanceof Optional) return value === undefined || value === null || isOfType(good.value, value);
  if (path === "file" && typeof value === "string") return true;
  if (typeof good === "number") return Number.isInteger(value) && value >= 0;
  if (good instanceof Uint8Array) return value instanceof Uint8Array;
  if (Array.isArray(good)) return Array.isArray(value);
  if (typeof good === "object") return Object.prototype.toString.call(value) === "[object Object]";
  return typeof good === typeof value;
}

const plain = (good) => {
  if (good instanceof Optional) return plain(good.value);
  if (Array.isArray(good)) return good.map(plain);
  if (good instanceof Uint8Array || typeof good !== "object") return good;
  return Object.fromEntries(Object.entries(good).map(([name, member]) => [name, plain(member)]));
};

/** Every place in arguments: its path, what is right there, and the arguments with something else there. */
function* places(good, path, put) {
  yield [path, good, put];
  const inner = good instanceof Optional ? good.value : good;
  if (inner instanceof Uint8Array || typeof inner !== "object") return;
  const members = Array.isArray(inner) ? inner.map((one, index) => [index, one]) : Object.entries(inner);
  for (const [name, member] of members) {
    const step = typeof name === "number" ? `[${name}]` : path === "" ? name : `.${name}`;
    const putMember = (value) => {
      const copy = plain(inner);
      copy[name] = value;
      return put(copy);
    };
    yield* places(member, path + step, putMember);
  }
}

async function errorOf(run, isPromise, what) {
  let given;
  try {
    given = run();
  } catch (error) {
    assert.ok(!isPromise, `${what} is thrown: ${error}`);
    return error;
  }
  assert.equal(given instanceof Promise, isPromise, `${what} gives a promise, or none`);
  return Promise.resolve(given).then(
    () => undefined,
    (error) => error,
  );
}

let wrong = 0;
for (const exported of entries) {
  for (const [name, run] of Object.entries(exported)) {
    if (name === "DownshiftError") continue;
    const good = calls[name];
    assert.ok(good, `nobody calls \`${name}\` with wrong arguments`);
    const isPromise = PROMISES.includes(name);
    const call = (given) => errorOf(() => run(...given), isPromise, name);
    const taken = await call(Object.values(plain(good)));
    assert.notEqual(taken?.code, "invalid-argument", `${name}: ${taken}`);
    for (const [path, right, put] of places(good, "", (all) => Object.values(all))) {
      if (path === "") continue;
      for (const [value, type] of VALUES) {
        if (isOfType(right, value, path)) continue;
        const error = await call(put(value));
        const what = `${name} with \`${type}\` for \`${path}\`: ${error}`;
        assert.ok(error instanceof exported.DownshiftError, what);
        assert.equal(error.code, "invalid-argument", what);
        assert.equal(error.fault, "caller", what);
        // Of a pair and of a record of numbers it is enough that they are named.
        assert.ok(error.cause.startsWith(`\`${path}`) && error.cause.includes("` must be "), what);
        assert.ok(error.cause.endsWith(`, not \`${type}\``), what);
        assert.ok(error.remedy && !/[\n\r]/.test(error.message), what);
        wrong += 1;
      }
    }
  }
}

// What callbacks give is an argument, too.
const { convert, DownshiftError, digestOf, generateP256Signer } = downshift;
const config = Buffer.from(
  '{"architecture":"amd64","os":"linux","history":[],"rootfs":{"type":"layers","diff_ids":[]}}',
);
const manifest = Buffer.from(
  JSON.stringify({
    schemaVersion: 2,
    mediaType: "application/vnd.docker.distribution.manifest.v2+json",
    config: {
      mediaType: "application/vnd.docker.container.image.v1+json",
      size: config.length,
      digest: await digestOf(config),
    },
    layers: [],
  }),
);
const digest = await digestOf(manifest);
const request = { name: "a", tag: "latest", digest, client: { forms: {} } };
const fetchDocument = async (need) => (need.digest === digest ? manifest : config);
const signer = generateP256Signer();
for (const [value, type] of VALUES) {
  if (value !== undefined && !(value instanceof Uint8Array)) {
    await assert.rejects(
      convert(request, async () => value, signer),
      {
        cause: `\`fetchDocument()\` must be a \`Uint8Array\`, not \`${type}\``,
      },
    );
  }
  if (!(value instanceof Uint8Array)) {
    const broken = { ...signer, sign: () => value };
    await assert.rejects(convert(request, fetchDocument, broken), {
      cause: `\`signer.sign()\` must be a \`Uint8Array\`, not \`${type}\``,
    });
    assert.throws(() => signer.sign(value), { cause: `\`input\` must be a \`Uint8Array\`, not \`${type}\`` });
  }
  assert.throws(() => new DownshiftError(value), { code: "invalid-argument" });
}

// Bytes whose memory others may change, which WebCrypto refuses; and those of another realm, which it takes.
await assert.rejects(digestOf(new Uint8Array(new SharedArrayBuffer(1))), {
  cause: "`bytes` must be a `Uint8Array` of an `ArrayBuffer` of fixed size, not `SharedArrayBuffer`",
});
const { runInNewContext } = await import("node:vm");
assert.equal(await digestOf(runInNewContext("new Uint8Array([123, 125])")), await digestOf(BYTES));

// Values that have the right type and are out of what there is.
await assert.rejects(digestOf(BYTES, "constructor"), { code: "invalid-argument" });
assert.equal(await downshift.hasDigest(BYTES, "constructor:x", () => undefined), false);
await assert.rejects(downshift.conversions([{ bytes: BYTES }], { document: 1 }, signer), {
  cause: "`options.document` must be the index of one of `1` documents, not `1`",
});
console.log(`${wrong} wrong arguments are named`);
