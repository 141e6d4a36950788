// The module of pulls whose conversions trap for the tag `trap`, for the suite: in the place of `pull.js`, and around it.
import { instance as sound } from "./sound-pull.js";

/** A place that no memory of this module has: what looks there traps in the engine, as a fault of the core's would. */
const NOWHERE = 0xffff_fff0;

export function instance() {
  const glue = sound();
  class Conversion extends glue.Conversion {
    #traps;

    constructor(request, payload) {
      super(request, payload);
      this.#traps = JSON.parse(request).tag === "trap";
    }

    step() {
      if (this.#traps) this.__wbg_ptr = NOWHERE;
      return super.step();
    }
  }
  return { ...glue, Conversion };
}
