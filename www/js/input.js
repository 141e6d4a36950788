// How documents come in: pasted, dropped, opened or typed, always with their exact bytes.
import { byId } from "./dom.js";

/** @typedef {import("./core.js").Given} Given */

/** Bytes of all documents together, more than which the module does not take. */
const MAX_BYTES = 64 * 1024 * 1024;
const DIGEST = /^\s*((?:sha256|sha512):[0-9a-f]{64,128})\s*$/i;

/**
 * Listens for documents.
 *
 * @param {(given: Given[]) => void} take
 * @param {(digest: string) => void} expect
 * @param {(error: unknown) => void} fail
 */
export function listen(take, expect, fail) {
  const text = /** @type {HTMLTextAreaElement} */ (byId("text"));
  const files = /** @type {HTMLInputElement} */ (byId("files"));
  const inspect = byId("inspect-typed");
  const takeFiles = (/** @type {Iterable<File>} */ list) => read(list).then(take, fail);
  const takeText = (/** @type {string} */ pasted, /** @type {string} */ label) => {
    const digest = DIGEST.exec(pasted)?.[1];
    if (digest) expect(digest);
    else if (pasted) take([{ bytes: new TextEncoder().encode(pasted), label }]);
  };
  const takeTyped = () => {
    takeText(text.value, "typed text");
    text.value = "";
    inspect.hidden = true;
  };

  // A text field would make CRLF to LF, and so another digest: what is pasted is taken before it gets there.
  document.addEventListener("paste", (event) => {
    const data = event.clipboardData;
    if (!data || isOther(event.target)) return;
    event.preventDefault();
    if (data.files.length) void takeFiles(data.files);
    else takeText(data.getData("text/plain"), "pasted text");
  });
  text.addEventListener("input", () => (inspect.hidden = !text.value));
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) takeTyped();
  });
  byId("typed").addEventListener("submit", (event) => {
    event.preventDefault();
    takeTyped();
  });
  files.addEventListener("change", () => {
    void takeFiles([...(files.files ?? [])]);
    files.value = "";
  });
  drops(takeFiles, takeText);
}

/** Whether text that is pasted here is for another field. @param {EventTarget | null} target */
function isOther(target) {
  return (
    target instanceof HTMLElement &&
    target.id !== "text" &&
    target.matches("input, textarea, select, [contenteditable]")
  );
}

/** @param {(list: Iterable<File>) => void} takeFiles @param {(text: string, label: string) => void} takeText */
function drops(takeFiles, takeText) {
  const target = byId("drop");
  // Every element that is passed over enters and leaves.
  let depth = 0;
  const enter = (/** @type {number} */ step) => {
    depth = step ? Math.max(0, depth + step) : 0;
    target.hidden = depth === 0;
  };
  addEventListener("dragenter", (event) => {
    event.preventDefault();
    enter(1);
  });
  addEventListener("dragleave", () => enter(-1));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    enter(0);
    const data = event.dataTransfer;
    if (data?.files.length) takeFiles([...data.files]);
    else takeText(data?.getData("text/plain") ?? "", "dropped text");
  });
}

/** @param {Iterable<File>} list @returns {Promise<Given[]>} */
async function read(list) {
  const files = [...list];
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  if (bytes > MAX_BYTES)
    throw new Error(
      `These files are larger than 64 MiB together: manifests have up to 4 MiB. Is one of them a layer?`,
    );
  return Promise.all(
    files.map(async (file) => ({ bytes: new Uint8Array(await file.arrayBuffer()), label: file.name })),
  );
}
