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

  /** Converts a manifest to one form with the documents and the facts about layers that are given. */
  async function converted(form, request, found, facts, signer) {
    const missing = [];
    const unread = [];
    const readLayer = async ({ digest }) => {
      if (facts.has(digest)) return { facts: facts.get(digest) };
      unread.push(digest);
      return { missing: true };
    };
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
      const { body, digest, report, records } = await convert(
        { ...request, client },
        fetchDocument,
        signer,
        readLayer,
      );
      const config = records.find(({ form }) => form === "other")?.payload;
      return { ...result, body, digest, report, config, missing, unread };
    } catch (error) {
      if (!(error instanceof DownshiftError)) throw error;
      const { code, fault, cause, remedy } = unread.length ? unreadLayers(unread) : error;
      return { ...result, failure: { code, fault, cause, remedy }, missing, unread };
    }
  }

  const layerFacts = (bytes) => parsed(() => glue.layerFacts(bytes));

  async function conversions(documents, options, signer) {
    const { document, name = "library/image", tag = "latest", policy, platform } = options;
    const facts = new Map();
    if (document >= documents.length) {
      const cause = `\`options.document\` must be the index of one of \`${documents.length}\` documents, not \`${document}\``;
      throw invalidArgument(cause);
    }
    const report = await inspect(documents);
    const found = new Map();
    report.documents.forEach(({ digests, span, kind, failure }, index) => {
      const bytes = documents[index].bytes.subarray(span.start, span.end);
      if (kind === "layer-facts" && !failure) for (const one of layerFacts(bytes)) facts.set(one.digest, one);
      for (const digest of [digests.bytes, digests.payload]) if (digest) found.set(digest, bytes);
    });
    for (const one of options.facts ?? []) facts.set(one.digest, one);
    const { digests, kind } = report.documents[document];
    // What is in no layer that is known cannot be named by its diff id.
    const plainLayers = facts.size > 0 ? "old" : "never";
    const request = { name, tag, digest: digests.registry, policy, platform, plainLayers };
    const forms = parsed(() => glue.mediaTypes()).filter(({ name }) => name !== kind);
    const results = [];
    for (const form of FORMS.flatMap((name) => forms.find((form) => form.name === name) ?? [])) {
      results.push(await converted(form, request, found, facts, signer));
    }
    return results;
  }

  return {
    inspect: checkedAsync(parameters.inspect, inspect),
    verify: checkedAsync(parameters.verify, verify),
    conversions: checkedAsync(parameters.conversions, conversions),
    layerFacts: checked(parameters.layerFacts, layerFacts),
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

/** Why there is no conversion that depends on what is in layers: the documents and facts are all that there is here. */
function unreadLayers(digests) {
  const names = [...new Set(digests)].map((digest) => `\`${digest}\``).join(", ");
  return {
    code: "unread-layer",
    fault: "caller",
    cause: `the sizes and diff ids of these layers are needed, and layers are not read here: ${names}`,
    remedy:
      "give the facts that `downshift layer --json` writes about them, or pull the image through a Downshift server, which reads its layers",
  };
}
