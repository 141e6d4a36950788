// The functions of a module, with plain objects on both sides.
import { converter } from "./convert.mjs";
import { call } from "./instance.mjs";

const parsed = (json) => (json === undefined ? undefined : JSON.parse(json));

/** To read requests, to convert, and to respond. */
export function functions(glue) {
  const to = (run) => call(glue, run);
  const payloadDigest = (bytes) => to(() => glue.payloadDigest(bytes));
  return {
    payloadDigest,
    convert: converter(glue, payloadDigest),
    readRequest: (request) => parsed(to(() => glue.read(JSON.stringify(request)))),
    answerPath: (request, digest) => to(() => glue.answerPath(JSON.stringify(request), digest)),
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
    authorization: ({ username, password, token }) =>
      to(() => (token === undefined ? glue.basic(username, password) : glue.bearer(token))),
    checkLimits: (limits) => to(() => glue.checkLimits(JSON.stringify(limits))),
    remoteName: (mappings, name) => parsed(to(() => glue.remote(JSON.stringify(mappings), name))),
    registryHost: (host) => to(() => glue.registryHost(host)),
    isDockerHub: (host) => to(() => glue.isDockerHub(host)),
    everyType: () => to(() => glue.everyType()),
    demand: (header) => parsed(to(() => glue.demand(header))),
    tokenUrl: (request) => to(() => glue.tokenUrl(JSON.stringify(request))),
    token: (body) => parsed(to(() => glue.token(body))),
    nextQuery: (header) => to(() => glue.nextQuery(header)),
    contentRange: (header) => parsed(to(() => glue.contentRange(header))),
    fault: (fault) => parsed(to(() => glue.faultOf(JSON.stringify(fault)))),
  };
}
