//! The modules of the package for JavaScript, the package itself, and the worker around it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use anyhow::Context;

use crate::command::{artifacts, cargo, project, run, target_folder};
use crate::node;
use crate::toolchain::{self, WASM};

/// The modules: their names, and the features of `downshift-js` that they have.
const MODULES: [(&str, &str); 6] = [
    ("edge", "registry"),
    ("full", "registry,compare,sign,es256"),
    ("inspect", "inspect"),
    (LAYER, "layer"),
    ("p256", "sign"),
    ("pull", "pull,sign"),
];

/// The module that unpacks layers. It is not loaded until one is to be unpacked, and then its speed is what counts.
const LAYER: &str = "layer";

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

/// How shipped modules are compiled, beside what their profile says.
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

/// How the module for layers is compiled instead: fast, and with vectors, which engines have had since 2021.
const FAST_RUSTFLAGS: [&str; 3] =
    ["-Zunstable-options", "-Cpanic=immediate-abort", "-Ctarget-feature=+simd128"];

/// And how binaryen makes it fast.
const FAST_PASSES: [&str; 2] = ["--enable-simd", "-O3"];

/// Held while a module is made, one for each of [`MODULES`]: the page and the package have some of them in common.
static MAKING: [Mutex<()>; MODULES.len()] = [const { Mutex::new(()) }; MODULES.len()];

/// Held from when a module is compiled until what came of it is somewhere else: the next one has the same name.
static COMPILING: Mutex<()> = Mutex::new(());

/// The package, and the worker around it.
pub struct Built {
    /// The folder of the package.
    pub package: PathBuf,
    /// The folder of the worker.
    pub worker: PathBuf,
}

/// Builds the package, and the worker around it.
///
/// # Errors
/// If one of them cannot be built, or Node is missing.
pub fn build() -> anyhow::Result<Built> {
    let package = package()?;
    let worker = worker_around(&package, "worker")?;
    Ok(Built { package, worker })
}

/// Builds a worker whose conversions trap for the tag `trap`, for the suite, from the `package` that was built.
///
/// # Errors
/// If it cannot be built, or Node is missing.
pub fn trapping_worker(package: &Path) -> anyhow::Result<PathBuf> {
    let bad = target_folder()?.join("npm-that-traps/node_modules").join(file_name(package)?);
    make_empty(&bad)?;
    copy(package, &bad)?;
    fs::rename(bad.join("pull.js"), bad.join("sound-pull.js"))?;
    fs::copy(project()?.join("tests/js/trapping-pull.js"), bad.join("pull.js"))?;
    worker_around(&bad, "worker-that-traps")
}

/// Builds the package, and says where it is: ready for `npm pack` and `npm publish`.
///
/// # Errors
/// If it cannot be built.
pub fn package() -> anyhow::Result<PathBuf> {
    // Where scripts find it by its name.
    let package = target_folder()?.join("npm/node_modules/downshift-oci");
    let project = project()?;
    // What an earlier build left, and this one does not make, is no part of it.
    make_empty(&package)?;
    for (name, _) in MODULES {
        copy(&shipped(name)?, &package)?;
    }
    copy(&project.join("crates/downshift-js/js"), &package)?;
    for name in ["pull", LAYER] {
        make_instances(&package.join(name).with_extension("js"))?;
    }
    fs::copy(project.join("LICENSE"), package.join("LICENSE"))?;
    Ok(package)
}

/// Makes what calls the one instance of a module into a function, `instance`, that gives what calls another one each time.
fn make_instances(path: &Path) -> anyhow::Result<()> {
    let glue = fs::read_to_string(path).with_context(|| format!("`{}` cannot be read", path.display()))?;
    let mut names = vec!["initSync"];
    let mut script = String::from("export function instance() {\n");
    for line in glue.lines().filter(|line| !line.starts_with("export {")) {
        let rest = line.strip_prefix("export ");
        let exported = rest.and_then(|rest| rest.strip_prefix("class ").or(rest.strip_prefix("function ")));
        names.extend(exported.and_then(|rest| rest.split([' ', '(']).next()));
        script.extend([rest.unwrap_or(line), "\n"]);
    }
    script.push_str(&format!("return {{ {} }};\n}}\n", names.join(", ")));
    fs::write(path, script).with_context(|| format!("`{}` cannot be written", path.display()))
}

/// Builds the worker: one folder with everything that is deployed.
fn worker_around(package: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let worker = target_folder()?.join(name);
    make_empty(&worker)?;
    let source = project()?.join("crates/edge-cloudflare");
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
    // Where the package is found by its name.
    run(esbuild.env("NODE_PATH", package.parent().context("the package has no folder")?))?;
    Ok(worker)
}

