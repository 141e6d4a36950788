// The package in Node, for the suite.
//
// node node.mjs FOLDER KEY
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { answer, signersOf } from "./answer.mjs";
import { answerLines } from "./lines.mjs";
import { others, report } from "./reports.mjs";

const [folder, key] = process.argv.slice(2);
// As a script in that folder finds it.
const { resolve } = createRequire(join(folder, "script.js"));
const found = (name) => import(pathToFileURL(resolve(name)));
const [downshift, small] = [await found("downshift-oci"), await found("downshift-oci/inspect")];
const signers = signersOf(downshift, readFileSync(key));
await answerLines((question) => {
  if (question.inspect) return report(downshift, small, question.inspect);
  if (question.others) return others(downshift).catch((error) => ({ error: `${error}` }));
  return answer(downshift, signers, question);
});
