//! `xtask-artifacts page`: the page for browsers, as files that `downshift serve` has in itself, and as one file for
//! machines without a network.
//!
//! The files are those of `www/` as they are, with the package for JavaScript and the samples beside them. Only the one
//! file is bundled, for browsers load no modules from a disk.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use downshift_cases::samples::{self, Sample};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use xtask::command::project;

use crate::files::{self, read};

/// The page as one file.
const SINGLE: &str = "manifest-inspector.html";

/// What the one file tells browsers: what `downshift serve` does in headers, but that not even its own server is asked.
/// The scripts and the style are named by their hashes.
const POLICY: &str = "default-src 'none'; script-src SCRIPTS 'wasm-unsafe-eval'; style-src STYLES; img-src data:; \
                      connect-src 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// The files of the page, by their paths.
type Files = BTreeMap<String, Vec<u8>>;

/// Makes the page for browsers, around two modules of the package for JavaScript.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The folder to write
    folder: PathBuf,
    /// The module for a first visit, which looks into documents: its path without an extension
    #[arg(long, value_name = "PATH")]
    inspect: PathBuf,
    /// The whole module, likewise
    #[arg(long, value_name = "PATH")]
    full: PathBuf,
    /// Writes each file compressed beside itself
    #[arg(long)]
    compress: bool,
    /// The program that bundles the page as one file
    #[arg(long, value_name = "PROGRAM")]
    esbuild: Option<PathBuf>,
}

impl Arguments {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let mut files = Files::new();
        let source = project()?.join("www");
        read_all(&source, &source, &mut files)?;
        self.add_package(&mut files)?;
        add_samples(&mut files)?;
        let index = text(&files, "index.html")?.replace("VERSION", env!("CARGO_PKG_VERSION"));
        let bundle = self.folder.with_extension("bundle");
        let single = match &self.esbuild {
            Some(esbuild) => Some(single(&files, &index, esbuild, &bundle)?),
            None => None,
        };
        let served = index.replace("</head>", &format!("{}  </head>", preloads(&files)));
        files.insert("index.html".to_owned(), with_single(&served, single.as_deref())?.into_bytes());
        files.extend(single.map(|single| (SINGLE.to_owned(), single)));
        write_all(&self.folder, &files, self.compress)
    }

    /// Adds the package for JavaScript: the modules, and the scripts that they need.
    fn add_package(&self, files: &mut Files) -> anyhow::Result<()> {
        let modules = [("inspect", &self.inspect), ("full", &self.full)];
        for (name, module) in modules {
            for extension in ["wasm", "js"] {
                files.insert(
                    format!("downshift/{name}.{extension}"),
                    read(&module.with_extension(extension))?,
                );
            }
        }
        let source = project()?.join("crates/downshift-js/js");
        let mut wanted: Vec<String> = modules.iter().map(|(name, _)| format!("{name}.mjs")).collect();
        while let Some(name) = wanted.pop() {
            if let Entry::Vacant(entry) = files.entry(format!("downshift/{name}")) {
                let script = entry.insert(read(&source.join(&name))?);
                wanted.extend(imports(script));
            }
        }
        Ok(())
    }
}

fn add_samples(files: &mut Files) -> anyhow::Result<()> {
    let mut index = Vec::new();
    for Sample { id, title, text, files: documents, compares } in samples::all()? {
        let mut listed = Vec::new();
        for document in documents {
            let path = format!("{id}/{}", document.label);
            listed.push(json!({ "label": document.label, "file": path, "expected": document.expected }));
            files.insert(format!("samples/{path}"), document.bytes);
        }
        index.push(json!({ "id": id, "title": title, "text": text, "compare": compares, "files": listed }));
    }
    files.insert("samples/index.json".to_owned(), serde_json::to_vec(&index)?);
    Ok(())
}

/// The files that a first visit takes: what the first script asks for, and what that asks for, without a document. What is
/// imported by a call is loaded when it is called.
fn first(files: &Files) -> Vec<String> {
    let mut found: Vec<String> =
        ["js/main.js", "downshift/inspect.mjs", "downshift/inspect.js", "downshift/instance.mjs"]
            .map(str::to_owned)
            .into();
    let mut next = 0;
    while let Some(path) = found.get(next) {
        let (folder, script) = (path.rsplit_once('/').map_or("", |(folder, _)| folder), &files[path]);
        let imported: Vec<String> = imports(script)
            .into_iter()
            .map(|name| format!("{folder}/{name}"))
            .filter(|path| !found.contains(path))
            .collect();
        found.extend(imported);
        next += 1;
    }
    found
}

/// What a script imports from its own folder.
fn imports(script: &[u8]) -> Vec<String> {
    let script = String::from_utf8_lossy(script);
    script.split(" from \"./").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect()
}

/// Tells the browser of all that the first script will ask for, so that it asks at once.
fn preloads(files: &Files) -> String {
    let module = "    <link rel=\"preload\" as=\"fetch\" type=\"application/wasm\" href=\"downshift/inspect.wasm\" crossorigin>\n";
    let scripts =
        first(files).into_iter().map(|path| format!("    <link rel=\"modulepreload\" href=\"{path}\">\n"));
    scripts.chain([module.to_owned()]).collect()
}

