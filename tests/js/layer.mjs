// The module that unpacks layers, in Node: what comes of each kind of stream, whole, in pieces and broken off.
//
// node layer.mjs FOLDER
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";

const [folder] = process.argv.slice(2);
const { resolve } = createRequire(join(folder, "script.js"));
const { openLayer } = await import(pathToFileURL(resolve("downshift-oci/layer")));

const sha256 = (bytes) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
/** `downshift ` 400 times, as `zstd -19` compresses it. */
const ZSTD = Buffer.from("KLUv/QRojQAAUGRvd25zaGlmdCABAJOvX5BKZ9ao", "base64");
const TEXT = Buffer.from("downshift ".repeat(400));
/** Several times what the module makes at once. */
const LARGE = Buffer.concat([randomBytes(700_000), Buffer.alloc(2_000_000)]);

/** A stream of bytes in pieces of this size, which breaks off at the end where it is told so. */
function streamOf(bytes, size, isBroken = false) {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      const piece = bytes.subarray(at, at + size);
      at += size;
      if (piece.length > 0) controller.enqueue(new Uint8Array(piece));
      else if (isBroken) controller.error(new Error("the connection is gone"));
      else controller.close();
    },
  });
}

/** What is sent of a layer, and what comes of that. */
async function sent(options, blob, { size = 1000, stop = Infinity } = {}) {
  const parts = [];
  const layer = openLayer(options);
  const outcome = await layer.read(streamOf(blob, size), blob.length, async (bytes) => {
    parts.push(Buffer.from(bytes));
    return parts.length < stop;
  });
  return { outcome, bytes: Buffer.concat(parts) };
}

for (const [compression, blob, plain] of [
  ["zstd", ZSTD, TEXT],
  ["gzip", gzipSync(LARGE), LARGE],
  ["gzip", Buffer.concat([gzipSync(TEXT), gzipSync(LARGE)]), Buffer.concat([TEXT, LARGE])],
  ["plain", Buffer.alloc(10_240), Buffer.alloc(10_240)],
]) {
  const [digest, diffId] = [sha256(blob), sha256(plain)];
  const about = { digest, compression, size: blob.length, diffId, plainSize: plain.length };
  for (const size of [1, 7, 65_536].filter((size) => blob.length / size < 100_000)) {
    const read = await openLayer({ digest }).read(streamOf(blob, size), blob.length);
    const { zstdWindow, decoderVersion, ...facts } = read.facts;
    assert.deepEqual(facts, about);
    assert.equal(zstdWindow !== null && zstdWindow !== undefined, compression === "zstd");
    assert.ok(decoderVersion > 0);
    // Where nobody knows how long it is, the end of the stream is its end.
    assert.ok((await openLayer({ digest }).read(streamOf(blob, size))).facts);

    const whole = await sent({ digest, diffId, end: plain.length }, blob, { size });
    assert.deepEqual(whole.outcome, read);
    assert.deepEqual(whole.bytes, plain);
    for (const [start, end] of [
      [0, 1],
      [3, plain.length - 1],
      [plain.length - 2, plain.length - 1],
    ]) {
      const part = await sent({ start, end }, blob, { size });
      assert.deepEqual(part, { outcome: { isAll: true }, bytes: plain.subarray(start, end) });
    }
    // However many parts, one pass brings them, with what is beside them.
    const beside = ["a", "b", "c"].map((text) => Buffer.from(text));
    const ranges = [
      { start: 1, end: 2 },
      { start: 2, end: plain.length },
    ];
    const parts = await sent({ parts: ranges, beside }, blob, { size });
    const expected = [beside[0], plain.subarray(1, 2), beside[1], plain.subarray(2), beside[2]];
    assert.deepEqual(parts, { outcome: { isAll: true }, bytes: Buffer.concat(expected) });

    const tail = await sent({ digest, diffId, start: 5, end: plain.length }, blob, { size });
    assert.deepEqual(tail.bytes, plain.subarray(5));
  }

  // What broke off goes on where it stopped.
  const [middle, layer] = [Math.floor(blob.length / 2), openLayer({ digest })];
  const broken = await layer.read(streamOf(blob.subarray(0, middle), 100, true), blob.length);
  assert.deepEqual(broken, { isBroken: true, read: middle });
  assert.ok((await layer.read(streamOf(blob.subarray(middle), 100), blob.length - middle)).facts);
  // Of what has no length nobody can say how much came.
  const endless = openLayer({ digest });
  assert.deepEqual(await endless.read(streamOf(blob, 100, true)), { isBroken: true, read: null });
  endless.close();

  // Another blob, or another tar than was promised: the last bytes are not sent.
  const other = sha256("other");
  assert.deepEqual(await openLayer({ digest: other }).read(streamOf(blob, 100)), { isCorrupt: true });
  for (const options of [
    { digest: other, diffId, end: plain.length },
    { digest, diffId: other, end: plain.length },
  ]) {
    const { outcome, bytes } = await sent(options, blob);
    assert.deepEqual(outcome, { isCorrupt: true });
    assert.ok(bytes.length < plain.length);
  }
}

// Who has damaged it decides what is said of it: a registry on the way, or whoever has pushed it.
const damaged = Buffer.concat([ZSTD.subarray(0, -1), Buffer.from([ZSTD.at(-1) ^ 1])]);
const stored = await openLayer({ digest: sha256(damaged) }).read(streamOf(damaged, 10), damaged.length);
assert.equal(stored.refused.code, "layer-checksum");
const onItsWay = await openLayer({ digest: sha256(ZSTD) }).read(streamOf(damaged, 10), damaged.length);
assert.deepEqual(onItsWay, { isCorrupt: true });
const noise = Buffer.from("no layer at all");
const unknown = await openLayer({ digest: sha256(noise) }).read(streamOf(noise, 4), noise.length);
assert.equal(unknown.refused.code, "unknown-compression");
const large = await openLayer({ digest: sha256(ZSTD), limits: { "layer-bytes": 10 } }).read(
  streamOf(ZSTD, 4),
);
assert.equal(large.refused.code, "limit-exceeded");
const cut = ZSTD.subarray(0, 20);
const short = await openLayer({ digest: sha256(cut) }).read(streamOf(cut, 4), cut.length);
assert.equal(short.refused.code, "truncated-layer");

// Nobody wants more of it.
const blob = gzipSync(LARGE);
const gone = await sent({ start: 0, end: LARGE.length - 1 }, blob, { stop: 2 });
assert.deepEqual(gone.outcome, { isGone: true });

// So many are open at once, until they are closed or come to their end.
const open = [];
for (let layer = openLayer(); layer; layer = openLayer()) open.push(layer);
assert.equal(open.length, 4);
open.pop().close();
const next = openLayer({ digest: sha256(ZSTD) });
assert.equal(openLayer(), undefined);
await next.read(streamOf(ZSTD, 10), ZSTD.length);
assert.ok(openLayer());
