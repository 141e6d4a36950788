// What the document is, and what says so.
import { sh } from "../command.js";
import { h } from "../dom.js";
import { platformName } from "../format.js";
import { command, digest, doorway, flag, more, pairs, prose, section, sized, some } from "../parts.js";

/** @param {import("../core.js").DocumentReport} document @param {import("../parts.js").Context} context */
export function identity(document, context) {
  const {
    title,
    media_type,
    size,
    name,
    tag,
    platform,
    artifact,
    config,
    subject,
    why,
    annotations,
    image_ids: ids,
  } = document;
  const part = (/** @type {import("../core.js").Part | undefined} */ part, /** @type {string} */ what) =>
    part && [
      digest(part.digest, `digest of the ${what}`),
      " ",
      sized(part.size),
      " ",
      doorway(part, context, what),
    ];
  return section(
    "identity",
    "What it is",
    pairs([
      ["Kind", h("strong", {}, title)],
      ["Because", why.length > 0 && h("ul", { class: "plain" }, why.map(evidence))],
      ["Media type", media_type && h("code", {}, media_type)],
      ["Size", sized(size)],
      ["Repository and tag", name && h("code", {}, tag ? `${name}:${tag}` : name)],
      ["Platform", platform && platformName(platform)],
      ["Artifact type", artifact && h("code", {}, artifact)],
      ["Config, the image's id", part(config, "config")],
      [
        "Ids of the image, converted upwards",
        ids.length > 0 &&
          h(
            "ul",
            { class: "plain" },
            ids.map(({ id, text }) => h("li", {}, digest(id, `id by ${text}`), ` ${text}`)),
          ),
      ],
      ["About", part(subject, "manifest that it is about")],
      [
        "Annotations",
        annotations.length > 0 && more(`${annotations.length} annotations`, texts(annotations)),
      ],
    ]),
    command(sh`downshift inspect FILE`, "tell what a file is"),
  );
}

/** @param {import("../core.js").DocumentReport["why"][number]} evidence */
function evidence({ text, agrees }) {
  return h("li", {}, agrees ? "" : [flag("but", "warn"), " "], prose(text));
}

/** Names and texts, as they stand in a document. @param {import("../core.js").Pair[]} list */
export function texts(list) {
  return some(list, (list) =>
    pairs(list.map(({ name, value }) => [name, h("code", { class: "text" }, value || "(empty)")])),
  );
}
