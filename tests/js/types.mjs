// Checks the types of the package that is installed in a folder, with the compiler of TypeScript.
//
// node types.mjs FOLDER
import { spawnSync } from "node:child_process";
import { copyFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
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

const names = await Promise.all(["downshift-oci", "downshift-oci/edge", "downshift-oci/p256"].map(namesOf));
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
