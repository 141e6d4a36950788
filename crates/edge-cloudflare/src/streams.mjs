// What goes over the network: registries are asked, bodies read or copied, and clients get their response.
import { openLayer } from "downshift-oci/layer";
import { digestOf } from "downshift-oci/pull";
import { pause, sizedStream } from "./cloudflare/platform.mjs";

/** Milliseconds after which it is tried again whether there is room to unpack one more layer. */
const TURN = 100;

export function streams(resolve) {
  /** Bodies that are open, by their numbers. */
  const bodies = new Map();
  /** Where the rest of the response goes, if it has one. */
  let writable;
  /** The layer that is being unpacked, whose bytes may come from one body after the other. */
  let layer;

  async function ask({ method, url, headers, form, statuses, limit }, signal) {
    let response;
    try {
      // A name may be there several times; the platform sends its lines as one, which cannot be helped.
      response = await fetch(url, { method, headers, body: form, redirect: "manual", signal });
    } catch (error) {
      return { done: "asked", unreachable: messageOf(error) };
    }
    const { status, body } = response;
    const head = { done: "asked", status, headers: [...response.headers] };
    if (!statuses.includes(status)) {
      cancel(body);
      return head;
    }
    if (limit !== null) return { ...head, ...(await whole(body, limit)) };
    bodies.set(bodies.size, body);
    return { ...head, body: bodies.size - 1 };
  }

  function respond({ status, headers, length, bytes: [bytes] }) {
    let body = bytes?.byteLength > 0 ? bytes : null;
    if (length !== undefined) ({ readable: body, writable } = sizedStream(length));
    // The platform compresses nothing of it.
    resolve(new Response(body, { status, headers, encodeBody: "manual" }));
    return { done: "responded" };
  }

  async function copy({ body }) {
    try {
      // Where either side breaks off, so does the other.
      await bodies.get(body).pipeTo(writable, { preventClose: true });
      return { done: "copied" };
    } catch {
      return { done: "copied", isFailed: true };
    }
  }

  async function unpack({ body, as, length, layer: about, bytes: beside }, signal) {
    const wanted = { ...about, beside };
    for (layer ??= openLayer(wanted); !layer; layer = openLayer(wanted)) {
      await pause({ milliseconds: TURN }, signal);
    }
    const outcome = await layer.read(bodies.get(body), length, write);
    if (!outcome.isBroken) layer = undefined;
    if (outcome.refused) console.error(`${outcome.refused.code}: ${outcome.refused.cause}`);
    return { done: as, ...outcome };
  }

  /** Whether the client has taken the bytes. */
  async function write(bytes) {
    const writer = writable.getWriter();
    const isTaken = await writer.write(bytes).then(
      () => true,
      () => false,
    );
    writer.releaseLock();
    return isTaken;
  }

  return {
    ask,
    close: ({ body }) => cancel(bodies.get(body)),
    respond,
    copy,
    unpack,
    send: async ({ bytes: [bytes] }) => ({ done: "sent", [(await write(bytes)) ? "isAll" : "isGone"]: true }),
    abort: () => writable?.abort().catch(() => {}),
    end() {
      layer?.close();
      writable?.close().catch(() => {});
    },
  };
}

/** All of a body of at most `limit` bytes, with its digest. */
async function whole(body, limit) {
  const chunks = [];
  let length = 0;
  try {
    for await (const chunk of body ?? []) {
      length += chunk.byteLength;
      if (length > limit) return { isTooLarge: true, limit };
      chunks.push(chunk);
    }
  } catch (error) {
    return { unreachable: messageOf(error) };
  }
  const bytes = new Uint8Array(await new Blob(chunks).arrayBuffer());
  return { digest: await digestOf(bytes), bytes: [bytes] };
}

/** Whether that fails is of no interest: nobody reads any more of it. */
function cancel(body) {
  body?.cancel().catch(() => {});
}

function messageOf(error) {
  return String(error.message ?? error);
}
