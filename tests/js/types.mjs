// Checks the types of the package that is installed in a folder, with the compiler of TypeScript.
//
// node types.mjs FOLDER
import { copyFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import ts from "typescript";

const [folder] = process.argv.slice(2);
const { resolve } = createRequire(join(folder, "script.js"));
const consumer = join(folder, "consumer.mts");
copyFileSync(new URL("consumer.mts", import.meta.url), consumer);

/** A script that is right if an entry exports what its types say, and nothing else. */
async function namesOf(entry, index) {
  const names = Object.keys(await import(pathToFileURL(resolve(entry))));
  const file = join(folder, `names${index}.mts`);
  const list = names.map((name) => `  ${name}: true,\n`).join("");
  writeFileSync(file, `import type * as all from "${entry}";\nexport const names: Record<keyof typeof all, true> = {\n${list}};\n`);
  return file;
}

const names = await Promise.all(["downshift", "downshift/edge", "downshift/p256"].map(namesOf));
const problems = [
  [ts.ModuleKind.NodeNext, ts.ModuleResolutionKind.NodeNext],
  [ts.ModuleKind.ESNext, ts.ModuleResolutionKind.Bundler],
].flatMap(([module, moduleResolution]) => {
  const target = ts.ScriptTarget.ES2022;
  const lib = ["lib.es2022.d.ts", "lib.dom.d.ts"];
  const options = { module, moduleResolution, target, lib, types: [], strict: true, noEmit: true };
  return ts.getPreEmitDiagnostics(ts.createProgram([consumer, ...names], options));
});
const host = { getCanonicalFileName: (name) => name, getCurrentDirectory: () => folder, getNewLine: () => "\n" };
process.stderr.write(ts.formatDiagnostics(problems, host));
process.exitCode = problems.length === 0 ? 0 : 1;
