//! Documents as the field has them: odd, and sound all the same.

use anyhow::{Context, bail, ensure};
use downshift::document::Document;
use downshift::{Capabilities, Digest, Form, Limits, Policy, jws};
use downshift_cases::images::{Descriptor, Family, Image, Manifest, REPOSITORY, sample};
use downshift_cases::implementation::{Answered, Implementation, Native, Outcome, schema1_request};
use serde_json::{Value, json};

/// What comes of the image's tag.
fn by_tag(image: &Image, client: Capabilities) -> Outcome {
    let request = schema1_request(REPOSITORY, "latest", image.manifest.digest(), Policy::Strict);
    Native.answer(&downshift::answer::Request { client, ..request }, &image.documents())
}

fn answered(image: &Image, client: Capabilities) -> anyhow::Result<Answered> {
    match by_tag(image, client) {
        Outcome::Answered(answered) => Ok(answered),
        outcome => bail!("there is no answer: {outcome:?}"),
    }
}

fn refused(image: &Image, client: Capabilities, code: &str) -> anyhow::Result<()> {
    match by_tag(image, client) {
        Outcome::Refused { failure, .. } if failure.code == code => Ok(()),
        outcome => bail!("it is not refused with `{code}`: {outcome:?}"),
    }
}

/// Docker 1.10.0 to 1.11.0 took the type of a config from what a registry said of the blob (moby issues 22378, 30083 and
/// 30299).
#[test]
fn a_config_whose_type_says_nothing_is_an_images_if_it_reads_as_one() -> anyhow::Result<()> {
    let types = [
        "",
        "application/octet-stream",
        "application/json",
        "text/html",
        "text/html; charset=utf-8",
        "Application/JSON",
    ];
    for media_type in types {
        let image = sample::with_config_type(Family::Docker, media_type);
        for form in [Form::Schema1, Form::Oci] {
            let answer = answered(&image, Capabilities::of(&[form])).context(media_type)?;
            ensure!(answer.form == form, "{media_type}: {answer:?}");
        }
        // OCI has never had such configs.
        let image = sample::with_config_type(Family::Oci, media_type);
        refused(&image, Capabilities::of(&[Form::Schema2]), "artifact").context(media_type)?;

        for other in [&b"{}"[..], b"<html>", b"[]", br#"{"rootfs":null}"#] {
            let config = Descriptor::of(media_type, other);
            let manifest = Manifest::single(Family::Docker, config, Vec::new());
            let artifact =
                Image { manifest, children: Vec::new(), configs: vec![other.into()], layers: Vec::new() };
            for form in [Form::Schema1, Form::Oci] {
                refused(&artifact, Capabilities::of(&[form]), "artifact").context(media_type)?;
            }
            let stored = answered(&artifact, Capabilities::of(&[Form::Oci]).with_any())?;
            ensure!(stored.body == artifact.manifest.bytes, "{media_type}: {stored:?}");
        }
    }
    let plugin = sample::with_config_type(Family::Docker, "application/vnd.docker.plugin.v1+json");
    refused(&plugin, Capabilities::default(), "artifact")
}

/// What a client of schema 1 gets of the image with this history: for each record from the lowest, its blob and the
/// command and comment that it has.
fn records(history: Value) -> anyhow::Result<(Vec<[String; 3]>, Answered)> {
    let answer = answered(&sample::with_history(history), Capabilities::of(&[Form::Schema1]))?;
    let payload = jws::parse(&answer.body, &Limits::default())?.payload;
    let Document::Schema1(schema1) = Document::parse(&payload, &Limits::default())? else {
        bail!("it is not schema 1")
    };
    let mut records = Vec::new();
    for (blob, record) in schema1.layers.iter().zip(&schema1.history).rev() {
        let record: Value = serde_json::from_str(record)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
        records.push([blob.clone(), text(&record["container_config"]["Cmd"][0]), text(&record["comment"])]);
    }
    Ok((records, answer))
}

/// rules_oci puts layers on an image and leaves its history as it was; nixery has one entry for all layers.
#[test]
fn layers_without_history_get_one_and_the_others_keep_theirs() -> anyhow::Result<()> {
    const NO_ENTRY: &str = "synthesised by downshift: the image has no history of this layer";
    const NO_HISTORY: &str = "synthesised by downshift: the image has no history";
    let entry = |command: &str| json!({"created": "2024-06-28T05:42:58Z", "created_by": command});
    let empty = || json!({"created_by": "CMD", "empty_layer": true});
    let layers: Vec<String> =
        sample::schema2().layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
    let [first, second, third] = layers.as_slice() else { bail!("the sample has other layers") };
    let none = &Digest::EMPTY_LAYER.to_string();
    for (history, expected, added) in [
        (json!([entry("a")]), vec![(first, "a", ""), (second, "", NO_ENTRY), (third, "", NO_ENTRY)], 1..3),
        (
            json!([empty(), entry("a"), empty()]),
            vec![
                (none, "CMD", ""),
                (first, "a", ""),
                (none, "CMD", ""),
                (second, "", NO_ENTRY),
                (third, "", NO_ENTRY),
            ],
            3..5,
        ),
        (
            json!([empty()]),
            vec![(none, "CMD", ""), (first, "", NO_ENTRY), (second, "", NO_ENTRY), (third, "", NO_ENTRY)],
            1..4,
        ),
        (json!([]), vec![(first, "", NO_HISTORY), (second, "", NO_HISTORY), (third, "", NO_HISTORY)], 0..3),
    ] {
        let (records, answer) = records(history)?;
        let newest = expected.len() - 1;
        ensure!(records.len() == expected.len(), "they are {records:?}");
        for (number, ([blob, command, comment], expected)) in records.iter().zip(&expected).enumerate() {
            ensure!((blob, &**comment) == (expected.0, expected.2), "{number}: {records:?}");
            // The newest record has the command of the config.
            ensure!(number == newest || command == expected.1, "{number}: {records:?}");
        }
        let paths: Vec<Value> =
            added.map(|index| json!({"code": "history", "path": format!("history[{index}]")})).collect();
        ensure!(answer.report["added"] == Value::from(paths), "{}", answer.report);
        let lost = answer.report["lost"].to_string();
        ensure!(!lost.contains("layer\"") && !lost.contains("comment"), "{lost}");
    }
    // More history than layers is of another image.
    let history = json!([entry("a"), entry("b"), entry("c"), entry("d")]);
    refused(&sample::with_history(history), Capabilities::default(), "history-exceeds-layers")
}
