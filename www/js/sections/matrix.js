// Which client gets what, by what is stored and who serves it.
import { made, sh } from "../command.js";
import { whole } from "../core.js";
import { h } from "../dom.js";
import { FORMS } from "../format.js";
import { command, fill, section, sentence } from "../parts.js";

/** @typedef {import("../core.js").Matrix} Matrix */
/** @typedef {import("../core.js").ClientRow} ClientRow */
/** @typedef {import("../core.js").Cell} Cell */
/** @typedef {import("../core.js").Stored} Stored */

const SIGNS = { stored: "✓", converted: "⇄", child: "✓", refused: "✕", unusable: "✕" };
/** What is stored, in words. @type {Record<string, string>} */
const STORED = { ...FORMS, zstd: "OCI with zstd layers" };
/** What was chosen, for the next document too. */
const chosen = { registry: "downshift", by: /** @type {"tag" | "digest"} */ ("tag"), accept: "" };

/** @param {import("../core.js").DocumentReport} document */
export function matrix({ kind }) {
  const place = h("div", { class: "stack" }, h("p", { class: "muted" }, "Loading what knows the clients…"));
  void fill(
    place,
    whole().then((core) => table(core, kind)),
  );
  return section("matrix", "Who gets what", place);
}

/** @param {import("../core.js").Whole} core @param {string} kind */
function table(core, kind) {
  const whole = h("div");
  const hint = "Choose a cell: here are the request, the answer, and why.";
  const detail = h("div", { class: "card detail", "aria-live": "polite" }, h("p", { class: "muted" }, hint));
  const draw = () => {
    const accept = chosen.accept.trim();
    whole.replaceChildren(drawn(core.matrix(accept ? { accept: [accept] } : undefined), kind, detail));
  };
  const own = h("input", {
    id: "accept",
    value: chosen.accept,
    placeholder: "application/vnd.oci.image.manifest.v1+json, */*",
  });
  own.addEventListener("input", () => {
    chosen.accept = own.value;
    draw();
  });
  const registries = /** @type {[string, string][]} */ (
    core.matrix().registries.map(({ id, name }) => [id, name])
  );
  const registry = choice("served-by", registries, chosen.registry, (id) => {
    chosen.registry = id;
    draw();
  });
  const by = choice(
    "asked-by",
    [
      ["tag", "by tag"],
      ["digest", "by digest"],
    ],
    chosen.by,
    (id) => {
      chosen.by = id === "digest" ? "digest" : "tag";
      draw();
    },
  );
  draw();
  return [
    h(
      "p",
      { class: "row" },
      h("label", { for: "served-by" }, "Served by"),
      registry,
      h("label", { for: "asked-by" }, "asked for"),
      by,
    ),
    h("p", { class: "row" }, h("label", { for: "accept" }, "My client sends Accept:"), own),
    whole,
    detail,
  ];
}

/** @param {string} id @param {[string, string][]} options @param {string} value @param {(value: string) => void} change */
function choice(id, options, value, change) {
  const select = h(
    "select",
    { id, change: () => change(select.value) },
    options.map(([value, name]) => h("option", { value }, name)),
  );
  select.value = value;
  return select;
}

/** @param {Matrix} matrix @param {string} kind @param {HTMLElement} detail */
function drawn({ stored, clients, registries }, kind, detail) {
  const { text } = registries.find(({ id }) => id === chosen.registry) ?? registries[0];
  const here = (/** @type {Stored} */ form) => (form === kind ? "here" : "");
  const cell = (/** @type {ClientRow} */ client, /** @type {Stored} */ form) => {
    const cell = client.answers[chosen.registry][chosen.by][form];
    return h(
      "td",
      { class: `${cell.outcome} ${here(form)}` },
      h(
        "button",
        { type: "button", click: () => show(detail, client, form, cell) },
        h("span", { "aria-hidden": "true" }, SIGNS[cell.outcome]),
        ` ${cell.outcome === "unusable" ? "cannot be read" : cell.word}`,
      ),
    );
  };
  return h(
    "div",
    {},
    h("p", {}, sentence(text)),
    h(
      "div",
      { class: "scroll", role: "region", tabindex: "0", "aria-label": "Table of clients" },
      h(
        "table",
        { class: "matrix" },
        h("caption", { class: "unseen" }, "Clients, and what each gets by what is stored"),
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            h("th", { scope: "col" }, "Client"),
            stored.map((form) =>
              h(
                "th",
                { scope: "col", class: here(form) },
                STORED[form],
                form === kind && h("small", {}, " this document"),
              ),
            ),
          ),
        ),
        h(
          "tbody",
          {},
          clients.map((client) =>
            h(
              "tr",
              {},
              h("th", { scope: "row" }, client.name),
              stored.map((form) => cell(client, form)),
            ),
          ),
        ),
      ),
    ),
  );
}

/** @param {HTMLElement} detail @param {ClientRow} client @param {Stored} form @param {Cell} cell */
function show(detail, { name, request }, form, { status, response, text }) {
  const lines = (/** @type {import("../core.js").Pair[]} */ list) =>
    list.map(({ name, value }) => `${name}: ${value}`).join("\n");
  const reference = chosen.by === "tag" ? "TAG" : "sha256:STORED";
  const headers = request.map(({ name, value }) => sh` -H ${`${name}: ${value}`}`.shell).join("");
  detail.replaceChildren(
    h("h3", {}, `${name}, stored as ${STORED[form]}`),
    h("p", {}, sentence(text)),
    h(
      "pre",
      { class: "text" },
      `GET /v2/NAME/manifests/${reference}\n${lines(request)}\n\n${status}\n${lines(response)}`,
    ),
    command(made(`curl -i${headers} REGISTRY/v2/NAME/manifests/${reference}`), "ask as this client does"),
  );
}
