// Uses the package as its documentation says: for the compiler, which never runs it.
import {
  type Answer,
  convert,
  DownshiftError,
  generateP256Signer,
  type Need,
  payloadDigest,
  readRequest,
  respond,
} from "downshift-oci";
import * as edge from "downshift-oci/edge";
import { p256Signer, webCryptoSigner } from "downshift-oci/p256";

const request = {
  name: "library/httpd",
  tag: "2.4",
  digest: "sha256:00",
  client: { forms: { schema2: 1000 } },
};
const fetchDocument = async (need: Need) => (need.kind === "blob" ? new Uint8Array() : undefined);

const full = await convert(request, fetchDocument, generateP256Signer());
export const lost: string[] = full.report.lost.map(({ path }) => path);

const answer: Answer = await edge.convert(request, fetchDocument, await webCryptoSigner("{}"));
// @ts-expect-error An edge has no reports.
answer.report;
// @ts-expect-error Nobody knows whose image this is.
await edge.convert({ name: "library/httpd" }, fetchDocument, p256Signer(new Uint8Array()));

try {
  payloadDigest(answer.body);
} catch (error) {
  if (error instanceof DownshiftError) console.error(`${error.code}: ${error.cause}; ${error.remedy}`);
}

const read: edge.HttpRequest = { method: "GET", target: "/v2/library/httpd/manifests/2.4", headers: [] };
const asked = readRequest(read);
if (asked?.route === "manifest") {
  const { form, digest, byPlatform, body } = answer;
  respond(read, { kind: "manifest", form, digest, byPlatform }, body).headers.map(([name]) => name);
  // @ts-expect-error There is nothing of this kind to respond with.
  respond(read, { kind: "manifests" });
}
