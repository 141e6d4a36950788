// What all sections are made of.
import { digestWord } from "./command.js";
import { h, shown } from "./dom.js";
import { grouped, size } from "./format.js";

/** @typedef {import("./dom.js").Child} Child */

/**
 * What a section may use beside its document.
 *
 * @typedef {object} Context
 * @property {import("./core.js").Report} report
 * @property {import("./core.js").Given[]} given
 * @property {number} index Which of the documents is shown.
 * @property {(index: number) => void} show Shows another document.
 * @property {(given: import("./core.js").Given[], before?: number) => void} add Adds documents; one compares with `before`.
 * @property {(span: import("./core.js").Span) => void} point Shows where something is in the bytes.
 * @property {((parts: import("./core.js").Part[]) => void) | undefined} fetch Fetches what the registry has, where there is one.
 * @property {((type: string) => void) | undefined} serve Fetches what that registry converts its tag to.
 * @property {number | undefined} before The document to compare with.
 */

/** Things that are shown at first. */
const ROWS = 300;

const status = () => /** @type {HTMLElement} */ (document.getElementById("status"));

/** Says something to those who do not see it happen. @param {string} words */
export function say(words) {
  status().textContent = shown(words);
}

/**
 * A section of the report.
 *
 * @param {string} id
 * @param {string} title
 * @param {...(Child | Child[])} children
 */
export function section(id, title, ...children) {
  return h(
    "section",
    { id, "aria-labelledby": `${id}-title`, class: "part" },
    h("h2", { id: `${id}-title`, tabindex: "-1" }, title),
    ...children,
  );
}

/**
 * Fills a place with what is still on its way. Until then it is busy, for screen readers and tests.
 *
 * @param {HTMLElement} place
 * @param {Promise<Node[]>} parts
 */
export function fill(place, parts) {
  place.setAttribute("aria-busy", "true");
  return parts
    .then(
      (parts) => place.replaceChildren(...parts),
      (error) =>
        place.replaceChildren(
          h("p", { class: "notice bad" }, error instanceof Error ? error.message : String(error)),
        ),
    )
    .finally(() => place.removeAttribute("aria-busy"));
}

/**
 * A button that copies text.
 *
 * @param {string} what Its name goes on with this: `digest of layer 3`.
 * @param {string | (() => string)} text
 * @param {string} [label]
 */
export function copy(what, text, label = "Copy") {
  const button = h("button", { type: "button", class: "copy", "aria-label": `Copy ${what}`, click }, label);
  async function click() {
    const done = await write(typeof text === "function" ? text() : text);
    button.textContent = done ? "Copied" : "Failed";
    say(done ? `Copied ${what}` : `The browser does not let the page copy: select the text instead`);
    setTimeout(() => (button.textContent = label), 2000);
  }
  return button;
}

/** Puts text into the clipboard, also where there is no secure context. @param {string} text */
async function write(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = h("textarea", { class: "unseen", "aria-hidden": "true", readonly: true });
    area.value = text;
    (document.querySelector("dialog[open]") ?? document.body).append(area);
    const focused = document.activeElement;
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (focused instanceof HTMLElement) focused.focus();
    return done;
  }
}

