// Asks what was published for a bucket: the worker for R2, and CloudFront's function in front of S3. The bucket is a folder, in
// which each object has its settings beside it: node published.mjs TREE BUCKET, with the requests as JSON on standard input.
import { existsSync, readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { runInNewContext } from "node:vm";

const [tree, bucket] = process.argv.slice(2);

function object(key) {
  const file = `${bucket}/${key}`;
  if (!existsSync(`${file}.settings`)) return null;
  const settings = readFileSync(`${file}.settings`, "utf8").split("\n");
  const value = (name) => settings[settings.indexOf(name) + 1];
  const pairs = settings.includes("--metadata") ? value("--metadata").split(",") : [];
  return {
    body: readFileSync(file),
    type: value("--content-type"),
    control: value("--cache-control"),
    metadata: Object.fromEntries(pairs.map((pair) => pair.split("="))),
  };
}

const r2 = {
  get(key) {
    const found = object(key);
    if (!found) return null;
    return {
      body: found.body,
      size: found.body.length,
      httpEtag: '"etag"',
      customMetadata: found.metadata,
      writeHttpMetadata(headers) {
        headers.set("content-type", found.type);
        headers.set("cache-control", found.control);
      },
    };
  },
  head(key) {
    return this.get(key);
  },
};

const { default: worker } = await import(`${tree}/cloudflare/worker.mjs`);
const handler = runInNewContext(`${readFileSync(`${tree}/cloudfront/function.js`, "utf8")}; handler`);

async function askWorker(path, headers) {
  const response = await worker.fetch(new Request(`https://example.org${path}`, { headers }), { BUCKET: r2 });
  return {
    status: response.status,
    type: response.headers.get("content-type"),
    digest: response.headers.get("docker-content-digest"),
    size: response.headers.get("x-docker-size"),
    body: await response.text(),
  };
}

function askCloudFront(path, headers) {
  const lines = Object.entries(headers).map(([name, value]) => [name, { value }]);
  const context = (eventType) => ({ eventType });
  const request = { uri: path, headers: Object.fromEntries(lines) };
  const { uri } = handler({ context: context("viewer-request"), request });
  const found = object(uri.slice(1));
  if (!found) return { status: 404 };
  const metadata = Object.entries(found.metadata);
  const sent = Object.fromEntries(metadata.map(([name, value]) => [`x-amz-meta-${name}`, { value }]));
  const response = handler({ context: context("viewer-response"), response: { headers: sent } });
  return {
    status: 200,
    type: found.type,
    digest: response.headers["docker-content-digest"]?.value ?? null,
    size: response.headers["x-docker-size"]?.value ?? null,
    body: found.body.toString(),
  };
}

const answers = [];
for (const { path, headers } of JSON.parse(await text(process.stdin))) {
  answers.push([await askWorker(path, headers), askCloudFront(path, headers)]);
}
console.log(JSON.stringify(answers));
