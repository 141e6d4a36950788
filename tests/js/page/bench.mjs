// How long the page takes: milliseconds for each round, by what was done.
//
// node bench.mjs BROWSER EXECUTABLE URL FOLDER ROUNDS
import { launch, open } from "./browser.mjs";
import { sample, sha256 } from "./documents.mjs";

const [name, executable, url, folder, rounds] = process.argv.slice(2);
const context = { browser: await launch(name, executable), url, folder, opened: [] };

/** A manifest of just under 4 MiB. */
function large() {
  const type = "application/vnd.oci.image.layer.v1.tar+gzip";
  const layers = Array.from({ length: 25_000 }, (_, size) => ({
    mediaType: type,
    size,
    digest: sha256(`${size}`),
  }));
  const config = { mediaType: "application/vnd.oci.image.config.v1+json", size: 2, digest: sha256("{}") };
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  return JSON.stringify({ schemaVersion: 2, mediaType, config, layers });
}

/** From a file's fall to its verdict, laid out; and the longest time in which the page did not react. */
function measure(files) {
  const dataTransfer = new DataTransfer();
  for (const [name, text] of files) dataTransfer.items.add(new File([text], name));
  return new Promise((done) => {
    let [longest, last, start] = [0, performance.now(), performance.now()];
    const beat = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    });
    const observer = new MutationObserver(() => {
      if (!document.getElementById("verdict")) return;
      observer.disconnect();
      document.body.getBoundingClientRect();
      const verdict = performance.now() - start;
      setTimeout(() => {
        clearInterval(beat);
        done({ verdict, longest });
      }, 500);
    });
    observer.observe(document.getElementById("report"), { childList: true });
    document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
  });
}

/** How long it takes to draw a report again, which is there already: the page's own part of the work. */
async function redraw() {
  const buttons = [...document.querySelectorAll("#tray .document")];
  const start = performance.now();
  buttons[0].click();
  document.body.getBoundingClientRect();
  return performance.now() - start;
}

const figures = {};
const note = (what, figure) => {
  figures[what] ??= [];
  figures[what].push(figure.toFixed(1));
};
const layers = ["manifest.json", "config.json"].map((name) => [
  name,
  sample(context, `layers/${name}`).toString(),
]);
for (let round = 0; round < Number(rounds); round += 1) {
  for (const [what, files] of [
    ["127 layers", layers],
    ["4 MiB", [["large.json", large()]]],
  ]) {
    const page = await open(context);
    await page.all_is_loaded();
    const { verdict, longest } = await page.page.evaluate(measure, files);
    note(`${what}, to the verdict`, verdict);
    note(`${what}, longest pause`, longest);
    note(`${what}, drawn again`, await page.page.evaluate(redraw));
    await page.close();
  }
}
for (const [what, all] of Object.entries(figures)) console.log(`${what}\t${all.join(" ")}`);
await context.browser.close();
