// Looks into documents with the package, and checks what only JavaScript has.
import assert from "node:assert/strict";

const decoder = new TextDecoder();

/** Reports on documents in base64, with the whole package and with the module that has reports only. */
export async function report(downshift, small, documents) {
  const given = documents.map(({ bytes, ...rest }) => ({
    ...rest,
    bytes: Uint8Array.from(Buffer.from(bytes, "base64")),
  }));
  const report = await downshift.inspect(given);
  assert.deepEqual(await small.inspect(given), report);
  return report;
}

/** What the package does beside reports. */
export async function others(downshift) {
  const config = Buffer.from(
    '{"architecture":"amd64","os":"linux","config":{"Env":["API_TOKEN=x","PATH=/bin"]},"history":[{"created_by":"COPY"}],"rootfs":{"type":"layers","diff_ids":["sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]}}',
  );
  const digest = await downshift.digestOf(config);
  const manifest = Buffer.from(
    `{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":{"mediaType":"application/vnd.docker.container.image.v1+json","size":${config.length},"digest":"${digest}"},"layers":[{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":32,"digest":"sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4"}]}`,
  );
  const documents = [{ bytes: manifest, label: "manifest.json" }, { bytes: config }];

  const signer = downshift.generateP256Signer();
  const results = await downshift.conversions(documents, { document: 0, name: "lib/app", tag: "v1" }, signer);
  assert.deepEqual(
    results.map(({ form, failure }) => [form, failure?.code]),
    [
      ["schema1", undefined],
      ["schema1-unsigned", undefined],
      ["list", "not-acceptable"],
      ["oci", undefined],
      ["index", "not-acceptable"],
    ],
  );
  const [schema1] = results;
  const {
    documents: [made],
    explanations,
  } = await downshift.inspect([{ bytes: schema1.body }, ...documents]);
  assert.equal(made.digests.registry, schema1.digest);
  assert.equal(made.signatures[0].verdict, "valid");
  assert.equal(made.signatures[0].key_id, signer.publicKey.kid);
  assert.deepEqual(
    made.chain.map(({ rule }) => rule),
    ["config"],
  );
  assert.ok(explanations.some(({ code }) => code === "reported-digest-404"));
  const { valid } = await downshift.verify(schema1.body);
  assert.ok(valid);
  const [alone] = await downshift.conversions([documents[0]], { document: 0 }, signer);
  assert.deepEqual(
    alone.missing.map(({ digest }) => digest),
    [digest],
  );

  const changed = downshift.variant(manifest, "indent-3");
  const diff = downshift.diff(manifest, changed);
  assert.equal(diff.verdict, "same-content");
  assert.equal(
    diff.chunks.map(({ after }) => decoder.decode(changed.subarray(after.start, after.end))).join(""),
    decoder.decode(changed),
  );

  const matrix = downshift.matrix({ accept: ["application/vnd.oci.image.manifest.v1+json"] });
  assert.equal(matrix.clients[0].id, "own");
  assert.equal(matrix.clients[0].answers.downshift.tag.schema2.form, "oci");
  assert.equal(matrix.clients[0].answers["distribution-2"].tag.schema2.outcome, "unusable");

  const given = [
    { bytes: Uint8Array.from(manifest), label: "a.json", expected: digest },
    { bytes: new Uint8Array([0, 13, 10, 0]) },
  ];
  const { fragment, length } = await downshift.share({ documents: given });
  assert.equal(length, "short");
  const { documents: back } = await downshift.unshare(`#${fragment}&view=layers`);
  assert.deepEqual(
    back.map(({ bytes }) => [...bytes]),
    given.map(({ bytes }) => [...bytes]),
  );
  assert.deepEqual(
    back.map(({ label, expected }) => [label, expected]),
    [
      ["a.json", digest],
      [undefined, undefined],
    ],
  );
  await assert.rejects(downshift.unshare(fragment.slice(0, -9)), { code: "broken-link" });
  assert.deepEqual(
    downshift.secrets(documents).map(({ document, name }) => [document, name]),
    [[1, "API_TOKEN"]],
  );
  return { ok: true };
}
