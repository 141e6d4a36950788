//! `downshift convert`: what it writes, and where.

mod upwards;

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Output, Stdio};

use anyhow::{Context, ensure};
use downshift::{Digest, Limits, jws};
use downshift_cases::difference;
use downshift_cases::fixed_key::FixedKey;
use downshift_cases::images::{Image, layout, sample};
use downshift_tests::front::Engine;
use downshift_tests::program;
use downshift_tests::programs::case;
use libtest_mimic::Trial;
use serde_json::Value;
use tempfile::TempDir;

use crate::Named;

/// A folder with an image, on which the command is run.
struct Bench {
    engine: Engine,
    folder: TempDir,
}

pub(crate) fn trials(engine: Engine) -> Vec<Trial> {
    let trial = |(name, run): Named<fn(Engine) -> anyhow::Result<()>>| {
        case(format!("{}::convert::{name}", engine.name), move || run(engine))
    };
    let mut trials = vec![
        trial(named!(writes_the_recorded_schema_1_to_the_byte)),
        trial(named!(writes_schema_1_without_a_signature)),
        trial(named!(comes_back_to_the_same_digests_from_oci_by_schema_2)),
        trial(named!(writes_a_list_of_the_manifests_that_it_writes_one_by_one)),
        trial(named!(names_layers_by_their_diff_ids)),
        trial(named!(takes_options_in_any_order_and_standard_input)),
        trial(named!(writes_files_and_a_report)),
        trial(named!(fails_with_code_cause_and_remedy)),
    ];
    trials.extend(upwards::trials(engine));
    trials
}

fn writes_the_recorded_schema_1_to_the_byte(engine: Engine) -> anyhow::Result<()> {
    let fixed_key = FixedKey::read()?;
    for case in &fixed_key.cases {
        let image = case.image()?;
        let bench = Bench::new(engine, &image)?;
        let config = bench.file("config.json", image.configs.first().context("there is no config")?)?;
        let key = bench.file("key.pem", fixed_key.pem().as_bytes())?;
        let options = ["--to", "schema1", "--policy", "reference", "--name", &case.repository];
        let more = ["--tag", &case.tag, "--time", &fixed_key.time, "--config", &config, "--key", &key];
        let written = bench.convert(&[&options[..], &more].concat())?;
        difference::compare(&case.name, case.signed.as_bytes(), &written)?;
    }
    Ok(())
}

fn writes_schema_1_without_a_signature(engine: Engine) -> anyhow::Result<()> {
    let bench = Bench::new(engine, &sample::schema2())?;
    let options = ["--to", "schema1", "--name", "a/b", "--tag", "c", "--layout", &bench.path("layout")];
    let unsigned = bench.convert(&[&options[..], &["--unsigned"]].concat())?;
    let signed = bench.run(&options)?;
    ensure!(signed.status.success(), "it does not sign");
    let said = String::from_utf8_lossy(&signed.stderr);
    ensure!(said.contains("the signing key is thrown away"), "it does not say whose key that is: {said}");
    difference::compare("payload", &unsigned, &jws::parse(&signed.stdout, &Limits::default())?.payload)
}

fn comes_back_to_the_same_digests_from_oci_by_schema_2(engine: Engine) -> anyhow::Result<()> {
    let bench = Bench::new(engine, &sample::oci())?;
    let layout = bench.path("layout");
    let mut written = Vec::new();
    for form in ["schema2", "oci", "schema2"] {
        let manifest = bench.convert(&["--to", form, "--layout", &layout])?;
        bench.manifest(&manifest)?;
        written.push(manifest);
    }
    ensure!(
        Digest::of(&written[0]) == Digest::of(&written[2]),
        "schema 2 has another digest the second time"
    );
    ensure!(digests(&written[0])? == digests(&sample::oci().manifest.bytes)?, "config or layers are others");
    ensure!(digests(&written[0])? == digests(&written[1])?, "config or layers change on the way back");
    Ok(())
}

