// Layers with what made them: history and layers joined, lowest first.
import { digestWord, sh } from "../command.js";
import { h, svg } from "../dom.js";
import { counted, size, step } from "../format.js";
import { command, digest, flag, more, pairs, section, sized, some, table } from "../parts.js";

/** @typedef {import("../core.js").DocumentReport} DocumentReport */
/** @typedef {DocumentReport["layers"][number]} Layer */
/** @typedef {DocumentReport["history"][number]} Entry */

const FLAGS = /** @type {Record<string, string>} */ ({
  foreign: "warn",
  zstd: "warn",
  encrypted: "warn",
  "unknown-type": "warn",
});

/** @param {DocumentReport} document */
export function layers(document) {
  const { layers, history, totals, kind } = document;
  if (!layers.length && !history.length) return undefined;
  const rows = joined(layers, history);
  const sum = totals && [
    counted(totals.layers, "layer"),
    totals.empty
      ? kind.startsWith("schema1")
        ? `${totals.empty} of them empty`
        : `${totals.empty} history entries without one`
      : "",
    totals.size === undefined ? "" : `${size(totals.size)} together, each distinct one once`,
  ];
  return section(
    "layers",
    history.length ? "Layers and history" : "Layers",
    h(
      "p",
      {},
      sum ? `${sum.filter(Boolean).join(", ")}. ` : "",
      "Lowest first, as they lie on each other. ",
      kind.startsWith("schema1") && "Schema 1 stores them the other way round, without their sizes. ",
      layers.length > 0 && !history.length && "What made them is in the config, which is not given.",
    ),
    some(rows, (rows) => rowsOf(document, rows)),
    layers.length > 0 &&
      command(
        sh`curl -L REGISTRY/v2/NAME/blobs/${digestWord(layers[0].digest)} | sha256sum`,
        "fetch the lowest layer, and compute its digest",
      ),
  );
}

/** Layers where their history entries are; the others after them. @param {Layer[]} layers @param {Entry[]} history @returns {{layer?: Layer, entry?: Entry}[]} */
function joined(layers, history) {
  const named = new Set(history.map(({ layer }) => layer));
  const rest = layers.filter((_, index) => !named.has(index));
  return [
    ...history.map((entry) => ({
      entry,
      layer: entry.layer === undefined ? undefined : layers[entry.layer],
    })),
    ...rest.map((layer) => ({ layer })),
  ];
}

/** @param {DocumentReport} document @param {{layer?: Layer, entry?: Entry}[]} rows */
function rowsOf({ totals, history }, rows) {
  const largest = totals?.largest ?? 0;
  const heads = ["Layer", "Digest", "Size", ...(history.length ? ["Made by"] : []), "Notes"];
  return table(
    "Layers, lowest first",
    heads,
    rows.map(({ layer, entry }) => [
      layer ? String(layer.number) : h("span", { class: "muted" }, "none"),
      layer
        ? [digest(layer.digest, `digest of layer ${layer.number}`), kind(layer), ids(layer)]
        : h("span", { class: "muted" }, "an entry without a layer"),
      layer && [sized(layer.size), largest > 0 && bar((layer.size ?? 0) / largest)],
      ...(history.length ? [made(entry)] : []),
      layer && notes(layer),
    ]),
    "layers",
  );
}

/** @param {Layer} layer */
function ids({ diff_id, chain_id }) {
  if (!diff_id && !chain_id) return false;
  return more(
    "uncompressed",
    pairs([
      ["Diff id", diff_id && digest(diff_id)],
      ["Chain id", chain_id && digest(chain_id)],
    ]),
  );
}

/** A part of the largest. @param {number} part */
function bar(part) {
  return svg(
    "svg",
    { class: "bar", viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("rect", { width: Math.max(0.5, part * 100).toFixed(1), height: 6 }),
  );
}

/** @param {Entry | undefined} entry */
function made(entry) {
  if (!entry) return h("span", { class: "muted" }, "not in the history");
  const { created, created_by: by = "", author, comment } = entry;
  return more(
    step(by) || comment || "(nothing said)",
    h("pre", { class: "text" }, by),
    pairs([
      ["Created", created && h("time", { datetime: created }, created)],
      ["Author", author],
      ["Comment", comment],
    ]),
  );
}

/** @param {Layer} layer */
function kind({ media_type: type }) {
  return type && h("code", { class: "type", title: type }, type.replace(/^application\/vnd\./, ""));
}

/** @param {Layer} layer */
function notes({ empty, flags }) {
  return [empty && flag("empty"), ...flags.map((name) => flag(name, FLAGS[name]))];
}
