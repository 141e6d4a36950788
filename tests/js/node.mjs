// The package in Node, for the suite: a request on each line of the input, what became of it on each of the output.
//
// node node.mjs PACKAGE KEY
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { answer } from "./answer.mjs";
import { others, report } from "./reports.mjs";

const [folder, key] = process.argv.slice(2);
const downshift = await import(new URL("full/node.mjs", pathToFileURL(`${folder}/`)));
const small = await import(new URL("inspect/node.mjs", pathToFileURL(`${folder}/`)));
const signer = downshift.p256Signer(readFileSync(key));

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  const question = JSON.parse(line);
  const run = question.inspect
    ? report(downshift, small, question.inspect)
    : question.others
      ? others(downshift).catch((error) => ({ error: `${error}` }))
      : answer(downshift, signer, question);
  process.stdout.write(`${JSON.stringify(await run)}\n`);
}
