// The digests: of the bytes, of the signed payload, and the one that was expected.
import { sh } from "../command.js";
import { h } from "../dom.js";
import { core } from "../core.js";
import { button, command, digest, download, flag, more, pairs, prose, section } from "../parts.js";

/** @typedef {import("../parts.js").Context} Context */
/** @typedef {NonNullable<import("../core.js").DocumentReport["digests"]["expected"]>} Expected */

const MARKS = {
  bytes: ["matches", "ok"],
  payload: ["matches", "ok"],
  variant: ["after a change", "warn"],
  other: ["of another document", "warn"],
};

/** @param {import("../core.js").DocumentReport} document @param {Context} context */
export function digests(document, context) {
  const { bytes, payload, expected } = document.digests;
  const marks = (/** @type {string} */ of) => expected?.verdict === of && flag("expected", "ok");
  const who = (/** @type {string} */ programs) => h("span", { class: "muted" }, `printed by ${programs}`);
  return section(
    "digests",
    "Digests",
    pairs([
      ["These bytes", [digest(bytes, "digest of these bytes"), " ", marks("bytes"), who("sha256sum")]],
      [
        "The signed payload",
        payload && [
          digest(payload, "digest of the payload"),
          " ",
          marks("payload"),
          who("registries, docker pull, skopeo manifest-digest"),
        ],
      ],
      ["You expected", expected && [digest(expected.digest), " ", mark(expected)]],
    ]),
    expected && expectation(expected, document, context),
    payload
      ? command(sh`skopeo manifest-digest FILE`, "print the digest of the payload")
      : command(sh`sha256sum FILE`, "print the digest of the bytes"),
  );
}

/** @param {Expected} expected */
function mark({ verdict }) {
  const [word, kind] = MARKS[/** @type {keyof typeof MARKS} */ (verdict)] ?? ["no match", "bad"];
  return flag(word, kind);
}

/** What came of the search for an expected digest. @param {Expected} expected @param {import("../core.js").DocumentReport} document @param {Context} context */
export function expectation(
  { text, variant, document: other, tried },
  document,
  { given, index, add, show },
) {
  const change = () => {
    const { span } = document;
    const changed = variant && core.variant(given[index].bytes.subarray(span.start, span.end), variant.code);
    return changed && { bytes: changed, label: `${document.label}, ${variant.text}` };
  };
  return h(
    "div",
    { class: "expectation" },
    h("p", {}, h("strong", {}, prose(text)), variant && ` Typical of: ${variant.cause}.`),
    h(
      "p",
      { class: "row" },
      variant &&
        button("Compare with the changed document", () => {
          const made = change();
          if (made) add([made], index);
        }),
      variant &&
        button("Download the changed document", () => {
          const made = change();
          if (made) download(made.bytes, "changed.json");
        }),
      other !== undefined && button("Show that document", () => show(other)),
    ),
    tried.length > 0 &&
      more(
        `Changes that were tried: ${tried.length}`,
        h(
          "ul",
          {},
          tried.map(({ text, cause }) => h("li", {}, text, h("span", { class: "muted" }, ` – ${cause}`))),
        ),
      ),
  );
}
