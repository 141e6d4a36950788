// Workers for the suite, many in one process: starting Node and Miniflare takes longer than most of its tests.
//
// Each line of JSON that comes starts a worker, {"id", "arguments"}, or ends it, {"id"}. What is told of it is a line as
// well: {"id", "url"} or {"id", "error"}, then {"id", "line"} for each line that it writes, and {"id", "ended"}.
import { createInterface } from "node:readline";
import { optionsOf, serve } from "../../crates/edge-cloudflare/serve.mjs";

// A fault of one worker is not one of the others.
process.on("uncaughtException", console.error);

const workers = new Map();
const tell = (said) => console.log(JSON.stringify(said));

async function start(id, args) {
  const listen = (...streams) => {
    for (const input of streams) {
      createInterface({ input }).on("line", (line) => tell({ id, line }));
    }
  };
  const worker = await serve(optionsOf(args), listen);
  tell({ id, url: worker.url });
  return worker;
}

async function end(id) {
  const worker = await workers.get(id);
  workers.delete(id);
  await worker?.stop();
  tell({ id, ended: true });
}

for await (const line of createInterface({ input: process.stdin })) {
  const { id, arguments: args } = JSON.parse(line);
  if (args) {
    const starting = start(id, args);
    workers.set(
      id,
      starting.catch((error) => tell({ id, error: String(error) })),
    );
  } else {
    void end(id);
  }
}
await Promise.all([...workers.keys()].map(end));
process.exit(0);
