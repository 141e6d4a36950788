// The page in a real browser, for the suite: the name of a case on each line of the input, what became of it on each of
// the output.
//
// node page.mjs BROWSER EXECUTABLE URL FOLDER KEY
import { createInterface } from "node:readline";
import { cases } from "./page/cases.mjs";
import { launch } from "./page/browser.mjs";

const [name, executable, url, folder, key] = process.argv.slice(2);
const browser = await launch(name, executable);

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  process.stdout.write(`${JSON.stringify(await run(JSON.parse(line)))}\n`);
}
await browser.close();

async function run({ case: wanted }) {
  const context = { browser, name, url, folder, key, opened: [] };
  try {
    if (!(wanted in cases)) throw new Error(`there is no case \`${wanted}\``);
    await cases[wanted](context);
    for (const page of context.opened) page.isClean();
    return { passed: true };
  } catch (error) {
    const seen = context.opened.map((page) => page.seen());
    return { passed: false, why: `${error.stack ?? error}\n${seen.join("\n")}` };
  } finally {
    for (const page of context.opened) await page.close();
  }
}
