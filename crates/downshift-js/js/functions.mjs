// The functions of a module, with plain objects on both sides.
import { converter } from "./convert.mjs";
import { call } from "./instance.mjs";

const parsed = (json) => (json === undefined ? undefined : JSON.parse(json));

/** To read requests, to convert, and to respond. */
export function functions(glue) {
  const to = (run) => call(glue, run);
  const plain =
    (name) =>
    (argument = null) =>
      parsed(to(() => glue.call(name, JSON.stringify(argument))));
  const payloadDigest = (bytes) => to(() => glue.payloadDigest(bytes));
  const [answerPath, remoteName] = ["answerPath", "remoteName"].map(plain);
  return {
    payloadDigest,
    convert: converter(glue, payloadDigest),
    readRequest: plain("readRequest"),
    answerPath: (request, digest) => answerPath({ request, digest }),
    respond(request, found, bytes) {
      return to(() => {
        const reply = glue.reply(JSON.stringify(request), JSON.stringify(found), bytes);
        try {
          const { blob, ...head } = JSON.parse(reply.head);
          return { ...head, isBlob: blob, body: reply.body };
        } finally {
          reply.free();
        }
      });
    },
    authorization: plain("authorization"),
    checkLimits: plain("checkLimits"),
    remoteName: (mappings, name) => remoteName({ mappings, name }),
    registryHost: plain("registryHost"),
    isDockerHub: plain("isDockerHub"),
    everyType: plain("everyType"),
    demand: plain("demand"),
    tokenUrl: plain("tokenUrl"),
    token: (body) => parsed(to(() => glue.token(body))),
    nextQuery: plain("nextQuery"),
    contentRange: plain("contentRange"),
    fault: plain("fault"),
  };
}
