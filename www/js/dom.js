// Elements, made by calls: text is never read as markup.

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
    else if (value !== false && value !== undefined) element.setAttribute(name, String(value));
  }
  for (const child of children.flat()) {
    if (child !== false && child !== null && child !== undefined)
      element.append(child instanceof Node ? child : String(child));
  }
  return element;
}
