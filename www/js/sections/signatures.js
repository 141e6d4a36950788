// Signatures: whether they hold, whose key it is, and how they lie in the bytes.
import { sh } from "../command.js";
import { h, svg } from "../dom.js";
import { counted, grouped } from "../format.js";
import { button, command, flag, pairs, section, sentence, some } from "../parts.js";

/** @typedef {import("../core.js").DocumentReport} DocumentReport */
/** @typedef {DocumentReport["signatures"][number]} Signature */
/** @typedef {import("../parts.js").Context} Context */

const VERDICTS = {
  valid: ["holds", "ok"],
  invalid: ["does not hold", "bad"],
  unchecked: ["not verified", "warn"],
};

/** @param {DocumentReport} document @param {Context} context */
export function signatures(document, context) {
  const { signatures, anatomy, kind } = document;
  if (!signatures.length && !kind.startsWith("schema1")) return undefined;
  if (!signatures.length)
    return section(
      "signatures",
      "Signatures",
      h("p", {}, "There are none. Docker 1.6 to 1.9 refuse schema 1 without a signature."),
    );
  return section(
    "signatures",
    signatures.length === 1 ? "Signature" : "Signatures",
    some(signatures, (signatures) => signatures.map((signature) => card(signature, context))),
    anatomy && strip(document, anatomy, context),
    command(sh`downshift verify FILE`, "verify all signatures"),
  );
}

/** @param {Signature} signature @param {Context} context */
function card({ algorithm, key_id, key, certificate, time, verdict, code, text, span }, { point }) {
  const [word, kind] = VERDICTS[verdict];
  return h(
    "div",
    { class: `card ${kind}` },
    h("p", {}, flag(word, kind), " ", sentence(text)),
    pairs([
      ["Algorithm", algorithm],
      ["Key id", key_id && h("code", { class: "text" }, key_id)],
      ["Key", key],
      ["Certificate", certificate],
      [
        "Time",
        time && [
          h("time", { datetime: time }, time),
          h("span", { class: "muted" }, " – signed, checked by nobody"),
        ],
      ],
      ["Reason", code && h("code", {}, code)],
    ]),
    span && button("Show it in the bytes", () => point(span)),
  );
}

/** The document as one bar, to scale. @param {DocumentReport} document @param {NonNullable<DocumentReport["anatomy"]>} anatomy @param {Context} context */
function strip({ size }, { head, signatures, tail, payload_size }, { point }) {
  /** @type {[string, string, import("../core.js").Span][]} */
  const pieces = [
    ["payload", "the payload's beginning", head],
    ["signature", "the signatures", signatures],
    ["tail", "the end", { start: signatures.end, end: size }],
  ];
  const drawn = pieces.map(([kind, , { start, end }]) =>
    svg("rect", {
      class: kind,
      x: (1000 * start) / size,
      width: Math.max(3, (1000 * (end - start)) / size),
      height: 24,
    }),
  );
  const rows = pieces.map(([kind, name, span]) =>
    h(
      "li",
      {},
      h("span", { class: `swatch ${kind}`, "aria-hidden": "true" }),
      ` ${name}: bytes ${grouped(span.start)} to ${grouped(span.end)} `,
      button("Show", () => point(span), `Show ${name} in the bytes`),
    ),
  );
  return h(
    "figure",
    {},
    h(
      "figcaption",
      {},
      `How they lie in the bytes. The payload, ${counted(payload_size, "byte")}, is the beginning and `,
      h("code", {}, JSON.stringify(tail)),
      "; its digest is what registries name the manifest by.",
    ),
    svg(
      "svg",
      {
        class: "anatomy",
        viewBox: "0 0 1000 24",
        preserveAspectRatio: "none",
        role: "img",
        "aria-label": "The document to scale, as listed below",
      },
      drawn,
    ),
    h("ul", { class: "plain" }, rows),
  );
}
