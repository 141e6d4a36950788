// The page for everybody: by keyboard, for readers of screens, on any width, in both themes.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { open } from "./browser.mjs";
import { samples, sha256 } from "./documents.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const EVERYTHING = {
  type: "tag",
  values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
};
const COLOURS = { type: "rule", values: ["color-contrast", "link-in-text-block"] };

/** Checks everything in the light theme, and in the dark one what depends on colours. */
async function check(page, state) {
  // The page's own policy forbids scripts of others, and has to go on doing so.
  await page.page.evaluate(AXE);
  for (const [theme, rules] of [
    ["light", EVERYTHING],
    ["dark", COLOURS],
  ]) {
    await page.page.select("#theme", theme);
    assert.equal(await page.page.$eval("html", (root) => root.dataset.theme), theme);
    await obeys(page, rules, `${state}, ${theme}`);
  }
}

async function obeys(page, rules, state) {
  const found = await page.page.evaluate(async (runOnly) => {
    const { violations } = await axe.run(document, { runOnly, resultTypes: ["violations"] });
    return violations.map(
      ({ id, impact, nodes }) =>
        `${impact}: ${id}: ${nodes
          .slice(0, 3)
          .map(({ target, failureSummary }) => `${target} ${failureSummary}`)
          .join("; ")}`,
    );
  }, rules);
  assert.deepEqual(found, [], state);
}

async function openAll(page) {
  await page.page.$$eval("details", (all) => {
    for (const details of all) details.open = true;
  });
}

const states = {
  async welcome() {},
  async "not json"(page) {
    await page.paste("<html>");
    await page.shows("#unreadable", /./);
  },
  async alert(page) {
    await page.page.evaluate(() => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([new Uint8Array(65 * 1024 * 1024)], "layer.tar"));
      document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
    });
    await page.shows("#alert", /./);
  },
  async about(page) {
    await page.press("#about-open");
    await page.shows("#about[open]", /./);
  },
  async keys(page) {
    await page.press("#keys-open");
  },
  async share(page) {
    await page.sample("two-digests");
    await page.press("#tray button", "Share…");
    await page.shows("#share[open]", /./);
  },
};

async function fits(page, width, id) {
  const [wide, seen, wideOnes] = await page.page.evaluate(() => {
    const seen = document.documentElement.clientWidth;
    const wide = [...document.querySelectorAll("body *")].filter(
      (element) =>
        element.getBoundingClientRect().right > seen + 1 && !element.closest(".scroll, pre, nav, .unseen"),
    );
    return [
      document.documentElement.scrollWidth,
      seen,
      wide
        .slice(0, 5)
        .map((element) => `${element.tagName}.${element.className} ${element.textContent.slice(0, 40)}`),
    ];
  });
  // But for a scroll bar.
  assert.ok(seen <= width && seen > width - 30, `the window is ${seen} wide and not ${width}`);
  assert.ok(wide <= seen, `${id} is ${wide} wide on ${seen}: ${wideOnes.join("; ")}`);
}

