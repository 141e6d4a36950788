// Reports on documents: the JSON that the command line writes.

/** What a document is: as `downshift inspect --json` says it. */
export function inspect(bytes: Uint8Array): object;

/** The rules of old engines that a document breaks: as `downshift check --json` says it. */
export function check(bytes: Uint8Array): object[];

/** What comes of each signature of a schema 1 manifest. */
export function verify(bytes: Uint8Array): object;
