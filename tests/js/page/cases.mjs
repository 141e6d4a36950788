// Every case of the page, by its name.
import { access } from "./access.mjs";
import { inputs } from "./inputs.mjs";
import { pages } from "./pages.mjs";
import { reports } from "./reports.mjs";
import { sharing } from "./sharing.mjs";
import { states } from "./states.mjs";
import { work } from "./work.mjs";

export const cases = { ...inputs, ...reports, ...work, ...sharing, ...states, ...access, ...pages };
