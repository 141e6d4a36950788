// The WebAssembly modules in which all the knowledge is: a small one that looks, and the whole one.

/** @typedef {typeof import("../../crates/downshift-js/js/report.js")} Reports */
/** @typedef {import("../../crates/downshift-js/js/report.js").Signer} Signer */
/** @typedef {import("../../crates/downshift-js/js/report.js").Cell} Cell */
/** @typedef {import("../../crates/downshift-js/js/report.js").Chunk} Chunk */
/** @typedef {import("../../crates/downshift-js/js/report.js").ClientRow} ClientRow */
/** @typedef {import("../../crates/downshift-js/js/report.js").ConversionResult} ConversionResult */
/** @typedef {import("../../crates/downshift-js/js/report.js").DocumentReport} DocumentReport */
/** @typedef {import("../../crates/downshift-js/js/report.js").Form} Form */
/** @typedef {import("../../crates/downshift-js/js/report.js").Stored} Stored */
/** @typedef {import("../../crates/downshift-js/js/report.js").Given} Given */
/** @typedef {import("../../crates/downshift-js/js/report.js").Matrix} Matrix */
/** @typedef {import("../../crates/downshift-js/js/report.js").Note} Note */
/** @typedef {import("../../crates/downshift-js/js/report.js").Pair} Pair */
/** @typedef {import("../../crates/downshift-js/js/report.js").Part} Part */
/** @typedef {import("../../crates/downshift-js/js/report.js").Platform} Platform */
/** @typedef {import("../../crates/downshift-js/js/report.js").Report} Report */
/** @typedef {import("../../crates/downshift-js/js/report.js").Span} Span */
/** @typedef {Reports & {p256Signer(file: string): Signer, generateP256Signer(): Signer}} Whole */

/** What looks into documents, once it is loaded. @type {Reports} */
export let core;

/** @type {Promise<Whole> | undefined} */
let loading;

/** Loads what looks into documents. */
export async function load() {
  // The small module has signatures verified by the browser, which does so for pages by HTTPS and of this machine only.
  const isSmall = globalThis.crypto?.subtle && !embedded("module");
  core = isSmall
    ? await instance("inspect", import("../downshift/inspect.mjs"), import("../downshift/inspect.js"))
    : await whole();
}

/** Everything: also what converts, compares and signs, and knows the clients. It is loaded when it is needed first. */
export function whole() {
  loading ??= instance("full", import("../downshift/full.mjs"), import("../downshift/full.js"));
  return loading;
}

/** @param {string} name @param {Promise<any>} functions @param {Promise<any>} glue */
async function instance(name, functions, glue) {
  const { instantiate } = await import("../downshift/instance.mjs");
  const bytes = (await unpacked("module")) ?? (await fetched(`downshift/${name}.wasm`));
  instantiate(await glue, await WebAssembly.compile(bytes));
  return (await functions).functionsOf(await glue);
}

/** What is in this page, where it is one file: compressed, in base64. @param {string} id */
export async function unpacked(id) {
  const text = embedded(id);
  if (!text) return undefined;
  const bytes = Uint8Array.from(atob(text.trim()), (character) => character.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

/** @param {string} id */
function embedded(id) {
  return document.getElementById(id)?.textContent;
}

/** The bytes of a file of this page. @param {string} path */
export async function fetched(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path} is missing: the server answers ${response.status}`);
  return response.arrayBuffer();
}
