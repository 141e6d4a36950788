// Errors of the package.

/** The members of an error that are always there. */
const MEMBERS = ["code", "fault", "cause", "remedy"];

/** Why something was not done. */
export class DownshiftError extends Error {
  constructor(failure) {
    for (const name of MEMBERS) {
      const member = failure?.[name];
      if (typeof member !== "string") throw mismatch(`failure.${name}`, "a `string`", member);
    }
    const { code, fault, cause, remedy, records = [], layers = [] } = failure;
    super(`${cause}; ${remedy}`);
    this.name = "DownshiftError";
    /** Stable, for programs. */
    this.code = code;
    /** Whose fault it is: "caller", "client", "document", "image" or "limit". */
    this.fault = fault;
    /** What is wrong, in one line. */
    this.cause = cause;
    /** What can be done about it, in one line. */
    this.remedy = remedy;
    /** What has to be recorded before the error is reported: it may name a digest to pull instead. */
    this.records = records;
    /** The layers that are named there by their diff ids: what has to be recorded, too. */
    this.layers = layers;
  }
}

/** An argument of another type than it must have. `name` leads to it: `request.client.forms`. */
export function mismatch(name, expected, value) {
  return invalidArgument(`\`${name}\` must be ${expected}, not \`${typeOf(value)}\``);
}

/** An argument that cannot be used. */
export function invalidArgument(cause) {
  return new DownshiftError({
    code: "invalid-argument",
    fault: "caller",
    cause,
    remedy: "see the package's types",
  });
}

/** The type of a value, as an error names it: a number is told as it is, for most wrong ones are out of range. */
function typeOf(value) {
  if (typeof value === "number" || value === null) return String(value);
  if (typeof value !== "object") return typeof value;
  const name = Object.prototype.toString.call(value).slice("[object ".length, -1);
  return name === "Object" ? "object" : name;
}
