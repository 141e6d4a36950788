// Everything: what an edge needs, keys that sign, and what people want to know of a manifest.
import { functions } from "./functions.mjs";
import { reports } from "./reports.mjs";
import { sharing } from "./share.mjs";
import { signers } from "./signer.mjs";

export function functionsOf(glue) {
  const convertible = functions(glue);
  const { pack, unpack, ...looked } = reports(glue, convertible.convert);
  return { ...convertible, ...signers(glue), ...looked, ...sharing({ pack, unpack }) };
}
