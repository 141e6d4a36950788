// The document in every other form: a new document each, never a change to this one.
import { sh } from "../command.js";
import { whole } from "../core.js";
import { h } from "../dom.js";
import { FORMS, counted, text } from "../format.js";
import {
  button,
  command,
  copy,
  digest,
  download,
  doorway,
  fill,
  flag,
  more,
  pairs,
  say,
  section,
  sentence,
  sized,
} from "../parts.js";
import { body, onRequest } from "./compare.js";

/** @typedef {import("../core.js").DocumentReport} DocumentReport */
/** @typedef {import("../parts.js").Context} Context */
/** @typedef {import("../core.js").ConversionResult} Result */

/** What was chosen, for the next document too. The key is in this page's memory, and nowhere else. */
const chosen = {
  name: "",
  tag: "",
  platform: "",
  policy: /** @type {"strict" | "reference"} */ ("strict"),
  key: "",
};

/** @param {DocumentReport} document @param {Context} context */
export function convert(document, context) {
  if (!(document.kind in FORMS) || document.failure) return undefined;
  const results = h("div", { class: "cards", "aria-live": "polite" });
  const run = () => fill(results, converted(document, context));
  results.setAttribute("aria-busy", "true");
  // What is at the top of the page comes first.
  setTimeout(run);
  const isList = document.manifests.length > 0;
  return section(
    "convert",
    "Convert",
    h(
      "p",
      {},
      "Computed here, with the rules of the server. Layers are never touched; this document stays as it is.",
    ),
    h(
      "form",
      {
        class: "row options",
        submit: (event) => {
          event.preventDefault();
          void run().then(() => say("Converted again"));
        },
      },
      field("Repository", "name", document.name ?? "library/image"),
      field("Tag", "tag", document.tag ?? "latest"),
      isList && field("Platform", "platform", "linux/amd64"),
      h("label", {}, "Policy ", policy()),
      more(
        "Sign with a key of your own",
        h(
          "label",
          { for: "key" },
          "A P-256 key, as PEM or JWK. It stays in this page until you close it. Without one, a new key signs, and is thrown away.",
        ),
        key(),
      ),
      h("button", {}, "Convert again"),
    ),
    results,
    command(sh`downshift convert --help`, "convert on a command line"),
  );
}

/** @param {string} label @param {"name" | "tag" | "platform"} member @param {string} usual */
function field(label, member, usual) {
  const input = h("input", {
    value: chosen[member],
    placeholder: usual,
    spellcheck: "false",
    autocomplete: "off",
    autocapitalize: "none",
    input: () => {
      chosen[member] = input.value;
    },
  });
  return h("label", {}, `${label} `, input);
}

function policy() {
  const select = h(
    "select",
    {
      change: () => {
        chosen.policy = select.value === "reference" ? "reference" : "strict";
      },
    },
    h("option", { value: "strict" }, "strict: lose nothing in silence"),
    h("option", { value: "reference" }, "reference: as Distribution 2.8"),
  );
  select.value = chosen.policy;
  return select;
}

function key() {
  const area = h("textarea", {
    id: "key",
    rows: 4,
    spellcheck: "false",
    autocomplete: "off",
    input: () => {
      chosen.key = area.value;
    },
  });
  area.value = chosen.key;
  return area;
}

/** @param {DocumentReport} document @param {Context} context */
async function converted(document, context) {
  const core = await whole();
  const signer = chosen.key.trim() ? core.p256Signer(chosen.key) : core.generateP256Signer();
  const { policy, ...texts } = chosen;
  const named = Object.fromEntries(
    Object.entries({ name: document.name, tag: document.tag, ...filled(texts) }).filter(
      ([name]) => name !== "key",
    ),
  );
  const results = await core.conversions(
    context.given,
    { document: context.index, policy, ...named },
    signer,
  );
  const none = results.filter(isNone);
  const cards = results
    .filter((result) => !none.includes(result))
    .map((result) => card(result, document, context));
  const { documents } = await core.inspect(context.given);
  const ids = documents[context.index].image_ids;
  if (ids.length) cards.push(imageIds(ids));
  const names = none.map(({ form }) => FORMS[form]).join(", ");
  return names
    ? [...cards, h("p", { class: "card muted" }, `There is no conversion of this document to: ${names}.`)]
    : cards;
}

/** Under which ids people look for the image. @param {DocumentReport["image_ids"]} ids */
function imageIds(ids) {
  return h(
    "article",
    { class: "card" },
    h("h3", {}, "Ids of the image"),
    h("p", {}, "Each tool makes another config of it, and its digest is the image's id there:"),
    pairs(ids.map(({ id, text }) => [text, digest(id, `id by ${text}`)])),
  );
}