/// The page with what there is to say of the one file.
fn with_single(page: &str, single: Option<&[u8]>) -> anyhow::Result<String> {
    let (before, rest) =
        page.split_once("<!-- single -->").context("the page has no place for the one file")?;
    let (link, after) =
        rest.split_once("<!-- /single -->").context("the place for the one file has no end")?;
    let said = match single {
        Some(single) => {
            format!("{link} <span class=\"digest\">(SHA-256 {})</span>", hex(&Sha256::digest(single)))
        }
        None => "this build has no file for machines without a network: `cargo xtask build page` makes one"
            .to_owned(),
    };
    Ok([before, &said, after].concat())
}

/// The page as one file.
fn single(files: &Files, index: &str, esbuild: &Path, folder: &Path) -> anyhow::Result<Vec<u8>> {
    write_all(folder, files, false)?;
    let output = Command::new(esbuild)
        .arg(folder.join("js/main.js"))
        .args(["--bundle", "--format=iife", "--minify", "--charset=utf8", "--log-level=warning"])
        .output()?;
    ensure!(output.status.success(), "esbuild failed: {}", String::from_utf8_lossy(&output.stderr));
    let script = String::from_utf8(output.stdout)?;
    let (style, theme) = (text(files, "style.css")?, text(files, "theme.js")?);
    let policy = POLICY
        .replace("SCRIPTS", &format!("{} {}", source_hash(&script), source_hash(theme)))
        .replace("STYLES", &source_hash(style));
    let documents: BTreeMap<&str, &str> = files
        .iter()
        .filter_map(|(path, bytes)| Some((path.strip_prefix("samples/")?, str::from_utf8(bytes).ok()?)))
        .collect();
    let data = format!(
        "<script type=\"application/wasm\" id=\"module\">{}</script>
\
         <script type=\"application/json\" id=\"samples\">{}</script>
<script>{script}</script>
  </body>",
        STANDARD.encode(compressed(&files["downshift/full.wasm"])?),
        STANDARD.encode(compressed(json!(documents).to_string().as_bytes())?),
    );
    let page = replaced(index, "<html lang=\"en\">", "<html lang=\"en\" data-single>")?;
    let page = replaced(
        &page,
        "<meta charset=\"utf-8\">",
        &format!(
            "<meta charset=\"utf-8\">\n    <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">"
        ),
    )?;
    let page =
        replaced(&page, "<link rel=\"stylesheet\" href=\"style.css\">", &format!("<style>{style}</style>"))?;
    let page = replaced(&page, "<script src=\"theme.js\"></script>", &format!("<script>{theme}</script>"))?;
    let page = replaced(&page, "    <script type=\"module\" src=\"js/main.js\"></script>\n", "")?;
    Ok(replaced(&page, "</body>", &data)?.into_bytes())
}

/// A script or style by its hash (Content Security Policy Level 3, 2.3.1).
fn source_hash(content: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(content)))
}

fn replaced(page: &str, from: &str, to: &str) -> anyhow::Result<String> {
    ensure!(page.matches(from).count() == 1, "the page has `{from}` not once");
    Ok(page.replace(from, to))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text<'a>(files: &'a Files, path: &str) -> anyhow::Result<&'a str> {
    let bytes = files.get(path).with_context(|| format!("the page has no `{path}`"))?;
    str::from_utf8(bytes).with_context(|| format!("`{path}` is not UTF-8"))
}

/// Reads what browsers load of a folder.
fn read_all(root: &Path, folder: &Path, files: &mut Files) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("`{}` cannot be read", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            read_all(root, &path, files)?;
        } else if path
            .extension()
            .is_some_and(|extension| ["html", "css", "js"].iter().any(|it| extension == *it))
        {
            files.insert(path.strip_prefix(root)?.display().to_string(), read(&path)?);
        }
    }
    Ok(())
}

/// Makes `folder` have these files, each compressed beside itself if that is wanted, and no others. Equal files are left
/// alone, as cargo builds again what embeds something newer.
fn write_all(folder: &Path, files: &Files, compress: bool) -> anyhow::Result<()> {
    remove_others(folder, folder, files, compress)?;
    for (path, bytes) in files {
        let path = folder.join(path);
        let twin = PathBuf::from(format!("{}.gz", path.display()));
        if compress && !(twin.exists() && fs::read(&path).is_ok_and(|before| before == *bytes)) {
            files::write(&twin, &compressed(bytes)?)?;
        }
        files::write(&path, bytes)?;
    }
    Ok(())
}

/// Compressed as far as gzip goes, which takes seconds, once: every visitor gets it.
fn compressed(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut out = Vec::new();
    zopfli::compress(zopfli::Options::default(), zopfli::Format::Gzip, bytes, &mut out)?;
    Ok(out)
}

fn remove_others(root: &Path, folder: &Path, files: &Files, compress: bool) -> anyhow::Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.strip_prefix(root)?.display().to_string();
        let original = name.strip_suffix(".gz").filter(|_| compress).unwrap_or(&name);
        if path.is_dir() {
            remove_others(root, &path, files, compress)?;
        } else if !files.contains_key(original) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}
