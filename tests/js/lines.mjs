// Questions and answers of the suite, as JSON: a question on each line of the input, its answer on each of the output.
import { createInterface } from "node:readline";

/** Answers each line until there are no more. */
export async function answerLines(answer) {
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line)))}\n`);
  }
}
