// The page: documents in, report out.
import { core, load, whole } from "./core.js";
import { byId, h } from "./dom.js";
import { short } from "./format.js";
import { listen } from "./input.js";
import { button, fill, flag, say } from "./parts.js";
import { gallery } from "./samples.js";

/** @typedef {import("./core.js").Given} Given */

const TITLE = document.title;
/** What a link's fragment, and a file that is given instead of one, begins with. */
const SHARED = "#1.";
/** After how many milliseconds people are told that the module is still on its way. */
const PATIENCE = 300;

/** All there is to remember. */
const state = {
  /** @type {Given[]} */
  given: [],
  index: 0,
  /** The document that the shown one is compared with. @type {number | undefined} */
  before: undefined,
  /** @type {import("./core.js").Report | undefined} */
  report: undefined,
  /** The repository that documents were fetched from. @type {string | undefined} */
  name: undefined,
  /** The tag or digest that was asked for there. @type {string | undefined} */
  tag: undefined,
  /** Whether the documents came in a link. */
  isLinked: false,
};
const expected = /** @type {HTMLInputElement} */ (byId("expected"));
/** What was asked for last: it has its turn after all that was asked for before, none of which is lost. */
let turn = Promise.resolve();
/** How often everything was cleared: what was asked for before that is not wanted any more. */
let cleared = 0;
/** What shows reports, which is loaded with the first of them. @type {typeof import("./report.js")} */
let view;
const ready = start();

/** Adds documents, and shows the one of them that no other one names. @param {Given[]} added @param {number} [before] */
function add(added, before) {
  const isShared = (/** @type {Given} */ { bytes }) =>
    new TextDecoder().decode(bytes.subarray(0, SHARED.length)) === SHARED;
  const unpack = async (/** @type {Given} */ one) =>
    isShared(one) ? unshared(new TextDecoder().decode(one.bytes)) : [one];
  const all = async (/** @type {Given[]} */ given) => given.concat(...(await Promise.all(added.map(unpack))));
  return attempt(all, (report, first) => {
    const named = new Set(
      report.documents.flatMap(({ config, manifests, subject }) =>
        [config, subject, ...manifests].map((part) => part?.document),
      ),
    );
    const indices = report.documents.map((_, index) => index).slice(first);
    // Facts are about what is shown already.
    const shown = indices.filter((index) => report.documents[index].kind !== "layer-facts");
    if (!shown.length && first > 0) return { index: state.index };
    if (before !== undefined) return { index: report.documents.length - 1, before };
    return { index: shown.find((index) => !named.has(index)) ?? first };
  });
}

/**
 * Reports on what `change` makes of the documents, and shows what `choose` says; where they cannot be taken, those of
 * before stay.
 *
 * @param {(given: Given[]) => Given[] | Promise<Given[]>} change
 * @param {(report: import("./core.js").Report, before: number) => {index: number, before?: number}} [choose] Is told how
 *   many documents there were before.
 */
function attempt(change, choose = () => ({ index: 0 })) {
  const asked = cleared;
  byId("report").setAttribute("aria-busy", "true");
  const mine = turn.then(async () => {
    try {
      await ready;
      // So that the browser paints what people have just done.
      await new Promise((painted) => setTimeout(painted));
      view ??= await import("./report.js");
      if (asked !== cleared) return;
      const given = await change(state.given);
      const report = await core.inspect(given);
      if (asked !== cleared) return;
      Object.assign(state, { before: undefined, given, report, ...choose(report, state.given.length) });
      alert();
      draw();
    } catch (error) {
      if (asked === cleared) alert(error);
    } finally {
      if (turn === mine) byId("report").removeAttribute("aria-busy");
    }
  });
  turn = mine;
  return mine;
}

/** Shows one of the documents. @param {number} index */
function select(index) {
  Object.assign(state, { index, before: undefined });
  draw();
  byId("verdict-title").focus({ preventScroll: true });
  byId("report").scrollIntoView();
}

