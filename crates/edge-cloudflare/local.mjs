#!/usr/bin/env node
// Runs the worker on this machine, in workerd, as it runs at the edge: `node local.mjs --upstream URL`.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { optionsOf, serve } from "./serve.mjs";

const values = optionsOf(process.argv.slice(2));
if (values.help || !(values.upstream || values.upstreams)) {
  console.log(readFileSync(join(import.meta.dirname, "options.txt"), "utf8"));
  process.exit(values.help ? 0 : 2);
}
const server = await serve(values);
console.log(`listening on ${server.url}`);

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, async () => {
    await server.stop();
    process.exit(0);
  });
}
