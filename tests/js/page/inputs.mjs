// How documents come in.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open } from "./browser.mjs";
import { payload, sample, sha256 } from "./documents.mjs";

const CRLF = '\uFEFF{\r\n\t"schemaVersion": 2,\r\n\t"é": "\u2028"\r\n}\r\n';

export const inputs = {
  async pasted_text_keeps_its_exact_bytes(context) {
    const page = await open(context);
    await page.paste(CRLF);
    await page.shows("#digests", new RegExp(sha256(CRLF)));
    await page.paste(CRLF.replaceAll("\r\n", "\n"));
    await page.shows("#digests", new RegExp(sha256(CRLF.replaceAll("\r\n", "\n"))));
  },

  async what_is_pasted_into_other_fields_is_no_document(context) {
    const page = await open(context);
    const prevented = await page.page.evaluate(() => {
      const clipboardData = new DataTransfer();
      clipboardData.setData("text/plain", "{}");
      const event = new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true });
      document.getElementById("expected").dispatchEvent(event);
      return event.defaultPrevented;
    });
    assert.equal(prevented, false);
    await page.settle();
  },

  async typed_text_is_inspected_on_request(context) {
    const page = await open(context);
    await page.fill("#text", '{"schemaVersion": 2}');
    await page.press("#inspect-typed");
    await page.shows("#digests", new RegExp(sha256('{"schemaVersion": 2}')));
  },

  async several_files_are_dropped_and_joined(context) {
    const page = await open(context);
    const files = ["config.json", "schema2.json"].map((name) => [name, sample(context, `schema2/${name}`)]);
    await page.drop(Object.fromEntries(files));
    // The manifest is shown, as the other one is named by it.
    await page.shows("#verdict", /schema2\.json/);
    await page.shows("#tray", /config\.json.*schema2\.json/);
    await page.press("#identity button", "Show the config, config.json");
    await page.shows("#verdict", /config\.json/);
    assert.equal(await page.page.$eval("#drop", (element) => element.hidden), true);
  },

  async files_are_opened(context) {
    const folder = mkdtempSync(join(tmpdir(), "downshift-page-"));
    try {
      const path = join(folder, "crlf.json");
      writeFileSync(path, CRLF);
      const page = await open(context);
      const input = await page.page.$("#files");
      await input.uploadFile(path);
      await page.shows("#digests", new RegExp(sha256(CRLF)));
      await page.shows("#verdict", /crlf\.json/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },

  async responses_are_taken_apart(context) {
    const page = await open(context);
    const response = sample(context, "response/curl.txt").toString();
    const body = Buffer.from(response.slice(response.indexOf("\r\n\r\n") + 4));
    await page.paste(response);
    await page.shows("#digests", new RegExp(`${sha256(body)}.*${sha256(payload(body))}`));
    await page.shows("#response", /docker-content-digest.*holds/);
    await page.shows("#response", /vary.*not sent/);
    await page.shows("#response", /Via.*1\.1 edge\.example\.org/);
    await page.shows("#response", /lines end with CRLF/);
  },

  async the_server_reads_the_layers_of_what_was_fetched_from_it(context) {
    const page = await open(context);
    await page.page.focus("#reference");
    await page.shows("#as", /Docker 1\.6/);
    await page.fill("#reference", "library/sample:schema2");
    await page.fill("#as", await page.page.$eval("#as option", ({ value }) => value));
    await page.press("#fetch button");
    await page.shows("#verdict-title", /schema 1, signed/);
    await page.shows("#convert", /As OCI manifestnot yet.*Ask this server/);
    await page.press("#convert button", "Fetch what this server makes of the tag as OCI manifest");
    await page.shows("#verdict-title", /OCI/);
    await page.shows("#image", /Diff ids/);
  },

  async references_are_fetched_from_the_registry(context) {
    const page = await open(context);
    // Who the clients are is loaded for those who want to fetch.
    await page.page.focus("#reference");
    await page.shows("#as", /Docker 1\.6/);
    const oldest = await page.page.$eval("#as option", ({ value }) => value);
    const current = await page.page.$eval("#as", ({ value }) => value);
    await page.fill("#reference", "library/sample:schema2");
    await page.fill("#as", oldest);
    await page.press("#fetch button");
    await page.shows("#verdict-title", /schema 1, signed/);
    await page.shows("#response", /docker-content-digest.*holds/);
    await page.fill("#as", current);
    await page.press("#fetch button");
    // Its config comes with it.
    await page.shows("#verdict-title", /schema 2/);
    await page.shows("#image", /\/bin\/greet/);
    await page.fill("#reference", "library/sample:index");
    await page.press("#fetch button");
    await page.shows("#platforms", /linux\/arm64/);
    await page.press("#platforms button", "Fetch the manifest for linux/arm64");
    await page.shows("#platforms", /Show/);
    await page.press("#platforms button", "Fetch the manifest for linux/amd64");
    await page.shows("#platforms", /Show.*Show/);
    await page.fill("#reference", "library/none");
    await page.press("#fetch button");
    await page.shows("#errors", /MANIFEST_UNKNOWN/);
    // Browsers report what is not found; here it was asked for.
    page.errors = page.errors.filter((error) => !/404/.test(error));
  },
};
