// Signers: P-256 in wasm, and what the engine has of its own.
import * as parameters from "./arguments.mjs";
import { call, generation } from "./instance.mjs";
import { checked, checkedAsync } from "./shapes.mjs";

/** The signers over the functions of a module. */
export function signers(glue) {
  const text = (file) => (typeof file === "string" ? new TextEncoder().encode(file) : file);

  /** A signer whose signatures are the same wherever the same key signs the same bytes (RFC 6979). */
  function p256(make) {
    let born;
    let key;
    // After a trap the key is in an instance that is gone.
    const alive = () => {
      if (born !== generation(glue)) {
        key = call(glue, make);
        born = generation(glue);
      }
      return key;
    };
    const member = (name) => call(glue, () => alive().member(name));
    return {
      publicKey: { kid: member("kid"), x: member("x"), y: member("y") },
      sign: checked(parameters.sign, (input) => call(glue, () => alive().sign(input))),
      mac: checked(parameters.mac, (message) => call(glue, () => alive().mac(message))),
      toJwk: () => call(glue, () => alive().toJwk()),
    };
  }

  function p256Signer(file) {
    const bytes = text(file);
    return p256(() => glue.P256.parse(bytes));
  }

  function generateP256Signer() {
    const jwk = p256(() => glue.P256.generate()).toJwk();
    return p256Signer(jwk);
  }

  /** A signer with WebCrypto: several times as fast, with other signatures each time. */
  async function webCryptoSigner(file) {
    const { publicKey, mac, toJwk } = p256Signer(file);
    const { d, x, y } = JSON.parse(toJwk());
    const jwk = { kty: "EC", crv: "P-256", d, x, y };
    const algorithm = { name: "ECDSA", namedCurve: "P-256" };
    const key = await crypto.subtle.importKey("jwk", jwk, algorithm, false, ["sign"]);
    const sign = checkedAsync(
      parameters.sign,
      async (input) =>
        new Uint8Array(await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, key, input)),
    );
    return { publicKey, sign, mac };
  }

  return {
    p256Signer: checked(parameters.p256Signer, p256Signer),
    generateP256Signer: checked(parameters.generateP256Signer, generateP256Signer),
    webCryptoSigner: checkedAsync(parameters.webCryptoSigner, webCryptoSigner),
  };
}
