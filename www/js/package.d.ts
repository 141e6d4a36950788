// The package for JavaScript, which is put beside these scripts when the page is built.
declare module "*/downshift/instance.mjs" {
  export function instantiate(glue: unknown, module: WebAssembly.Module): void;
}
declare module "*/downshift/inspect.mjs";
declare module "*/downshift/inspect.js";
declare module "*/downshift/full.mjs";
declare module "*/downshift/full.js";
