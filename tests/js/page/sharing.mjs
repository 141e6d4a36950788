// Links, copies and files.
import assert from "node:assert/strict";
import { open } from "./browser.mjs";
import { sample, sha256 } from "./documents.mjs";

export const sharing = {
  async links_are_made_on_request_and_hold_every_byte(context) {
    const page = await open(context);
    const text = '\uFEFF{"schemaVersion": 2,\r\n"a": "\u00e9"}\r\n';
    await page.paste(text);
    await page.shows("#digests", new RegExp(sha256(text)));
    assert.equal(new URL(page.page.url()).hash, "");
    await page.press("#tray button", "Share…");
    await page.shows("#share-title", /Link/);
    const link = await page.page.$eval("#share textarea", ({ value }) => value);
    const hash = link.slice(link.indexOf("#"));
    assert.equal(link, context.url + hash);
    await page.settle();
    const again = await open(context, { hash });
    await again.shows("#digests", new RegExp(sha256(text)));
    await again.shows("#tray", /came with a link/);
  },

  async secrets_are_named_before_they_are_shared(context) {
    const page = await open(context);
    const config = JSON.parse(sample(context, "schema2/config.json"));
    config.config.Env.push("AWS_SECRET_ACCESS_KEY=abcdefghijklmnop");
    await page.paste(JSON.stringify(config));
    await page.shows("#image", /AWS_SECRET_ACCESS_KEY/);
    await page.press("#tray button", "Share…");
    await page.shows("#share", /AWS_SECRET_ACCESS_KEY/);
    const said = await page.all("#share");
    assert.ok(!said.includes("abcdefghijklmnop") && !said.includes("#1."), said);
    await page.press("#share button", "Make the link all the same");
    await page.shows("#share-title", /Link to this report/);
  },

  async what_is_too_long_for_a_link_is_a_file(context) {
    const page = await open(context, {
      before: () => {
        const make = URL.createObjectURL;
        URL.createObjectURL = (blob) => {
          window.given = blob.text();
          return make.call(URL, blob);
        };
        HTMLAnchorElement.prototype.click = () => {};
      },
    });
    // What cannot be compressed.
    const layers = Array.from({ length: 1500 }, (_, index) => ({
      digest: sha256(`${index}`),
      size: index,
      mediaType: "application/vnd.oci.image.layer.v1.tar",
    }));
    const text = JSON.stringify({ schemaVersion: 2, layers });
    await page.paste(text);
    await page.shows("#digests", new RegExp(sha256(text)));
    await page.press("#tray button", "Share…");
    await page.shows("#share", /too long/);
    await page.press("#share button", "Download as a file");
    const file = await page.page.evaluate(() => window.given);
    await page.settle();
    const again = await open(context);
    await again.drop({ "report.inspector": file });
    await again.shows("#digests", new RegExp(sha256(text)));
  },

  async broken_links_are_errors(context) {
    const page = await open(context, { hash: "#1.AAAA", waits: "#alert p" });
    await page.shows("#alert", /link/);
    await page.settle();
  },

  async buttons_copy(context) {
    const page = await open(context, {
      before: () => {
        // A browser without a clipboard for pages, as one has it where there is no HTTPS.
        Object.defineProperty(navigator, "clipboard", { value: undefined });
        document.addEventListener("copy", () => (window.copied = document.activeElement.value));
      },
    });
    await page.sample("schema2");
    await page.page.focus("#digests .copy");
    await page.page.keyboard.press("Enter");
    await page.shows("#status", /Copied digest of these bytes/);
    assert.equal(
      await page.page.evaluate(() => window.copied),
      sha256(sample(context, "schema2/schema2.json")),
    );
    assert.equal(await page.page.evaluate(() => document.activeElement.className), "copy");
  },
};
