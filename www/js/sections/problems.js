// What is wrong with a document, and where.
import { sh } from "../command.js";
import { h } from "../dom.js";
import { text } from "../format.js";
import { button, command, item, prose, section, sentence, some } from "../parts.js";

/** @typedef {import("../core.js").DocumentReport} DocumentReport */
/** @typedef {import("../parts.js").Context} Context */

/** Bytes that are shown around the place where a document stops being JSON. */
const AROUND = 160;

/** @param {DocumentReport} document @param {Context} context */
export function problems({ problems, findings, failure }, { point }) {
  if (!problems.length && !findings.length && !failure) return undefined;
  return section(
    "problems",
    "Problems",
    failure &&
      h(
        "div",
        { class: "card bad" },
        h("p", {}, h("strong", {}, sentence(failure.cause))),
        h("p", {}, sentence(failure.remedy)),
        h("p", { class: "muted" }, "Reason: ", h("code", {}, failure.code)),
      ),
    problems.length > 0 &&
      h(
        "ul",
        { class: "problems" },
        problems.map(({ severity, text, pointer, span, line, column }) =>
          item(
            severity,
            prose(text),
            " ",
            pointer && h("code", {}, pointer),
            line && ` line ${line}, column ${column}`,
            " ",
            span && button("Show", () => point(span), `Show ${pointer ?? "it"} in the bytes`),
          ),
        ),
      ),
    findings.length > 0 && [
      h("h3", {}, "What old engines refuse"),
      some(findings, (findings) =>
        h(
          "ul",
          { class: "problems" },
          findings.map(({ engines, path, detail, rule }) =>
            item(
              "warning",
              h("strong", {}, engines),
              ": ",
              prose(detail),
              " ",
              h("code", {}, path),
              " ",
              h("code", { class: "muted" }, rule),
            ),
          ),
        ),
      ),
      command(sh`downshift check FILE`, "check these rules"),
    ],
  );
}

/** Where a document stops being JSON. @param {DocumentReport} document @param {Context} context */
export function unreadable({ unreadable, span }, { given, index, point }) {
  if (!unreadable) return undefined;
  const { offset, line, column, problem, text: guess } = unreadable;
  const bytes = given[index].bytes.subarray(span.start, span.end);
  const before = text(bytes.subarray(Math.max(0, offset - AROUND), offset));
  const place = h("mark", { tabindex: "-1" }, text(bytes.subarray(offset, offset + 1)) || "⏎ end");
  return section(
    "unreadable",
    "Where it stops being JSON",
    h("p", {}, h("strong", {}, sentence(guess))),
    h("p", {}, `Line ${line}, column ${column}, byte ${offset}: `, prose(problem)),
    h(
      "pre",
      { class: "text excerpt", tabindex: "0", role: "region", "aria-label": "The place in the document" },
      before,
      place,
      text(bytes.subarray(offset + 1, offset + AROUND)),
    ),
    h(
      "p",
      {},
      button("Go to the place", () => point({ start: offset, end: offset + 1 })),
    ),
  );
}

/** A registry's error answer. @param {DocumentReport} document */
export function errors({ errors }) {
  if (!errors.length) return undefined;
  const row = (/** @type {DocumentReport["errors"][number]} */ { code, message, detail, text }) =>
    h(
      "div",
      { class: "card warn" },
      h("p", {}, h("strong", {}, code), message && `: ${message}`),
      h("p", {}, prose(text)),
      detail && h("pre", { class: "text" }, detail),
    );
  return section("errors", "What the registry says", errors.map(row));
}
