// The instance of a module: how it is made, called, and made anew.
import { DownshiftError } from "./error.mjs";

/** How often each module was made anew. What was made in an older instance is of no use in a newer one. */
const generations = new WeakMap();

/** Makes the instance of a module that is compiled already. */
export function instantiate(glue, module) {
  if (!generations.has(glue)) {
    glue.initSync({ module });
    generations.set(glue, 0);
  }
}

/** Which instance of a module this is. */
export function generation(glue) {
  return generations.get(glue);
}

/**
 * Calls into a module. Its errors become `DownshiftError`s; after a trap, which leaves the instance's memory in any
 * state, there is a new one.
 */
export function call(glue, run) {
  try {
    return run();
  } catch (thrown) {
    if (typeof thrown === "string") throw new DownshiftError(JSON.parse(thrown));
    if (!(thrown instanceof WebAssembly.RuntimeError || thrown instanceof RangeError)) throw thrown;
    generations.set(glue, generation(glue) + 1);
    glue.__wbg_reset_state();
    throw new DownshiftError({
      code: "trap",
      fault: "caller",
      cause: "the conversion failed in its sandbox",
      remedy: "report it, with the manifest and its config",
    });
  }
}

/** Bytes of base64. */
export function decoded(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
