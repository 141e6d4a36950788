//! `cargo xtask build js` and `cargo xtask build worker`: the package for JavaScript, and the worker around it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use wasm_bindgen_cli_support::Bindgen;

use crate::build::{self, cargo, target_folder};
use crate::{guest, node};

/// The modules: their names, and the features of `downshift-js` that they have.
const MODULES: [(&str, &str); 4] =
    [("edge", "registry"), ("full", "registry,compare,sign"), ("inspect", "inspect"), ("p256", "sign")];

/// What rustc takes for granted of engines (its documentation of wasm32-unknown-unknown), and binaryen does not.
const WASM_FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

/// What is true of the memory of each module: an engine makes it of zeros, and rustc puts nothing below 1 MiB but the
/// stack, of which the first bytes are the last.
const MEMORY: [&str; 2] = ["--zero-filled-memory", "--low-memory-unused"];

/// How binaryen makes a module small: its control flow anew, and then all that it has.
const PASSES: [&str; 6] =
    ["--one-caller-inline-max-function-size=20", "--flatten", "--rereloop", "-Oz", "-Oz", "--converge"];

/// How the modules are compiled, beside what their profile says.
const RUSTFLAGS: [&str; 6] = [
    "-Cllvm-args=-inline-threshold=5",
    // Neither of these counts bytes: what is computed twice is not gathered, and loops keep their counters.
    "-Cllvm-args=-enable-pre=false",
    "-Cllvm-args=-disable-lsr",
    // A panic is a trap, and what it would say is left out.
    "-Zunstable-options",
    "-Cpanic=immediate-abort",
    // Rounds in a loop: most documents are hashed by the engine, before they come here.
    "--cfg=sha2_backend_soft=\"compact\"",
];

/// What the suite's bad worker has in the place of the first: a module that traps for one tag.
const TRAPPING: (&str, &str) = ("edge", "registry,traps");

/// What was built.
pub(crate) struct Built {
    pub(crate) package: PathBuf,
    pub(crate) worker: PathBuf,
}

/// Builds the package, and the worker around it.
pub(crate) fn build() -> anyhow::Result<Built> {
    let package = package()?;
    let worker = worker_around(&package, "worker")?;
    Ok(Built { package, worker })
}

/// Builds a worker that traps, for the suite, from the `package` that was built.
pub(crate) fn trapping_worker(package: &Path) -> anyhow::Result<PathBuf> {
    let bad = target_folder()?.join("npm-that-traps/node_modules/downshift-oci");
    if bad.exists() {
        fs::remove_dir_all(&bad)?;
    }
    fs::create_dir_all(&bad)?;
    copy(package, &bad)?;
    let (name, features) = TRAPPING;
    add(name, &compile(name, features, "edge-that-traps")?, &bad)?;
    worker_around(&bad, "worker-that-traps")
}

/// Builds the package, and says where it is: ready for `npm pack` and `npm publish`.
pub(crate) fn package() -> anyhow::Result<PathBuf> {
    // Where scripts find it by its name.
    let package = target_folder()?.join("npm/node_modules/downshift-oci");
    let source = node::project()?.join("crates/downshift-js/js");
    // What an earlier build left, and this one does not make, is no part of it.
    if package.exists() {
        fs::remove_dir_all(&package)?;
    }
    fs::create_dir_all(&package)?;
    for (name, _) in MODULES {
        add(name, &module(name)?, &package)?;
    }
    copy(&source, &package)?;
    fs::copy(node::project()?.join("LICENSE"), package.join("LICENSE"))?;
    Ok(package)
}

/// Adds a module to a package, as a file and in a script.
fn add(name: &str, built: &Path, package: &Path) -> anyhow::Result<()> {
    for file in [format!("{name}.wasm"), format!("{name}.js")] {
        fs::copy(built.join(&file), package.join(&file))?;
    }
    let wasm = fs::read(built.join(format!("{name}.wasm")))?;
    let inline = format!("export default \"{}\";\n", STANDARD.encode(wasm));
    fs::write(package.join(format!("{name}.wasm.mjs")), inline)?;
    Ok(())
}