fn writes_a_list_of_the_manifests_that_it_writes_one_by_one(engine: Engine) -> anyhow::Result<()> {
    let bench = Bench::new(engine, &sample::index())?;
    let layout = bench.path("layout");
    let list = bench.convert(&["--to", "list", "--layout", &layout])?;
    let list: Value = serde_json::from_slice(&list)?;
    for (entry, platform) in [("/manifests/0", "linux/arm64"), ("/manifests/1", "linux/amd64")] {
        let child = bench.convert(&["--to", "schema2", "--layout", &layout, "--platform", platform])?;
        let listed = list.pointer(entry).context("an entry is missing")?;
        ensure!(listed["digest"] == Digest::of(&child).as_str(), "{platform} is listed as {listed}");
        ensure!(listed["size"] == child.len(), "{platform} is listed as {listed}");
    }
    Ok(())
}

fn names_layers_by_their_diff_ids(engine: Engine) -> anyhow::Result<()> {
    let image = sample::zstd();
    let bench = Bench::new(engine, &image)?;
    let layout = bench.path("layout");
    let written = bench.convert(&["--to", "schema2", "--layout", &layout])?;
    let written: Value = serde_json::from_slice(&written)?;
    for (at, tar) in sample::plain_layers().iter().enumerate() {
        let layer = &written["layers"][at];
        let is_named = layer["digest"] == Digest::of(tar).as_str() && layer["size"] == tar.len();
        ensure!(is_named, "layer {at} is {layer}");
    }
    // Damaged, or not there.
    let blob = Digest::of(image.layers.first().context("there are no layers")?);
    let path = bench.folder.path().join("layout/blobs/sha256").join(blob.hex());
    fs::write(&path, "no layer")?;
    fails(&bench.run(&["--to", "schema2", "--layout", &layout])?, 2, "unreadable-layer")?;
    fs::remove_file(&path)?;
    fails(&bench.run(&["--to", "schema2", "--layout", &layout])?, 2, "missing-layer")
}

