// The package in the one file that a bundler makes of it and of a script, for the suite: for browsers, unless it is said
// for what.
//
// node bundled.mjs FOLDER KEY [PLATFORM FORMAT]
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { answerLines } from "./lines.mjs";

const [folder, key, platform = "browser", format = "esm"] = process.argv.slice(2);
const script = `
import { convert, p256Signer } from "downshift-oci";
import { answer, signersOf } from "${new URL("answer.mjs", import.meta.url).pathname}";
export const answerWith = (key) => {
  const signers = signersOf({ p256Signer }, key);
  return (question) => answer({ convert }, signers, question);
};`;
const output = mkdtempSync(join(tmpdir(), "downshift-"));
const outfile = join(output, format === "cjs" ? "bundle.cjs" : "bundle.mjs");
await build({
  stdin: { contents: script, resolveDir: folder, sourcefile: "suite.mjs" },
  bundle: true,
  format,
  platform,
  logLevel: "warning",
  outfile,
});
const { answerWith } = await import(pathToFileURL(outfile));
rmSync(output, { recursive: true });
await answerLines(answerWith(readFileSync(key, "utf8")));
