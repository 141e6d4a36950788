// What the page says of a document.
import assert from "node:assert/strict";
import { open } from "./browser.mjs";
import { payload, sample, samples, sha256 } from "./documents.mjs";

/** Samples, and what their verdict is. */
const VERDICTS = {
  schema1: /schema 1, signed.*signature holds: ES256/s,
  schema2: /schema 2.*3 layers/s,
  "two-digests": /schema 1/,
  list: /list.*2/s,
  attestations: /index/,
  tampered: /does not hold/,
  "broken-chain": /schema 1.*Old engines refuse it/s,
  pretty: /schema 2/,
  response: /schema 1/,
  unsigned: /schema 1/,
  layers: /127 layers/,
  errors: /MANIFEST_UNKNOWN/,
};

export const reports = {
  async every_sample_has_its_verdict(context) {
    const listed = samples(context);
    assert.deepEqual(listed.map(({ id }) => id).sort(), Object.keys(VERDICTS).sort());
    for (const { id, files } of listed) {
      const page = await open(context);
      await page.sample(id);
      await page.shows("#verdict", VERDICTS[id]);
      assert.equal(await page.page.$$eval("#tray li", (items) => items.length), files.length);
      await page.settle();
    }
  },

  async digests_are_those_of_the_bytes_and_of_the_payload(context) {
    const page = await open(context);
    const signed = sample(context, "schema1/schema1.json");
    await page.sample("schema1");
    await page.shows(
      "#digests",
      new RegExp(`${sha256(signed)}.*sha256sum.*${sha256(payload(signed))}.*registries`),
    );
    await page.shows("#digests", /skopeo manifest-digest FILE/);
    for (const [digest, verdict] of [
      [sha256(signed), "matches"],
      [sha256(payload(signed)), "matches"],
      [sha256(""), "no match"],
    ]) {
      await page.fill("#expected", digest);
      await page.shows("#digests", new RegExp(`You expected${digest}.*${verdict}`));
    }
    await page.fill("#expected", "sha256:00");
    await page.shows("#digests", /You expectedsha256:00/);
  },

  async the_search_finds_what_changed_the_digest(context) {
    const page = await open(context);
    await page.sample("pretty");
    await page.shows("#digests .expectation", /Typical of.*Changes that were tried/);
    await page.press("#digests button", "Compare with the changed document");
    const stored = sha256(sample(context, "schema2/schema2.json"));
    await page.shows("#digests", new RegExp(stored));
    await page.shows("#compare", /same content/);
    // And in documents that no sample has.
    const text = sample(context, "schema2/config.json").toString();
    await page.paste(`${text}\n`);
    await page.shows("#verdict", /pasted text/);
    await page.fill("#expected", sha256(text));
    await page.shows("#verdict", /line break/);
  },

  async layers_are_joined_with_their_history(context) {
    const page = await open(context);
    await page.sample("schema2");
    await page.shows("#layers", /3 layers/);
    const rows = await page.page.$$eval("#layers tbody tr", (rows) =>
      rows.map((row) => row.innerText.replace(/\s+/g, " ")),
    );
    assert.equal(rows.length, 6);
    assert.match(rows[0], /^1 sha256:.* ADD dir:/);
    assert.match(rows[1], /^none .*without a layer.*LABEL/);
    assert.match(rows[5], /^none .*CMD/);
    await page.shows("#layers", /Diff id/);
    assert.equal(await page.page.$$eval("#layers svg.bar", (bars) => bars.length), 3);
    await page.page.goto(context.url);
    await page.sample("layers");
    assert.equal(await page.page.$$eval("#layers tbody tr", (rows) => rows.length), 129);
    await page.page.goto(context.url);
    await page.sample("schema1");
    await page.shows("#layers", /other way round/);
    await page.shows("#layers", /empty/);
  },

  async platforms_and_attestations_are_told_apart(context) {
    const page = await open(context);
    await page.sample("attestations");
    await page.shows("#platforms", /linux\/amd64.*attestation about linux\/amd64/);
    await page.shows("#explain", /unknown/);
    await page.press("#platforms button", "Show the manifest for linux/amd64, manifest.json");
    await page.shows("#verdict", /manifest\.json/);
  },

  async the_config_is_read(context) {
    const page = await open(context);
    await page.sample("schema2");
    for (const said of [
      /\/bin\/greet/,
      /LANG.*C\.UTF-8/,
      /maintainer.*A\. Packager <packager@example\.org>/,
      /18\.09\.9/,
    ])
      await page.shows("#image", said);
  },

  async the_chain_of_ids_is_a_picture_and_a_table(context) {
    const page = await open(context);
    await page.sample("schema1");
    const ids = JSON.parse(sample(context, "schema1/schema1.json")).history.map(
      ({ v1Compatibility }) => JSON.parse(v1Compatibility).id,
    );
    for (const id of ids) {
      await page.shows("#chain svg", new RegExp(id.slice(0, 12)));
      await page.shows("#chain table", new RegExp(id));
    }
    await page.shows("#chain", /Every parent is the id below/);
    await page.page.goto(context.url);
    await page.sample("broken-chain");
    await page.shows("#chain", /broken/);
    await page.shows("#chain svg", /✕ parent is/);
    await page.shows("#problems", /[Oo]ld engines/);
  },

  async signatures_are_verified_and_explained(context) {
    const page = await open(context);
    await page.sample("schema1");
    await page.shows("#signatures", /holds.*ES256.*Key id([A-Z2-7]{4}:){11}[A-Z2-7]{4}.*P-256/);
    await page.shows("#signatures figure", /payload/);
    await page.press("#signatures button", "Show the signatures in the bytes");
    await page.shows("#status", /are marked/);
    await page.page.goto(context.url);
    await page.sample("tampered");
    await page.shows("#signatures", /does not hold/);
    await page.shows("#verdict.bad", /does not hold/);
    await page.page.goto(context.url);
    await page.sample("unsigned");
    await page.shows("#signatures", /none/);
  },

  async clients_and_what_they_get_are_a_table(context) {
    const page = await open(context);
    await page.sample("schema2");
    const cells = () =>
      page.page.$$eval("#matrix tbody tr", (rows) =>
        rows.map((row) => [...row.cells].map((cell) => cell.innerText.trim())),
      );
    const downshift = await cells();
    assert.match(await page.all("#matrix th.here"), /this document/);
    await page.fill("#served-by", "distribution-3");
    assert.notDeepEqual(await cells(), downshift);
    await page.fill("#asked-by", "digest");
    await page.press("#matrix tbody tr:first-child button");
    await page.shows("#matrix .detail", /GET \/v2\/NAME\/manifests\/sha256:STORED.*curl -i/);
    await page.fill("#served-by", "downshift");
    await page.fill("#asked-by", "tag");
    await page.fill("#accept", "application/vnd.oci.image.manifest.v1+json");
    const own = await cells();
    assert.equal(own.length, downshift.length + 1);
    assert.ok(
      own[0].some((word) => /OCI/.test(word)),
      own[0].join(),
    );
  },

  async explanations_end_in_a_command(context) {
    const page = await open(context);
    await page.sample("two-digests");
    const cards = await page.page.$$eval("#explain article", (cards) =>
      cards.map((card) => [
        card.querySelector("h3").textContent,
        card.querySelector(".command code").textContent,
      ]),
    );
    assert.ok(cards.length >= 2);
    for (const [title, command] of cards)
      assert.ok(title.endsWith("?") && command.length > 10, `${title}: ${command}`);
  },

  async bytes_are_shown_as_they_are(context) {
    const page = await open(context);
    const text = '{\r\n\t"schemaVersion": 2\r\n}';
    await page.paste(text);
    await page.shows("#raw", /schemaVersion/);
    assert.equal(await page.all("#raw pre"), text);
    await page.fill("#view", "hex");
    await page.shows("#raw pre", /00000000 {2}7b 0d 0a 09/);
    await page.fill("#view", "invisible");
    await page.shows("#raw pre", /␍⏎\n⇥/);
  },
};
