/** Why something was not done. */
export class DownshiftError extends Error {
  constructor({ code, fault, cause, remedy, records = [] }) {
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
  }
}
