// What people make of a document: conversions and comparisons.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { open } from "./browser.mjs";
import { sample, sha256 } from "./documents.mjs";

/** Keeps what the page gives as files, instead of the browser. */
function keepDownloads() {
  window.downloads = {};
  const make = URL.createObjectURL;
  URL.createObjectURL = (blob) => {
    const url = make.call(URL, blob);
    window.blobs = { ...window.blobs, [url]: blob };
    return url;
  };
  HTMLAnchorElement.prototype.click = function () {
    window.downloads[this.download] = window.blobs[this.href]
      .arrayBuffer()
      .then((bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))));
  };
}

const downloaded = async (page, name) =>
  Buffer.from(await page.page.evaluate((name) => window.downloads[name], name), "base64");

export const work = {
  async documents_are_converted_to_every_other_form(context) {
    const page = await open(context, { before: keepDownloads });
    await page.sample("schema2");
    for (const form of ["signed schema 1", "OCI manifest"])
      await page.shows("#convert", new RegExp(`As ${form}Digest`));
    await page.shows("#convert", /Lost/);
    await page.press("#convert button", "Download the OCI manifest");
    const oci = await downloaded(page, "oci.json");
    await page.shows("#convert", new RegExp(sha256(oci)));
    assert.equal(JSON.parse(oci).mediaType, "application/vnd.oci.image.manifest.v1+json");
    await page.press("#convert button", "Exact difference: to OCI manifest");
    await page.shows("#convert .diff", /oci\.image\.manifest/);
    await page.press("#convert button", "Open the OCI manifest as a document");
    await page.shows("#verdict-title", /OCI/);
    await page.shows("#compare", /same image/);
  },

  async a_key_of_ones_own_signs_as_the_server_would(context) {
    const page = await open(context, { before: keepDownloads });
    await page.sample("schema2");
    await page.shows("#convert", /As signed schema 1Digest/);
    const [name, tag] = await page.page.$$("#convert form input");
    await name.type("library/sample");
    await tag.type("latest");
    await page.fill("#key", readFileSync(context.key, "utf8"));
    await page.press("#convert button", "Convert again");
    const expected = sample(context, "schema1/schema1.json");
    await page.shows("#status", /Converted again/);
    await page.press("#convert button", "Download the signed schema 1");
    assert.equal((await downloaded(page, "schema1.json")).toString(), expected.toString());
    await page.fill("#key", "no key");
    await page.press("#convert button", "Convert again");
    await page.shows("#convert .cards .bad", /key/);
  },

  async what_cannot_be_converted_says_why(context) {
    const page = await open(context);
    await page.paste(sample(context, "schema2/schema2.json").toString());
    await page.shows("#convert", /not yet.*must be given too/);
    await page.paste(sample(context, "unsigned/unsigned.json").toString());
    await page.shows("#verdict-title", /schema 1/);
    await page.shows("#convert", /As OCI manifestnot yet.*sizes and diff ids.*layers are not read here/);
    await page.shows("#convert", /There is no conversion of this document to: .*OCI index/);
    const foreign = sample(context, "schema2/schema2.json")
      .toString()
      .replace("rootfs.diff", "rootfs.foreign.diff");
    await page.drop({ "foreign.json": foreign, "config.json": sample(context, "schema2/config.json") });
    await page.shows("#verdict", /foreign\.json/);
    await page.shows("#convert", /As signed schema 1not possible.*foreign/);
  },

  async schema_1_goes_up_with_facts_about_its_layers(context) {
    const page = await open(context, { before: keepDownloads });
    const schema1 = sample(context, "unsigned/unsigned.json").toString();
    await page.paste(schema1);
    await page.shows("#convert", /As OCI manifestnot yet.*downshift layer --json/);
    const facts = JSON.parse(schema1).fsLayers.map(({ blobSum: digest }) => ({
      facts: { digest, compression: "gzip", size: 32, diff_id: sha256(digest), plain_size: 10240 },
    }));
    await page.drop({ "facts.json": JSON.stringify({ layers: facts }) });
    await page.shows("#tray", /facts about layers/);
    await page.shows("#verdict-title", /schema 1/);
    await page.shows("#convert", /As OCI manifestDigest/);
    await page.press("#convert button", "Download the OCI manifest");
    const { config, layers } = JSON.parse(await downloaded(page, "oci.json"));
    assert.ok(layers.length > 0 && layers.every(({ size }) => size === 32));
    await page.press("#convert button", "Download the config of the OCI manifest");
    assert.equal(sha256(await downloaded(page, "config.json")), config.digest);
    await page.shows("#convert", new RegExp(`Ids of the image.*Docker 1\\.10.*${config.digest}`));
  },

  async lists_are_converted_for_a_platform(context) {
    const page = await open(context);
    await page.sample("list");
    await page.shows("#convert", /As OCI indexDigest/);
    await page.shows("#convert", /Platform.*linux\/amd64/);
  },

  async documents_are_compared(context) {
    const page = await open(context);
    await page.sample("two-digests");
    await page.shows("#compare", /to schema1\.json/);
    await page.shows("#compare .diff", /fsLayers/);
    await page.fill("#compare-with", "");
    await page.paste(sample(context, "schema2/schema2.json").toString().replace(/\n +/g, "\n"));
    await page.shows("#verdict", /pasted text/);
    await page.fill("#compare-with", "0");
    await page.shows("#compare", /same content/);
  },
};
