// The report on one document: its sections, and the list of them.
import { byId, h } from "./dom.js";
import { body, compare } from "./sections/compare.js";
import { chain } from "./sections/chain.js";
import { convert } from "./sections/convert.js";
import { digests } from "./sections/digests.js";
import { explain } from "./sections/explain.js";
import { identity } from "./sections/identity.js";
import { image } from "./sections/image.js";
import { layers } from "./sections/layers.js";
import { matrix } from "./sections/matrix.js";
import { platforms } from "./sections/platforms.js";
import { errors, problems, unreadable } from "./sections/problems.js";
import { raw } from "./sections/raw.js";
import { response } from "./sections/response.js";
import { signatures } from "./sections/signatures.js";
import { verdict } from "./sections/verdict.js";

export { spoken } from "./sections/verdict.js";

/** In their order. Each is a function of the report, and is nothing where it has nothing to say. */
const SECTIONS = [
  unreadable,
  errors,
  problems,
  digests,
  identity,
  response,
  signatures,
  platforms,
  layers,
  image,
  chain,
  explain,
  matrix,
  convert,
  compare,
];

/** @param {Omit<import("./parts.js").Context, "point">} context */
export function show(context) {
  const document = context.report.documents[context.index];
  const { element, point } = raw(document, body({ ...context, point: () => {} }, context.index));
  const sections = [...SECTIONS.map((section) => section(document, { ...context, point })), element].filter(
    (section) => section !== undefined,
  );
  const report = h(
    "div",
    { class: "report" },
    verdict(document),
    h("div", { class: "columns" }, nav(sections), h("div", { class: "parts" }, sections)),
  );
  const focused = focusedSection();
  byId("report").replaceChildren(report);
  if (focused) (byId(`${focused}-title`) ?? byId("verdict-title")).focus({ preventScroll: true });
}

/** The section that has the focus, which goes with its elements. */
function focusedSection() {
  return byId("report").contains(document.activeElement)
    ? (document.activeElement?.closest("section")?.id ?? "verdict")
    : undefined;
}

/** @param {HTMLElement[]} sections */
function nav(sections) {
  const link = (/** @type {HTMLElement} */ { id, firstElementChild }) =>
    h("li", {}, h("a", { href: `#${id}` }, firstElementChild?.textContent));
  return h("nav", { "aria-label": "Sections of the report" }, h("ul", {}, sections.map(link)));
}
