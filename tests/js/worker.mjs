// Parts of the worker by themselves, in Node: what cannot be told from outside, or only by chance.
//
// node worker.mjs FOLDER
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const [folder] = process.argv.slice(2);
const source = fileURLToPath(new URL("../../crates/edge-cloudflare/src/", import.meta.url));
const contents = ["permits", "settings", "upstream"]
  .map((name) => `export * from "./${name}.mjs";`)
  .join("\n");
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

const { callerId, Permits, readSettings, SERVER, Upstream } = one;

// What stands for a caller is a hash with a key that each isolate has for itself.
const header = "Basic YWxpY2U6c2VjcmV0";
assert.equal(await callerId(header), await callerId(header));
assert.notEqual(await callerId(header), await callerId("Basic b3RoZXI="));
assert.notEqual(await callerId(header), await other.callerId(header));
assert.notEqual(await callerId(""), await callerId(undefined));
// All that began before there was a key have the same one.
assert.equal(new Set(await Promise.all([1, 2, 3].map(() => third.callerId(header)))).size, 1);

// A yes is remembered for this caller and this repository, and anything else is not.
const permits = new Permits();
assert.equal(await permits.ask("alice", "a", async () => "sha256:0"), "sha256:0");
assert.ok(permits.has("alice", "a") && !permits.has("alice", "b") && !permits.has("bob", "a"));
assert.equal(await permits.ask("bob", "a", async () => undefined), undefined);
assert.equal(await permits.ask("bob", "a", async () => false), false);
await assert.rejects(
  permits.ask("bob", "a", () => Promise.reject(new Error("no"))),
  { message: "no" },
);
assert.ok(!permits.has("bob", "a"));

/** Something that is asked, and answered when the test wants it. */
function question() {
  let answer;
  const asked = new Promise((resolve) => {
    answer = resolve;
  });
  return { ask: () => asked, answer };
}

// A no forgets the yes at once, and a yes that was asked for before it is not remembered when it comes.
const [slow, elsewhere, later] = [question(), question(), question()];
const answers = [permits.ask("alice", "a", slow.ask), permits.ask("alice", "b", elsewhere.ask)];
permits.refuse("alice", "a");
assert.ok(!permits.has("alice", "a"));
answers.push(permits.ask("alice", "c", later.ask));
for (const { answer } of [slow, elsewhere, later]) answer("sha256:0");
assert.deepEqual(await Promise.all(answers), ["sha256:0", "sha256:0", "sha256:0"]);
assert.ok(!permits.has("alice", "a"), "a yes outlives a no that came after it was asked for");
assert.ok(permits.has("alice", "b") && permits.has("alice", "c"));
// One that is about no repository is about all.
const everywhere = question();
const asked = permits.ask("alice", "d", everywhere.ask);
permits.refuse("alice");
everywhere.answer(true);
assert.equal(await asked, true);
for (const repository of ["a", "b", "c", "d"]) assert.ok(!permits.has("alice", repository), repository);
await permits.ask("alice", "a", async () => true);
assert.ok(permits.has("alice", "a"), "a no is remembered");

// What the core needs and this worker does not know is asked for nowhere.
globalThis.caches = { default: { match: async () => undefined, put: async () => {} } };
globalThis.fetch = async (url) => assert.fail(`${url} is asked for`);
const budget = { take() {}, takeCacheCall: () => true };
const settings = { base: "https://a/", host: "a", timeout: 1000 };
const cache = { get: async () => undefined, put: async () => {} };
const upstream = new Upstream(settings, { cache, budget, tagTtl: 0 });
for (const kind of ["diff-id", "constructor", undefined]) {
  await assert.rejects(upstream.document("a", { digest: "sha256:0", kind }, SERVER), {
    code: "unknown-need",
    cause: `the core needs \`sha256:0\` as a \`${kind}\`, which this worker does not know`,
  });
}