function draw() {
  const { report, given, index, before, name, tag } = state;
  const current = report?.documents[index];
  byId("clear").hidden = !given.length;
  byId("input").classList.toggle("small", given.length > 0);
  tray();
  if (!report || !current) return welcome();
  if (document.activeElement !== expected) expected.value = given[index].expected ?? "";
  const fetch =
    name === undefined
      ? undefined
      : (/** @type {import("./core.js").Part[]} */ parts) => fetchLinked(name, parts);
  const serve =
    name === undefined || tag === undefined
      ? undefined
      : (/** @type {string} */ type) => fetchAs(name, tag, type);
  view.show({ report, given, index, before, show: select, add, fetch, serve });
  document.title = `${current.title} ${short(current.digests.registry)} – ${TITLE}`;
  say(view.spoken(current));
}

/** What there is to see before there is a document. */
function welcome() {
  document.title = TITLE;
  expected.value = "";
  const questions = [
    "What is this manifest, and which client gets it?",
    "Why is the digest another one than I expected?",
    "Does its signature hold, and whose is it?",
  ];
  // The list of samples is fetched: where a report has come before it, it comes to nothing.
  const samples = h("div");
  void fill(samples, gallery(add, alert));
  byId("report").replaceChildren(
    h(
      "section",
      { class: "welcome", "aria-labelledby": "welcome-title" },
      h("h2", { id: "welcome-title" }, "What this page answers"),
      h(
        "ul",
        {},
        questions.map((question) => h("li", {}, question)),
      ),
      h("h2", {}, "Samples"),
      samples,
    ),
  );
}

function tray() {
  const { report, index, isLinked } = state;
  const place = byId("tray");
  place.hidden = !report?.documents.length;
  const row = (
    /** @type {import("./core.js").DocumentReport} */ { label, title, digests, size },
    /** @type {number} */ at,
  ) =>
    h(
      "li",
      {},
      h(
        "button",
        {
          type: "button",
          class: "document",
          "aria-pressed": at === index ? "true" : "false",
          click: () => select(at),
        },
        h("strong", {}, label),
        h("span", {}, title),
        h("code", {}, short(digests.registry)),
        h("small", {}, `${size} bytes`),
      ),
      button("✕", () => remove(at), `Remove ${label}`),
    );
  place.replaceChildren(
    isLinked
      ? h(
          "p",
          { class: "note" },
          flag("from a link", "warn"),
          " These documents came with a link, and its author chose them.",
        )
      : "",
    h("ul", {}, (report?.documents ?? []).map(row)),
    button("Share…", () => import("./share.js").then(({ share }) => share(state.given)).catch(alert)),
  );
}

/** @param {number} at */
function remove(at) {
  if (state.given.length === 1) return clear();
  const removed = state.given[at];
  const others = (/** @type {Given[]} */ given) => given.filter((one) => one !== removed);
  void attempt(others, ({ documents }) => ({
    index: Math.min(state.index > at ? state.index - 1 : state.index, documents.length - 1),
  })).then(() => byId("verdict-title").focus());
}

function clear() {
  // What is being inspected is not wanted any more either.
  cleared += 1;
  Object.assign(state, { given: [], report: undefined, index: 0, before: undefined, isLinked: false });
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  alert();
  draw();
  byId("text").focus();
}

/** The digest that the shown document is expected to have. @param {string} digest */
function expect(digest) {
  expected.value = digest;
  if (!state.given.length) return;
  const expecting = (/** @type {Given[]} */ given) =>
    given.map((one, at) => (at === state.index ? { ...one, expected: digest.trim() || undefined } : one));
  void attempt(expecting, () => ({ index: state.index }));
}

/** What is typed before there is a document is expected of the first one. @param {Given[]} given */
function take(given) {
  const digest = state.given.length ? "" : expected.value.trim();
  void add(digest ? given.map((one, index) => (index ? one : { ...one, expected: digest })) : given);
}

