// Elements, made by calls: text is never read as markup, and what cannot be seen of it stands as its code point.
import { HIDDEN } from "./command.js";

const SVG = "http://www.w3.org/2000/svg";

/** @typedef {Node | string | number | false | null | undefined} Child */
/** @typedef {Record<string, string | number | boolean | undefined | EventListener>} Attributes */

/**
 * An element. Attributes that are functions listen to the event of their name; those that are `false` or missing are
 * left out.
 *
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Attributes} [attributes]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/**
 * An element of a picture.
 *
 * @param {keyof SVGElementTagNameMap} tag
 * @param {Attributes} [attributes]
 * @param {...(Child | Child[])} children
 */
export function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/**
 * The element of the page with this id.
 *
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 */
export function byId(id) {
  return /** @type {T} */ (document.getElementById(id));
}

/**
 * @template {Element} E
 * @param {E} element
 * @param {Attributes} [attributes]
 * @param {(Child | Child[])[]} [children]
 */
function fill(element, attributes = {}, children = []) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== undefined)
      element.setAttribute(name, name === "value" ? String(value) : shown(String(value)));
  }
  for (const child of children.flat()) {
    if (child !== false && child !== null && child !== undefined)
      element.append(...(child instanceof Node ? [child] : marked(String(child), element)));
  }
  return element;
}

/** Each hidden character, but line breaks and tabs, which the page writes itself. */
const EACH_HIDDEN = new RegExp(`(?!\\r?\\n|\\t)${HIDDEN.source}`, "gu");
/** Characters that are marked in one text: browsers take seconds to lay out many thousand elements. */
const MARKS = 1000;

/** A hidden character as people write it: `U+202E`. @param {string} character */
const named = (character) =>
  `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;

/** Text in which hidden characters stand as `⟨U+202E⟩`. @param {string} text */
export function shown(text) {
  return HIDDEN.test(text) ? text.replace(EACH_HIDDEN, (character) => `⟨${named(character)}⟩`) : text;
}

/** The same, with each of them marked, where it is a part of `element`. @param {string} text @param {Element} element */
function marked(text, element) {
  const parts = HIDDEN.test(text) ? text.split(new RegExp(`(${EACH_HIDDEN.source})`, "u")) : [text];
  if (parts.length > 2 * MARKS) return [shown(text)];
  return parts.map((part, index) => {
    if (index % 2 === 0) return part;
    const mark = document.createElementNS(
      element.namespaceURI,
      element.namespaceURI === SVG ? "tspan" : "span",
    );
    mark.setAttribute("class", "code-point");
    mark.textContent = named(part);
    return mark;
  });
}
