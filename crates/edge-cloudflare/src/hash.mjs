// What stands for a caller's credentials in memory.

/** The key of the hash: an isolate has no random numbers before its first request, and no other isolate has this one. */
let secret;

/** A keyed hash: nobody who sees it can say the same as the caller, nor try what that might be. */
export async function hash({ authorization }) {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const made = secret ?? (await crypto.subtle.generateKey(algorithm, false, ["sign"]));
  // No request may wait for what another one has begun: of several the first decides.
  secret ??= made;
  const bytes = await crypto.subtle.sign(algorithm, secret, new TextEncoder().encode(authorization));
  return { done: "hashed", bytes: [new Uint8Array(bytes)] };
}
