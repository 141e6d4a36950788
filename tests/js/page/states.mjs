// What is wrong, and what the page says then.
import assert from "node:assert/strict";
import { open } from "./browser.mjs";
import { sample, sha256 } from "./documents.mjs";

export const states = {
  async what_is_not_json_says_where(context) {
    const page = await open(context);
    await page.paste('{"schemaVersion": 2,\n "layers": [}\n');
    await page.shows("#verdict.bad", /stops being JSON at line 2, column/);
    await page.shows("#unreadable", /Line 2/);
    await page.press("#unreadable button", "Go to the place");
    await page.shows("#status", /are marked/);
    for (const [text, guess] of [
      ["<!doctype html><title>Log in</title>", /web page/],
      ["\u001f\u008b\b", /./],
      ["eyJzY2hlbWFWZXJzaW9uIjogMn0=", /[Bb]ase64/],
      ['{"schemaVersion": 2}{"schemaVersion": 2}', /[Aa]nother document/],
      ['{"schemaVersion": 2, "layers": [', /cut|truncated|end/],
    ]) {
      await page.paste(text);
      await page.shows("#unreadable", guess);
    }
  },

  async what_is_too_large_still_has_its_digest(context) {
    const page = await open(context);
    const text = JSON.stringify({ schemaVersion: 2, annotations: { text: "x".repeat(5 * 1024 * 1024) } });
    await page.drop({ "large.json": text });
    await page.shows("#digests", new RegExp(sha256(text)));
    await page.shows("#problems", /4/);
    assert.ok((await page.all("#raw pre")).length <= 70_000);
    await page.press("#raw button", "Later");
    await page.shows("#raw", /bytes 65.536 to/);
    const huge = "x".repeat(65 * 1024 * 1024);
    await page.page.evaluate((size) => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([new Uint8Array(size)], "layer.tar"));
      document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
    }, huge.length);
    await page.shows("#alert", /64 MiB/);
    // What was there stays.
    await page.shows("#digests", new RegExp(sha256(text)));
  },

  async two_kinds_in_one_contradict_each_other(context) {
    const page = await open(context);
    const both = {
      ...JSON.parse(sample(context, "schema2/schema2.json")),
      ...JSON.parse(sample(context, "list/list.json")),
    };
    await page.paste(JSON.stringify(both));
    await page.shows("#verdict.bad", /./);
    await page.shows("#problems", /manifests|layers/);
  },

  async a_broken_signature_is_malformed_and_not_wrong(context) {
    const page = await open(context);
    const document = JSON.parse(sample(context, "schema1/schema1.json"));
    document.signatures[0].signature = "AAAA";
    await page.paste(JSON.stringify(document, null, 3));
    await page.shows("#verdict.bad", /./);
    document.signatures[0].protected = "!";
    await page.paste(JSON.stringify(document, null, 3));
    await page.shows("#verdict.bad", /./);
    await page.shows("#digests", new RegExp(sha256(JSON.stringify(document, null, 3))));
  },

  async markup_in_documents_is_text(context) {
    const page = await open(context);
    const markup = "<img src=x onerror=alert(1)><script>alert(2)</script>";
    const config = JSON.parse(sample(context, "schema2/config.json"));
    config.config.Labels = { [markup]: markup };
    config.history[0].created_by = markup;
    await page.drop({ [`${markup}.json`]: JSON.stringify(config) });
    await page.shows("#image", /<img src=x/);
    assert.equal(
      await page.page.$$eval("#report img, #report script, #tray img", (found) => found.length),
      0,
    );
  },

  async what_cannot_be_seen_is_shown(context) {
    const page = await open(context);
    const hidden = "a\u0007\u009b\u00ad\u200b\u2028\u202e\u2066\ufeff\u{e0041}z";
    const shown = /aU\+0007U\+009BU\+00ADU\+200BU\+2028U\+202EU\+2066U\+FEFFU\+E0041z/;
    const config = JSON.parse(sample(context, "schema2/config.json"));
    config.config.Labels = { [hidden]: hidden };
    config.history[0].created_by = hidden;
    await page.drop({ [`${hidden}.json`]: JSON.stringify(config) });
    for (const place of ["#image", "#layers", "#tray", "#verdict"]) await page.shows(place, shown);
    await page.shows("#raw", /⟨U\+202E⟩/);
    const raw = await page.page.evaluate(() =>
      /[\u202e\u200b\u2066\ufeff\u009b]/.test(document.documentElement.outerHTML),
    );
    assert.equal(raw, false);
  },

  async commands_hold_no_text_of_strangers(context) {
    const page = await open(context);
    const stored = sample(context, "unsigned/unsigned.json").toString();
    const { fsLayers } = JSON.parse(stored);
    for (const hostile of [
      "x$(touch PWNED)",
      "x;touch PWNED",
      "x\ntouch PWNED",
      "' ; touch PWNED '",
      "x\u202e",
    ]) {
      const text = JSON.stringify(hostile).slice(1, -1);
      await page.paste(
        stored.replaceAll(fsLayers.at(-1).blobSum, text).replace('"name": "', `"name": "${text}`),
      );
      await page.shows("#layers .command", /^\$? ?curl -L REGISTRY\/v2\/NAME\/blobs\/DIGEST \| sha256sum/);
      const commands = await page.page.$$eval(".command code", (all) =>
        all.map(({ textContent }) => textContent),
      );
      for (const command of commands) assert.doesNotMatch(command, /PWNED|[\n\u202e]/);
      await page.press("#clear");
    }
  },

  async a_browser_without_webassembly_is_told_so(context) {
    const page = await open(context, { before: () => delete window.WebAssembly.compile, waits: "#alert p" });
    await page.shows("#alert", /does not start.*sha256sum/);
  },

  async it_works_without_a_network(context) {
    const page = await open(context);
    await page.all_is_loaded();
    await page.page.setOfflineMode(true);
    await page.paste(sample(context, "schema1/schema1.json").toString());
    await page.shows("#verdict", /signature holds/);
    await page.shows("#convert", /As/);
    await page.page.setOfflineMode(false);
  },

  async documents_are_removed_and_cleared(context) {
    const page = await open(context);
    await page.sample("schema2");
    await page.press("#tray button", "Remove schema2.json");
    await page.shows("#verdict", /config\.json/);
    await page.press("#clear");
    await page.shows(".welcome", /Samples/);
    assert.equal(await page.page.$eval("#tray", (tray) => tray.hidden), true);
  },

  async a_list_of_samples_that_comes_late_replaces_no_report(context) {
    const before = () => {
      const { fetch } = window;
      const late = [];
      window.fetch = async (url, ...rest) => {
        const answer = await fetch(url, ...rest);
        if (`${url}`.endsWith("samples/index.json")) await new Promise((resolve) => late.push(resolve));
        return answer;
      };
      window.letThemCome = () => late.splice(0).forEach((resolve) => void resolve());
    };
    const page = await open(context, { before, waits: ".welcome" });
    const text = sample(context, "schema2/schema2.json").toString();
    for (const way of ["at the start", "after everything was cleared"]) {
      await page.paste(text);
      await page.shows("#layers .command", /curl/);
      await page.page.evaluate(() => {
        window.letThemCome();
        return new Promise((seen) => setTimeout(seen, 100));
      });
      assert.equal(await page.page.$$eval(".welcome", (all) => all.length), 0, way);
      await page.press("#clear");
      await page.shows(".welcome", /Samples/);
    }
  },

  async what_is_dropped_while_another_document_is_read_is_added(context) {
    const page = await open(context);
    await page.dropAtOnce(
      ["schema2/schema2.json", "schema1/schema1.json"].map((file) => sample(context, file)),
    );
    await page.shows("#tray", /dropped text.*dropped text/);
    await page.shows("#verdict", /signature holds/);
  },

  async what_is_cleared_while_it_is_inspected_stays_away(context) {
    const page = await open(context);
    await page.sample("schema2");
    await page.dropAtOnce([sample(context, "schema1/schema1.json")], "clear");
    await page.shows(".welcome", /Samples/);
    await page.page.evaluate(() => new Promise((seen) => setTimeout(seen, 1000)));
    assert.equal(await page.page.$$eval("#verdict", (all) => all.length), 0);
  },
};
