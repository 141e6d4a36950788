// Documents in the fragment of a URL: a version, a dot, and in base64url what `pack` makes, deflated.
import * as parameters from "./arguments.mjs";
import { DownshiftError } from "./error.mjs";
import { checkedAsync } from "./shapes.mjs";

const VERSION = "1.";
const SHORT = 8 * 1024;
const LONG = 32 * 1024;
/** As the module's own limit on what is packed. */
const MAX_BYTES = 16 * 1024 * 1024;

/** `share` and `unshare` over what packs and unpacks. */
export function sharing({ pack, unpack }) {
  async function share({ documents }) {
    const packed = pack(documents);
    const fragment = VERSION + base64url(await through(packed, new CompressionStream("deflate-raw")));
    const length = fragment.length <= SHORT ? "short" : fragment.length <= LONG ? "long" : "too-long";
    return { fragment, length };
  }

  async function unshare(fragment) {
    const text = fragment.replace(/^#/, "").split("&", 1)[0];
    if (!text.startsWith(VERSION)) throw broken();
    let packed;
    try {
      packed = await through(bytes(text.slice(VERSION.length)), new DecompressionStream("deflate-raw"));
    } catch {
      throw broken();
    }
    return { documents: unpack(packed) };
  }

  return {
    share: checkedAsync(parameters.share, share),
    unshare: checkedAsync(parameters.unshare, unshare),
  };
}

/** All that comes out of a stream, up to a limit: a small link can hold a great deal. */
async function through(input, stream) {
  const parts = [];
  let size = 0;
  const reader = new Blob([input]).stream().pipeThrough(stream).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > MAX_BYTES) {
      await reader.cancel();
      throw broken();
    }
    parts.push(value);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

function base64url(input) {
  let text = "";
  for (let at = 0; at < input.length; at += 0x8000) {
    text += String.fromCharCode(...input.subarray(at, at + 0x8000));
  }
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

function bytes(text) {
  const standard = text.replaceAll("-", "+").replaceAll("_", "/");
  return Uint8Array.from(atob(standard), (character) => character.charCodeAt(0));
}

function broken() {
  return new DownshiftError({
    code: "broken-link",
    fault: "document",
    cause: "the link cannot be read: it was cut off, or is of a later version",
    remedy: "copy it again as a whole, or ask for the files",
  });
}