/// Builds a module as it is shipped, small before all else, and says in which folder it is: `NAME.wasm`, `NAME.js`, which
/// calls it, and `NAME.wasm.mjs`, the module in a script. Without Node it is larger than it has to be.
pub(crate) fn shipped(name: &str) -> anyhow::Result<PathBuf> {
    let module = MODULES.iter().zip(&MAKING).find(|(module, _)| module.0 == name);
    let ((_, features), making) = module.with_context(|| format!("there is no module `{name}`"))?;
    let _making = making.lock();
    let (profile, flags, passes): (_, &[&str], &[&str]) =
        if name == LAYER { ("js-fast", &FAST_RUSTFLAGS, &FAST_PASSES) } else { ("js", &RUSTFLAGS, &PASSES) };
    let target = target_folder()?;
    let mut compile = compile(profile, features)?;
    compile.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", flags.join(" "));
    // The standard library as it comes is compiled for speed: with all of it compiled for size, the modules are smaller by
    // a twentieth to a ninth. That is not stable yet, and so has to be asked for.
    toolchain::install_source()?;
    compile.arg("-Zbuild-std=std,panic_abort");
    if name != LAYER {
        compile.arg("-Zbuild-std-features=optimize_for_size");
    }
    let compiled = target.join("artifacts/js").join(name).with_extension("wasm");
    {
        let _compiling = COMPILING.lock();
        run(compile.env("RUSTC_BOOTSTRAP", "1"))?;
        fs::create_dir_all(target.join("artifacts/js"))?;
        fs::copy(target.join(WASM).join(profile).join("downshift_js.wasm"), &compiled)?;
    }
    let mut bind = bind(name, &compiled)?;
    if node::is_installed() {
        bind.command.arg("--optimiser").arg(node::install()?.join(".bin/wasm-opt")).arg("--");
        bind.command
            .args(["--strip-debug", "--strip-producers"])
            .args(WASM_FEATURES)
            .args(MEMORY)
            .args(passes);
    } else {
        eprintln!(
            "`{name}.wasm` is larger than it has to be: making it smaller takes Node (20 or later) and npm"
        );
    }
    bind.run()
}

/// Builds all modules in one, plainly: what a build for this machine needs, in seconds. It is larger and slower than what
/// is shipped, and takes neither Node nor an unstable compiler.
pub(crate) fn plain() -> anyhow::Result<PathBuf> {
    // The page has no pulls, and no layers.
    let modules = MODULES.iter().filter(|(name, _)| !["pull", LAYER].contains(name));
    let features: Vec<&str> = modules.map(|(_, features)| *features).collect();
    run(&mut compile("dev", &features.join(","))?)?;
    bind("plain", &target_folder()?.join(WASM).join("debug/downshift_js.wasm"))?.run()
}

fn compile(profile: &str, features: &str) -> anyhow::Result<Command> {
    toolchain::install_wasm()?;
    let mut command = cargo();
    command.args(["build", "--locked", "--package", "downshift-js", "--profile", profile]);
    command.args(["--target", WASM, "--features", features]);
    // Flags for programs of this machine do not fit WebAssembly.
    command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    command.env("CARGO_TARGET_DIR", target_folder()?);
    Ok(command)
}

/// A call of the program that makes a module of what was compiled, and the folder for it.
struct Bind {
    command: Command,
    compiled: PathBuf,
    folder: PathBuf,
}

fn bind(name: &str, compiled: &Path) -> anyhow::Result<Bind> {
    let folder = target_folder()?.join("artifacts/js").join(name);
    let mut command = Command::new(artifacts()?);
    command.args(["module", name]).arg(compiled).arg(&folder);
    Ok(Bind { command, compiled: compiled.to_path_buf(), folder })
}

impl Bind {
    /// Makes the module, unless it was made by the same call of the same program out of the same bytes: to make one small
    /// takes up to a minute.
    fn run(mut self) -> anyhow::Result<PathBuf> {
        let program = fs::metadata(self.command.get_program()).and_then(|program| program.modified())?;
        let call = format!("{:?} {program:?}", self.command).into_bytes();
        let compiled = fs::read(&self.compiled)
            .with_context(|| format!("`{}` cannot be read", self.compiled.display()))?;
        let (last_call, last) = (self.folder.with_extension("call"), self.folder.with_extension("compiled"));
        let is = |path: &Path, bytes: &[u8]| fs::read(path).is_ok_and(|last| last == bytes);
        if self.folder.is_dir() && is(&last_call, &call) && is(&last, &compiled) {
            return Ok(self.folder);
        }
        // Whatever ends this early, it is made anew the next time.
        fs::remove_file(&last_call).ok();
        run(&mut self.command)?;
        fs::write(&last, &compiled).and_then(|()| fs::write(&last_call, &call))?;
        Ok(self.folder)
    }
}

fn file_name(path: &Path) -> anyhow::Result<&OsStr> {
    path.file_name().with_context(|| format!("`{}` has no name", path.display()))
}

/// Makes an empty folder, whatever was there.
fn make_empty(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder).with_context(|| format!("`{}` cannot be made", folder.display()))
}

/// Copies what is in a folder.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("`{}` cannot be read", from.display()))? {
        let path = entry?.path();
        let copied = to.join(file_name(&path)?);
        if path.is_dir() {
            fs::create_dir_all(&copied)?;
            copy(&path, &copied)?;
        } else {
            fs::copy(&path, copied)?;
        }
    }
    Ok(())
}
