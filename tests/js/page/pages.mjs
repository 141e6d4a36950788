// The page as it is served, and as one file.
import assert from "node:assert/strict";
import { open } from "./browser.mjs";
import { samples, sample, sha256 } from "./documents.mjs";

export const pages = {
  async the_one_file_works_from_the_disk(context) {
    for (const { id } of samples(context)) {
      const page = await open(context, { single: true });
      await page.sample(id);
      await page.shows("#verdict-title", /./);
      await page.shows("#raw", /./);
      assert.deepEqual(
        page.requests.filter((url) => !/^(data|blob):|manifest-inspector\.html$/.test(url)),
        [],
      );
      await page.close();
    }
    context.opened.length = 0;
    const page = await open(context, { single: true });
    await page.sample("schema2");
    await page.shows("#convert", /As signed schema 1Digest/);
    await page.press("#tray button", "Share…");
    await page.shows("#share-title", /./);
    assert.equal(await page.page.$eval("#fetch", (form) => form.hidden), true);
    const text = "\r\n{}\r\n";
    await page.paste(text);
    await page.shows("#digests", new RegExp(sha256(text)));
  },

  async the_policies_keep_the_page_from_talking(context) {
    for (const single of [false, true]) {
      const page = await open(context, { single });
      const outcome = await page.page.evaluate(async () => {
        const asked = await fetch("http://127.0.0.2:9/").then(
          () => "answered",
          () => "refused",
        );
        let markup = "refused";
        try {
          document.createElement("p").innerHTML = "<b>x</b>";
          markup = "taken";
        } catch {
          // As it has to be.
        }
        return { asked, markup };
      });
      // They are told a moment later.
      await page.page.waitForFunction(() => window.violations.length > 0);
      assert.equal(outcome.asked, "refused");
      assert.equal(outcome.markup, "refused");
      await page.close();
    }
    context.opened.length = 0;
  },

  async a_manifest_of_4_mib_is_looked_at_in_parts(context) {
    const page = await open(context);
    const entry = (index) => ({
      mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
      size: index,
      digest: sha256(`${index}`),
    });
    const layers = Array.from({ length: 24_000 }, (_, index) => entry(index));
    const config = { mediaType: "application/vnd.oci.image.config.v1+json", size: 2, digest: sha256("{}") };
    const text = JSON.stringify({
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      config,
      layers,
    });
    await page.drop({ "large.json": text });
    await page.shows("#digests", new RegExp(sha256(text)));
    assert.ok((await page.page.$$eval("#report *", (all) => all.length)) < 12_000);
    assert.ok((await page.all("#raw pre")).length <= 70_000);
  },

  async prints_as_a_document(context) {
    const page = await open(context);
    await page.sample("schema1");
    await page.page.emulateMediaType("print");
    for (const selector of ["nav", "#input", "footer"]) {
      assert.equal(
        await page.page.$eval(selector, (element) => getComputedStyle(element).display),
        "none",
        selector,
      );
    }
    assert.notEqual(
      await page.page.$eval("#verdict", (element) => getComputedStyle(element).display),
      "none",
    );
    await page.settle();
  },

  async samples_are_exact(context) {
    const page = await open(context);
    await page.sample("response");
    await page.press("#raw button", "Copy the exact text");
    const bytes = sample(context, "response/curl.txt");
    const body = bytes.subarray(bytes.indexOf("\r\n\r\n") + 4);
    assert.equal(await page.all("#raw pre"), body.toString());
    await page.settle();
  },
};
