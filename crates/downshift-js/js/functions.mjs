// The functions of a module, with plain objects on both sides.
import * as parameters from "./arguments.mjs";
import { converter } from "./convert.mjs";
import { call } from "./instance.mjs";
import { checked, checkedAsync } from "./shapes.mjs";

/** To read requests, to convert, and to respond. */
export function functions(glue) {
  const to = (run) => call(glue, run);
  const payloadDigest = checked(parameters.payloadDigest, (bytes) => to(() => glue.payloadDigest(bytes)));

  function readRequest(request) {
    const asked = to(() => glue.readRequest(JSON.stringify(request)));
    return asked === undefined ? undefined : JSON.parse(asked);
  }

  function respond(request, found, bytes) {
    return to(() => {
      const reply = glue.reply(JSON.stringify(request), JSON.stringify(found), bytes);
      try {
        const { blob, ...head } = JSON.parse(reply.head);
        return { ...head, isBlob: blob, body: reply.body };
      } finally {
        reply.free();
      }
    });
  }

  return {
    payloadDigest,
    convert: checkedAsync(parameters.convert, converter(glue, payloadDigest)),
    readRequest: checked(parameters.readRequest, readRequest),
    respond: checked(parameters.respond, respond),
  };
}
