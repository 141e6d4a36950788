// The package in workerd, for the suite: a server that answers a request in each body.
//
// node workerd.mjs FOLDER KEY
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { Miniflare } from "miniflare";

const [folder, key] = process.argv.slice(2);
const source = `
import * as edge from "downshift-oci/edge";
import * as p256 from "downshift-oci/p256";
import { answer, signersOf } from "${new URL("answer.mjs", import.meta.url).pathname}";
const signers = signersOf(p256, ${JSON.stringify(readFileSync(key, "utf8"))});
export default {
  async fetch(request) {
    return Response.json(await answer(edge, signers, await request.json()));
  },
};`;
const output = mkdtempSync(join(tmpdir(), "downshift-"));
await build({
  stdin: { contents: source, resolveDir: folder, sourcefile: "suite.mjs" },
  bundle: true,
  format: "esm",
  conditions: ["workerd"],
  loader: { ".wasm": "copy" },
  assetNames: "[name]",
  outfile: join(output, "bundle.mjs"),
  logLevel: "warning",
});
const miniflare = new Miniflare({
  host: "127.0.0.1",
  port: 0,
  cf: false,
  rootPath: output,
  modulesRoot: output,
  scriptPath: join(output, "bundle.mjs"),
  modules: true,
  modulesRules: [{ type: "CompiledWasm", include: ["**/*.wasm"] }],
  compatibilityDate: "2025-12-01",
});
const url = await miniflare.ready;
console.log(`listening on http://127.0.0.1:${url.port}`);
