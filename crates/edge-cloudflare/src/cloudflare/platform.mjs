// What Cloudflare's platform has in its own way: waiting, streams of a known length, and addresses.

/** The address of a request's client, if the platform says it. */
export function clientAddress(request) {
  return request.headers.get("cf-connecting-ip");
}

export async function pause({ milliseconds }, signal) {
  await scheduler.wait(milliseconds, { signal });
  return { done: "waited" };
}

/** Both ends of a stream that breaks off where other than so many bytes come; of a stream of any length where that is null. */
export function sizedStream(length) {
  return length === null ? new IdentityTransformStream() : new FixedLengthStream(length);
}
