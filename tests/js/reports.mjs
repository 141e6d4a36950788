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
  // What takes conversions, the module that has reports only does not tell.
  const reports = report.documents.map((document) => ({ ...document, image_ids: [] }));
  const isOfReports = ({ code }) => !["same-image", "other-image-id"].includes(code);
  const explanations = report.explanations.filter(isOfReports);
  assert.deepEqual(await small.inspect(given), { documents: reports, explanations });
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

  await upwards(downshift, signer);

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

/** Schema 1 upwards, which takes facts about its layers: given as a document, or as what the package has of them. */
async function upwards(downshift, signer) {
  const [digest, diffId] = await Promise.all(
    ["blob", "tar"].map((text) => downshift.digestOf(Buffer.from(text))),
  );
  const record = JSON.stringify({ id: "a".repeat(64), created: "2015-01-02T03:04:05Z", os: "linux" });
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 1,
      name: "lib/app",
      tag: "v1",
      architecture: "amd64",
      fsLayers: [{ blobSum: digest }],
      history: [{ v1Compatibility: record }],
    }),
  );
  const convert = async (documents, facts) => {
    const results = await downshift.conversions(documents, { document: 0, facts }, signer);
    return results.find(({ form }) => form === "oci");
  };
  const unread = await convert([{ bytes: manifest }]);
  assert.equal(unread.failure.code, "unread-layer");
  assert.match(unread.failure.cause, new RegExp(digest));
  assert.deepEqual(unread.unread, [digest]);

  const given = { digest, compression: "gzip", size: 4, diff_id: diffId, plain_size: 3 };
  const facts = Buffer.from(JSON.stringify({ layers: [{ file: "blob", facts: given }] }));
  const made = await convert([{ bytes: manifest }, { bytes: facts }]);
  assert.equal(made.failure, undefined);
  assert.deepEqual(made.unread, []);
  const { config, layers } = JSON.parse(decoder.decode(made.body));
  assert.equal(config.digest, await downshift.digestOf(made.config));
  assert.deepEqual(
    layers.map(({ digest, size }) => [digest, size]),
    [[digest, 4]],
  );
  assert.deepEqual(JSON.parse(decoder.decode(made.config)).rootfs.diff_ids, [diffId]);

  const known = downshift.layerFacts(facts);
  assert.equal(known[0].diffId, diffId);
  assert.deepEqual((await convert([{ bytes: manifest }], known)).body, made.body);
  assert.throws(() => downshift.layerFacts(manifest), { code: "invalid-facts" });

  const { documents } = await downshift.inspect([{ bytes: manifest }, { bytes: facts }]);
  assert.equal(documents[1].kind, "layer-facts");
  assert.deepEqual(
    documents[0].image_ids.map(({ tool }) => tool),
    ["docker", "skopeo", "skopeo-oci", "containerd", "oci-schema1", "frozen-image"],
  );
  assert.equal(documents[0].image_ids[0].id, config.digest);
}
