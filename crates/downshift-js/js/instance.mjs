// The instance of a module: how it is made, called, and made anew.
import { DownshiftError } from "./error.mjs";

/** How each module is had that is not needed until the first call. */
const sources = new WeakMap();

/** How often each module was made anew. What was made in an older instance is of no use in a newer one. */
const generations = new WeakMap();

/** Makes the instance of a module that is compiled already. */
export function instantiate(glue, module) {
  if (!generations.has(glue)) {
    glue.initSync({ module });
    generations.set(glue, 0);
  }
  return glue;
}

/** Has a module from its bytes in base64, with the first call. */
export function fromBase64(glue, base64) {
  sources.set(glue, () => compiled(base64));
  return glue;
}

/** Makes instances of a module from its bytes in base64, which are compiled for the first of them. */
export function instancesFromBase64(instance, base64) {
  let module;
  return () => {
    module ??= compiled(base64);
    return instantiate(instance(), module);
  };
}

/** Which instance of a module this is: the first is made here. */
export function generation(glue) {
  if (!generations.has(glue)) instantiate(glue, sources.get(glue)());
  return generations.get(glue);
}

/**
 * Calls into a module. Its errors become `DownshiftError`s; after a trap, which leaves the instance's memory in any
 * state, there is a new one.
 */
export function call(glue, run) {
  generation(glue);
  try {
    return run();
  } catch (thrown) {
    if (typeof thrown === "string") throw new DownshiftError(JSON.parse(thrown));
    if (!(thrown instanceof WebAssembly.RuntimeError || thrown instanceof RangeError)) throw thrown;
    generations.set(glue, generations.get(glue) + 1);
    glue.__wbg_reset_state();
    throw new DownshiftError({
      code: "trap",
      fault: "caller",
      cause: "the conversion failed in its sandbox",
      remedy: "report it, with the manifest and its config",
    });
  }
}

/** Engines compile a module of this size without a promise: Chromium since 114, all others always. */
function compiled(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
  return new WebAssembly.Module(bytes);
}