// A name and password are told to the registry that they are for.
const read = async (env) => (await readSettings({ RECORDS: {}, ...env })).upstreams;
const headers = (upstreams) => upstreams.map(({ credentials }) => credentials?.header);
const [url, two] = ["https://a.example.org", "https://b.example.org"];
const named = { UPSTREAM_USERNAME: "alice", UPSTREAM_PASSWORD: "secret" };
assert.deepEqual(headers(await read({ UPSTREAM: url })), [undefined]);
assert.deepEqual(headers(await read({ UPSTREAM: url, ...named })), [header]);
const several = [{ url, prefix: "a", username: "alice", password: "OF_A" }, { url: two }];
const UPSTREAMS = JSON.stringify(several);
assert.deepEqual(headers(await read({ UPSTREAMS, OF_A: "secret" })), [header, undefined]);
for (const [env, cause] of [
  [
    { UPSTREAMS, OF_A: "secret", UPSTREAM_USERNAME: "alice" },
    "`UPSTREAM_USERNAME` is for the one registry of `UPSTREAM`, and `UPSTREAMS` is set",
  ],
  [
    { UPSTREAMS, OF_A: "secret", UPSTREAM_PASSWORD: "secret" },
    "`UPSTREAM_PASSWORD` is for the one registry of `UPSTREAM`, and `UPSTREAMS` is set",
  ],
  [{ UPSTREAMS }, "the registry `a.example.org` has credentials without its secret `OF_A`"],
  [
    { UPSTREAMS: JSON.stringify([{ url, password: "OF_A" }]), OF_A: "secret" },
    "the registry `a.example.org` has credentials without its `username`",
  ],
  [
    { UPSTREAMS: JSON.stringify([{ url, username: "alice", password: "constructor" }]) },
    "the registry `a.example.org` has credentials without its secret `constructor`",
  ],
  [
    { UPSTREAM: url, UPSTREAM_USERNAME: "alice" },
    "the registry `a.example.org` has credentials without its secret `UPSTREAM_PASSWORD`",
  ],
  [
    { UPSTREAM: url, UPSTREAM_PASSWORD: "secret" },
    "the registry `a.example.org` has credentials without its `username`",
  ],
  [
    { UPSTREAMS: JSON.stringify([{ url, usernmae: "alice" }]) },
    "a registry of `UPSTREAMS` has the unknown member `usernmae`",
  ],
  [{ UPSTREAMS: "[null]" }, "the variable `UPSTREAMS` is missing or wrong"],
  [{ UPSTREAM: "https://alice:secret@a/" }, "the variable `UPSTREAM` is missing or wrong"],
  [{ UPSTREAM: "https://:secret@a/" }, "the variable `UPSTREAM` is missing or wrong"],
]) {
  await assert.rejects(read(env), (error) => {
    assert.equal(error.cause, cause);
    assert.equal(error.code, "invalid-setting");
    assert.ok(!error.message.includes("secret@"), error.message);
    return true;
  });
}

// What a registry says that no registry means is its fault, and never an error of this program.
const answering = (status, headers, body) => {
  globalThis.fetch = async () => new Response(body, { status, headers });
};
const HUGE = "99999999999999999999";
for (const tags of ['[1,"a"]', '"a"', '{"a":"b"}']) {
  answering(200, {}, `{"tags":${tags}}`);
  await assert.rejects(upstream.tags("a", "", SERVER), { code: "upstream-invalid" });
}
for (const tags of ['{"tags":null}', "{}"]) {
  answering(200, {}, tags);
  assert.deepEqual((await upstream.tags("a", "", SERVER)).tags, []);
}
answering(200, { "content-length": HUGE }, null);
await assert.rejects(upstream.blobSize("a", "sha256:0", SERVER), { code: "upstream-invalid" });
answering(206, { "content-range": `bytes 0-${HUGE}/${HUGE}`, "content-length": "1" }, "a");
await assert.rejects(
  upstream.blob("a", "sha256:0", "bytes=0-", () => true, SERVER),
  {
    code: "upstream-invalid",
  },
);
answering(429, { "retry-after": HUGE }, "{}");
await assert.rejects(upstream.tags("a", "", SERVER), { code: "upstream-too-many-requests" });
