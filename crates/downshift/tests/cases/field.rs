//! Documents as the field has them: odd, and sound all the same.

use anyhow::{Context, bail, ensure};
use downshift::answer::{Request, Root, Step};
use downshift::document::Document;
use downshift::{Capabilities, Digest, Form, Limits, Permission, PlainLayers, Platform, Policy, jws};
use downshift_cases::images::{Descriptor, Family, Image, Manifest, REPOSITORY, built, sample};
use downshift_cases::implementation::{Answered, Implementation, Native, Outcome, schema1_request};
use serde_json::{Value, json};

/// What comes of the image's tag.
fn by_tag(image: &Image, client: Capabilities) -> Outcome {
    let request = schema1_request(REPOSITORY, "latest", image.manifest.digest(), Policy::Strict);
    Native.answer(&Request { client, ..request }, &image.documents())
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

const ARTIFACT: &str = "application/vnd.oci.artifact.manifest.v1+json";

/// Documents that nothing is made of: what they are, the bytes, the form by what they say of themselves, the type that a
/// client names to get them, and the code for one that reads schema 1.
fn opaque_documents() -> Vec<(&'static str, String, Form, &'static str, &'static str)> {
    const ORAS: &str = "application/vnd.cncf.oras.artifact.manifest.v1+json";
    const OTHER: &str = "application/vnd.example.manifest.v7+json";
    let oci = Form::Oci.media_type();
    let digest = Digest::of(b"");
    let descriptor =
        |rest: &str| format!(r#"{{"mediaType":"application/x","digest":"{digest}","size":1{rest}}}"#);
    let many = |count| vec![descriptor(""); count].join(",");
    let image = |layers: &str| {
        let config = descriptor("");
        format!(r#"{{"schemaVersion":2,"mediaType":"{oci}","config":{config},"layers":[{layers}]}}"#)
    };
    let index = |entries: &str| format!(r#"{{"schemaVersion":2,"manifests":[{entries}]}}"#);
    let blake3 = format!(r#"{{"mediaType":"application/x","digest":"blake3:{}","size":1}}"#, digest.hex());
    let sized = |size: &str| format!(r#"{{"mediaType":"application/x","digest":"{digest}","size":{size}}}"#);
    vec![
        (
            "artifact",
            format!(r#"{{"mediaType":"{ARTIFACT}","blobs":[]}}"#),
            Form::Other,
            ARTIFACT,
            "artifact",
        ),
        (
            "artifact of version 2",
            format!(r#"{{"mediaType":"{ARTIFACT}","schemaVersion":2}}"#),
            Form::Other,
            ARTIFACT,
            "artifact",
        ),
        ("ORAS", format!(r#"{{"mediaType":"{ORAS}","blobs":[]}}"#), Form::Other, ORAS, "artifact"),
        (
            "another",
            format!(r#"{{"mediaType":"{OTHER}","schemaVersion":7}}"#),
            Form::Other,
            OTHER,
            "artifact",
        ),
        (
            "no schemaVersion",
            format!(r#"{{"mediaType":"{oci}","config":{},"layers":[]}}"#, descriptor("")),
            Form::Other,
            oci,
            "missing-member",
        ),
        ("blake3 layer", image(&blake3), Form::Oci, oci, "unsupported-digest"),
        ("blake3 entry", index(&blake3), Form::Index, Form::Index.media_type(), "unsupported-digest"),
        ("entries", index(&many(7_800)), Form::Index, Form::Index.media_type(), "limit-exceeded"),
        ("layers", image(&many(5_000)), Form::Oci, oci, "limit-exceeded"),
        ("half a byte", image(&sized("0.5")), Form::Oci, oci, "wrong-type"),
        ("less than nothing", image(&sized("-1")), Form::Oci, oci, "wrong-type"),
        (
            "empty type",
            format!(r#"{{"schemaVersion":2,"mediaType":"","config":{},"layers":[]}}"#, descriptor("")),
            Form::Oci,
            oci,
            "unknown-document",
        ),
        ("no object as a layer", image("7"), Form::Oci, oci, "wrong-type"),
        (
            "too deep",
            format!(
                r#"{{"schemaVersion":2,"mediaType":"{OTHER}","x":{}{}}}"#,
                "[".repeat(20_000),
                "]".repeat(20_000)
            ),
            Form::Other,
            OTHER,
            "artifact",
        ),
    ]
}

/// What comes of a digest.
fn by_digest(image: &Image, client: Capabilities) -> Outcome {
    let digest = image.manifest.digest();
    let root = Root::Digest { name: REPOSITORY.to_string(), digest: digest.clone(), tag: None, record: None };
    let request = schema1_request(REPOSITORY, "latest", digest, Policy::Strict);
    Native.answer(&Request { root, client, ..request }, &image.documents())
}

/// Clients of registries have types, algorithms and numbers of their own: `oras`, `regctl` and BuildKit.
#[test]
fn what_cannot_be_converted_goes_to_who_asks_for_it() -> anyhow::Result<()> {
    let old = || Capabilities::default().with_schema1_engine();
    for (name, text, form, media_type, code) in opaque_documents() {
        let image = Image::bare(Form::Other, text.into_bytes());
        let is_same = |outcome: &Outcome| {
            matches!(outcome, Outcome::Answered(answered) if answered.form == form
                && answered.body == image.manifest.bytes
                && answered.digest == image.manifest.digest()
                && answered.source.is_none())
        };
        let names = Capabilities::default().with_type(media_type, 1);
        for client in [names, Capabilities::of(&[Form::Schema2]).with_any()] {
            let outcome = by_tag(&image, client.clone());
            ensure!(is_same(&outcome), "{name} to {client:?}: {outcome:?}");
        }
        for client in
            [Capabilities::default(), Capabilities::of(&[Form::Schema2]), Capabilities::of(&Form::ALL)]
        {
            let outcome = by_digest(&image, client.clone());
            ensure!(is_same(&outcome), "{name} by digest to {client:?}: {outcome:?}");
        }
        refused(&image, Capabilities::default(), code).context(name)?;
        let other = Capabilities::default().with_type("application/vnd.example.other+json", 1000);
        refused(&image, other, code).context(name)?;
        let excluded = Capabilities::of(&[Form::Schema1]).with_type(media_type, 0).with_any();
        if form == Form::Other {
            refused(&image, excluded, code).context(name)?;
        }
        let outcome = by_digest(&image, old());
        let is_refused = matches!(&outcome, Outcome::Refused { failure, .. } if failure.code == code);
        ensure!(is_refused, "{name} to Docker 1.9 by digest: {outcome:?}");
    }
    Ok(())
}

/// Whoever names a digest gets its bytes; a tag is for manifests.
#[test]
fn what_is_no_json_object_goes_out_by_digest_only() -> anyhow::Result<()> {
    for text in ["<html>", "\u{feff}{}", "[]", "", "{"] {
        let image = Image::bare(Form::Other, text.into());
        let everything = || Capabilities::of(&Form::ALL).with_any();
        let outcome = by_digest(&image, everything());
        let is_same = matches!(&outcome, Outcome::Answered(answered) if answered.form == Form::Other
            && answered.body == image.manifest.bytes);
        ensure!(is_same, "{text}: {outcome:?}");
        let outcome = by_tag(&image, everything());
        ensure!(matches!(outcome, Outcome::Refused { .. }), "{text}: {outcome:?}");
    }
    Ok(())
}

#[test]
fn what_can_be_read_in_two_ways_goes_to_nobody() -> anyhow::Result<()> {
    let (oci, list) = (Form::Oci.media_type(), Form::List.media_type());
    let digest = Digest::of(b"");
    let twice = format!(r#"{{"digest":"{digest}","digest":"{digest}","size":1}}"#);
    for text in [
        format!(r#"{{"mediaType":"{ARTIFACT}","mediaType":"{oci}"}}"#),
        format!(r#"{{"mediaType":"{ARTIFACT}","MediaType":"{oci}"}}"#),
        format!(r#"{{"schemaVersion":7,"schemaVersion":2,"mediaType":"{ARTIFACT}"}}"#),
        format!(r#"{{"mediaType":"{oci}","layers":[],"manifests":[]}}"#),
        format!(r#"{{"schemaVersion":3,"mediaType":"{list}","layers":[],"manifests":[]}}"#),
        r#"{"layers":[],"manifests":[]}"#.to_string(),
        r#"{"schemaVersion":2,"mediaType":"","config":{},"layers":[],"manifests":[]}"#.to_string(),
        format!(r#"{{"schemaVersion":2,"mediaType":"{ARTIFACT}","layers":[],"manifests":[]}}"#),
        format!(r#"{{"schemaVersion":2,"mediaType":"{ARTIFACT}","layers":[{twice}]}}"#),
        format!(r#"{{"schemaVersion":2,"mediaType":"{oci}","config":{{"size":-1}},"layers":[{twice}]}}"#),
        format!(r#"{{"schemaVersion":2,"config":{{"size":-1}},"layers":[{{"Digest":"{digest}"}}]}}"#),
        r#"{"schemaVersion":2,"manifests":[{"size":-1},{"platform":{"os":"a","os":"b"}}]}"#.to_string(),
        r#"{"schemaVersion":1,"signatures":[]}"#.to_string(),
        format!(r#"{{"schemaVersion":2,"mediaType":"{}"}}"#, Form::Schema1.media_type()),
    ] {
        let image = Image::bare(Form::Other, text.clone().into());
        let everything = || Capabilities::of(&Form::ALL).with_type(ARTIFACT, 1000).with_any();
        for outcome in [by_tag(&image, everything()), by_digest(&image, everything())] {
            ensure!(matches!(outcome, Outcome::Refused { .. }), "{text}: {outcome:?}");
        }
    }
    Ok(())
}

/// Of a list, a platform's manifest goes out although it cannot be converted, and the list is converted with those that
/// need not be.
#[test]
fn what_cannot_be_converted_is_picked_and_listed() -> anyhow::Result<()> {
    let blake3 = format!(r#"{{"digest":"blake3:{}","size":1}}"#, Digest::of(b"").hex());
    let text = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","config":{blake3},"layers":[]}}"#,
        Form::Schema2.media_type()
    );
    let child = Image::bare(Form::Schema2, text.into_bytes());
    let index = Image::index(Family::Oci, vec![(Platform::linux_amd64(), child.clone())]);
    let picked = answered(&index, Capabilities::of(&[Form::Schema2]))?;
    ensure!(picked.body == child.manifest.bytes, "{picked:?}");
    let list = answered(&index, Capabilities::of(&[Form::List]))?;
    ensure!(String::from_utf8(list.body)?.contains(child.manifest.digest().as_str()), "it is left out");
    refused(&index, Capabilities::default(), "unsupported-digest")
}

#[test]
fn a_type_is_passed_on_if_it_is_one_of_json() -> anyhow::Result<()> {
    let own = |media_type: &str| -> anyhow::Result<Option<String>> {
        let bytes = format!(r#"{{"mediaType":"{media_type}"}}"#).into_bytes();
        let digest = Digest::of(&bytes);
        let root =
            Root::Digest { name: REPOSITORY.to_string(), digest: digest.clone(), tag: None, record: None };
        let request = schema1_request(REPOSITORY, "latest", digest.clone(), Policy::Strict);
        let documents = [(&digest, Some(bytes.as_slice()))].into_iter().collect();
        match downshift::answer(&Request { root, ..request }, &documents) {
            Step::Done(draft) => Ok(draft.finish().media_type),
            step => bail!("there is no answer: {step:?}"),
        }
    };
    for media_type in [ARTIFACT, "application/json", "Application/X+JSON"] {
        ensure!(own(media_type)?.as_deref() == Some(media_type), "{media_type}");
    }
    let long = format!("application/{}+json", "x".repeat(255));
    for media_type in
        ["text/html", "image/svg+xml", "application/a\\r\\nb+json", "application/x;y=json", "", &long]
    {
        ensure!(own(media_type)?.is_none(), "{media_type}");
    }
    Ok(())
}

/// The digest decides what a document is, and a converted manifest says how large it is.
#[test]
fn sizes_that_are_wrong_are_told_and_mended() -> anyhow::Result<()> {
    let warnings = |answer: &Answered| answer.report["warnings"].clone();
    let image = sample::with_wrong_sizes(sample::schema2());
    let answer = answered(&image, Capabilities::default())?;
    ensure!(warnings(&answer) == json!([{"code": "size", "path": "config.size"}]), "{}", answer.report);

    let untold = sample::with_config_type(Family::Docker, "application/octet-stream");
    let answer = answered(&sample::with_wrong_sizes(untold.clone()), Capabilities::of(&[Form::Oci]))?;
    ensure!(warnings(&answer) == json!([{"code": "size", "path": "config.size"}]), "{}", answer.report);
    let Document::Manifest(made) = Document::parse(&answer.body, &Limits::default())? else {
        bail!("it is another form")
    };
    ensure!(made.config.size == untold.configs.concat().len() as u64, "{made:?}");

    let index = sample::index();
    let wrong = sample::with_wrong_sizes(index.clone());
    let paths: Vec<Value> = index
        .children
        .iter()
        .map(|child| json!({"code": "size", "path": format!("manifests[{}].size", child.digest())}))
        .collect();
    // With children that are converted, and with some that need not be.
    for (wrong, form) in
        [(wrong.clone(), Form::List), (sample::with_wrong_sizes(sample::list_of_oci()), Form::Index)]
    {
        let answer = answered(&wrong, Capabilities::of(&[form]))?;
        let Document::Index(made) = Document::parse(&answer.body, &Limits::default())? else {
            bail!("it is another form")
        };
        let stored = wrong.children.iter().map(|child| (child.digest(), child.bytes.len()));
        let recorded = answer.records.iter().map(|record| (record.digest.clone(), record.payload.len()));
        let sizes: std::collections::BTreeMap<_, _> = stored.chain(recorded).collect();
        for entry in &made.entries {
            ensure!(sizes.get(&entry.digest).is_some_and(|&size| size as u64 == entry.size), "{entry:?}");
        }
        ensure!(warnings(&answer) == Value::from(paths.clone()), "{}", answer.report);
    }
    let picked = answered(&wrong, Capabilities::of(&[Form::Oci]))?;
    ensure!(picked.source.is_none() && warnings(&picked) == json!([paths[1]]), "{}", picked.report);
    let schema1 = answered(&wrong, Capabilities::default())?;
    ensure!(warnings(&schema1) == json!([paths[1]]), "{}", schema1.report);
    Ok(())
}

/// Docker 1.9 says "cannot create container with more than 127 parents", two of which are the container's.
#[test]
fn schema_1_of_more_layers_than_engines_run_is_warned_of() -> anyhow::Result<()> {
    // There are two history entries without a layer beside these.
    for (layers, expected) in [(122, json!([])), (123, json!([{"code": "depth", "path": "history"}]))] {
        let answer = answered(&built::layers(layers, 0), Capabilities::default())?;
        ensure!(answer.report["warnings"] == expected, "{layers}: {}", answer.report["warnings"]);
        let oci = answered(&built::layers(layers, 0), Capabilities::of(&[Form::Oci]))?;
        ensure!(oci.report["warnings"] == json!([]), "{layers}: {}", oci.report["warnings"]);
    }
    Ok(())
}

/// BuildKit's attestations are for no platform (`unknown/unknown`), and nobody can ask for one.
#[test]
fn platforms_that_are_missing_are_told_without_attestations() -> anyhow::Result<()> {
    let unknown = Platform::new("unknown", "unknown");
    let platforms = [Platform::linux_amd64(), unknown.clone(), unknown];
    let mut index = Image::index(Family::Oci, platforms.map(|platform| (platform, sample::oci())).into());
    let text = String::from_utf8(index.manifest.bytes)?;
    // One with BuildKit's annotation, and one without, as other tools copy them.
    let (place, _) = text.match_indices("\"platform\"").nth(1).context("there is no second entry")?;
    let annotation = r#""annotations":{"vnd.docker.reference.type":"attestation-manifest"},"#;
    index.manifest.bytes = [&text[..place], annotation, &text[place..]].concat().into_bytes();
    let client = Capabilities::of(&[Form::Schema2]).with_platform(Platform::new("linux", "s390x"));
    for form in [Form::Schema2, Form::List] {
        let outcome = by_tag(&index, client.clone().with_form(form, 1000));
        let Outcome::Refused { failure, .. } = outcome else { bail!("it is not refused: {outcome:?}") };
        ensure!(
            failure.code == "platform-missing" && failure.cause.contains("only for `linux/amd64`"),
            "{failure}"
        );
    }
    Ok(())
}

/// The schema 2 image with three entries of history, and a config that has been changed as text.
fn with_config(edit: impl Fn(String) -> String) -> anyhow::Result<Image> {
    let entry = || json!({"created_by": "x"});
    let Image { configs, layers, .. } = sample::with_history(json!([entry(), entry(), entry()]));
    let config = edit(String::from_utf8(configs.concat())?);
    Ok(Image::single(Family::Docker, config.into_bytes(), layers))
}

/// Each refusal that has a permission is lifted by that, and by no other one; what comes is what Distribution makes.
#[test]
fn a_permission_lifts_its_own_refusal() -> anyhow::Result<()> {
    let typed = |media_type: &'static str| sample::with_layers(Family::Docker, media_type);
    let with_member = |member: &str| with_config(|text| text.replacen('{', &format!("{{{member},"), 1));
    let sha512 = {
        let image = sample::schema2();
        let digest = Digest::of(&image.layers.concat()).to_string().replacen("sha256:", "sha512:", 1);
        let own = Digest::of(image.layers.first().context("there are no layers")?).to_string();
        let other = format!("{digest}{}", digest.trim_start_matches("sha512:"));
        let text = String::from_utf8(image.manifest.bytes)?.replacen(&own, &other, 1);
        Image { manifest: Manifest { bytes: text.into_bytes(), ..image.manifest }, ..image }
    };
    let images = [
        (Permission::Artifact, sample::with_config_type(Family::Docker, "application/vnd.example+json")),
        (
            Permission::BaseLayer,
            with_config(|text| text.replacen("\"rootfs\":{", "\"rootfs\":{\"base_layer\":\"x\",", 1))?,
        ),
        (Permission::DigestAlgorithm, sha512),
        (Permission::DuplicateKey, with_member("\"architecture\":\"amd64\"")?),
        (Permission::ForeignLayer, typed("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")),
        (Permission::ReservedKey, with_member("\"throwaway\":true")?),
        (Permission::ShadowedKey, with_config(|text| text.replacen("\"os\"", "\"OS\"", 1))?),
        (Permission::UnreadableConfig, with_member("\"comment\":7")?),
        (Permission::ZstdLayer, typed("application/vnd.docker.image.rootfs.diff.tar.zstd")),
    ];
    for (permission, image) in images {
        let request = |policy, allow: &[Permission]| Request {
            policy,
            allow: allow.iter().copied().collect(),
            plain_layers: PlainLayers::Never,
            ..schema1_request(REPOSITORY, "latest", image.manifest.digest(), Policy::Strict)
        };
        let answer = |request: &Request| Native.answer(request, &image.documents());
        let others: Vec<Permission> =
            Permission::ALL.into_iter().filter(|other| *other != permission).collect();
        let code = permission.code();
        let Outcome::Refused { failure, .. } = answer(&request(Policy::Strict, &others)) else {
            bail!("`{code}` is not refused")
        };
        ensure!(failure.code == code && failure.remedy.contains(&format!("allow `{code}`")), "{failure:?}");
        let Outcome::Answered(allowed) = answer(&request(Policy::Strict, &[permission])) else {
            bail!("`{code}` is not allowed")
        };
        let Outcome::Answered(reference) = answer(&request(Policy::Reference, &[])) else {
            bail!("the reference refuses `{code}`")
        };
        ensure!(allowed.digest == reference.digest, "`{code}` gives something else");
    }
    // One that the first layer of all unknown ones would make an artifact.
    let mut image = typed("application/x");
    let text = String::from_utf8(image.manifest.bytes)?;
    image.manifest.bytes = text.replacen("application/x", Family::Docker.layer(), 1).into_bytes();
    let request = schema1_request(REPOSITORY, "latest", image.manifest.digest(), Policy::Strict);
    let allow = [Permission::UnknownLayerType].into_iter().collect();
    refused(&image, Capabilities::default(), "unknown-layer-type")?;
    let outcome = Native.answer(&Request { allow, ..request }, &image.documents());
    ensure!(matches!(outcome, Outcome::Answered(_)), "{outcome:?}");
    Ok(())
}
