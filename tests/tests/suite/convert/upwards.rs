//! Schema 1 upwards: where the command learns what is in layers, and where the config goes.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, ensure};
use downshift::Digest;
use downshift_cases::difference;
use downshift_cases::upward::{self, Upward};
use downshift_tests::front::Engine;
use downshift_tests::program;
use downshift_tests::programs::case;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::fails;
use crate::Named;

pub(super) fn trials(engine: Engine) -> Vec<Trial> {
    let trial = |(name, run): Named<fn(&Archive) -> anyhow::Result<()>>| {
        case(format!("{}::convert::upwards::{name}", engine.name), move || run(&Archive::new(engine)?))
    };
    vec![
        trial(named!(the_config_goes_into_the_layout_that_has_the_layers)),
        trial(named!(facts_are_what_layer_writes)),
        trial(named!(layers_come_from_files_and_streams)),
        trial(named!(what_is_missing_is_named_with_its_remedy)),
        trial(named!(an_image_comes_back_with_its_own_config)),
    ]
}

/// A recorded image of schema 1 in a folder: `schema1.json`, its blobs as files, and a layout of both.
struct Archive {
    engine: Engine,
    folder: TempDir,
    image: Upward,
    blobs: BTreeMap<Digest, Vec<u8>>,
}

impl Archive {
    fn new(engine: Engine) -> anyhow::Result<Self> {
        let mut vectors = upward::read()?.into_iter();
        // One with layers beside the empty one, which needs no facts.
        let image = vectors.find(|image| image.blobs.len() > 2).context("there is no such image")?;
        let mut blobs = image.documents()?;
        blobs.remove(&Digest::of(image.manifest.as_bytes()));
        let archive = Self { engine, folder: tempfile::tempdir()?, image, blobs };
        let layout = archive.folder.path().join("layout");
        fs::create_dir_all(layout.join("blobs/sha256"))?;
        fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
        fs::write(layout.join("index.json"), r#"{"schemaVersion":2,"manifests":[]}"#)?;
        fs::write(archive.path("schema1.json"), &archive.image.manifest)?;
        for (digest, blob) in &archive.blobs {
            fs::write(layout.join("blobs/sha256").join(digest.hex()), blob)?;
            fs::write(archive.path(digest.hex()), blob)?;
        }
        Ok(archive)
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// The layers of which facts are needed, in files.
    fn layers(&self) -> Vec<String> {
        let needed = self.blobs.keys().filter(|digest| **digest != Digest::empty_layer());
        needed.map(|digest| self.path(digest.hex())).collect()
    }

    fn command(&self, options: &[&str]) -> anyhow::Result<Command> {
        let mut command = program::command()?;
        command.args(["convert", &self.path("schema1.json")]).args(options).args(self.engine.arguments);
        Ok(command)
    }

    fn run(&self, options: &[&str]) -> anyhow::Result<Output> {
        Ok(self.command(options)?.output()?)
    }

    /// The same with bytes for standard input.
    fn run_with(&self, options: &[&str], input: &[u8]) -> anyhow::Result<Output> {
        let mut command = self.command(options)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        child.stdin.take().context("it has no input")?.write_all(input)?;
        Ok(child.wait_with_output()?)
    }

    /// Checks that a manifest came which names the config that Docker makes, and gives it.
    fn is_image(&self, output: &Output) -> anyhow::Result<Value> {
        ensure!(output.status.success(), "it fails: {}", String::from_utf8_lossy(&output.stderr));
        let manifest: Value = serde_json::from_slice(&output.stdout)?;
        let id = &manifest["config"]["digest"];
        ensure!(
            *id == *self.image.docker_image_id,
            "the image is {id}, and not {}",
            self.image.docker_image_id
        );
        Ok(manifest)
    }

    fn facts(&self, layers: &[String]) -> anyhow::Result<Vec<u8>> {
        program::succeed(["layer", "--json"].into_iter().chain(layers.iter().map(String::as_str)))
    }
}

fn the_config_goes_into_the_layout_that_has_the_layers(archive: &Archive) -> anyhow::Result<()> {
    let layout = archive.path("layout");
    let output = archive.run(&["--to", "oci", "--layout", &layout])?;
    ensure!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    archive.is_image(&output)?;
    let blob = |digest: &Digest| fs::read(format!("{layout}/blobs/sha256/{}", digest.hex()));
    let id = Digest::parse(&archive.image.docker_image_id)?;
    ensure!(id.matches(&blob(&id)?), "the config is another one");
    difference::compare("manifest", &blob(&Digest::of(&output.stdout))?, &output.stdout)?;
    let count = || Ok::<_, anyhow::Error>(fs::read_dir(format!("{layout}/blobs/sha256"))?.count());
    ensure!(count()? == archive.blobs.len() + 2, "something else is left there");

    // In another form it is the same config, which may be there already.
    archive.is_image(&archive.run(&["--to", "schema2", "--layout", &layout])?)?;
    ensure!(count()? == archive.blobs.len() + 3, "something else is left there");

    // Elsewhere if that is said, and then nothing is written into the layout.
    let config = archive.path("config.json");
    fs::remove_file(format!("{layout}/blobs/sha256/{}", id.hex()))?;
    let options = ["--to", "schema2", "--layout", &layout, "--config-out", &config];
    archive.is_image(&archive.run(&options)?)?;
    ensure!(id.matches(&fs::read(&config)?) && blob(&id).is_err(), "it is written elsewhere");
    Ok(())
}

fn facts_are_what_layer_writes(archive: &Archive) -> anyhow::Result<()> {
    let layers = archive.layers();
    let (facts, config) = (archive.facts(&layers)?, archive.path("config.json"));
    let file = archive.path("facts.json");
    fs::write(&file, &facts)?;
    let options = ["--to", "schema2", "--config-out", &config];
    let output = archive.run(&[&options[..], &["--facts", &file]].concat())?;
    ensure!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let manifest = archive.is_image(&output)?;
    ensure!(Digest::of(&fs::read(&config)?).as_str() == archive.image.docker_image_id, "another config");
    // As with the layers themselves.
    let again = archive.run(&["--to", "schema2", "--layout", &archive.path("layout")])?;
    difference::compare("manifest", &again.stdout, &output.stdout)?;
    let sizes: Vec<_> = archive.blobs.values().map(Vec::len).collect();
    let layers_of = manifest["layers"].as_array().context("there are no layers")?;
    ensure!(layers_of.iter().all(|layer| sizes.iter().any(|size| layer["size"] == *size)), "{manifest}");

    // From standard input, from several files, and written by hand, with what has to be there.
    archive.is_image(&archive.run_with(&[&options[..], &["--facts", "-"]].concat(), &facts)?)?;
    let mut given = Vec::new();
    for (index, layer) in layers.iter().enumerate() {
        let mut facts: Value = serde_json::from_slice(&archive.facts(core::slice::from_ref(layer))?)?;
        let entry = facts["layers"][0].as_object_mut().context("it is not an object")?;
        entry.remove("file");
        let facts_of = entry["facts"].as_object_mut().context("it is not an object")?;
        facts_of.remove("zstd_window");
        facts_of.remove("decoder_version");
        let path = archive.path(&format!("{index}.facts"));
        fs::write(&path, facts.to_string())?;
        given.extend(["--facts".to_owned(), path]);
    }
    let given: Vec<&str> = given.iter().map(String::as_str).collect();
    archive.is_image(&archive.run(&[&options[..], &given].concat())?)?;

    // Without a place for the config, it says that nobody has that.
    let output = archive.run(&["--to", "oci", "--facts", &file])?;
    archive.is_image(&output)?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(said.contains(&archive.image.docker_image_id) && said.contains("--config-out"), "it says {said}");
    Ok(())
}

fn layers_come_from_files_and_streams(archive: &Archive) -> anyhow::Result<()> {
    let layers = archive.layers();
    let config = archive.path("config.json");
    let mut options = vec!["--to", "oci", "--config-out", &config];
    for layer in &layers {
        options.extend(["--layer", layer]);
    }
    archive.is_image(&archive.run(&options)?)?;
    let first = options.iter().position(|option| *option == "--layer").context("there is none")?;
    let stream = fs::read(&layers[0])?;
    options[first + 1] = "-";
    archive.is_image(&archive.run_with(&options, &stream)?)?;
    // One half from facts, the other from a file.
    let facts = archive.facts(&layers[..1])?;
    options[first] = "--facts";
    archive.is_image(&archive.run_with(&options, &facts)?)?;
    // What is not needed is not read: whoever converts what has facts of its own need not have the layers.
    let all = archive.path("all.json");
    fs::write(&all, archive.facts(&layers)?)?;
    let options = ["--to", "oci", "--config-out", &config, "--facts", &all, "--layer", "/none"];
    archive.is_image(&archive.run(&options)?)?;
    Ok(())
}

fn what_is_missing_is_named_with_its_remedy(archive: &Archive) -> anyhow::Result<()> {
    let layers = archive.layers();
    let (to, layout) = (["--to", "oci"], archive.path("layout"));
    let with = |options: &[&str]| archive.run(&[&to[..], options].concat());
    let none = with(&[])?;
    fails(&none, 2, "missing-layer")?;
    let said = String::from_utf8_lossy(&none.stderr);
    for needed in archive.blobs.keys() {
        let is_named = said.contains(needed.as_str());
        ensure!(is_named == (*needed != Digest::empty_layer()), "{needed}: {said}");
    }
    ensure!(said.contains("--facts") && said.contains("--layer") && said.contains("--layout"), "{said}");
    // Those alone that are not there.
    let some = with(&["--layer", &layers[0]])?;
    fails(&some, 2, "missing-layer")?;
    let said = String::from_utf8_lossy(&some.stderr);
    let (_, first) = layers[0].rsplit_once('/').context("it is a path")?;
    ensure!(!said.contains(first), "{said}");
    let blob = format!("{layout}/blobs/sha256/{first}");
    fs::remove_file(&blob)?;
    fails(&with(&["--layout", &layout])?, 2, "missing-layer")?;
    fs::write(&blob, "no layer")?;
    fails(&with(&["--layout", &layout])?, 2, "unreadable-layer")?;

    let schema1 = archive.path("schema1.json");
    fails(&with(&["--layer", &schema1])?, 2, "unknown-compression")?;
    fails(&with(&["--layer", "/none"])?, 2, "unreadable-file")?;
    fails(&with(&["--facts", "/none"])?, 2, "unreadable-file")?;
    fails(&with(&["--facts", "-", "--layer", "-"])?, 2, "unusable-file")?;
    let written: Value = serde_json::from_slice(&archive.facts(&layers)?)?;
    let change = |name: &str, value: Value| {
        let mut facts = written.clone();
        facts["layers"][0]["facts"][name] = value;
        facts.to_string()
    };
    for facts in [
        "{".to_owned(),
        archive.image.manifest.clone(),
        json!({"layers": [{}]}).to_string(),
        change("size", json!(-1)),
        change("diff_id", Value::Null),
        change("diff_id", written["layers"][0]["facts"]["digest"].clone()),
        change("compression", json!("lzma")),
        change("decoder_version", json!(0)),
        json!({"layers": [written["layers"][0], serde_json::from_str::<Value>(&change("size", json!(1)))?["layers"][0]]})
            .to_string(),
    ] {
        let output = archive.run_with(&[&to[..], &["--facts", "-"]].concat(), facts.as_bytes())?;
        fails(&output, 2, "invalid-facts").with_context(|| facts)?;
    }
    // A layer that could not be read has none.
    let damaged = json!({"layers": [{"failure": {"code": "truncated-layer"}}]}).to_string();
    fails(
        &archive.run_with(&[&to[..], &["--facts", "-"]].concat(), damaged.as_bytes())?,
        2,
        "missing-layer",
    )?;

    // A layout that cannot be written to, or is none.
    fs::remove_dir_all(&layout)?;
    let facts = archive.path("facts.json");
    fs::write(&facts, written.to_string())?;
    fails(&with(&["--facts", &facts, "--layout", &layout])?, 2, "unwritable-file")?;
    ensure!(!fs::exists(&layout)?, "a layout is made");
    Ok(())
}

/// Up, down again, and up once more: it is the same image all the time, and `inspect` says so.
fn an_image_comes_back_with_its_own_config(archive: &Archive) -> anyhow::Result<()> {
    let (layout, schema1) = (archive.path("layout"), archive.path("schema1.json"));
    let report = archive.path("report.json");
    let up = ["--to", "schema2", "--layout", &layout, "--report", &report];
    let schema2 = archive.run(&up)?;
    archive.is_image(&schema2)?;
    let ids: Value = serde_json::from_slice(&fs::read(&report)?)?;
    let ids = &ids["image_ids"];
    ensure!(ids[0]["tool"] == "docker" && ids[0]["id"] == *archive.image.docker_image_id, "{ids}");
    let skopeo = upward::ids()?.remove(&archive.image.name).and_then(|mut ids| ids.remove("skopeo"));
    ensure!(ids[1]["tool"] == "skopeo" && ids[1]["id"].as_str() == skopeo.as_deref(), "{ids}");

    let manifest = archive.path("schema2.json");
    fs::write(&manifest, &schema2.stdout)?;
    let down = ["--to", "schema1", "--unsigned", "--name", "a/b", "--tag", "c", "--layout", &layout];
    let convert = [&["convert", &manifest], &down[..], archive.engine.arguments].concat();
    fs::write(&schema1, program::succeed(convert)?)?;
    archive.is_image(&archive.run(&up)?)?;

    let id = Digest::parse(&archive.image.docker_image_id)?;
    let config = format!("{layout}/blobs/sha256/{}", id.hex());
    let said = String::from_utf8(program::succeed(["inspect", &schema1, &manifest, &config])?)?;
    ensure!(said.contains("Is this schema 1 manifest the same image as the other one?"), "{said}");

    // With the facts alone it knows the ids.
    let facts = archive.path("facts.json");
    fs::write(&facts, archive.facts(&archive.layers())?)?;
    let said = String::from_utf8(program::succeed(["inspect", &schema1, &facts])?)?;
    ensure!(said.contains(&format!("image id    {id}  Docker")), "{said}");
    Ok(())
}
