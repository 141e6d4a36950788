// A link to a report: made on request only, with the documents in it.
import { core } from "./core.js";
import { byId, h } from "./dom.js";
import { counted, size } from "./format.js";
import { button, copy, download } from "./parts.js";

/** @typedef {import("./core.js").Given} Given */

/** Shows what a link would give away, and then the link. @param {Given[]} given */
export async function share(given) {
  const dialog = /** @type {HTMLDialogElement} */ (byId("share"));
  const secrets = core.secrets(given);
  const close = button("Close", () => dialog.close());
  const heading = (/** @type {string} */ text) =>
    h("h2", { id: "share-title", tabindex: "-1", autofocus: true }, text);
  const show = (/** @type {(import("./dom.js").Child | import("./dom.js").Child[])[]} */ ...children) =>
    dialog.replaceChildren(h("div", { class: "stack" }, ...children));
  const link = async () => {
    const { fragment, length } = await core.share({ documents: given });
    const url = `${location.href.split("#")[0]}#${fragment}`;
    const field = h("textarea", { rows: 3, readonly: true, "aria-label": "Link", spellcheck: "false" });
    field.value = url;
    const file = button("Download as a file", () =>
      download(new TextEncoder().encode(`#${fragment}`), "report.inspector"),
    );
    show(
      heading("Link to this report"),
      h(
        "p",
        {},
        `It holds ${counted(given.length, "document")}, every byte of them, and is never sent to a server. Anyone with the link has the documents.`,
      ),
      length === "too-long"
        ? h(
            "p",
            {},
            `With ${size(url.length)} it is too long for a link. Give the file instead: this page opens it.`,
          )
        : [
            length === "long" &&
              h(
                "p",
                { class: "warn" },
                `It has ${size(url.length)}: chats and mail programs may cut it. A file is safer; this page opens it.`,
              ),
            field,
          ],
      h("p", { class: "row" }, length !== "too-long" && copy("the link", url, "Copy the link"), file, close),
    );
    dialog.querySelector("h2")?.focus();
  };
  if (secrets.length) {
    show(
      heading("Is this for others to see?"),
      h("p", {}, "A link would hold all of the documents. In them is what looks secret:"),
      h(
        "ul",
        { class: "secrets" },
        secrets.map(({ document, where, name, text }) =>
          h(
            "li",
            {},
            h("code", {}, name),
            ` (${where} in ${given[document].label ?? `document ${document + 1}`}): ${text}`,
          ),
        ),
      ),
      h("p", { class: "row" }, button("Make the link all the same", link), close),
    );
  } else {
    await link();
  }
  if (!dialog.open) dialog.showModal();
}
