// The worker: a request in, a response out. What to answer comes from `downshift-oci/edge`; what is fetched, streamed, cached
// and signed with is the platform's.
import { readRequest, respond } from "downshift-oci/edge";
import { Front } from "./front.mjs";
import { readSettings } from "./settings.mjs";

/** The settings, read once by each isolate. */
let known;

export default {
  async fetch(request, env) {
    const { origin } = new URL(request.url);
    // As it came: a parsed URL has others for `\\` and `..`, which are refused.
    const target = request.url.replace(/^[a-z]+:\/\/[^/?#]*/i, "");
    const read = { method: request.method, target, headers: [...request.headers] };
    try {
      const asked = readRequest(read);
      // There is nothing to look up for what is refused as it stands.
      if (!asked) return response(respond(read, { kind: "root" }));
      const front = new Front(await settings(env), env.RECORDS, origin);
      const { found, bytes, body, length } = await front.find(read, asked);
      return response(respond(read, found, bytes), body, length);
    } catch (error) {
      // A setting that is wrong, or a fault of this program: the cause is for the log.
      console.error(error.code ? `${error.code}: ${error.message}` : error);
      return response(respond(read, { kind: "internal" }));
    }
  },
};

async function settings(env) {
  if (!known) {
    const read = await readSettings(env);
    // No request can wait for what another one has begun. Of several the first decides, for all have the same key then.
    known ??= read;
  }
  return known;
}

/** `body` is that of a blob, of so many bytes. */
function response({ status, headers, isBlob, body: bytes }, body, length) {
  const init = { status, headers, encodeBody: "manual" };
  if (isBlob && body) return new Response(sized(body, length), init);
  return new Response(bytes.byteLength === 0 ? null : bytes, init);
}

/** A body that breaks off where it has another length than was announced. */
function sized(body, length) {
  if (!(body instanceof ReadableStream)) return body;
  const stream = new FixedLengthStream(length);
  // Where either side breaks off, so does the other: there is nobody left to tell.
  body.pipeTo(stream.writable).catch(() => {});
  return stream.readable;
}
