// The samples: each is named after the question that it answers.
import { fetched, unpacked } from "./core.js";
import { h } from "./dom.js";
import { counted } from "./format.js";

/** @typedef {{label: string, file: string, expected: string | null}} File */
/** @typedef {{id: string, title: string, text: string, files: File[], compare?: boolean}} Sample */
/** @typedef {import("./core.js").Given} Given */

/** All files, where the page is one itself. @type {Promise<Record<string, string> | undefined> | undefined} */
let embedded;

/** The gallery. @param {(given: Given[], before?: number) => void} take @param {(error: unknown) => void} fail */
export async function gallery(take, fail) {
  const samples = /** @type {Sample[]} */ (JSON.parse(new TextDecoder().decode(await bytes("index.json"))));
  const open = async (/** @type {Sample} */ { files, compare }) => {
    const read = async (/** @type {File} */ { label, file, expected }) => ({
      bytes: await bytes(file),
      label,
      expected: expected ?? undefined,
    });
    take(await Promise.all(files.map(read)), compare ? 0 : undefined);
  };
  const card = (/** @type {Sample} */ sample) =>
    h(
      "li",
      {},
      h(
        "button",
        { type: "button", class: "sample", id: `sample-${sample.id}`, click: () => open(sample).catch(fail) },
        [
          h("strong", {}, sample.title),
          h("span", {}, sample.text),
          h("small", {}, counted(sample.files.length, "file")),
        ],
      ),
    );
  return [h("ul", { class: "samples" }, samples.map(card))];
}

/** @param {string} file */
async function bytes(file) {
  embedded ??= unpacked("samples").then((all) => all && JSON.parse(new TextDecoder().decode(all)));
  const text = (await embedded)?.[file];
  return text === undefined
    ? new Uint8Array(await fetched(`samples/${file}`))
    : new TextEncoder().encode(text);
}
