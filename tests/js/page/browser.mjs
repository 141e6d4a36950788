// A browser, and pages in it that tell what they did.
import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";
import puppeteer from "puppeteer-core";

/** How long a page may take for anything, on a machine that does much else. */
const PATIENCE = 60_000;

const ARGUMENTS = {
  chrome: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
  firefox: [],
};

export function launch(browser, executablePath) {
  return puppeteer.launch({
    browser,
    executablePath,
    headless: true,
    args: ARGUMENTS[browser],
    timeout: 3 * PATIENCE,
    protocolTimeout: 3 * PATIENCE,
    // What puppeteer turns off, and people have: scripts of a file may not read other files.
    extraPrefsFirefox: { "security.fileuri.strict_origin_policy": true },
  });
}

/** Opens the page as `downshift serve` has it, or the one file, and waits until it is ready. */
export async function open(
  context,
  { single = false, hash = "", width = 1280, before, waits = ".samples, #verdict" } = {},
) {
  const page = await context.browser.newPage();
  const opened = new Opened(page, single ? "file:" : new URL(context.url).origin);
  context.opened.push(opened);
  page.setDefaultTimeout(PATIENCE);
  await page.setViewport({ width, height: 900 });
  await page.evaluateOnNewDocument(() => {
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (event) =>
      window.violations.push(`${event.violatedDirective} ${event.blockedURI}`),
    );
  });
  if (before) await page.evaluateOnNewDocument(before);
  const address = single ? pathToFileURL(`${context.folder}/manifest-inspector.html`).href : context.url;
  await page.goto(`${address}${hash}`);
  await page.waitForSelector(waits, { timeout: PATIENCE });
  return opened;
}

/** A page that was opened. */
class Opened {
  constructor(page, origin) {
    this.page = page;
    this.origin = origin;
    this.errors = [];
    this.requests = [];
    page.on("console", (message) => message.type() === "error" && this.errors.push(message.text()));
    page.on("pageerror", (error) => this.errors.push(String(error)));
    page.on("request", (request) => this.requests.push(request.url()));
  }

  /** Whether nothing went wrong unseen, and nobody else was asked for anything. */
  isClean() {
    assert.deepEqual(this.errors, [], "errors on the console");
    const foreign = this.requests.filter((url) => !url.startsWith(this.origin) && !/^(data|blob):/.test(url));
    assert.deepEqual(foreign, [], "requests to others");
    assert.deepEqual(this.violations, [], "violations of the policy");
  }

  seen() {
    return [...this.errors, ...(this.violations ?? [])].join("\n");
  }

  async close() {
    if (!this.page.isClosed()) await this.page.close().catch(() => {});
  }

  /** Waits until the page has loaded all that it will ever need. */
  all_is_loaded() {
    return this.page.waitForSelector("html[data-loaded]", { timeout: PATIENCE });
  }

  /** What the page's policy has kept it from. */
  async settle() {
    this.violations = await this.page.evaluate(() => window.violations);
  }

  /** The text of the first element that a selector finds, when there is one, with blanks as they are seen. */
  async text(selector) {
    await this.page.waitForSelector(selector, { timeout: PATIENCE });
    return this.page.$eval(selector, (element) => element.innerText.replace(/\s+/g, " ").trim());
  }

  /** All text below an element, also what is folded. */
  all(selector) {
    return this.page.$eval(selector, (element) => element.textContent);
  }

  /** Waits until an element's text fits. */
  async shows(selector, pattern) {
    const fits = (selector, source) =>
      new RegExp(source, "s").test(document.querySelector(selector)?.textContent ?? "");
    await this.page.waitForFunction(fits, { timeout: PATIENCE }, selector, pattern.source).catch(async () => {
      const found = await this.page.evaluate(
        (selector) => document.querySelector(selector)?.textContent,
        selector,
      );
      assert.fail(`\`${selector}\` does not get to be ${pattern}, it is: ${found}`);
    });
    await this.settle();
  }

  /** Presses what is called so. */
  async press(selector, name) {
    const handle = await this.page.waitForFunction(
      (selector, name) =>
        [...document.querySelectorAll(selector)].find(
          (element) =>
            !name || element.getAttribute("aria-label") === name || element.textContent.trim() === name,
        ),
      { timeout: PATIENCE },
      selector,
      name,
    );
    await handle.evaluate((element) => element.click());
  }

  /** Opens a sample. */
  async sample(id, pattern = /./) {
    await this.press(`#sample-${id}`);
    await this.shows("#verdict-title", pattern);
    // Parts of a report come later than its verdict.
    const isWhole = () => !document.querySelector("#report[aria-busy], #report [aria-busy]");
    await this.page.waitForFunction(isWhole, { timeout: PATIENCE });
  }

  /** Pastes text by the browser's own clipboard, with every character of it. */
  async paste(text) {
    await this.page.evaluate((text) => {
      const fill = (event) => {
        event.clipboardData.setData("text/plain", text);
        event.preventDefault();
      };
      document.addEventListener("copy", fill, { once: true });
    }, text);
    await this.page.focus("#text");
    for (const key of ["c", "v"]) {
      await this.page.keyboard.down("Control");
      await this.page.keyboard.press(key);
      await this.page.keyboard.up("Control");
    }
  }

  /** Drops texts one after the other, and presses what has an id, all in one turn of the browser's. */
  dropAtOnce(texts, pressed) {
    return this.page.evaluate(
      (texts, pressed) => {
        for (const text of texts) {
          const dataTransfer = new DataTransfer();
          dataTransfer.setData("text/plain", text);
          document.body.dispatchEvent(
            new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }),
          );
        }
        if (pressed) document.getElementById(pressed).click();
      },
      texts.map(String),
      pressed,
    );
  }

  /** Drops files. */
  drop(files) {
    const encoded = Object.entries(files).map(([name, bytes]) => [
      name,
      Buffer.from(bytes).toString("base64"),
    ]);
    return this.page.evaluate((files) => {
      const dataTransfer = new DataTransfer();
      for (const [name, base64] of files) {
        const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
        dataTransfer.items.add(new File([bytes], name));
      }
      const fire = (type) =>
        document.body.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
      fire("dragenter");
      fire("drop");
    }, encoded);
  }

  /** Writes into a field, as people do. */
  async fill(selector, text) {
    await this.page.$eval(
      selector,
      (element, text) => {
        element.value = text;
        element.dispatchEvent(new Event("input", { bubbles: true }));
        element.dispatchEvent(new Event("change", { bubbles: true }));
      },
      text,
    );
  }
}
