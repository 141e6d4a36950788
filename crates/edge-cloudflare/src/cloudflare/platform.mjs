// What Cloudflare's platform has in its own way: waiting, and streams of a known length.

export async function pause({ milliseconds }, signal) {
  await scheduler.wait(milliseconds, { signal });
  return { done: "waited" };
}

/** Both ends of a stream that breaks off where other than so many bytes come; of a stream of any length where that is null. */
export function sizedStream(length) {
  return length === null ? new IdentityTransformStream() : new FixedLengthStream(length);
}
