// The verdict: what matters most, in a few lines at the top.
import { h } from "../dom.js";
import { counted, short } from "../format.js";
import { prose } from "../parts.js";

/** @typedef {import("../core.js").DocumentReport} DocumentReport */
/** @typedef {"ok" | "note" | "warn" | "bad"} Level */
/** @typedef {[level: Level, text: string, section: string]} Line */

const LEVELS = /** @type {Level[]} */ (["note", "ok", "warn", "bad"]);
const SIGNS = { ok: "✓", note: "·", warn: "!", bad: "✕" };
const WORDS = { ok: "Fine", note: "Note", warn: "Careful", bad: "Wrong" };

/** @param {DocumentReport} document */
export function verdict(document) {
  const lines = statements(document);
  const level = LEVELS[Math.max(0, ...lines.map(([level]) => LEVELS.indexOf(level)))];
  return h(
    "section",
    { id: "verdict", class: `verdict ${level}`, "aria-labelledby": "verdict-title" },
    h(
      "p",
      { class: "kind" },
      document.label,
      document.name && ` · ${document.name}${document.tag ? `:${document.tag}` : ""}`,
    ),
    h("h2", { id: "verdict-title", tabindex: "-1" }, prose(document.summary)),
    h("ul", { class: "lines" }, lines.map(line)),
  );
}

/** The verdict as one text, to be spoken. @param {DocumentReport} document */
export function spoken(document) {
  const others = statements(document).filter(([level]) => level !== "note");
  return [document.summary, ...others.map(([, text]) => text)].join(" ");
}

/** @param {Line} line */
function line([level, text, section]) {
  const sign = h("span", { class: `sign ${level}`, role: "img", "aria-label": WORDS[level] }, SIGNS[level]);
  return h("li", {}, sign, h("a", { href: `#${section}` }, prose(text)));
}

/** @param {DocumentReport} document @returns {Line[]} */
function statements(document) {
  /** @type {(Line | false | undefined)[]} */
  const lines = [failed(document), signed(document), ...expected(document), ...claimed(document)];
  const { bytes, payload } = document.digests;
  if (payload)
    lines.push([
      "note",
      `Registries name it ${short(payload)}: the digest of its payload, not of these bytes (${short(bytes)}).`,
      "digests",
    ]);
  else if (!document.digests.expected) lines.push(["note", `Its digest is ${short(bytes)}.`, "digests"]);
  for (const [severity, level] of /** @type {const} */ ([
    ["error", "bad"],
    ["warning", "warn"],
  ])) {
    const count = document.problems.filter((problem) => problem.severity === severity).length;
    lines.push(count > 0 && [level, `${counted(count, severity)} in what it says.`, "problems"]);
  }
  const { findings } = document;
  lines.push(
    findings.length > 0 && [
      "warn",
      `Old engines refuse it for ${counted(findings.length, "reason")}.`,
      "problems",
    ],
  );
  const said = lines.filter((line) => Array.isArray(line));
  return said.sort(([some], [others]) => LEVELS.indexOf(others) - LEVELS.indexOf(some));
}

/** @param {DocumentReport} document @returns {Line | undefined} */
function failed({ failure, unreadable, errors }) {
  if (errors.length)
    return [
      "warn",
      `A registry's answer instead of a document: ${errors.map(({ code }) => code).join(", ")}.`,
      "errors",
    ];
  if (unreadable)
    return [
      "bad",
      `It stops being JSON at line ${unreadable.line}, column ${unreadable.column}. ${unreadable.text}`,
      "unreadable",
    ];
  return failure && ["bad", `${upper(failure.cause)}: ${failure.remedy}.`, "problems"];
}

/** @param {DocumentReport} document @returns {Line | false} */
function signed({ signatures }) {
  if (!signatures.length) return false;
  const bad = signatures.find(({ verdict }) => verdict === "invalid");
  if (bad) return ["bad", `A signature does not hold: ${bad.text}`, "signatures"];
  const open = signatures.find(({ verdict }) => verdict === "unchecked");
  if (open) return ["warn", `A signature cannot be verified here: ${open.text}`, "signatures"];
  const [first] = signatures;
  const which = signatures.length === 1 ? "Its signature holds" : `Its ${signatures.length} signatures hold`;
  return [
    "ok",
    `${which}: ${first.algorithm}${first.key_id ? `, key ${first.key_id.slice(0, 14)}…` : ""}.`,
    "signatures",
  ];
}

/** @param {DocumentReport} document @returns {Line[]} */
function expected({ digests: { expected } }) {
  if (!expected) return [];
  /** @type {Record<string, Level>} */
  const levels = { bytes: "ok", payload: "ok", variant: "warn" };
  return [[levels[expected.verdict] ?? "bad", expected.text, "digests"]];
}

/** @param {DocumentReport} document @returns {Line[]} */
function claimed({ response }) {
  const broken = response?.claims.filter(({ holds }) => holds === "false") ?? [];
  return broken.map(({ text }) => ["warn", text, "response"]);
}

/** @param {string} text */
function upper(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
