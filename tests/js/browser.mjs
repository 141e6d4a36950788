// The package in a browser, as a page loads it that was not bundled, for the suite.
//
// node browser.mjs FOLDER KEY BROWSER
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import puppeteer from "puppeteer-core";
import { answerLines } from "./lines.mjs";

const [folder, key, browser] = process.argv.slice(2);
const TYPES = { ".mjs": "text/javascript", ".js": "text/javascript", ".html": "text/html" };
const { exports } = JSON.parse(readFileSync(join(folder, "node_modules/downshift-oci/package.json")));
const page = `<!doctype html>
<title>Downshift</title>
<script type="importmap">
  { "imports": { "downshift-oci": "${new URL(exports["."].default, "http://x/node_modules/downshift-oci/").pathname}" } }
</script>
<script type="module">
  import * as downshift from "downshift-oci";
  import { answer, signersOf } from "/answer.mjs";
  const signers = signersOf(downshift, ${JSON.stringify(readFileSync(key, "utf8"))});
  globalThis.ask = (question) => answer(downshift, signers, question);
</script>`;

function contentOf(path) {
  if (path === "/") return page;
  if (path === "/answer.mjs") return readFileSync(new URL("answer.mjs", import.meta.url));
  return readFileSync(join(folder, normalize(path)));
}

const server = createServer((request, response) => {
  try {
    const content = contentOf(request.url);
    response.writeHead(200, { "content-type": TYPES[extname(request.url) || ".html"] }).end(content);
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
// Puppeteer's own 30 s are too short on a busy machine.
const timeout = 120_000;
const running = await puppeteer.launch({ executablePath: browser, args: ["--no-sandbox"], timeout });
const tab = await running.newPage();
tab.setDefaultTimeout(timeout);
tab.on("pageerror", (error) => console.error(error));
await tab.goto(`http://127.0.0.1:${server.address().port}/`);
await tab.waitForFunction(() => globalThis.ask);
await answerLines((question) => tab.evaluate((asked) => globalThis.ask(asked), question));
await running.close();
server.close();
