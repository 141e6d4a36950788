//! The package for JavaScript as people get it: packed, installed into an empty folder, and used from there.

use std::env;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use downshift::Policy;
use downshift_cases::difference;
use downshift_cases::documents;
use downshift_cases::fixed_key::FixedKey;
use downshift_cases::images::sample;
use downshift_cases::implementation::{Implementation, Native, Outcome, schema1_request};
use downshift_tests::javascript::{JavaScript, Place, built, package, script};
use downshift_tests::programs::{NODE, NPM, case_with};
use flate2::Compression;
use flate2::write::GzEncoder;
use libtest_mimic::Trial;
use tempfile::TempDir;

use crate::Named;

/// Who uses it.
const CONSUMERS: [Place; 6] = [
    Place::Node,
    Place::Bundled,
    Place::BundledForNode,
    Place::BundledAsCommonJs,
    Place::Browser,
    Place::Workerd,
];

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |programs: &[&'static str], (name, run): Named<fn() -> anyhow::Result<()>>| {
        case_with(programs, format!("package::{name}"), run)
    };
    let mut trials = vec![
        trial(&[NODE, NPM], named!(its_types_are_those_of_what_it_exports)),
        trial(&[NODE, NPM], named!(wrong_arguments_are_named)),
        trial(&[NODE, NPM], named!(errors_alone_bring_no_module)),
        trial(&[NODE, NPM], named!(no_conversion_goes_on_without_end)),
        trial(&[NODE, NPM], named!(it_unpacks_layers)),
        trial(&[NODE, NPM], named!(its_readme_converts)),
        trial(&[NODE], named!(budgets)),
    ];
    trials.extend(CONSUMERS.map(|place| {
        let programs = [&[NPM], place.programs()].concat();
        let (name, run): Named<fn(Place) -> anyhow::Result<()>> =
            named!(installed_from_its_archive_it_converts_and_signs);
        case_with(programs, format!("package::{name}::{}", place.name()), move || run(place))
    }));
    trials
}

/// An empty folder into which the package was installed, from the archive that `npm publish` would send.
fn installed() -> anyhow::Result<TempDir> {
    let folder = tempfile::tempdir()?;
    npm(folder.path(), &["pack", "--silent", &package()?.display().to_string()])?;
    let is_archive = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "tgz");
    let archive = fs::read_dir(folder.path())?.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let archive = archive.into_iter().find(is_archive).context("npm packs nothing")?;
    let options = ["install", "--silent", "--offline", "--no-audit", "--no-fund", "--no-package-lock"];
    npm(folder.path(), &[&options[..], &[&archive.display().to_string()]].concat())?;
    Ok(folder)
}

fn npm(folder: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new(NPM).args(arguments).current_dir(folder).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`npm {}` fails: {said}", arguments.join(" "));
    Ok(())
}

fn installed_from_its_archive_it_converts_and_signs(place: Place) -> anyhow::Result<()> {
    let folder = installed()?;
    let implementation = JavaScript::installed(place, folder.path().to_path_buf());
    let fixed_key = FixedKey::read()?;
    for case in &fixed_key.cases {
        documents::check(&implementation, case, fixed_key.time()?).context(case.name.clone())?;
    }
    Ok(())
}

/// Has the compiler look at a script that uses the package as its documentation says, and at the names of all that it
/// exports.
fn its_types_are_those_of_what_it_exports() -> anyhow::Result<()> {
    passes("types.mjs")
}

fn wrong_arguments_are_named() -> anyhow::Result<()> {
    passes("wrong.mjs")
}

fn errors_alone_bring_no_module() -> anyhow::Result<()> {
    passes("shaken.mjs")
}

fn no_conversion_goes_on_without_end() -> anyhow::Result<()> {
    passes("rounds.mjs")
}

fn it_unpacks_layers() -> anyhow::Result<()> {
    passes("layer.mjs")
}

/// Runs one of the scripts that find for themselves what is wrong with the package.
fn passes(name: &str) -> anyhow::Result<()> {
    let folder = installed()?;
    let output = script(name).arg(folder.path()).output()?;
    let (said, also) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "`{name}` fails:\n{said}{also}");
    Ok(())
}

/// Runs what the README has below "Convert", in a folder with the files that it reads.
fn its_readme_converts() -> anyhow::Result<()> {
    let (folder, image) = (installed()?, sample::schema2());
    let readme = fs::read_to_string(package()?.join("README.md"))?;
    let section = readme.split("\n## ").find(|section| section.starts_with("Convert\n"));
    let lines = section.context("it says nothing about converting")?.lines();
    let code: Vec<&str> =
        lines.filter_map(|line| line.strip_prefix("    ").or(line.is_empty().then_some(""))).collect();
    let config = image.configs.first().context("there is no config")?;
    for (name, bytes) in [
        ("script.mjs", [&code.join("\n"), "\nprocess.stdout.write(body);\n"].concat().as_bytes()),
        ("manifest.json", &image.manifest.bytes),
        ("config.json", config),
        ("key.pem", FixedKey::read()?.pem().as_bytes()),
    ] {
        fs::write(folder.path().join(name), bytes)?;
    }
    let output = Command::new(NODE).arg("script.mjs").current_dir(folder.path()).output()?;
    ensure!(output.status.success(), "it fails: {}", String::from_utf8_lossy(&output.stderr));
    let request = schema1_request("library/httpd", "2.4", image.manifest.digest(), Policy::Strict);
    let Outcome::Answered(expected) = Native.answer(&request, &image.documents()) else {
        bail!("the image is not converted");
    };
    difference::compare("document", &expected.body, &output.stdout)
}

/// What visitors and edges have to load, in bytes after gzip: `budgets/package.tsv`.
fn budgets() -> anyhow::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("budgets/package.tsv");
    let table = fs::read_to_string(&path).with_context(|| format!("`{}` cannot be read", path.display()))?;
    for line in table.lines() {
        let (name, budget) = line.split_once('\t').with_context(|| format!("`{line}` is no budget"))?;
        let budget: usize = budget.parse()?;
        let size = match name {
            "worker" => folder_size(&built("DOWNSHIFT_WORKER")?)?,
            module => compressed_size(&package()?.join(module))?,
        };
        println!("{name}: {size} bytes of {budget}");
        ensure!(size <= budget, "`{name}` has {size} bytes, and not at most {budget}");
    }
    Ok(())
}

fn folder_size(folder: &Path) -> anyhow::Result<usize> {
    fs::read_dir(folder)?.map(|entry| compressed_size(&entry?.path())).sum()
}

fn compressed_size(file: &Path) -> anyhow::Result<usize> {
    let bytes = fs::read(file).with_context(|| format!("`{}` cannot be read", file.display()))?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&bytes)?;
    Ok(encoder.finish()?.len())
}
