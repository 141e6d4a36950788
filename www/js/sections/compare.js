// Two documents side by side: a sentence, the layers, and the exact difference.
import { sh } from "../command.js";
import { whole } from "../core.js";
import { h, shown } from "../dom.js";
import { counted, text } from "../format.js";
import { button, command, digest, fill, flag, section, sentence, table } from "../parts.js";

/** @typedef {import("../parts.js").Context} Context */
/** @typedef {import("../core.js").Chunk} Chunk */

/** Lines of what is the same, that are shown around a change. */
const CONTEXT = 3;
/** Characters of a chunk, and changes, that are shown. */
const [CHARACTERS, CHUNKS] = [20_000, 200];
/** Parts of a chunk that are shown one by one. */
const PARTS = 2000;
const INVISIBLE = /** @type {Record<string, string>} */ ({ "\r": "␍", "\uFEFF": "⟨BOM⟩", "\t": "⇥\t" });

/** @param {import("../core.js").DocumentReport} document @param {Context} context */
export function compare(document, context) {
  const { report, index, before } = context;
  if (report.documents.length < 2) return undefined;
  const others = report.documents
    .map(({ label }, other) => ({ label, other }))
    .filter(({ other }) => other !== index);
  const select = h(
    "select",
    { id: "compare-with" },
    h("option", { value: "" }, "choose a document"),
    others.map(({ label, other }) => h("option", { value: other }, label)),
  );
  const place = h("div");
  const draw = () => {
    if (select.value === "") return place.replaceChildren();
    void fill(place, difference(body(context, Number(select.value)), body(context, index)));
  };
  select.addEventListener("change", draw);
  if (before !== undefined) select.value = String(before);
  draw();
  return section(
    "compare",
    "Compare",
    h(
      "p",
      { class: "row" },
      h("label", { for: "compare-with" }, "What changes from"),
      select,
      ` to ${document.label}?`,
    ),
    place,
    command(sh`cmp -l BEFORE AFTER | head`, "show which bytes differ"),
  );
}

/** The bytes of a document, without the head of the response in which it came. @param {Context} context @param {number} index */
export function body({ given, report }, index) {
  const { start, end } = report.documents[index].span;
  return given[index].bytes.subarray(start, end);
}

/** What turns one document into the other. @param {Uint8Array} before @param {Uint8Array} after */
async function difference(before, after) {
  const { verdict, text: words, layers, chunks, coarse } = (await whole()).diff(before, after);
  const changed = chunks.filter(({ kind }) => kind === "changed").length;
  const moved = layers.filter((layer) => layer.in !== "both");
  const drawing = h(
    "div",
    {},
    h(
      "p",
      {},
      flag(verdict.replaceAll("-", " "), verdict.startsWith("same") ? "ok" : "warn"),
      " ",
      h("strong", {}, sentence(words)),
    ),
    moved.length > 0 &&
      table(
        "Layers of one only",
        ["In", "Layer"],
        moved.map((layer) => [
          `only in ${layer.in === "before" ? "the first" : "the second"}`,
          digest(layer.digest),
        ]),
      ),
    changed > 0 &&
      h(
        "pre",
        {
          class: "text diff",
          tabindex: "0",
          role: "region",
          "aria-label": `Exact difference: ${counted(changed, "change")}`,
        },
        chunks
          .slice(0, CHUNKS)
          .flatMap((chunk, at) => drawn(chunk, before, after, at === 0, at === chunks.length - 1)),
      ),
    chunks.length > CHUNKS && h("p", {}, `${chunks.length - CHUNKS} more chunks are not shown.`),
    coarse &&
      h(
        "p",
        { class: "muted" },
        "There are too many lines to compare them one by one: what lies between the common beginning and end is shown as one change.",
      ),
  );
  return [drawing];
}

/** @param {Chunk} chunk @param {Uint8Array} before @param {Uint8Array} after @param {boolean} isFirst @param {boolean} isLast */
function drawn({ kind, before: from, after: to, before_line, parts }, before, after, isFirst, isLast) {
  const [old, young] = [
    visible(before.subarray(from.start, from.end)),
    visible(after.subarray(to.start, to.end)),
  ];
  if (kind === "same") {
    const lines = old.split(/(?<=\n)/);
    if (lines.length <= 2 * CONTEXT + 1) return [cut(old)];
    const [above, below] = [isFirst ? 0 : CONTEXT, isLast ? 0 : CONTEXT];
    const [head, tail] = [lines.slice(0, above), lines.slice(lines.length - below)];
    const left = `⋯ the same from line ${before_line + above}, ${counted(lines.length - above - below, "line")}\n`;
    return [cut(head.join("")), h("span", { class: "gap" }, left), cut(tail.join(""))];
  }
  if (!parts.length || parts.length > PARTS)
    return [old && h("del", {}, cut(old)), young && h("ins", {}, cut(young))];
  return parts.map(({ kind, before: from, after: to }) => {
    if (kind === "removed") return h("del", {}, cut(visible(before.subarray(from.start, from.end), true)));
    const bytes = after.subarray(to.start, to.end);
    return kind === "added" ? h("ins", {}, cut(visible(bytes, true))) : cut(visible(bytes));
  });
}

/** Text in which what cannot be seen is a sign; of what changes, blanks and line breaks too. @param {Uint8Array} bytes @param {boolean} [isChange] */
function visible(bytes, isChange = false) {
  const seen = shown(text(bytes).replace(/[\r\t\uFEFF]/g, (character) => INVISIBLE[character]));
  return isChange
    ? seen.replaceAll("\n", "⏎\n").replace(/^ +$/gm, (blanks) => "·".repeat(blanks.length))
    : seen;
}

/** @param {string} text */
function cut(text) {
  return text.length > CHARACTERS
    ? `${text.slice(0, CHARACTERS)}\n⋯ ${counted(text.length - CHARACTERS, "character")} more\n`
    : text;
}

/** A button that compares once it is asked to. @param {() => [Uint8Array, Uint8Array]} documents @param {string} name */
export function onRequest(documents, name) {
  const place = h("div");
  const ask = button(
    "Exact difference",
    () => fill(place, difference(...documents())),
    `Exact difference: ${name}`,
  );
  place.append(ask);
  return place;
}
