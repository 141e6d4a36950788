// How much one request may ask for: platforms end a request that asks for more.
import { DownshiftError } from "downshift-oci/edge";

/** Calls of the Cache API that one request may make on the free plan (Cloudflare, "Workers limits"). */
const CACHE_CALLS = 50;

export class Budget {
  #limit;

  constructor(limit) {
    this.#limit = limit;
    this.subrequests = 0;
    this.cacheCalls = 0;
  }

  /** Counts a subrequest, or refuses it. */
  take() {
    if (this.subrequests >= this.#limit) {
      throw new DownshiftError({
        code: "edge-subrequests",
        fault: "limit",
        cause: `the answer takes more than the \`${this.#limit}\` subrequests that this edge allows`,
        remedy: "set `SUBREQUESTS` to what your plan allows, or pull one platform of the image",
      });
    }
    this.subrequests += 1;
  }

  /** Whether there may be one more call of the cache, which nothing depends on. */
  takeCacheCall() {
    const isLeft = this.cacheCalls < CACHE_CALLS;
    this.cacheCalls += 1;
    return isLeft;
  }
}
