// Commands for a POSIX shell: what strangers wrote gets into one here only, and never as more than a word.

/** @typedef {{readonly shell: string}} Command One line that can be pasted. */

/** What cannot be seen, or makes a terminal or browser do something. */
export const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;
const PLAIN = /^[\w./:@][\w./:@-]*$/;
const DIGEST = /^(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$/;

/**
 * A command. Each value is one word, in quotes where a shell would obey a part of it; what has hidden characters is not
 * put into a command.
 *
 * @param {TemplateStringsArray} pieces
 * @param {...string} values
 * @returns {Command}
 */
export function sh(pieces, ...values) {
  return { shell: String.raw(pieces, ...values.map(word)) };
}

/** @param {string} value */
function word(value) {
  if (HIDDEN.test(value)) return "VALUE";
  return PLAIN.test(value) ? value : `'${value.replaceAll("'", String.raw`'\''`)}'`;
}

/** A command that the core has made, which puts words into it as `sh` does. @param {string} shell @returns {Command} */
export function made(shell) {
  return { shell: HIDDEN.test(shell) ? "" : shell };
}

/** A digest, or a word for the reader to replace where a document has something else. @param {string | undefined} text */
export function digestWord(text) {
  return text !== undefined && DIGEST.test(text) ? text : "DIGEST";
}
