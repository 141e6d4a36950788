// Documents from the registry that serves this page.
import { digestWord } from "./command.js";
import { whole } from "./core.js";
import { byId, h } from "./dom.js";

/** @typedef {import("./core.js").Given} Given */

/** Offers to fetch, where there is a registry. @param {(name: string, tag: string, given: Promise<Given>) => void} take */
export function offer(take) {
  const form = byId("fetch");
  const reference = /** @type {HTMLInputElement} */ (byId("reference"));
  const as = /** @type {HTMLSelectElement} */ (byId("as"));
  const clients = async () => {
    const { clients } = (await whole()).matrix();
    if (as.options.length < clients.length) {
      as.replaceChildren(...clients.map(({ id, name }) => h("option", { value: id }, name)));
      // Unless somebody says who asks: one that knows all forms, and so gets what is stored.
      as.value =
        clients.filter(({ request }) => request.some(({ value }) => value.includes("image.index"))).pop()
          ?.id ?? "";
    }
    return clients;
  };
  const fetched = async (/** @type {string} */ path) => {
    const client = (await clients()).find(({ id }) => id === as.value);
    const lines = client?.request.filter(({ name }) => name.toLowerCase() === "accept") ?? [];
    const accept = lines.map(({ value }) => value).join(", ") || "*/*";
    return response(await ask(path, accept), `${reference.value.trim()} as ${client?.name}`);
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const [name, tag] = split(reference.value.trim());
    if (name) take(name, tag, fetched(`/v2/${name}/manifests/${tag}`));
  });
  return clients();
}

/** A name, and a tag or digest. @param {string} text @returns {[string, string]} */
function split(text) {
  const [name, digest] = text.split("@", 2);
  const colon = name.lastIndexOf(":");
  const [bare, tag] =
    colon > name.lastIndexOf("/") ? [name.slice(0, colon), name.slice(colon + 1)] : [name, "latest"];
  return [bare, digest ?? tag];
}

/**
 * What the server gives of a tag to who names this type alone: it reads the layers where that takes it, and lets nobody see
 * more than a pull does.
 *
 * @param {string} name
 * @param {string} tag
 * @param {string} type
 */
export async function converted(name, tag, type) {
  return response(
    await ask(`/v2/${name}/manifests/${tag}`, type),
    `${name}:${tag} as the server converts it`,
  );
}

/** What a part is, with its exact bytes. @param {string} name @param {import("./core.js").Part} part @returns {Promise<Given>} */
export async function linked(name, { digest, media_type: type = "" }) {
  // A document may have anything in its place, such as another path of this server.
  if (digestWord(digest) !== digest) throw new Error(`${digest} is not a digest: there is nothing to fetch`);
  const isManifest = /manifest|index/.test(type);
  const answer = await ask(`/v2/${name}/${isManifest ? "manifests" : "blobs"}/${digest}`, type || "*/*");
  if (!answer.ok) return response(answer, digest);
  return { bytes: new Uint8Array(await answer.arrayBuffer()), label: `${digest.slice(0, 19)}…` };
}

/** A whole response, as `curl -i` prints it. @param {Response} answer @param {string} label @returns {Promise<Given>} */
async function response(answer, label) {
  const headers = [...answer.headers].map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const head = `HTTP/1.1 ${answer.status} ${answer.statusText}\r\n${headers}\r\n`;
  const bytes = await new Blob([head, await answer.arrayBuffer()]).arrayBuffer();
  return { bytes: new Uint8Array(bytes), label };
}

/** @param {string} path @param {string} accept */
async function ask(path, accept) {
  try {
    return await fetch(path, { headers: { Accept: accept }, cache: "no-store" });
  } catch {
    throw new Error(
      `The browser got no answer to ${path}: the server is away, or sends it to another host, which this page may not ask. ` +
        "Fetch it with curl -i, and paste what that prints.",
    );
  }
}
