// What can go wrong with an upstream registry.
import { fault } from "downshift-oci/edge";

/** How often something is asked at the most. */
const MAX_ATTEMPTS = 3;

/** Milliseconds before the second attempt; four times as long before each that follows. */
const FIRST_PAUSE = 50;

export class Fault extends Error {
  /** `described` is the host, the problem, and what belongs to that. */
  constructor(described) {
    const { code, message, isTransient, isAboutCaller } = fault(described);
    super(message);
    this.name = "Fault";
    this.code = code;
    this.described = described;
    this.isTransient = isTransient;
    this.isAboutCaller = isAboutCaller;
  }
}

/** Asks until there is an answer, or an error that would stay. Everything that is asked here is idempotent. */
export async function retry(ask) {
  for (let attempt = 1, pause = FIRST_PAUSE; ; attempt += 1, pause *= 4) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof Fault && error.isTransient) || attempt === MAX_ATTEMPTS) throw error;
      await scheduler.wait(pause);
    }
  }
}
