// Bundles a script that imports only errors: a bundler that leaves out what is not used leaves out the modules.
//
// node shaken.mjs FOLDER
import assert from "node:assert/strict";
import { build } from "esbuild";

const [folder] = process.argv.slice(2);

/** Bytes of such a bundle, which is not minified. */
const MAX_BYTES = 4096;

const PLATFORMS = [
  { platform: "browser" },
  { platform: "node" },
  { platform: "neutral" },
  { conditions: ["workerd"], loader: { ".wasm": "copy" } },
];

for (const entry of ["", "/edge", "/inspect", "/layer", "/p256", "/pull"]) {
  for (const options of PLATFORMS) {
    for (const format of ["esm", "cjs", "iife"]) {
      const contents = `
        import { DownshiftError } from "downshift-oci${entry}";
        const why = { code: "a", fault: "caller", cause: "b", remedy: "c" };
        console.log(new DownshiftError(why) instanceof DownshiftError);`;
      const { outputFiles, metafile } = await build({
        ...options,
        stdin: { contents, resolveDir: folder, sourcefile: "suite.mjs" },
        bundle: true,
        format,
        metafile: true,
        outdir: "out",
        write: false,
        logLevel: "warning",
      });
      const what = `${entry} as ${format} for ${JSON.stringify(options)}`;
      const files = outputFiles.map(({ path }) => path);
      assert.equal(files.length, 1, `${what}: ${files}`);
      const [{ contents: bundle, text }] = outputFiles;
      assert.ok(bundle.byteLength <= MAX_BYTES, `${what} has ${bundle.byteLength} bytes`);
      assert.ok(!/WebAssembly|atob/.test(text), `${what} has something of a module`);
      const [{ inputs }] = Object.values(metafile.outputs);
      const used = Object.entries(inputs).filter(([, { bytesInOutput }]) => bytesInOutput > 0);
      assert.deepEqual(used.map(([path]) => path.split("/").at(-1)).sort(), ["error.mjs", "suite.mjs"], what);
    }
  }
}
