// The worker by itself, in Node: what cannot be told from outside, or only by chance.
//
// node worker.mjs FOLDER
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { scheduler } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const [folder] = process.argv.slice(2);
const source = fileURLToPath(new URL("../../crates/edge-cloudflare/src/", import.meta.url));
const contents = `
export { hash } from "./hash.mjs";
export { carryOut, generateP256Signer, p256Signer, webCryptoSigner } from "downshift-oci/pull";
export { default as worker } from "./worker.mjs";`;
const output = mkdtempSync(join(tmpdir(), "downshift-"));
await build({
  stdin: { contents, resolveDir: source, sourcefile: "suite.mjs" },
  bundle: true,
  format: "esm",
  platform: "node",
  nodePaths: [join(folder, "node_modules")],
  outfile: join(output, "parts.mjs"),
  logLevel: "warning",
});
/** The parts as another isolate has them. */
const isolate = (name) => import(`${pathToFileURL(join(output, "parts.mjs"))}?${name}`);
const [one, other, third] = [await isolate("one"), await isolate("other"), await isolate("third")];
rmSync(output, { recursive: true });

// What stands for a caller is a hash with a key that each isolate has for itself.
const hashed = async ({ hash }, authorization) => {
  const { done, bytes } = await hash({ authorization });
  assert.equal(done, "hashed");
  assert.equal(bytes[0].byteLength, 32);
  return Buffer.from(bytes[0]).toString("hex");
};
const header = "Basic YWxpY2U6c2VjcmV0";
assert.equal(await hashed(one, header), await hashed(one, header));
assert.notEqual(await hashed(one, header), await hashed(one, "Basic b3RoZXI="));
assert.notEqual(await hashed(one, header), await hashed(other, header));
// All that began before there was a key have the same one.
assert.equal(new Set(await Promise.all([1, 2, 3].map(() => hashed(third, header)))).size, 1);

// A code is that of the key, in whatever isolate and whatever signs with it: a pull by version 1 may go on in another one.
const key = one.generateP256Signer();
const code = key.mac("team/app|linux/amd64");
assert.equal(code.byteLength, 32);
assert.deepEqual(other.p256Signer(key.toJwk()).mac("team/app|linux/amd64"), code);
assert.deepEqual((await third.webCryptoSigner(key.toJwk())).mac("team/app|linux/amd64"), code);
assert.notDeepEqual(key.mac("team/app|linux/arm64"), code);
assert.notDeepEqual(one.generateP256Signer().mac("team/app|linux/amd64"), code);

// What a pull does not want any more is called off, what fails is told to it as nothing, and it is over once.
const seen = [];
let signalled;
const steps = [
  {
    new: [
      { ticket: 0, kind: "slow", bytes: [] },
      { ticket: 1, kind: "broken", bytes: [] },
    ],
    dropped: [],
  },
  { new: [{ ticket: 2, kind: "respond", bytes: [] }], dropped: [0] },
  { new: [], dropped: [], isOver: true },
];
const scripted = {
  step(now, outcome) {
    assert.ok(Math.abs(now - Date.now()) < 60_000);
    seen.push(outcome);
    return { isOver: false, ...steps.shift() };
  },
};
const logged = [];
const log = console.error;
console.error = (line) => logged.push(line);
let ends = 0;
const answer = await one.carryOut(scripted, (resolve) => ({
  slow: (_, signal) => {
    signalled = signal;
    return new Promise(() => {});
  },
  broken: async () => {
    throw new Error("broken");
  },
  respond: () => {
    resolve("response");
    return { done: "responded" };
  },
  end: () => {
    ends += 1;
  },
}));
await scheduler.wait(1);
assert.equal(answer, "response");
assert.equal(ends, 1);
assert.ok(signalled.aborted, "what is not wanted any more goes on");
assert.deepEqual(seen, [undefined, { done: "nothing", ticket: 1 }, { done: "responded", ticket: 2 }]);
assert.deepEqual(logged.map(String), ["Error: broken"]);

