// What Cloudflare's platform has in its own way: waiting, streams of a known length, and addresses.

/** What only the platform says of a request's client: its address, and its `Accept-Encoding`, which is another one here. */
export function clientOf({ headers, cf }) {
  return { address: headers.get("cf-connecting-ip"), acceptEncoding: cf?.clientAcceptEncoding };
}

export async function pause({ milliseconds }, signal) {
  await scheduler.wait(milliseconds, { signal });
  return { done: "waited" };
}

/** Both ends of a stream that breaks off where other than so many bytes come; of a stream of any length where that is null. */
export function sizedStream(length) {
  return length === null ? new IdentityTransformStream() : new FixedLengthStream(length);
}
