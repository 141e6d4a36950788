// Answers to what people ask about such documents, each with a command that proves it.
import { made } from "../command.js";
import { h } from "../dom.js";
import { command, prose, section } from "../parts.js";

/** @param {import("../core.js").DocumentReport} _ @param {import("../parts.js").Context} context */
export function explain(_, { report, index }) {
  const fitting = report.explanations.filter(({ documents }) => documents.includes(index));
  if (!fitting.length) return undefined;
  const card = (
    /** @type {import("../core.js").Report["explanations"][number]} */ { code, title, text, command: shell },
  ) =>
    h(
      "article",
      { class: "card", id: `explain-${code}` },
      h("h3", {}, prose(title)),
      h("p", {}, prose(text.join(" "))),
      command(made(shell), title),
    );
  return section("explain", "Questions this answers", h("div", { class: "cards" }, fitting.map(card)));
}
