// The bytes: exact text, a part of it at a time where there is much, or hexadecimal.
import { h, shown } from "../dom.js";
import { grouped, size, text } from "../format.js";
import { button, copy, download, say, section } from "../parts.js";

/** Bytes that are shown at a time: browsers take seconds to lay out some megabytes of text. */
const [TEXT, HEX] = [64 * 1024, 2048];
/** What is tinted: names, texts, numbers and words. */
const TOKENS = /("(?:[^"\\\n]|\\.)*"?)(\s*:)?|(-?\b\d[\d.eE+-]*|\b(?:true|false|null)\b)/g;
const INVISIBLE = /** @type {Record<string, string>} */ ({
  "\r": "␍",
  "\n": "⏎\n",
  "\t": "⇥\t",
  " ": "·",
  "\uFEFF": "⟨BOM⟩",
});

/** @typedef {import("../core.js").Span} Span */

/** The section, and how to show a place in it. @param {import("../core.js").DocumentReport} document @param {Uint8Array} bytes */
export function raw({ label, response }, bytes) {
  const state = { start: 0, view: "text" };
  /** @type {Span | undefined} */
  let marked;
  const pre = h("pre", {
    class: "text raw",
    tabindex: "0",
    role: "region",
    "aria-label": "Text of the document",
  });
  const place = h("span", { class: "muted" });
  const window = () => (state.view === "hex" ? HEX : TEXT);
  const go = (/** @type {number} */ start) => {
    state.start = Math.max(0, Math.min(start, bytes.length - 1));
    draw();
  };
  const earlier = button("Earlier", () => go(state.start - window()));
  const later = button("Later", () => go(state.start + window()));
  const view = h(
    "select",
    {
      id: "view",
      change: () => {
        state.view = view.value;
        draw();
      },
    },
    [
      ["text", "exact text"],
      ["invisible", "with blanks and line ends shown"],
      ["hex", "hexadecimal"],
    ].map(([value, name]) => h("option", { value }, name)),
  );

  function draw() {
    const end = Math.min(bytes.length, boundary(bytes, state.start + window()));
    state.start = boundary(bytes, state.start);
    const part = bytes.subarray(state.start, end);
    const node = document.createTextNode(
      state.view === "hex"
        ? dump(part, state.start)
        : shown(
            state.view === "invisible"
              ? text(part).replace(/[\r\n\t \uFEFF]/g, (character) => INVISIBLE[character])
              : text(part),
          ),
    );
    pre.replaceChildren(node);
    [earlier.hidden, later.hidden] = [state.start === 0, end === bytes.length];
    place.textContent =
      bytes.length > window()
        ? `bytes ${grouped(state.start)} to ${grouped(end)} of ${grouped(bytes.length)}`
        : `${grouped(bytes.length)} bytes`;
    highlight(
      state.view === "text" ? node : undefined,
      part,
      marked && { start: marked.start - state.start, end: marked.end - state.start },
    );
  }

  draw();
  const element = section(
    "raw",
    response ? "The document, without the response's head" : "The bytes",
    h(
      "p",
      { class: "row" },
      h("label", { for: "view" }, "Show"),
      view,
      place,
      earlier,
      later,
      copy("the exact text", () => text(bytes)),
      button("Download", () => download(bytes, label), `Download the exact ${size(bytes.length)}`),
    ),
    pre,
  );
  const point = (/** @type {Span} */ span) => {
    marked = span;
    [view.value, state.view] = ["text", "text"];
    go(span.start < TEXT && bytes.length <= TEXT ? 0 : Math.max(0, span.start - 1024));
    pre.focus({ preventScroll: true });
    scrollTo(pre, Math.max(0, span.start - state.start));
    say(`Bytes ${span.start} to ${span.end} are marked`);
  };
  return { element, point };
}

/** The next byte that begins a character. @param {Uint8Array} bytes @param {number} at */
function boundary(bytes, at) {
  let next = at;
  while (next < bytes.length && (bytes[next] & 0xc0) === 0x80) next += 1;
  return next;
}

/** @param {Uint8Array} bytes @param {number} offset */
function dump(bytes, offset) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = [...bytes.subarray(at, at + 16)];
    const digits = row
      .map((byte) => byte.toString(16).padStart(2, "0"))
      .join(" ")
      .padEnd(47);
    const letters = row.map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : ".")).join("");
    lines.push(`${(offset + at).toString(16).padStart(8, "0")}  ${digits}  ${letters}`);
  }
  return lines.join("\n");
}

/** Tints the text without elements in it, so that it can be selected and copied as it is. @param {Text | undefined} node @param {Uint8Array} bytes @param {Span | undefined} marked */
function highlight(node, bytes, marked) {
  if (!CSS.highlights) return;
  for (const name of ["name", "string", "literal", "marked"]) CSS.highlights.delete(name);
  if (!node) return;
  /** @type {Record<string, Range[]>} */
  const ranges = { name: [], string: [], literal: [], marked: [] };
  for (const match of node.data.matchAll(TOKENS))
    ranges[match[3] ? "literal" : match[2] ? "name" : "string"].push(
      range(node, match.index, match.index + (match[1] ?? match[3]).length),
    );
  const character = (/** @type {number} */ byte) => shown(text(bytes.subarray(0, Math.max(0, byte)))).length;
  if (marked && marked.end > 0)
    ranges.marked.push(
      range(
        node,
        character(marked.start),
        Math.min(node.length, Math.max(character(marked.end), character(marked.start) + 1)),
      ),
    );
  for (const [name, list] of Object.entries(ranges)) CSS.highlights.set(name, new Highlight(...list));
}

/** @param {Text} node @param {number} start @param {number} end */
function range(node, start, end) {
  const range = new Range();
  range.setStart(node, Math.min(start, node.length));
  range.setEnd(node, Math.min(end, node.length));
  return range;
}

/** Scrolls a text to about this byte. @param {HTMLElement} pre @param {number} offset */
function scrollTo(pre, offset) {
  const marked = [...(CSS.highlights?.get("marked") ?? [])][0];
  const top =
    marked instanceof Range
      ? marked.getBoundingClientRect().top - pre.getBoundingClientRect().top + pre.scrollTop
      : offset / 4;
  pre.scrollTop = Math.max(0, top - pre.clientHeight / 3);
  pre.scrollIntoView({ block: "nearest" });
}