/// Builds the worker: one folder with everything that is deployed.
fn worker_around(package: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let worker = target_folder()?.join(name);
    if worker.exists() {
        fs::remove_dir_all(&worker)?;
    }
    fs::create_dir_all(&worker)?;
    let source = node::project()?.join("crates/edge-cloudflare");
    let mut esbuild = node::program("esbuild")?;
    esbuild.args([
        source.join("src/worker.mjs").display().to_string(),
        "--bundle".to_owned(),
        "--format=esm".to_owned(),
        "--minify".to_owned(),
        "--conditions=workerd".to_owned(),
        "--external:cloudflare:*".to_owned(),
        "--loader:.wasm=copy".to_owned(),
        "--asset-names=[name]".to_owned(),
        "--log-level=warning".to_owned(),
        format!("--outfile={}", worker.join("worker.mjs").display()),
    ]);
    // Where `downshift-oci` is found.
    build::run(esbuild.env("NODE_PATH", package.parent().context("the package has no folder")?))?;
    Ok(worker)
}

/// Builds one module, `NAME.wasm` and `NAME.js`, which calls it, and says in which folder they are.
pub(crate) fn module(name: &str) -> anyhow::Result<PathBuf> {
    let module = MODULES.iter().find(|module| module.0 == name);
    let (_, features) = module.with_context(|| format!("there is no module `{name}`"))?;
    compile(name, features, name)
}

/// The same with other features, into another folder. What was made of the same code before is not made again.
fn compile(name: &str, features: &str, folder: &str) -> anyhow::Result<PathBuf> {
    let target = target_folder()?;
    guest::install_target()?;
    let mut command = cargo();
    command.args(["build", "--quiet", "--package", "downshift-js", "--profile", "js"]);
    command.args(["--target", guest::TARGET, "--features", features]);
    command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", RUSTFLAGS.join(" "));
    command.env("CARGO_TARGET_DIR", &target);
    // The standard library as it comes is compiled for speed: with all of it compiled for size, the modules are smaller by
    // a twentieth to a ninth. That is not stable yet, and so has to be asked for.
    guest::install_source()?;
    command.args(["-Zbuild-std=std,panic_abort", "-Zbuild-std-features=optimize_for_size"]);
    command.env("RUSTC_BOOTSTRAP", "1");
    build::run(&mut command)?;
    let compiled = fs::read(target.join(guest::TARGET).join("js/downshift_js.wasm"))?;
    let folder = target.join("artifacts/js").join(folder);
    let is_optimised = node::is_installed();
    let stamp = folder.join(if is_optimised { "compiled.wasm" } else { "compiled-not-optimised.wasm" });
    if fs::read(&stamp).is_ok_and(|before| before == compiled) {
        return Ok(folder);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    bind(name, &compiled, &folder)?;
    if is_optimised {
        optimise(&folder.join(format!("{name}.wasm")).display().to_string())?;
    } else {
        eprintln!(
            "`{name}.wasm` is larger than it has to be: to make it smaller takes Node (20 or later) and npm"
        );
    }
    fs::write(stamp, compiled)?;
    Ok(folder)
}

/// Writes a module, and the script that calls it.
fn bind(name: &str, compiled: &[u8], folder: &Path) -> anyhow::Result<()> {
    let mut output = Bindgen::new()
        .input_bytes(name, compiled.to_vec())
        .out_name(name)
        .web(true)
        .and_then(|bindgen| {
            bindgen
                .typescript(false)
                .remove_name_section(true)
                .remove_producers_section(true)
                .omit_default_module_path(true)
                .reset_state_function(true)
                .generate_output()
        })
        .map_err(|error| anyhow!("wasm-bindgen failed: {error:#}"))?;
    fs::write(folder.join(format!("{name}.wasm")), output.wasm_mut().emit_wasm())?;
    fs::write(folder.join(format!("{name}.js")), output.js())?;
    Ok(())
}

fn optimise(path: &str) -> anyhow::Result<()> {
    let mut command = node::program("wasm-opt")?;
    command.args([path, "-o", path, "--strip-debug", "--strip-producers"]).args(WASM_FEATURES);
    build::run(command.args(MEMORY).args(PASSES))
}

/// Copies the files of a folder.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("`{}` cannot be read", from.display()))? {
        let path = entry?.path();
        let name = path.file_name().context("a file has no name")?;
        if path.is_dir() {
            fs::create_dir_all(to.join(name))?;
            copy(&path, &to.join(name))?;
        } else {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}