fn takes_options_in_any_order_and_standard_input(engine: Engine) -> anyhow::Result<()> {
    let image = sample::schema2();
    let bench = Bench::new(engine, &image)?;
    let (manifest, layout) = (bench.path("manifest.json"), bench.path("layout"));
    let first = bench.convert(&["--to", "oci", "--layout", &layout])?;
    for arguments in [
        ["convert", "--layout", &layout, &manifest, "--to", "oci"],
        ["convert", "--to=oci", "--policy=strict", "--layout", &layout, &manifest],
    ] {
        let again = program::succeed(arguments.iter().chain(engine.arguments))?;
        difference::compare("manifest", &first, &again)?;
    }
    let mut command = program::command()?;
    command.args(["convert", "-", "--to", "oci", "--layout", &layout]).args(engine.arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    child.stdin.take().context("it has no input")?.write_all(&image.manifest.bytes)?;
    difference::compare("manifest", &first, &child.wait_with_output()?.stdout)
}

fn writes_files_and_a_report(engine: Engine) -> anyhow::Result<()> {
    let bench = Bench::new(engine, &sample::oci())?;
    let (layout, output, report) = (bench.path("layout"), bench.path("out.json"), bench.path("report.json"));
    let options = ["--to", "schema2", "--layout", &layout];
    let written = bench.convert(&options)?;
    let nothing = bench.convert(&[&options[..], &["-o", &output, "--report", &report]].concat())?;
    ensure!(nothing.is_empty(), "it writes to both");
    difference::compare("manifest", &written, &fs::read(output)?)?;

    let report: Value = serde_json::from_slice(&fs::read(report)?)?;
    ensure!(report["source"]["form"] == "oci", "the source: {report}");
    ensure!(report["source"]["digest"] == sample::oci().manifest.digest().as_str(), "the source: {report}");
    ensure!(report["result"]["digest"] == Digest::of(&written).as_str(), "the result: {report}");
    ensure!(report["digest_changed"].is_string(), "it does not say why the digest is another: {report}");
    Ok(())
}

fn fails_with_code_cause_and_remedy(engine: Engine) -> anyhow::Result<()> {
    let bench = Bench::new(engine, &sample::schema2())?;
    let layout = bench.path("layout");
    let schema1 = ["--to", "schema1", "--name", "a/b", "--tag", "c", "--unsigned"];
    fails(&bench.run(&["--to", "list", "--layout", &layout])?, 1, "no-conversion")?;
    fails(&bench.run(&schema1)?, 2, "document-not-given")?;
    let other = bench.file("other.json", b"{}")?;
    fails(&bench.run(&[&schema1[..], &["--config", &other]].concat())?, 2, "other-config")?;
    fails(&bench.run(&[&schema1[..], &["--config", "/none"]].concat())?, 2, "unreadable-file")?;
    let key = bench.file("key.pem", b"no key")?;
    let keyed = ["--to", "schema1", "--name", "a/b", "--tag", "c", "--key", &key];
    fails(&bench.run(&keyed)?, 2, "unknown-key-format")?;
    let limited = ["--to", "oci", "--layout", &layout, "--limit", "layers=1"];
    fails(&bench.run(&limited)?, 1, "limit-exceeded")?;
    for usage in
        [&["--to", "schema1"][..], &["--to", "schema3"], &["--name", "a//b", "--to", "oci"], &["--to"]]
    {
        let output = bench.run(usage)?;
        ensure!(output.status.code() == Some(2) && output.stdout.is_empty(), "{usage:?}: {output:?}");
    }
    bench.manifest(b"{")?;
    fails(&bench.run(&schema1)?, 2, "invalid-json")
}

impl Bench {
    fn new(engine: Engine, image: &Image) -> anyhow::Result<Self> {
        let bench = Self { engine, folder: tempfile::tempdir()? };
        layout::write(&bench.folder.path().join("layout"), &[("latest", image.clone())])?;
        bench.manifest(&image.manifest.bytes)?;
        Ok(bench)
    }

    /// Makes these bytes the manifest that is converted.
    fn manifest(&self, bytes: &[u8]) -> anyhow::Result<()> {
        self.file("manifest.json", bytes).map(|_| ())
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn file(&self, name: &str, bytes: &[u8]) -> anyhow::Result<String> {
        let path = PathBuf::from(self.path(name));
        fs::write(&path, bytes)?;
        Ok(path.display().to_string())
    }

    /// What `downshift convert` writes to standard output.
    fn convert(&self, options: &[&str]) -> anyhow::Result<Vec<u8>> {
        let output = self.run(options)?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success() && said.is_empty(), "it fails: {said}");
        Ok(output.stdout)
    }

    fn run(&self, options: &[&str]) -> anyhow::Result<Output> {
        let manifest = self.path("manifest.json");
        program::run([&["convert", &manifest], options, self.engine.arguments].concat())
    }
}

/// Checks that a command said what is wrong, and nothing else.
pub(crate) fn fails(output: &Output, code: i32, reason: &str) -> anyhow::Result<()> {
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(code), "it ends with {}, not {code}: {said}", output.status);
    ensure!(output.stdout.is_empty(), "it writes to standard output");
    let lines: Vec<&str> = said.lines().collect();
    let [error, cause, remedy] = lines.as_slice() else { anyhow::bail!("there are not three lines: {said}") };
    ensure!(error.strip_prefix("error:  ") == Some(reason), "the code is not `{reason}`: {said}");
    for (line, label) in [(cause, "cause:  "), (remedy, "remedy: ")] {
        ensure!(line.strip_prefix(label).is_some_and(|text| text.len() > 5), "there is no {label}: {said}");
    }
    Ok(())
}

/// The digests of config and layers.
fn digests(manifest: &[u8]) -> anyhow::Result<Vec<Value>> {
    let manifest: Value = serde_json::from_slice(manifest)?;
    let layers = manifest["layers"].as_array().context("there are no layers")?;
    Ok(core::iter::once(&manifest["config"]).chain(layers).map(|part| part["digest"].clone()).collect())
}
