// What people want to know of manifests: types and meaning of all of it are in report.d.ts.
import * as parameters from "./arguments.mjs";
import { DownshiftError, invalidArgument } from "./error.mjs";
import { call, generation } from "./instance.mjs";
import { checked, checkedAsync } from "./shapes.mjs";
import { holds } from "./verify.mjs";

const FORMS = ["schema1", "schema1-unsigned", "schema2", "list", "oci", "index"];

/** The functions that look into documents, over those of a module. */
export function reports(glue, convert) {
  const to = (run) => call(glue, run);
  const parsed = (run) => JSON.parse(to(run));

  /** Runs with documents that live in the module, and frees them. */
  function within(documents, run) {
    const born = generation(glue);
    const held = to(() => new glue.Documents());
    const free = () => generation(glue) === born && held.free();
    try {
      for (const { bytes, label = "", expected = "" } of documents)
        to(() => held.add(bytes, label, expected));
      return run(held);
    } finally {
      free();
    }
  }

  /** What the engine says of the signatures that it has to verify. */
  async function verifications(documents) {
    const open = within(documents, (held) =>
      parsed(() => held.unchecked()).map((one, index) => ({
        ...one,
        key: to(() => held.keyOf(index)),
        input: to(() => held.inputOf(index)),
        bytes: to(() => held.signatureOf(index)),
      })),
    );
    const results = await Promise.all(
      open.map(async ({ document, signature, ...one }) => ({ document, signature, holds: await holds(one) })),
    );
    const known = results.filter(({ holds }) => holds !== undefined);
    return Uint32Array.from(known.flatMap((one) => [one.document, one.signature, Number(one.holds)]));
  }

  async function inspect(documents) {
    const results = await verifications(documents);
    return within(documents, (held) => parsed(() => held.report(results)));
  }

  async function verify(bytes) {
    const results = await verifications([{ bytes }]);
    return within([{ bytes }], (held) => parsed(() => held.verify(results)));
  }

  /** Converts a manifest to one form with the documents that are given. */
  async function converted(form, request, found, signer) {
    const missing = [];
    const fetchDocument = async (need) => {
      const bytes = found.get(need.digest);
      if (bytes === undefined) {
        missing.push({
          digest: need.digest,
          media_type: need.mediaType ?? undefined,
          size: need.size ?? undefined,
          kind: need.kind,
        });
      }
      return bytes;
    };
    const result = { form: form.name, media_type: form.mediaType };
    try {
      const client = { forms: { [form.name]: 1000 } };
      const { body, digest, report } = await convert({ ...request, client }, fetchDocument, signer, unread);
      return { ...result, body, digest, report, missing };
    } catch (error) {
      if (!(error instanceof DownshiftError)) throw error;
      const { code, fault, cause, remedy } = error;
      return { ...result, failure: { code, fault, cause, remedy }, missing };
    }
  }

  async function conversions(documents, options, signer) {
    const { document, name = "library/image", tag = "latest", policy, platform } = options;
    if (document >= documents.length) {
      const cause = `\`options.document\` must be the index of one of \`${documents.length}\` documents, not \`${document}\``;
      throw invalidArgument(cause);
    }
    const report = await inspect(documents);
    const found = new Map();
    report.documents.forEach(({ digests, span }, index) => {
      const bytes = documents[index].bytes.subarray(span.start, span.end);
      for (const digest of [digests.bytes, digests.payload]) if (digest) found.set(digest, bytes);
    });
    const { digests, kind } = report.documents[document];
    const request = { name, tag, digest: digests.registry, policy, platform };
    const forms = parsed(() => glue.mediaTypes()).filter(({ name }) => name !== kind);
    const results = [];
    for (const form of FORMS.flatMap((name) => forms.find((form) => form.name === name) ?? [])) {
      results.push(await converted(form, request, found, signer));
    }
    return results;
  }

  return {
    inspect: checkedAsync(parameters.inspect, inspect),
    verify: checkedAsync(parameters.verify, verify),
    conversions: checkedAsync(parameters.conversions, conversions),
    check: checked(parameters.check, (bytes) => parsed(() => glue.check(bytes))),
    variant: checked(parameters.variant, (bytes, code) => to(() => glue.variant(bytes, code))),
    payload: checked(parameters.payload, (bytes) => to(() => glue.payload(bytes))),
    diff: checked(parameters.diff, (before, after) => parsed(() => glue.diff(before, after))),
    matrix: checked(parameters.matrix, (own) => parsed(() => glue.matrix(own && JSON.stringify(own)))),
    secrets: checked(parameters.secrets, (documents) =>
      within(documents, (held) => parsed(() => held.secrets())),
    ),
    pack: (documents) => within(documents, (held) => to(() => held.pack())),
    unpack(bytes) {
      const born = generation(glue);
      const held = to(() => glue.Documents.unpack(bytes));
      try {
        return Array.from({ length: held.length }, (_, index) => ({
          bytes: to(() => held.bytes(index)),
          label: held.label(index) || undefined,
          expected: held.expected(index) || undefined,
        }));
      } finally {
        if (generation(glue) === born) held.free();
      }
    },
  };
}

/** Refuses a conversion that depends on what is in a layer: the documents are all that there is here. */
function unread({ digest }) {
  throw new DownshiftError({
    code: "unread-layer",
    fault: "caller",
    cause: `the conversion depends on what is in the layer \`${digest}\`, and layers are not read here`,
    remedy: "pull the image through a Downshift server, which reads its layers",
  });
}
