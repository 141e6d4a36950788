// Checks the types of the package that is installed in a folder, with the compiler of TypeScript.
//
// node types.mjs FOLDER
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const [folder] = process.argv.slice(2);
const { resolve } = createRequire(join(folder, "script.js"));
const consumer = join(folder, "consumer.mts");
copyFileSync(new URL("consumer.mts", import.meta.url), consumer);

/** A script that is right if an entry exports what its types say, and nothing else. */
async function namesOf(entry, index) {
  const names = Object.keys(await import(pathToFileURL(resolve(entry))));
  const file = join(folder, `names${index}.mts`);
  const list = names.map((name) => `  ${name}: true,\n`).join("");
  writeFileSync(
    file,
    `import type * as all from "${entry}";\nexport const names: Record<keyof typeof all, true> = {\n${list}};\n`,
  );
  return file;
}

/** What a script exports, as it is written. */
function exportsOf(script) {
  const [, ...exports] = readFileSync(script, "utf8").split(/^export (?:const )?\{/m);
  return exports.map((one) => one.split("}")[0]);
}

const ENTRIES = ["", "/edge", "/inspect", "/layer", "/p256", "/pull"].map((name) => `downshift-oci${name}`);
for (const entry of ENTRIES) {
  const folderOf = dirname(resolve(entry));
  for (const kind of ["", "functions."]) {
    const [inline, workerd] = ["inline", "workerd"].map((place) =>
      exportsOf(join(folderOf, `${kind}${place}.mjs`)),
    );
    assert.deepEqual(workerd, inline, `workers get something else of ${entry}`);
  }
}
// The types of reports are those of the whole, of which `/inspect` has a part.
const names = await Promise.all(ENTRIES.filter((entry) => !entry.endsWith("/inspect")).map(namesOf));
const compiler = fileURLToPath(new URL("../../node_modules/typescript/bin/tsc", import.meta.url));
const OPTIONS = ["--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,dom"];
for (const module of [
  ["nodenext", "nodenext"],
  ["esnext", "bundler"],
]) {
  const how = ["--module", module[0], "--moduleResolution", module[1]];
  const { status } = spawnSync(process.execPath, [compiler, ...OPTIONS, ...how, consumer, ...names], {
    cwd: folder,
    stdio: "inherit",
  });
  if (status !== 0) process.exitCode = 1;
}
