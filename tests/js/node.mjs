// The package in Node, for the suite.
//
// node node.mjs FOLDER KEY
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { answer, signersOf } from "./answer.mjs";
import { answerLines } from "./lines.mjs";

const [folder, key] = process.argv.slice(2);
// As a script in that folder finds it.
const found = createRequire(join(folder, "script.js")).resolve("downshift");
const downshift = await import(pathToFileURL(found));
const signers = signersOf(downshift, readFileSync(key));
await answerLines((question) => answer(downshift, signers, question));
