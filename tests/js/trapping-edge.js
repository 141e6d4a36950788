// The module of a package that traps for the tag `trap`, for the suite: in the place of `edge.js`, and around it.
import { Conversion as SoundConversion } from "./sound-edge.js";

export * from "./sound-edge.js";

/** A place that no memory of this module has: what looks there traps in the engine, as a fault of the core's would. */
const NOWHERE = 0xffff_fff0;

export class Conversion extends SoundConversion {
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