/** Gives bytes as a file. @param {Uint8Array} bytes @param {string} title */
export function download(bytes, title) {
  const name = shown(title).replace(/[/\\]/g, "-");
  const url = URL.createObjectURL(new Blob([new Uint8Array(bytes)], { type: "application/octet-stream" }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
  say(`Downloading ${name}`);
}

/** A button. @param {string} label @param {() => void} click @param {string} [name] */
export function button(label, click, name) {
  return h("button", { type: "button", "aria-label": name, click }, label);
}

/**
 * A digest, all of it: the style cuts what there is no room for.
 *
 * @param {string} text
 * @param {string} [what] With a button that copies it, the `digest of layer 3`.
 */
export function digest(text, what) {
  const code = h("code", { class: "digest", title: text }, text);
  // A stranger may have put anything in its place, which nobody should paste into a shell.
  return what && digestWord(text) === text ? h("span", { class: "with-copy" }, code, copy(what, text)) : code;
}

/** A size as people and as programs say it. @param {number | undefined} bytes */
export function sized(bytes) {
  if (bytes === undefined) return h("span", { class: "muted" }, "–");
  return h(
    "span",
    { class: "size" },
    size(bytes),
    bytes >= 1024 && h("small", {}, `${grouped(bytes)} bytes`),
  );
}

/** A command for a shell. @param {import("./command.js").Command} command @param {string} what */
export function command({ shell: text }, what) {
  return h(
    "div",
    { class: "command" },
    h("pre", { tabindex: "0", role: "region", "aria-label": `Command: ${what}` }, h("code", {}, text)),
    copy(`the command: ${what}`, text),
  );
}

/** A word on a coloured ground. @param {string} word @param {string} [kind] */
export function flag(word, kind = "") {
  return h("span", { class: `flag ${kind}` }, word);
}

/**
 * A table that scrolls by itself where it is too wide. The first cell of each row is its heading.
 *
 * @param {string} caption
 * @param {string[]} heads
 * @param {(Child | Child[])[][]} rows
 * @param {string} [kind]
 */
export function table(caption, heads, rows, kind = "") {
  const cells = (/** @type {(Child | Child[])[]} */ row) =>
    row.map((cell, column) => (column ? h("td", {}, cell) : h("th", { scope: "row" }, cell)));
  return h(
    "div",
    { class: "scroll", role: "region", tabindex: "0", "aria-label": caption },
    h(
      "table",
      { class: kind },
      h("caption", { class: "unseen" }, caption),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          heads.map((head) => h("th", { scope: "col" }, head)),
        ),
      ),
      h(
        "tbody",
        {},
        rows.map((row) => h("tr", {}, cells(row))),
      ),
    ),
  );
}

/**
 * Names and what they stand for; those that stand for nothing are left out.
 *
 * @param {[string, Child | Child[]][]} pairs
 */
export function pairs(pairs) {
  const isThere = (/** @type {Child | Child[]} */ value) =>
    value !== undefined &&
    value !== false &&
    value !== null &&
    value !== "" &&
    !(Array.isArray(value) && !value.length);
  return h(
    "dl",
    { class: "pairs" },
    pairs
      .filter(([, value]) => isThere(value))
      .flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]),
  );
}

/**
 * Elements for many things, of which browsers take seconds to lay out thousands: the first, and a button for all.
 *
 * @template T
 * @param {T[]} things
 * @param {(some: T[]) => Child | Child[]} render
 */
export function some(things, render) {
  if (things.length <= ROWS) return h("div", {}, render(things));
  const place = h(
    "div",
    {},
    render(things.slice(0, ROWS)),
    h(
      "p",
      {},
      button(`Show all ${grouped(things.length)}`, () => place.replaceChildren(h("div", {}, render(things)))),
    ),
  );
  return place;
}

/** What can be opened: the browser's search opens it, too. @param {string} summary @param {...(Child | Child[])} children */
export function more(summary, ...children) {
  return h("details", {}, h("summary", {}, summary), ...children);
}

/**
 * The document that a part is, or how to get it.
 *
 * @param {import("./core.js").Part} part
 * @param {Context} context
 * @param {string} what
 */
export function doorway(part, { report, show, fetch }, what) {
  const { document: index, wrong_size: isWrong } = part;
  if (index !== undefined) {
    const open = button("Show", () => show(index), `Show the ${what}, ${report.documents[index].label}`);
    return h("span", {}, open, isWrong && flag("another size than said here", "bad"));
  }
  return fetch
    ? button("Fetch", () => fetch([part]), `Fetch the ${what}`)
    : h("span", { class: "muted" }, "not given");
}

/** Text in which what is quoted stands between backticks. @param {string} text @returns {Child[]} */
export function prose(text) {
  return text.split("`").map((part, index) => (index % 2 ? h("code", {}, part) : part));
}

/** A cause or remedy, which is lower case, as a sentence. @param {string} text */
export function sentence(text) {
  return prose(`${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`);
}

/** A list of problems or the like, each with its severity in words. @param {string} severity @param {...(Child | Child[])} children */
export function item(severity, ...children) {
  return h(
    "li",
    { class: severity },
    flag(severity, severity === "error" ? "bad" : severity === "warning" ? "warn" : ""),
    " ",
    ...children,
  );
}
