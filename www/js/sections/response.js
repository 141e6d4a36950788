// The response in which a document came: what its headers claim, and whether it is so.
import { h } from "../dom.js";
import { flag, more, prose, section, table } from "../parts.js";
import { texts } from "./identity.js";
import { expectation } from "./digests.js";

const HOLDS = { true: ["holds", "ok"], false: ["does not hold", "bad"], unclear: ["cannot be told", ""] };

/** @param {import("../core.js").DocumentReport} document @param {import("../parts.js").Context} context */
export function response(document, context) {
  if (!document.response) return undefined;
  const { version, status, headers, crlf, earlier, claims } = document.response;
  return section(
    "response",
    "The response it came in",
    h("p", {}, h("code", {}, `${version} ${status}`), `, lines end with ${crlf ? "CRLF" : "LF"}.`),
    claims.length > 0 &&
      table(
        "What headers claim",
        ["Header", "Value", "Claim", "Why"],
        claims.map(({ code, value, holds, text, expected }) => {
          const [word, kind] = HOLDS[holds];
          return [
            h("code", {}, code),
            value === undefined
              ? h("span", { class: "muted" }, "not sent")
              : h("code", { class: "text" }, value),
            flag(word, kind),
            [
              ...prose(text),
              expected &&
                ["variant", "other"].includes(expected.verdict) &&
                expectation(expected, document, context),
            ],
          ];
        }),
      ),
    more(`All ${headers.length} headers`, texts(headers)),
    earlier.map(({ version, status, headers }) => more(`Before it: ${version} ${status}`, texts(headers))),
  );
}