/** Whether a document stays in another form, whoever asks. @param {Result} result */
function isNone({ form, failure, report }) {
  const made = report?.result.form ?? form;
  return (
    failure?.code === "not-acceptable" ||
    (made !== form && !(made.startsWith("schema1") && form.startsWith("schema1")))
  );
}

/** Those that were filled in. @param {Record<string, string>} texts */
function filled(texts) {
  return Object.fromEntries(Object.entries(texts).filter(([, value]) => value.trim()));
}

/** @param {Result} result @param {DocumentReport} document @param {Context} context */
function card(result, document, context) {
  const { form, body, failure, missing, unread } = result;
  const name = FORMS[form];
  const parts = missing.map(({ digest, media_type, size }) => ({ digest, media_type, size }));
  return h(
    "article",
    { class: `card ${body ? "" : "muted-card"}` },
    h("h3", {}, `As ${name}`),
    body ? made(result, body, document, context) : undefined,
    unread.length > 0 && needsFacts(result, context),
    failure &&
      !unread.length && [
        h("p", {}, flag("not possible", "warn"), " ", sentence(failure.cause)),
        h("p", {}, sentence(failure.remedy)),
      ],
    parts.length > 0 && [
      h("p", {}, flag("not yet", ""), ` ${counted(parts.length, "document")} must be given too:`),
      h(
        "ul",
        { class: "plain" },
        parts.map((part) =>
          h("li", {}, digest(part.digest, "its digest"), " ", doorway(part, context, "document")),
        ),
      ),
    ],
  );
}

/** Why there have to be facts about layers, and who has them. @param {Result} result @param {Context} context */
function needsFacts({ form, unread, media_type: type }, { serve }) {
  const layers = [...new Set(unread)];
  return [
    h(
      "p",
      {},
      flag("not yet", ""),
      ` The sizes and diff ids of ${counted(layers.length, "layer")} are needed. This manifest does not have them: `,
      "whoever has read the layers knows them, and layers are not read here.",
    ),
    more(
      `${counted(layers.length, "layer")}`,
      h(
        "ul",
        { class: "plain" },
        layers.map((layer) => h("li", {}, digest(layer, "its digest"))),
      ),
    ),
    h("p", {}, "Drop on this page, or paste, what this prints about the files of these layers:"),
    command(sh`downshift layer --json FILE`, `read layers on a command line, for ${FORMS[form]}`),
    serve &&
      h(
        "p",
        { class: "row" },
        button(
          "Ask this server",
          () => serve(type),
          `Fetch what this server makes of the tag as ${FORMS[form]}`,
        ),
        " It reads the layers itself, which may take a while the first time.",
      ),
  ];
}

/** @param {Result} result @param {Uint8Array} bytes @param {DocumentReport} document @param {Context} context */
function made({ form, digest: named, report, media_type, config }, bytes, document, context) {
  const name = FORMS[form];
  const notes = (/** @type {import("../core.js").Note[]} */ list) =>
    list.length > 0 &&
    h(
      "ul",
      { class: "plain" },
      list.map(({ code, path }) =>
        h("li", {}, h("code", {}, path), " ", h("span", { class: "muted" }, code)),
      ),
    );
  const file = `${form}.json`;
  return [
    pairs([
      ["Digest", named && digest(named, `digest of the ${name}`)],
      ["Media type", h("code", { class: "type", title: media_type }, media_type)],
      ["Size", sized(bytes.length)],
      ["Why another digest", report?.digest_changed && sentence(report.digest_changed)],
      ["Platform", report?.platform && `${report.platform.os}/${report.platform.architecture}`],
      ["Lost", report && (notes(report.lost) || "nothing")],
      ["Added", report && (notes(report.added) || "nothing")],
      ["Odd", report && notes(report.warnings)],
      [
        "Left out",
        report &&
          report.left_out.length > 0 &&
          h(
            "ul",
            { class: "plain" },
            report.left_out.map(({ digest: of, code }) => h("li", {}, digest(of), ` ${code}`)),
          ),
      ],
    ]),
    h(
      "p",
      { class: "row" },
      copy(`the ${name}`, () => text(bytes)),
      button("Download", () => download(bytes, file), `Download the ${name}`),
      button(
        "Open",
        () => context.add([{ bytes, label: `${document.label} as ${name}` }], context.index),
        `Open the ${name} as a document`,
      ),
    ),
    config &&
      h(
        "p",
        { class: "row" },
        "Its config, which is made as Docker makes it: ",
        copy(`the config of the ${name}`, () => text(config)),
        button("Download", () => download(config, "config.json"), `Download the config of the ${name}`),
        button(
          "Open",
          () => context.add([{ bytes: config, label: `config of ${document.label}` }], context.index),
          `Open the config of the ${name} as a document`,
        ),
      ),
    onRequest(() => [body(context, context.index), bytes], `to ${name}`),
  ];
}
