// The functions of a module, with plain objects on both sides.
import * as parameters from "./arguments.mjs";
import { converter } from "./convert.mjs";
import { call } from "./instance.mjs";
import { checked, checkedAsync } from "./shapes.mjs";

const parsed = (json) => (json === undefined ? undefined : JSON.parse(json));

/** To read requests, to convert, and to respond. */
export function functions(glue) {
  const to = (run) => call(glue, run);
  const json = (name, argument = null) => parsed(to(() => glue.call(name, JSON.stringify(argument))));
  const plain = (name, shapes) => checked(shapes, (argument) => json(name, argument));
  const payloadDigest = checked(parameters.payloadDigest, (bytes) => to(() => glue.payloadDigest(bytes)));

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
    readRequest: plain("readRequest", parameters.readRequest),
    answerPath: checked(parameters.answerPath, (request, digest) => json("answerPath", { request, digest })),
    asksFor: checked(parameters.asksFor, (request, part) => json("asksFor", { request, part })),
    respond: checked(parameters.respond, respond),
    authorization: plain("authorization", parameters.authorization),
    checkLimits: plain("checkLimits", parameters.checkLimits),
    remoteName: checked(parameters.remoteName, (mappings, name) => json("remoteName", { mappings, name })),
    registryHost: plain("registryHost", parameters.registryHost),
    isDockerHub: plain("isDockerHub", parameters.isDockerHub),
    everyType: plain("everyType", parameters.everyType),
    demand: plain("demand", parameters.demand),
    tokenUrl: plain("tokenUrl", parameters.tokenUrl),
    token: checked(parameters.token, (body) => parsed(to(() => glue.token(body)))),
    nextQuery: plain("nextQuery", parameters.nextQuery),
    contentRange: plain("contentRange", parameters.contentRange),
    fault: plain("fault", parameters.fault),
  };
}
