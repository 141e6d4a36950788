// What an edge needs: requests read, manifests converted, responses made.
export { functions as functionsOf } from "./functions.mjs";
