// Layers, unpacked as they stream. Each has an instance of the module for itself, whose memory goes with it, and which takes
// no other layer with it where it traps.
import * as parameters from "./arguments.mjs";
import { DownshiftError } from "./error.mjs";
import { call } from "./instance.mjs";
import { checked, checkedAsync } from "./shapes.mjs";

/** How many are unpacked at once: each takes its window and some MiB, and a worker has 128 MB for all that it does. */
const AT_ONCE = 4;

/** Milliseconds after which one is not counted of which nothing has come: a platform ends what nobody waits for without a word. */
const IDLE = 10_000;

/** `openLayer` over what makes an instance of the module, and what makes a hash. */
export function functionsOf(instance, hashOf = hashInModule) {
  /** When something came last of each layer that is open. */
  let active = [];

  function openLayer({ digest, diffId, start = 0, end, parts, beside = [], limits = {} } = {}) {
    active = active.filter(({ at }) => Date.now() - at < IDLE);
    if (active.length >= AT_ONCE) return undefined;
    const mark = { at: Date.now() };
    active.push(mark);
    const glue = instance();
    const to = (run) => call(glue, run);
    /** What is to be sent that has not come yet, each behind the one before. */
    const wanted = parts ?? (end === undefined ? [] : [{ start, end }]);
    const isSent = wanted.length > 0;
    const layer = to(() => new glue.Layer(!isSent));
    for (const [name, value] of Object.entries(limits)) to(() => layer.limit(name, value));
    // A part that ends before the end says nothing of the whole.
    const hashes = isSent && diffId === undefined ? undefined : [hashOf(glue), hashOf(glue)];
    /** The plain bytes that came, and the last of them that are to be sent. */
    let position = 0;
    let held;
    /** The parts that were sent. */
    let done = 0;

    /** What is to be sent of plain bytes, with what is beside the parts; at the end of the last one with what comes after it. */
    function* wantedOf(plain) {
      const before = position;
      position += plain.byteLength;
      if (done === wanted.length) return;
      for (; done < wanted.length; done += 1) {
        const part = wanted[done];
        if (part.start >= position) return;
        if (part.start >= before) yield beside[done];
        yield plain.subarray(Math.max(part.start - before, 0), part.end - before);
        if (part.end > position) return;
      }
      yield beside[done];
    }

    /** All plain bytes that the next ones of the blob come to; whether nobody wants more. */
    async function unpack(bytes, write) {
      await hashes?.[0].update(bytes);
      to(() => layer.feed(bytes));
      for (let plain = to(() => layer.step()); plain; plain = to(() => layer.step())) {
        await hashes?.[1].update(plain);
        if (!isSent) continue;
        for (const part of wantedOf(plain)) {
          if (!part?.byteLength) continue;
          // Where all of it is checked in the end, the last bytes wait for that.
          const ready = hashes ? held : part;
          held = part;
          if (ready && !(await write(ready))) return { isGone: true };
        }
        if (!hashes && done === wanted.length) return { isAll: true };
      }
      return undefined;
    }

    async function ended(write) {
      if (!hashes) return { isCorrupt: true };
      const [blob, plain] = await Promise.all(hashes.map((hash) => hash.finish()));
      const outcome = JSON.parse(to(() => layer.finish(digest, diffId, blob, plain)));
      return outcome.facts && held && !(await write(held)) ? { isGone: true } : outcome;
    }

    async function readAll(reader, length, write) {
      let read = 0;
      while (read < length) {
        const { done, value } = await reader.read().catch(() => ({}));
        if (!value) {
          if (done && length === Infinity) break;
          return { isBroken: true, read: length === Infinity ? null : read };
        }
        const bytes = value.subarray(0, length - read);
        read += bytes.byteLength;
        mark.at = Date.now();
        const outcome = await unpack(bytes, write);
        if (outcome) return outcome;
      }
      return ended(write);
    }

    async function read(stream, length = Infinity, write = undefined) {
      const reader = stream.getReader();
      let outcome;
      try {
        outcome = await readAll(reader, length, write);
      } catch (error) {
        if (!(error instanceof DownshiftError)) throw error;
        const { code, cause } = error;
        outcome = { refused: { code, cause } };
      } finally {
        void reader.cancel().catch(() => {});
        if (!outcome?.isBroken) close();
      }
      return outcome;
    }

    function close() {
      active = active.filter((other) => other !== mark);
    }

    return { read: checkedAsync(parameters.readLayer, read), close };
  }

  return { openLayer: checked(parameters.openLayer, openLayer) };
}

/** SHA-256 in the module, for engines that have none which takes bytes one after the other. */
function hashInModule(glue) {
  const hash = call(glue, () => new glue.Hash());
  return {
    update: (bytes) => call(glue, () => hash.update(bytes)),
    finish: () => call(glue, () => hash.finish()),
  };
}

/** SHA-256 of workerd, which is its own and several times as fast. */
export function hashInStream() {
  const stream = new crypto.DigestStream("SHA-256");
  const writer = stream.getWriter();
  return {
    update: (bytes) => writer.write(bytes),
    async finish() {
      await writer.close();
      return new Uint8Array(await stream.digest);
    },
  };
}
