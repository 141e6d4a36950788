// The chain of schema 1's ids: a picture, and the same as a table.
import { h, svg } from "../dom.js";
import { step } from "../format.js";
import { digest, flag, more, section, sentence, some, table } from "../parts.js";

/** @typedef {import("../core.js").DocumentReport["chain"][number]} Link */

const [WIDTH, BOX, GAP, LEFT] = [460, 44, 26, 64];
/** Links of the longest chain that is drawn. */
const LINKS = 300;
const RULES = {
  "layer-and-parent": "of layer and parent",
  config: "of the config",
  unknown: "of other data",
  invalid: "not an id",
};

/** @param {import("../core.js").DocumentReport} document */
export function chain({ chain, history }) {
  if (!chain.length) return undefined;
  const broken = chain.filter(({ joined }) => !joined).length;
  return section(
    "chain",
    "Chain of v1 ids",
    h(
      "p",
      {},
      "Each layer of schema 1 has an id, and names that of the layer below as its parent. Docker 1.9 and older store and show images by them. ",
      broken ? h("strong", {}, `The chain is broken in ${broken} places.`) : "Every parent is the id below.",
    ),
    chain.length <= LINKS &&
      h(
        "div",
        { class: "scroll picture", role: "region", tabindex: "0", "aria-label": "Picture of the chain" },
        picture(chain, history),
      ),
    more(
      "As a table",
      some(chain, (chain) =>
        table(
          "Chain of ids, lowest first",
          ["Layer", "Id", "Parent", "How the id was made"],
          chain.map((link) => [
            String(link.layer + 1),
            digest(link.id),
            [
              link.parent ? digest(link.parent) : "none",
              " ",
              !link.joined && flag("not the id below", "bad"),
            ],
            sentence(link.text),
          ]),
        ),
      ),
    ),
  );
}

/** Newest on top, as people draw stacks. @param {Link[]} chain @param {import("../core.js").DocumentReport["history"]} history */
function picture(chain, history) {
  const height = chain.length * (BOX + GAP);
  const name = `Chain of ${chain.length} ids, each pointing to its parent; the table below has the same`;
  const links = chain.map((link, index) => {
    const y = height - (index + 1) * (BOX + GAP) + GAP / 2;
    const by = step(history[link.history]?.created_by ?? "");
    return [
      ...drawn(link, index, y, chain),
      svg("text", { x: WIDTH + 16, y: y + 27, class: "mono small muted" }, by.slice(0, 70)),
    ];
  });
  return svg(
    "svg",
    {
      class: "chain",
      viewBox: `0 0 ${2 * WIDTH} ${height}`,
      width: 2 * WIDTH,
      height,
      role: "img",
      "aria-label": name,
    },
    links.flat(),
  );
}

/** @param {Link} link @param {number} index @param {number} y @param {Link[]} chain */
function drawn({ id, parent, joined, rule, layer }, index, y, chain) {
  const middle = LEFT + 70;
  const [from, to] = [y + BOX, y + BOX + GAP];
  const below = index > 0;
  const kind = joined ? "" : "broken";
  const arrow = below && [
    svg("path", { class: `arrow ${kind}`, d: `M${middle} ${from}V${to - 6}` }),
    svg("path", { class: `head ${kind}`, d: `M${middle - 4} ${to - 7}h8l-4 6z` }),
    !joined &&
      svg(
        "text",
        { x: middle + 12, y: from + 17, class: "small bad" },
        `✕ parent is ${parent ? parent.slice(0, 12) : "missing"}`,
      ),
  ];
  const place = index === 0 ? "base" : index === chain.length - 1 ? "newest" : "";
  return [
    svg("text", { x: 0, y: y + 19, class: "small" }, `layer ${layer + 1}`),
    svg("text", { x: 0, y: y + 35, class: "small muted" }, place),
    svg("rect", { x: LEFT, y, width: WIDTH - LEFT - 2, height: BOX, rx: 4, class: `box ${rule}` }),
    svg("text", { x: LEFT + 12, y: y + 27, class: "mono" }, id.slice(0, 12)),
    svg("text", { x: LEFT + 150, y: y + 27, class: "small" }, RULES[rule]),
    ...(arrow || []),
  ];
}
