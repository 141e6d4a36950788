// For Node, browsers and bundlers. Nothing happens in this file, so that bundlers leave out what is not used of it.
export { carryOut } from "../carry-out.mjs";
export { digestOf } from "../document.mjs";
export { DownshiftError } from "../error.mjs";
export * from "./functions.inline.mjs";