// One that reads a layer has no response, and ends with what it has learnt, which is nothing to carry out.
const reading = [
  { new: [{ ticket: 0, kind: "learnt", bytes: [] }], dropped: [] },
  { new: [], dropped: [], isOver: true },
];
const nothing = await one.carryOut({ step: () => ({ isOver: false, ...reading.shift() }) }, () => ({
  end() {},
}));
assert.equal(nothing, undefined);
assert.deepEqual(logged.map(String), ["Error: broken"]);

// One whose module has trapped ends, whatever it has begun.
let isAborted = false;
const trapped = one.carryOut(
  {
    step(_, outcome) {
      if (outcome) throw new Error("trap");
      return { isOver: false, dropped: [], new: [{ ticket: 0, kind: "wait", bytes: [] }] };
    },
  },
  () => ({
    wait: async () => undefined,
    abort: () => {
      isAborted = true;
    },
  }),
);
await assert.rejects(trapped, { message: "trap" });
assert.ok(isAborted, "the client waits for the rest");
console.error = log;

// What a registry says that no registry means is its fault, and never an error of this program.
globalThis.scheduler = scheduler;
globalThis.caches = {
  default: { match: async () => undefined, put: async () => {}, delete: async () => {} },
};
const bucket = { get: async () => null, head: async () => null, put: async () => {} };
const env = { UPSTREAM: "https://registry.example.org", RECORDS: bucket };
const answering = (status, headers, body) => {
  globalThis.fetch = async () => new Response(body, { status, headers });
};
const ask = async (path, headers = {}, method = "GET") => {
  console.error = () => {};
  const request = new Request(`https://worker.example.org/v2/library/sample/${path}`, { method, headers });
  const response = await one.worker.fetch(request, env);
  console.error = log;
  const text = await response.text();
  return { status: response.status, json: text === "" ? undefined : JSON.parse(text) };
};
const reasonOf = async (...asked) => (await ask(...asked)).json.errors[0].detail.reason;
const HUGE = "99999999999999999999";
const digest = `sha256:${"0".repeat(64)}`;
for (const [index, tags] of ['[1,"a"]', '"a"', '{"a":"b"}'].entries()) {
  answering(200, {}, `{"tags":${tags}}`);
  assert.equal(await reasonOf(`tags/list?n=${index}`), "upstream-invalid", tags);
}
for (const [index, tags] of ['{"tags":null}', "{}"].entries()) {
  answering(200, {}, tags);
  assert.deepEqual((await ask(`tags/list?n=1${index}`)).json.tags, []);
}
answering(200, { "content-length": HUGE }, null);
assert.equal((await ask(`blobs/${digest}`, {}, "HEAD")).status, 502);
answering(206, { "content-range": `bytes 0-${HUGE}/${HUGE}`, "content-length": "1" }, "a");
assert.equal(await reasonOf(`blobs/${digest}`, { range: "bytes=0-" }), "upstream-invalid");
answering(429, { "retry-after": HUGE }, "{}");
assert.equal(await reasonOf("tags/list?n=20"), "upstream-too-many-requests");

// A list for which there is no room is refused, and not read.
answering(200, {}, JSON.stringify({ tags: Array.from({ length: 3_000_000 }, () => "") }));
assert.equal(await reasonOf("tags/list?n=21"), "upstream-too-large");
assert.deepEqual((await ask("tags/list?n=10")).status, 502, "what is too large stays so");
answering(200, {}, '{"tags":["a"]}');
assert.deepEqual((await ask("tags/list?n=22")).json.tags, ["a"]);

// Of the bindings, only what is plain data is looked at.
const binding = new Proxy(
  {},
  { get: (_, name) => (name === "constructor" ? Proxy : assert.fail(`\`${String(name)}\` is asked for`)) },
);
const { worker } = other;
answering(200, {}, '{"tags":["b"]}');
const request = new Request("https://worker.example.org/v2/a/tags/list");
const asked = await worker.fetch(request, { ...env, SERVICE: binding, TAG_TTL: 10, LIMITS: { depth: 9 } });
assert.deepEqual((await asked.json()).tags, ["b"]);
