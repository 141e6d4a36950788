// Carries out one pull.

/**
 * Has everything done that a pull wants, and gives the response as soon as there is its head; of a pull that reads a layer
 * nothing, at its end. `effectsOf` gives what carries out effects, by their kinds, around a function that takes the response.
 */
export function carryOut(pull, effectsOf) {
  return new Promise((resolve, reject) => {
    // What a pull has learnt of a layer is in the module already.
    const effects = { learnt() {}, ...effectsOf(resolve) };
    const running = new Map();
    let isOver = false;

    function step(outcome) {
      if (isOver) return;
      try {
        const wants = pull.step(Date.now(), outcome);
        isOver = wants.isOver;
        for (const effect of wants.new) void begin(effect);
        wants.dropped.forEach(callOff);
        if (!isOver) return;
        effects.end();
        resolve();
      } catch (error) {
        isOver = true;
        [...running.keys()].forEach(callOff);
        effects.abort();
        reject(error);
      }
    }

    async function begin({ ticket, kind, ...effect }) {
      const controller = new AbortController();
      running.set(ticket, controller);
      let outcome;
      try {
        outcome = await effects[kind](effect, controller.signal);
      } catch (error) {
        if (!controller.signal.aborted) console.error(error);
      }
      if (running.delete(ticket)) step({ done: "nothing", ...outcome, ticket });
    }

    function callOff(ticket) {
      running.get(ticket)?.abort();
      running.delete(ticket);
    }

    step();
  });
}
