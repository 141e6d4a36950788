// What a list or index lists.
import { sh } from "../command.js";
import { h } from "../dom.js";
import { platformName } from "../format.js";
import { button, command, digest, doorway, flag, more, section, sized, some, table } from "../parts.js";
import { texts } from "./identity.js";

/** @typedef {import("../core.js").DocumentReport["manifests"][number]} Entry */

/** @param {import("../core.js").DocumentReport} document @param {import("../parts.js").Context} context */
export function platforms({ manifests }, context) {
  if (!manifests.length) return undefined;
  const missing = manifests.filter(({ document }) => document === undefined);
  const row = (/** @type {Entry} */ entry, /** @type {number} */ index) => [
    name(entry, manifests),
    [
      digest(entry.digest, `digest of entry ${index + 1}`),
      entry.annotations.length > 0 && more("annotations", texts(entry.annotations)),
    ],
    sized(entry.size),
    [
      entry.role !== "image" && flag(entry.role),
      entry.artifact && h("code", {}, entry.artifact),
      h(
        "code",
        { class: "type", title: entry.media_type },
        entry.media_type?.replace(/^application\/vnd\./, ""),
      ),
    ],
    doorway(entry, context, `manifest for ${entry.platform ? platformName(entry.platform) : "no platform"}`),
  ];
  return section(
    "platforms",
    "Platforms",
    h("p", {}, "In the document's order, which decides where several would do."),
    some(manifests, (manifests) =>
      table(
        "Manifests of this list",
        ["Platform", "Digest", "Size", "Kind", "Document"],
        manifests.map(row),
        "platforms",
      ),
    ),
    context.fetch &&
      missing.length > 1 &&
      h(
        "p",
        {},
        button(`Fetch all ${missing.length} that are not given`, () => context.fetch?.(missing)),
      ),
    command(sh`skopeo inspect --raw docker://REGISTRY/NAME@DIGEST`, "fetch one of them"),
  );
}

/** @param {Entry} entry @param {Entry[]} entries */
function name({ platform, os_version, os_features, role, about }, entries) {
  if (role === "attestation") {
    const target = about === undefined ? undefined : entries[about].platform;
    return [h("span", { class: "muted" }, "attestation"), target && ` about ${platformName(target)}`];
  }
  return [
    platform ? platformName(platform) : h("span", { class: "muted" }, "no platform"),
    os_version && h("small", {}, ` ${os_version}`),
    os_features.length > 0 && h("small", {}, ` ${os_features.join(", ")}`),
  ];
}
