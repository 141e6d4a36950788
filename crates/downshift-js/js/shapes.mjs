// The types that arguments have in JavaScript, and how they are checked.
//
// A shape is a function that gives a value back or refuses it, an array of one shape for arrays, or an object of shapes
// for objects. A name that ends in `?` may be missing or null. Of objects only the members that are named come through.
import { mismatch } from "./error.mjs";

/** Wraps a function whose parameters have these names and shapes. */
export function checked(parameters, run) {
  return (...given) => run(...read(parameters, given));
}

/** The same for a function that gives a promise, which is rejected then. */
export function checkedAsync(parameters, run) {
  return async (...given) => run(...read(parameters, given));
}

function read(parameters, given) {
  return Object.entries(parameters).map(([key, shape], index) => {
    const { name, isOptional } = named(key);
    return isOptional && isMissing(given[index]) ? undefined : take(shape, given[index], name);
  });
}

/** A value of this shape, or an error that names it by its `path`. */
export function take(shape, value, path) {
  if (typeof shape === "function") return shape(value, path);
  if (Array.isArray(shape)) {
    if (!Array.isArray(value)) throw mismatch(path, "an `Array`", value);
    // Not `map`, which passes over holes.
    return Array.from(value, (element, index) => take(shape[0], element, `${path}[${index}]`));
  }
  object(value, path);
  const taken = {};
  for (const [key, inner] of Object.entries(shape)) {
    const { name, isOptional } = named(key);
    const member = value[name];
    if (!(isOptional && isMissing(member))) taken[name] = take(inner, member, `${path}.${name}`);
  }
  return taken;
}

function named(key) {
  const isOptional = key.endsWith("?");
  return { name: isOptional ? key.slice(0, -1) : key, isOptional };
}

export const isMissing = (value) => value === undefined || value === null;

const tagOf = (value) => Object.prototype.toString.call(value);

/** A shape of one type of JavaScript's own. */
const ofType = (type) => (value, path) => {
  if (typeof value !== type) throw mismatch(path, `a \`${type}\``, value);
  return value;
};

export const text = ofType("string");
export const flag = ofType("boolean");
export const callback = ofType("function");

/** An object with members, and not one of a kind that keeps what it has elsewhere, as a `Map` does. */
export function object(value, path) {
  const isObject = typeof value === "object" && /^\[object (?:Object|Module)\]$/.test(tagOf(value));
  if (!isObject) throw mismatch(path, "an `object`", value);
  return value;
}

export function count(value, path) {
  if (!Number.isSafeInteger(value) || value < 0) throw mismatch(path, "a whole `number` from 0", value);
  return value;
}

/** Bytes, of any realm: pages and test runners have several. */
export function bytes(value, path) {
  if (!ArrayBuffer.isView(value) || tagOf(value) !== "[object Uint8Array]") {
    throw mismatch(path, "a `Uint8Array`", value);
  }
  // WebCrypto refuses memory that may change while it reads.
  if (tagOf(value.buffer) !== "[object ArrayBuffer]" || value.buffer.resizable) {
    throw mismatch(path, "a `Uint8Array` of an `ArrayBuffer` of fixed size", value.buffer);
  }
  return value;
}

/** Numbers by names: which names there are is for Rust to say. */
export function counts(value, path) {
  const given = Object.entries(object(value, path)).filter(([, number]) => !isMissing(number));
  return Object.fromEntries(given.map(([name, number]) => [name, count(number, `${path}.${name}`)]));
}

export function header(value, path) {
  if (!Array.isArray(value) || value.length !== 2)
    throw mismatch(path, "an `Array` of name and value", value);
  return value.map((part, index) => text(part, `${path}[${index}]`));
}

export function keyFile(value, path) {
  if (typeof value === "string") return value;
  if (!ArrayBuffer.isView(value)) throw mismatch(path, "a `string` or a `Uint8Array`", value);
  return bytes(value, path);
}

/** A stream of any realm, which has a reader. */
export function stream(value, path) {
  if (typeof value?.getReader !== "function") throw mismatch(path, "a `ReadableStream`", value);
  return value;
}

/** A signer stays what it is: its method may need it. */
export function signer(value, path) {
  take({ publicKey: { x: text, y: text }, sign: callback }, value, path);
  return value;
}