/** @param {string} name @param {import("./core.js").Part[]} parts */
async function fetchLinked(name, parts) {
  const { index } = state;
  try {
    const { linked } = await import("./registry.js");
    const fetched = await Promise.all(parts.map((part) => linked(name, part)));
    const all = (/** @type {Given[]} */ given) => [...given, ...fetched];
    await attempt(all, () => ({ index }));
  } catch (error) {
    alert(error);
  }
}

/** Goes to a place of the page without a change to its address, which may hold documents. @param {MouseEvent} event */
function follow(event) {
  const link = event.target instanceof Element ? event.target.closest("a[href^='#']") : null;
  const id = link?.getAttribute("href")?.slice(1);
  const target = id && document.getElementById(id);
  if (!target) return;
  event.preventDefault();
  const heading = target.querySelector("h2") ?? target;
  target.scrollIntoView();
  heading.focus({ preventScroll: true });
}

/** Offers to fetch from the registry that serves this page. What does it is loaded for those who want to. */
function offerRegistry() {
  const form = byId("fetch");
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener(
    "focusin",
    () => import("./registry.js").then(({ offer }) => offer(takeFetched)).catch(alert),
    { once: true },
  );
}

/** Has the server make another form of what was fetched from it. @param {string} name @param {string} tag @param {string} type */
async function fetchAs(name, tag, type) {
  const { converted } = await import("./registry.js");
  await takeFetched(name, tag, converted(name, tag, type));
}

/**
 * Adds what was fetched, and its config.
 *
 * @param {string} name
 * @param {string} tag
 * @param {Promise<Given>} fetched
 */
async function takeFetched(name, tag, fetched) {
  try {
    Object.assign(state, { name, tag });
    await add([await fetched]);
    const { config } = state.report?.documents[state.index] ?? {};
    if (config && config.document === undefined) await fetchLinked(name, [config]);
  } catch (error) {
    alert(error);
  }
}

/** Says what went wrong; without an error, that nothing is wrong any more. @param {unknown} [error] */
function alert(error) {
  const text = error instanceof Error ? error.message : String(error);
  byId("alert").replaceChildren(...(error === undefined ? [] : [h("p", { class: "notice bad" }, text)]));
}

/** The documents of a link, or of a file that was made instead of one. @param {string} text */
async function unshared(text) {
  await ready;
  return (await core.unshare(text)).documents;
}

/** Takes the documents of the address, if it has some. */
async function openLink() {
  if (!location.hash.startsWith(SHARED)) return;
  try {
    const given = await unshared(location.hash);
    Object.assign(state, { isLinked: true });
    await attempt(() => given);
  } catch (error) {
    alert(error);
  }
}

async function start() {
  const patience = setTimeout(() => say("The checker is still loading"), PATIENCE);
  try {
    await load();
  } catch (error) {
    const why = error instanceof Error ? error.message : error;
    throw new Error(
      `The checker does not start in this browser: ${why}. It needs WebAssembly, which extensions and old browsers block. ` +
        `For a digest, sha256sum does; for the rest, downshift inspect FILE. (${navigator.userAgent})`,
    );
  } finally {
    clearTimeout(patience);
  }
}

/** Loads the rest while there is nothing else to do: then the page needs its server no more. */
async function rest() {
  await new Promise((idle) => (globalThis.requestIdleCallback ?? setTimeout)(idle));
  await Promise.all([import("./report.js"), import("./share.js"), import("./registry.js"), whole()]).then(
    () => (document.documentElement.dataset.loaded = ""),
    () => {},
  );
}

listen(take, expect, alert);
let typing = 0;
expected.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => expect(expected.value), PATIENCE);
});
document.addEventListener("click", follow);
byId("clear").addEventListener("click", clear);
for (const name of ["about", "keys"])
  byId(`${name}-open`).addEventListener("click", () =>
    /** @type {HTMLDialogElement} */ (byId(name)).showModal(),
  );
addEventListener("hashchange", openLink);
void ready
  .then(() => {
    if (!("single" in document.documentElement.dataset)) offerRegistry();
    return openLink();
  })
  .catch(alert)
  .then(() => (state.report ? undefined : welcome()))
  .then(rest);