export const access = {
  async axe_finds_nothing_in_either_theme(context) {
    for (const [state, reach] of Object.entries(states)) {
      const page = await open(context);
      await reach(page);
      await check(page, state);
      await page.settle();
      await page.close();
    }
    for (const { id } of samples(context)) {
      const page = await open(context);
      await page.sample(id);
      if (await page.page.$("#convert")) await page.shows("#convert .cards", /./);
      if (await page.page.$("#matrix")) await page.press("#matrix tbody button");
      await openAll(page);
      await check(page, id);
      await page.settle();
      await page.close();
    }
    context.opened.length = 0;
  },

  async it_fits_360_and_1600_pixels(context) {
    for (const { id } of samples(context)) {
      const page = await open(context, { width: 360 });
      await page.sample(id);
      if (await page.page.$("#convert")) await page.shows("#convert .cards", /./);
      await openAll(page);
      for (const width of [360, 1600]) {
        await page.page.setViewport({ width, height: 900 });
        await fits(page, width, id);
      }
      await page.settle();
      await page.close();
    }
    context.opened.length = 0;
  },

  async everything_works_by_keyboard(context) {
    const page = await open(context);
    const { keyboard } = page.page;
    const focused = () =>
      page.page.evaluate(() => {
        const element = document.activeElement;
        return {
          id: element.id,
          name: (element.getAttribute("aria-label") ?? element.textContent).trim().slice(0, 60),
          tag: element.tagName,
        };
      });
    const reach = async (is, most = 120) => {
      for (let pressed = 0; pressed < most; pressed += 1) {
        await keyboard.press("Tab");
        const now = await focused();
        if (is(now)) return now;
      }
      return assert.fail(`the focus does not get there; it is at ${JSON.stringify(await focused())}`);
    };
    // From the top: the skip link, then text, typed and inspected.
    await keyboard.press("Tab");
    assert.match((await focused()).name, /Skip/);
    await reach(({ id }) => id === "text");
    await keyboard.type('{"schemaVersion": 2}');
    await keyboard.down("Control");
    await keyboard.press("Enter");
    await keyboard.up("Control");
    await page.shows("#digests", new RegExp(sha256('{"schemaVersion": 2}')));
    // Clear, which leads back; then a sample, its document, its sections, a cell, a conversion, the link.
    await reach(({ id }) => id === "clear");
    await keyboard.press("Enter");
    await page.shows(".welcome", /Samples/);
    await reach(({ id }) => id === "sample-two-digests");
    await keyboard.press("Enter");
    await page.shows("#verdict", /schema1\.json/);
    await page.page.focus("#expected");
    await reach(({ name }) => name.startsWith("schema2.json"));
    await keyboard.press("Enter");
    await page.shows("#verdict", /schema2\.json/);
    assert.equal((await focused()).id, "verdict-title");
    await reach(({ tag, name }) => tag === "A" && name === "Who gets what");
    await keyboard.press("Enter");
    assert.equal((await focused()).id, "matrix-title");
    // The matrix has buttons once all of the checker is there.
    await page.all_is_loaded();
    await reach(({ tag, name }) => tag === "BUTTON" && /schema/.test(name));
    await keyboard.press("Enter");
    await page.shows("#matrix .detail", /GET/);
    await reach(({ name }) => name === "Exact difference: to OCI manifest", 300);
    await keyboard.press("Enter");
    await page.shows("#convert .diff", /oci/);
    await page.page.focus("#expected");
    await reach(({ name }) => name === "Share…");
    await keyboard.press("Enter");
    await page.shows("#share-title", /./);
    assert.equal((await focused()).id, "share-title");
    await keyboard.press("Escape");
    assert.equal((await focused()).name, "Share…");
  },

  async every_focus_is_seen(context) {
    const page = await open(context);
    await page.sample("schema1");
    for (let pressed = 0; pressed < 60; pressed += 1) {
      await page.page.keyboard.press("Tab");
      const [seen, what] = await page.page.evaluate(() => {
        const element = document.activeElement;
        const shown = element.id === "files" ? element.previousElementSibling : element;
        const { outlineStyle, outlineWidth } = getComputedStyle(shown);
        const { top, bottom } = shown.getBoundingClientRect();
        return [
          element === document.body ||
            (outlineStyle !== "none" && parseFloat(outlineWidth) >= 1 && bottom > 0 && top < innerHeight),
          shown.outerHTML.slice(0, 120),
        ];
      });
      assert.ok(seen, what);
    }
    await page.settle();
  },

  async the_theme_is_kept(context) {
    const page = await open(context);
    await page.fill("#theme", "dark");
    const ground = () => page.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    assert.equal(await ground(), "rgb(15, 19, 23)");
    await page.page.reload();
    await page.page.waitForSelector(".samples");
    assert.equal(await ground(), "rgb(15, 19, 23)");
    await page.fill("#theme", "light");
    assert.equal(await ground(), "rgb(244, 245, 247)");
    await page.fill("#theme", "");
    await page.settle();
  },
};
