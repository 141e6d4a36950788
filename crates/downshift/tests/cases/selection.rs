//! Which manifest of a list or index is for whom.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use downshift::answer::{Documents, LayerReading, MAX_ROUNDS, Needs, Request, Root, Step, answer};
use downshift::{
    Capabilities, Digest, Form, Limits, Permission, PlainLayers, Platform, Policy, SignatureReading,
    ZstdSupport,
};
use downshift_cases::images::{Family, Image, Manifest, REPOSITORY, sample};
use downshift_cases::implementation::{Answered, Implementation, Native, Outcome, schema1_request};
use downshift_cases::layers::reading;
use downshift_cases::signed::signed;
use downshift_sign::read_signatures;
use serde_json::{Value, json};

fn platform(text: &str) -> Platform {
    text.parse().expect("the test has platforms")
}

/// A request for the image's tag.
fn by_tag(image: &Image, client: Capabilities) -> Request {
    let request = schema1_request(REPOSITORY, "latest", image.manifest.digest(), Policy::Strict);
    Request { client, ..request }
}

/// The same where nobody gets plain layers.
fn without_plain(request: Request) -> Request {
    Request { plain_layers: PlainLayers::Never, ..request }
}

fn by_digest(digest: &Digest, client: Capabilities) -> Request {
    let root = Root::Digest { name: REPOSITORY.to_owned(), digest: digest.clone(), tag: None, record: None };
    Request {
        root,
        ..Request { client, ..schema1_request(REPOSITORY, "latest", digest.clone(), Policy::Strict) }
    }
}

fn answered(request: &Request, documents: &BTreeMap<Digest, Vec<u8>>) -> anyhow::Result<Answered> {
    match Native.answer(request, documents) {
        Outcome::Answered(answered) => Ok(answered),
        outcome => bail!("there is no answer: {outcome:?}"),
    }
}

/// The code and the cause of a refusal.
fn refused(request: &Request, documents: &BTreeMap<Digest, Vec<u8>>) -> anyhow::Result<(String, String)> {
    match Native.answer(request, documents) {
        Outcome::Refused { failure, .. } => Ok((failure.code.into_owned(), failure.cause)),
        outcome => bail!("it is not refused: {outcome:?}"),
    }
}

/// The documents that are fetched for a request, in their order, and how often the core was asked.
fn fetched(request: &Request, documents: &BTreeMap<Digest, Vec<u8>>) -> (Vec<Digest>, usize) {
    let mut at_hand: Vec<(Digest, Option<Vec<u8>>)> = Vec::new();
    let mut layers: BTreeMap<Digest, LayerReading> = BTreeMap::new();
    let mut signatures: BTreeMap<Digest, SignatureReading> = BTreeMap::new();
    for round in 1..=MAX_ROUNDS {
        let known: Documents<'_> = at_hand.iter().map(|(digest, bytes)| (digest, bytes.as_deref())).collect();
        let Step::Need(Needs { documents: needs, layers: unread, signatures: unverified }) =
            answer(request, &known.with_layers(&layers).with_signatures(&signatures))
        else {
            return (at_hand.into_iter().map(|(digest, _)| digest).collect(), round);
        };
        let read = unread.into_iter().map(|need| (need.digest.clone(), reading(documents, &need.digest)));
        layers.extend(read.collect::<Vec<_>>());
        for digest in unverified {
            let reading = read_signatures(&documents[&digest], &request.limits);
            signatures.insert(digest, reading);
        }
        assert!(needs.len() <= request.limits.converted_children.max(1), "it needs {} at once", needs.len());
        at_hand.extend(needs.into_iter().map(|need| {
            let bytes = documents.get(&need.digest).cloned();
            (need.digest, bytes)
        }));
    }
    panic!("there is no answer after {MAX_ROUNDS} rounds")
}

fn schema2() -> Capabilities {
    Capabilities::of(&[Form::Schema2])
}

/// Docker 1.13, as its requests are read.
fn docker_1_13(on: &str) -> Capabilities {
    let client = Capabilities::of(&[Form::Schema1, Form::Schema2, Form::List]).with_platform(platform(on));
    [Form::Oci, Form::Index]
        .into_iter()
        .fold(client, Capabilities::with_unreadable)
        .with_zstd(ZstdSupport::None)
}

/// Docker 20.10.
fn docker_20_10(on: &str) -> Capabilities {
    let forms = [Form::Schema1, Form::Schema2, Form::List, Form::Oci, Form::Index];
    Capabilities::of(&forms).with_platform(platform(on)).with_zstd(ZstdSupport::None)
}

/// An entry of a list or index.
fn entry(image: &Image, on: Option<&str>) -> Value {
    let Manifest { form, bytes } = &image.manifest;
    let mut entry =
        json!({ "mediaType": form.media_type(), "digest": image.manifest.digest(), "size": bytes.len() });
    if let Some(on) = on {
        entry["platform"] = json!(platform(on));
    }
    entry
}

/// A list or index of images, each for a platform or none.
fn listing(form: Form, images: &[(&Image, Option<&str>)]) -> Image {
    let entries: Vec<Value> = images.iter().map(|(image, on)| entry(image, *on)).collect();
    with_entries(form, &entries, images.iter().map(|(image, _)| *image))
}

fn with_entries<'i>(form: Form, entries: &[Value], images: impl Iterator<Item = &'i Image>) -> Image {
    let manifest = json!({ "schemaVersion": 2, "mediaType": form.media_type(), "manifests": entries });
    let mut listing = Image::bare(form, manifest.to_string().into_bytes());
    for image in images {
        listing.children.extend(image.children.iter().cloned());
        listing.children.push(image.manifest.clone());
        listing.configs.extend(image.configs.iter().cloned());
        listing.layers.extend(image.layers.iter().cloned());
    }
    listing
}

/// An image that has no other's digest.
fn image(family: Family, name: &str) -> Image {
    let config = json!({
        "architecture": "amd64", "os": "linux", "author": name, "history": [{"created_by": name}],
        "rootfs": {"type": "layers", "diff_ids": [Digest::of(name.as_bytes())]},
    });
    Image::single(family, config.to_string().into_bytes(), vec![name.as_bytes().to_vec()])
}

/// An image in as many indexes, each in the next; the outermost says a platform.
fn nested(image: &Image, depth: usize, on: Option<&str>) -> Image {
    (0..depth).fold(image.clone(), |inner, level| {
        listing(Form::Index, &[(&inner, on.filter(|_| level + 1 == depth))])
    })
}

/// A list for these platforms, with spaces between them, and the digest of its image for one of them.
fn list_with(platforms: &str, one: &str) -> anyhow::Result<(Image, Digest)> {
    let images: Vec<_> = platforms.split(' ').map(|name| (image(Family::Docker, name), name)).collect();
    let entries: Vec<_> = images.iter().map(|(image, name)| (image, Some(*name))).collect();
    let (picked, _) = images.iter().find(|(_, name)| *name == one).context("it is not among them")?;
    Ok((listing(Form::List, &entries), picked.manifest.digest()))
}

/// The architectures in a list, in the order of its entries.
fn architectures(list: &Value) -> Vec<&Value> {
    let entries = list["manifests"].as_array().into_iter().flatten();
    entries.map(|entry| &entry["platform"]["architecture"]).collect()
}

#[test]
fn each_gets_what_runs_there() -> anyhow::Result<()> {
    for (asked, entries, expected) in [
        ("linux/arm", "linux/arm/v7 linux/arm/v5", "linux/arm/v5"),
        ("linux/arm", "linux/arm/v5 linux/arm/v7", "linux/arm/v5"),
        ("linux/arm", "linux/arm/v8 linux/arm/v7 linux/arm/v6", "linux/arm/v6"),
        ("linux/arm", "linux/arm/v7 linux/arm", "linux/arm"),
        ("linux/arm", "linux/arm linux/arm/v6", "linux/arm/v6"),
        ("linux/arm", "linux/arm64 linux/arm/v7", "linux/arm/v7"),
        ("linux/arm/v7", "linux/arm/v5 linux/arm/v6", "linux/arm/v6"),
        ("linux/arm/v7", "linux/arm/v6 linux/arm", "linux/arm"),
        ("linux/arm64", "linux/arm64/v9 linux/arm64/v8", "linux/arm64/v8"),
        ("linux/arm64/v8", "linux/arm64", "linux/arm64"),
        ("linux/arm64", "linux/aarch64", "linux/aarch64"),
        ("linux/aarch64", "linux/arm64/v8", "linux/arm64/v8"),
        ("linux/amd64", "linux/amd64/v3 linux/amd64/v2 linux/amd64", "linux/amd64"),
        ("linux/amd64", "linux/amd64/v3 linux/amd64/v2", "linux/amd64/v2"),
        ("linux/amd64", "linux/x86_64", "linux/x86_64"),
        ("linux/amd64/v2", "linux/amd64/v3 linux/amd64/v1 linux/amd64/v2", "linux/amd64/v2"),
        ("linux/amd64/v1", "linux/amd64/v2 linux/amd64", "linux/amd64"),
    ] {
        let (list, picked) = list_with(entries, expected)?;
        let says = by_tag(&list, schema2().with_platform(platform(asked)));
        let default = Request { default_platform: platform(asked), ..by_tag(&list, schema2()) };
        for request in [says, default] {
            let answer =
                answered(&request, &list.documents()).with_context(|| format!("{asked} of {entries}"))?;
            ensure!(answer.digest == picked, "{asked} of {entries}: {}", answer.report);
        }
    }
    Ok(())
}

#[test]
fn what_does_not_run_there_is_not_given() -> anyhow::Result<()> {
    for (asked, entry) in [
        ("linux/arm/v6", "linux/arm/v7"),
        ("linux/arm/v6", "linux/arm"),
        ("linux/arm64/v8", "linux/arm64/v9"),
        ("linux/amd64/v1", "linux/amd64/v2"),
        ("linux/386", "linux/amd64"),
        ("linux/arm/v8", "linux/arm64"),
        ("windows/amd64", "linux/amd64"),
    ] {
        let list = listing(Form::List, &[(&image(Family::Docker, entry), Some(entry))]);
        let (code, cause) =
            refused(&by_tag(&list, schema2().with_platform(platform(asked))), &list.documents())?;
        ensure!(code == "platform-missing" && cause.contains(&format!("`{entry}`")), "{asked}: {cause}");
    }
    Ok(())
}

/// As containerd does, an engine takes what its machine runs as well, before nothing at all.
#[test]
fn an_older_architecture_is_the_last_choice() -> anyhow::Result<()> {
    for (asked, entries, expected) in [
        ("linux/amd64", "linux/arm64 linux/386", "linux/386"),
        ("linux/amd64/v2", "linux/386 linux/s390x", "linux/386"),
        ("linux/amd64", "linux/386 linux/amd64", "linux/amd64"),
        ("linux/arm64", "linux/arm/v6 linux/amd64 linux/arm/v7", "linux/arm/v7"),
        ("linux/arm64", "linux/arm/v7 linux/arm64/v8", "linux/arm64/v8"),
    ] {
        let (list, picked) = list_with(entries, expected)?;
        let client = schema2().with_platform(platform(asked));
        let answer = answered(&by_tag(&list, client), &list.documents())?;
        ensure!(answer.digest == picked, "{asked} of {entries}: {}", answer.report);
    }
    // In a list Docker 1.13 finds its own architecture only.
    let only = |family, name| listing(Form::Index, &[(&image(family, name), Some(name))]);
    let client = || docker_1_13("linux/amd64");
    let index = only(Family::Oci, "linux/386");
    let answer = answered(&by_tag(&index, client()), &index.documents())?;
    ensure!(answer.form == Form::Schema2, "it is no image: {}", answer.report);
    let index = only(Family::Oci, "linux/amd64");
    ensure!(answered(&by_tag(&index, client()), &index.documents())?.form == Form::List, "it is no list");
    Ok(())
}

#[test]
fn an_operator_says_the_variant_that_an_engine_does_not() -> anyhow::Result<()> {
    let [v7, v6] = ["v7", "v6"].map(|name| image(Family::Docker, name));
    let list = listing(Form::List, &[(&v7, Some("linux/arm/v7")), (&v6, Some("linux/arm/v6"))]);
    for (own, default, expected) in [
        ("linux/arm", "linux/arm/v7", &v7),
        ("linux/arm", "linux/arm/v6", &v6),
        ("linux/arm", "linux/amd64/v2", &v6),
        ("linux/arm/v6", "linux/arm/v7", &v6),
    ] {
        let client = schema2().with_platform(platform(own));
        let request = Request { default_platform: platform(default), ..by_tag(&list, client) };
        let answer = answered(&request, &list.documents())?;
        ensure!(answer.digest == expected.manifest.digest(), "{own} {default}: {}", answer.report);
    }
    // It has to be in a converted list, too.
    let index = listing(Form::Index, &[(&image(Family::Oci, "v7"), Some("linux/arm/v7"))]);
    let request = by_tag(&index, docker_1_13("linux/arm"));
    ensure!(answered(&request, &index.documents())?.form == Form::List, "it is no list");
    let request = Request { default_platform: platform("linux/arm/v6"), ..request };
    ensure!(refused(&request, &index.documents())?.0 == "platform-missing", "it has v7 only");
    Ok(())
}

/// Docker 1.10 to 18.05 take the first entry of a list that is for their architecture.
#[test]
fn an_engine_that_looks_at_no_variant_gets_what_runs_everywhere() -> anyhow::Result<()> {
    let names =
        ["linux/arm/v7", "windows/amd64", "linux/amd64/v3", "linux/arm/v6", "linux/amd64", "linux/arm/v5"];
    let list_of = |family, form| {
        let images = names.map(|name| image(family, name));
        let entries: Vec<_> = images.iter().zip(names.iter().map(|name| Some(*name))).collect();
        (listing(form, &entries), images)
    };
    let (list, images) = list_of(Family::Docker, Form::List);
    for (on, expected) in [("linux/arm", 5), ("linux/arm/v6", 3), ("linux/amd64", 4)] {
        let answer = answered(&by_tag(&list, docker_1_13(on)), &list.documents())?;
        ensure!(answer.digest == images[expected].manifest.digest(), "{on}: {}", answer.report);
        // Later ones look at it.
        let answer = answered(&by_tag(&list, docker_20_10(on)), &list.documents())?;
        ensure!(answer.digest == list.manifest.digest(), "{on}: {}", answer.report);
    }
    for on in ["windows/amd64", "linux/s390x"] {
        let answer = answered(&by_tag(&list, docker_1_13(on)), &list.documents())?;
        ensure!(answer.digest == list.manifest.digest(), "{on}: {}", answer.report);
    }
    let (index, _) = list_of(Family::Oci, Form::Index);
    let answer = answered(&by_tag(&index, docker_1_13("linux/arm")), &index.documents())?;
    let made: Value = serde_json::from_slice(&answer.body)?;
    let made = made["manifests"].as_array().context("it lists nothing")?.iter();
    let parts = ["os", "architecture", "variant"];
    let order: Vec<String> = made
        .map(|entry| {
            parts.iter().filter_map(|part| entry["platform"][part].as_str()).collect::<Vec<_>>().join("/")
        })
        .collect();
    let expected =
        ["linux/arm/v5", "windows/amd64", "linux/amd64", "linux/arm/v6", "linux/amd64/v3", "linux/arm/v7"];
    ensure!(order == expected, "{order:?}");
    // An architecture has several names, of which some say the variant.
    let [v8, v6, v5] = ["v8", "v6", "v5"].map(|name| image(Family::Oci, name));
    let index = listing(
        Form::Index,
        &[(&v8, Some("linux/arm/v8")), (&v6, Some("linux/armel")), (&v5, Some("linux/arm/v5"))],
    );
    let answer = answered(&by_tag(&index, docker_1_13("linux/arm")), &index.documents())?;
    let sources: Vec<&Digest> = answer.records.iter().skip(1).map(|record| &record.source).collect();
    let expected = [&v5, &v6, &v8].map(|image| image.manifest.digest());
    ensure!(sources == expected.iter().collect::<Vec<_>>(), "{sources:?}");
    Ok(())
}

#[test]
fn an_entry_without_a_platform_counts_alone_or_by_its_config() -> anyhow::Result<()> {
    let on_arm64 = Capabilities::default().with_platform(platform("linux/arm64"));
    // Alone it counts whatever its config says, for nobody else can be meant.
    let alone = listing(Form::Index, &[(&image(Family::Oci, "alone"), None)]);
    for client in [Capabilities::default(), on_arm64.clone()] {
        ensure!(answered(&by_tag(&alone, client), &alone.documents())?.form == Form::Schema1, "it does not");
    }
    // An attestation, with or without its annotation, is not another.
    let (only, other) = (image(Family::Oci, "only"), image(Family::Oci, "other"));
    let mut attestation = entry(&other, Some("linux/amd64"));
    attestation["annotations"] = json!({ "vnd.docker.reference.type": "attestation-manifest" });
    for second in [attestation, entry(&other, Some("unknown/unknown"))] {
        let index = with_entries(Form::Index, &[entry(&only, None), second], [&only, &other].into_iter());
        let answer = answered(&by_tag(&index, on_arm64.clone()), &index.documents())?;
        ensure!(answer.source == Some(only.manifest.digest()), "{}", answer.report);
    }
    // Among others its config decides, but not before those that say so themselves.
    let no_platforms = sample::no_platforms();
    let answer = answered(&by_tag(&no_platforms, on_arm64.clone()), &no_platforms.documents())?;
    ensure!(answer.report["platform"]["architecture"] == "arm64", "{}", answer.report);
    let says = image(Family::Oci, "says");
    let index = listing(Form::Index, &[(&only, None), (&says, Some("linux/amd64"))]);
    let request = by_tag(&index, Capabilities::default());
    let answer = answered(&request, &index.documents())?;
    ensure!(answer.source == Some(says.manifest.digest()), "{}", answer.report);
    ensure!(!fetched(&request, &index.documents()).0.contains(&only.manifest.digest()), "it is looked at");
    let (code, cause) = refused(&by_tag(&index, on_arm64), &index.documents())?;
    ensure!(code == "platform-missing" && cause.contains("`linux/amd64`"), "{cause}");
    // What is listed must say its platform.
    let answer = answered(&by_tag(&no_platforms, docker_1_13("linux/arm64")), &no_platforms.documents())?;
    let list: Value = serde_json::from_slice(&answer.body)?;
    ensure!(architectures(&list) == ["arm64", "amd64"], "{list}");
    Ok(())
}

#[test]
fn lists_in_lists_are_opened_three_deep() -> anyhow::Result<()> {
    let image = image(Family::Oci, "deep");
    // The outermost is not in another.
    for depth in 1..=5 {
        for on in [None, Some("linux/amd64")] {
            let index = nested(&image, depth, on);
            for client in
                [Capabilities::default(), Capabilities::of(&[Form::Oci]), docker_1_13("linux/amd64")]
            {
                let request = by_tag(&index, client);
                if depth <= 4 {
                    let answer = answered(&request, &index.documents())
                        .with_context(|| format!("{depth} {on:?}: {:?}", request.client))?;
                    ensure!(answer.form != Form::Index, "{answer:?}");
                    continue;
                }
                let (code, _) = refused(&request, &index.documents())?;
                ensure!(code == "nested-index", "{depth} {on:?}: {code}");
            }
        }
    }
    Ok(())
}

#[test]
fn an_inner_entry_has_the_outer_platform_unless_it_says_its_own() -> anyhow::Result<()> {
    let [silent, own] = ["silent", "own"].map(|name| image(Family::Oci, name));
    let inner = listing(Form::Index, &[(&silent, None), (&own, Some("linux/s390x"))]);
    let other = listing(Form::Index, &[(&image(Family::Oci, "other"), None)]);
    let index = listing(Form::Index, &[(&other, Some("linux/amd64")), (&inner, Some("linux/arm64"))]);
    let on = |text| by_tag(&index, Capabilities::default().with_platform(platform(text)));
    let got = answered(&on("linux/arm64"), &index.documents())?;
    ensure!(got.source == Some(silent.manifest.digest()), "{}", got.report);
    // What cannot have the platform is not fetched.
    let (documents, _) = fetched(&on("linux/arm64"), &index.documents());
    ensure!(!documents.contains(&other.manifest.digest()), "the other index is fetched");
    // A list has all of them, in the order in which they stand.
    let got = answered(&by_tag(&index, docker_1_13("linux/s390x")), &index.documents())?;
    let list: Value = serde_json::from_slice(&got.body)?;
    ensure!(architectures(&list) == ["amd64", "arm64", "s390x"], "{list}");
    // An index that is missing is as good as any other entry that is.
    let mut documents = index.documents();
    let missing = inner.manifest.digest();
    documents.remove(&missing);
    let known: Documents<'_> = documents
        .iter()
        .map(|(digest, bytes)| (digest, Some(bytes.as_slice())))
        .chain([(&missing, None)])
        .collect();
    let Step::Done(draft) = answer(&by_tag(&index, docker_1_13("linux/amd64")), &known) else {
        bail!("there is no answer")
    };
    let left_out = draft.finish().report.left_out;
    ensure!(left_out.iter().any(|one| one.code == "missing-document"), "{left_out:?}");
    Ok(())
}

#[test]
fn a_list_that_its_client_cannot_read_through_is_converted() -> anyhow::Result<()> {
    let list = sample::list_of_oci();
    for on in ["linux/amd64", "linux/arm64"] {
        let answer = answered(&by_tag(&list, docker_1_13(on)), &list.documents())?;
        ensure!(answer.form == Form::List && answer.source == Some(list.manifest.digest()), "{answer:?}");
        let made: Value = serde_json::from_slice(&answer.body)?;
        for entry in made["manifests"].as_array().context("it lists nothing")? {
            ensure!(entry["mediaType"] == Form::Schema2.media_type(), "{made}");
            ensure!(answer.records.iter().any(|record| entry["digest"] == *record.digest.as_str()), "{made}");
        }
        // Whoever reads them gets it as it is.
        ensure!(
            answered(&by_tag(&list, docker_20_10(on)), &list.documents())?.source.is_none(),
            "it is converted"
        );
    }
    // An entry may say schema 2 of a manifest that does not say its own type, and is OCI then.
    let untyped = sample::untyped(sample::oci());
    let mut says_schema2 = entry(&untyped, Some("linux/amd64"));
    says_schema2["mediaType"] = Form::Schema2.media_type().into();
    let list = with_entries(Form::List, &[says_schema2], [&untyped].into_iter());
    let answer = answered(&by_tag(&list, docker_1_13("linux/amd64")), &list.documents())?;
    ensure!(answer.form == Form::List && answer.records.len() == 2, "{answer:?}");
    ensure!(
        answered(&by_tag(&list, docker_20_10("linux/amd64")), &list.documents())?.source.is_none(),
        "it is made"
    );
    // A list in a list is opened for nobody else.
    let nested = listing(Form::List, &[(&sample::list(), None)]);
    let request = by_digest(&nested.manifest.digest(), docker_1_13("linux/amd64"));
    let (code, cause) = refused(&request, &nested.documents())?;
    ensure!(code == "unreadable-digest" && cause.contains("lists manifests in the form `list`"), "{cause}");
    ensure!(
        answered(&by_tag(&nested, docker_1_13("linux/amd64")), &nested.documents())?.source.is_some(),
        "it is not"
    );
    ensure!(
        answered(&by_tag(&nested, docker_20_10("linux/amd64")), &nested.documents())?.source.is_none(),
        "it is"
    );
    Ok(())
}

#[test]
fn docker_1_13_asking_by_a_digest_that_it_cannot_read_is_told_another() -> anyhow::Result<()> {
    for (image, form) in [
        (sample::oci(), Form::Schema2),
        (sample::index(), Form::List),
        (sample::list_of_oci(), Form::List),
        (sample::nested_index(), Form::List),
    ] {
        let client = docker_1_13("linux/amd64");
        let (code, cause) =
            refused(&by_digest(&image.manifest.digest(), client.clone()), &image.documents())?;
        ensure!(code == "unreadable-digest", "{cause}");
        let by_tag = answered(&by_tag(&image, client), &image.documents())?;
        ensure!(by_tag.form == form && cause.contains(by_tag.digest.as_str()), "{cause}");
        let lists = image.manifest.form == Form::List;
        ensure!(cause.contains("lists manifests in the form `oci`") == lists, "{cause}");
    }
    for image in [sample::schema2(), sample::list()] {
        let answer =
            answered(&by_digest(&image.manifest.digest(), docker_1_13("linux/amd64")), &image.documents())?;
        ensure!(answer.body == image.manifest.bytes, "it is not as it is stored");
    }
    Ok(())
}

/// Of a list for many an engine opens one entry.
#[test]
fn docker_1_13_is_told_another_digest_only_if_its_own_entry_is_unreadable() -> anyhow::Result<()> {
    let [schema2, oci] = [sample::schema2(), sample::oci()];
    let list = listing(Form::List, &[(&schema2, Some("linux/amd64")), (&oci, Some("linux/riscv64"))]);
    let digest = list.manifest.digest();
    for request in [
        by_digest(&digest, docker_1_13("linux/amd64")),
        by_tag(&list, docker_1_13("linux/amd64")),
        Request {
            allow: [Permission::ZstdLayer].into_iter().collect(),
            ..by_tag(&list, docker_1_13("linux/amd64"))
        },
    ] {
        let answer = answered(&request, &list.documents())?;
        ensure!(answer.digest == digest && answer.source.is_none(), "{}", answer.report);
        // It is not the answer for others.
        ensure!(answer.by_platform, "{}", answer.report);
        ensure!(answer.report["platform"]["architecture"] == "amd64", "{}", answer.report);
    }
    let whose = [docker_1_13("linux/riscv64"), docker_1_13("linux/amd64").without_platform()];
    for client in whose {
        let (code, _) = refused(&by_digest(&digest, client.clone()), &list.documents())?;
        ensure!(code == "unreadable-digest", "{code}");
        let answer = answered(&by_tag(&list, client), &list.documents())?;
        ensure!(answer.form == Form::List && answer.source == Some(digest.clone()), "{}", answer.report);
    }
    // It takes the first, whatever follows.
    let both = listing(Form::List, &[(&oci, Some("linux/amd64")), (&schema2, Some("linux/amd64"))]);
    let request = by_digest(&both.manifest.digest(), docker_1_13("linux/amd64"));
    let (code, _) = refused(&request, &both.documents())?;
    ensure!(code == "unreadable-digest", "{code}");
    Ok(())
}

#[test]
fn what_an_engine_would_pick_of_a_stored_index_is_looked_at() -> anyhow::Result<()> {
    let gzip = sample::index();
    let request = by_tag(&gzip, docker_20_10("linux/amd64"));
    let (documents, _) = fetched(&request, &gzip.documents());
    let [_, amd64] = gzip.children.as_slice() else { bail!("it has other children") };
    ensure!(documents == [gzip.manifest.digest(), amd64.digest()], "{documents:?}");
    // Who reads all of them gets it without a look.
    let reads = Capabilities::of(&[Form::Index, Form::Oci]);
    ensure!(fetched(&by_tag(&gzip, reads), &gzip.documents()).0.len() == 1, "it is looked at");
    // Of what does not run there it says so itself.
    ensure!(
        answered(&by_tag(&gzip, docker_20_10("linux/s390x")), &gzip.documents())?.source.is_none(),
        "it is not"
    );

    let mixed = sample::zstd_beside_gzip();
    let answer = answered(&by_tag(&mixed, docker_20_10("linux/arm64")), &mixed.documents())?;
    let expected = mixed.children.iter().find(|child| !child.has_zstd()).context("all are zstd")?;
    ensure!(answer.digest == expected.digest() && answer.by_platform, "{}", answer.report);
    // In the other order an engine finds it by itself.
    let [zstd, gzip] = [sample::zstd(), sample::oci()];
    let index = listing(Form::Index, &[(&gzip, Some("linux/amd64")), (&zstd, Some("linux/amd64"))]);
    let answer = answered(&by_tag(&index, docker_20_10("linux/amd64")), &index.documents())?;
    ensure!(answer.digest == index.manifest.digest(), "{}", answer.report);
    // A lower variant that can be read is better than a refusal.
    let v7 = listing(Form::Index, &[(&zstd, Some("linux/arm/v7")), (&gzip, Some("linux/arm/v6"))]);
    let answer = answered(&by_tag(&v7, docker_20_10("linux/arm/v7")), &v7.documents())?;
    ensure!(answer.digest == gzip.manifest.digest(), "{}", answer.report);
    // A higher one is not for who says none: their machine may not run it.
    for (zstd_on, gzip_on) in [("linux/amd64", "linux/amd64/v3"), ("linux/arm/v6", "linux/arm/v7")] {
        let index = listing(Form::Index, &[(&zstd, Some(zstd_on)), (&gzip, Some(gzip_on))]);
        let on = zstd_on.trim_end_matches("/v6");
        for client in [docker_20_10(on), schema2().with_platform(platform(on))] {
            let request = by_tag(&index, client);
            let answer = answered(&request, &index.documents())?;
            ensure!(answer.source == Some(zstd.manifest.digest()), "{on}: {}", answer.report);
            let (code, _) = refused(&without_plain(request), &index.documents())?;
            ensure!(code == "zstd-layer", "{on}: {code}");
        }
        let answer = answered(&by_tag(&index, docker_20_10(gzip_on)), &index.documents())?;
        ensure!(answer.digest == index.manifest.digest(), "{}", answer.report);
    }
    let same = listing(Form::Index, &[(&zstd, Some("linux/amd64")), (&gzip, Some("linux/amd64/v1"))]);
    let answer = answered(&by_tag(&same, docker_20_10("linux/amd64")), &same.documents())?;
    ensure!(answer.digest == gzip.manifest.digest(), "{}", answer.report);
    Ok(())
}

#[test]
fn layers_that_a_client_is_known_not_to_read_are_refused() -> anyhow::Result<()> {
    let engine = docker_20_10("linux/amd64");
    let oci_only = Capabilities::of(&[Form::Schema2, Form::Oci]).with_zstd(ZstdSupport::Oci);
    for image in [sample::zstd(), sample::zstd_schema2(), sample::zstd_index()] {
        let request = without_plain(by_tag(&image, engine.clone()));
        ensure!(refused(&request, &image.documents())?.0 == "zstd-layer", "by tag");
        for manifest in
            core::iter::once(&image.manifest).chain(&image.children).filter(|one| !one.form.is_index())
        {
            let request = without_plain(by_digest(&manifest.digest(), engine.clone()));
            ensure!(refused(&request, &image.documents())?.0 == "zstd-layer", "by digest");
        }
    }
    // The same layers in an OCI manifest are read where they are not in Docker's.
    let image = sample::zstd_schema2();
    let answer = answered(&by_tag(&image, oci_only.clone()), &image.documents())?;
    ensure!(answer.form == Form::Oci, "{answer:?}");
    let (code, cause) = refused(&by_digest(&image.manifest.digest(), oci_only), &image.documents())?;
    ensure!(code == "unreadable-digest" && cause.contains(answer.digest.as_str()), "{cause}");
    // Of one that is not known the forms say it.
    for (client, code) in [(schema2(), Some("zstd-layer")), (schema2().with_any(), None)] {
        let request = without_plain(by_tag(&image, client));
        match code {
            Some(code) => ensure!(refused(&request, &image.documents())?.0 == code, "it is not refused"),
            None => ensure!(answered(&request, &image.documents())?.source.is_none(), "it is converted"),
        }
    }
    // What is no image has layers of its own.
    let artifact = sample::artifact();
    ensure!(
        answered(&by_tag(&artifact, engine.clone()), &artifact.documents())?.source.is_none(),
        "it is refused"
    );
    // An operator may know better, and Distribution does not look.
    let allow = [Permission::ZstdLayer].into_iter().collect();
    for image in [sample::zstd(), sample::zstd_index()] {
        let request = Request { allow, ..by_tag(&image, engine.clone()) };
        ensure!(answered(&request, &image.documents())?.source.is_none(), "it is refused");
        let request = Request { allow, ..by_tag(&image, docker_1_13("linux/amd64")) };
        ensure!(answered(&request, &image.documents())?.source.is_some(), "it is not converted");
    }
    let request = Request { policy: Policy::Reference, ..by_tag(&sample::zstd(), engine) };
    ensure!(answered(&request, &sample::zstd().documents())?.source.is_none(), "it is refused");
    Ok(())
}

/// An engine takes the first entry of its platform, so one that it cannot read must not stand before one that it can.
#[test]
fn a_converted_list_has_no_layers_that_its_client_cannot_read() -> anyhow::Result<()> {
    let [zstd, gzip, oci] = [sample::zstd_schema2(), sample::schema2(), sample::oci()];
    let list = listing(
        Form::List,
        &[(&zstd, Some("linux/amd64")), (&gzip, Some("linux/amd64")), (&oci, Some("linux/arm64"))],
    );
    // Without a platform any entry may be the one that is taken.
    let client = docker_1_13("linux/amd64").without_platform();
    let answer = answered(&by_tag(&list, client.clone()), &list.documents())?;
    let made: Value = serde_json::from_slice(&answer.body)?;
    let entries = made["manifests"].as_array().context("it lists nothing")?;
    ensure!(entries.len() == 2 && entries[0]["digest"] == *gzip.manifest.digest().as_str(), "{made}");
    ensure!(answer.report["left_out"][0]["code"] == "zstd-layer", "{}", answer.report);
    // An operator may know better.
    let allow = [Permission::ZstdLayer].into_iter().collect();
    let answer = answered(&Request { allow, ..by_tag(&list, client) }, &list.documents())?;
    let made: Value = serde_json::from_slice(&answer.body)?;
    ensure!(made["manifests"].as_array().is_some_and(|entries| entries.len() == 3), "{made}");
    // Of an engine's own platform there may be nothing else.
    let only = listing(Form::List, &[(&zstd, Some("linux/amd64")), (&oci, Some("linux/arm64"))]);
    let request = by_tag(&only, docker_1_13("linux/amd64"));
    let answer = answered(&request, &only.documents())?;
    ensure!(answer.form == Form::Schema2 && answer.source == Some(zstd.manifest.digest()), "{answer:?}");
    let (code, _) = refused(&without_plain(request), &only.documents())?;
    ensure!(code == "zstd-layer", "{code}");
    Ok(())
}

#[test]
fn what_an_index_in_an_index_said_is_noted() -> anyhow::Result<()> {
    let image = image(Family::Oci, "one");
    let mut inner = listing(Form::Index, &[(&image, None)]);
    let mut json: Value = serde_json::from_slice(&inner.manifest.bytes)?;
    json["annotations"] = json!({"org.opencontainers.image.title": "inner"});
    inner.manifest.bytes = serde_json::to_vec(&json)?;
    let outer = listing(Form::Index, &[(&inner, Some("linux/amd64"))]);
    let report = answered(&by_tag(&outer, docker_1_13("linux/amd64")), &outer.documents())?.report;
    let notes = |report: &Value, kind: &str| -> Vec<String> {
        let notes = report[kind].as_array().into_iter().flatten();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        notes.map(|note| format!("{} {}", text(&note["code"]), text(&note["path"]))).collect()
    };
    let lost = format!("member manifests[{}].annotations", inner.manifest.digest());
    ensure!(notes(&report, "lost") == [lost], "{report}");
    let added = format!("platform manifests[{}].platform", image.manifest.digest());
    ensure!(notes(&report, "added") == [added], "{report}");
    // By its config it is the same.
    let outer = listing(Form::Index, &[(&image, None), (&sample::oci(), Some("linux/arm64"))]);
    let report = answered(&by_tag(&outer, docker_1_13("linux/amd64")), &outer.documents())?.report;
    ensure!(notes(&report, "added").len() == 1, "{report}");
    Ok(())
}

/// The longest way: three lists in each other, of which neither the best manifest nor the next, which is signed and has a
/// damaged layer, can be read, and the best is given plain layers.
#[test]
fn the_longest_way_has_as_many_rounds_as_there_are() -> anyhow::Result<()> {
    let damaged = b"\x28\xb5\x2f\xfd no zstd".to_vec();
    let record = json!({ "id": "a".repeat(64) }).to_string();
    let schema1 = json!({
        "schemaVersion": 1, "name": REPOSITORY, "tag": "latest", "architecture": "amd64",
        "fsLayers": [{ "blobSum": Digest::of(&damaged) }], "history": [{ "v1Compatibility": record }],
    });
    let schema1 = Image::bare(Form::Schema1, signed(schema1.to_string().as_bytes(), &[true]));
    let schema1 = Image { layers: vec![damaged], ..schema1 };
    let inner =
        listing(Form::Index, &[(&sample::zstd(), Some("linux/amd64")), (&schema1, Some("linux/amd64"))]);
    let index = nested(&inner, 3, None);
    let client = Capabilities::of(&[Form::Oci]).with_zstd(ZstdSupport::None);
    let request = by_tag(&index, client);
    let (_, rounds) = fetched(&request, &index.documents());
    ensure!(rounds == MAX_ROUNDS, "there are {rounds}");
    Ok(())
}

#[test]
fn what_is_opened_has_limits() -> anyhow::Result<()> {
    let many = |count: usize| {
        let images: Vec<Image> = (0..count)
            .map(|number| {
                listing(Form::Index, &[(&image(Family::Oci, &number.to_string()), Some("linux/amd64"))])
            })
            .collect();
        listing(Form::Index, &images.iter().map(|image| (image, None)).collect::<Vec<_>>())
    };
    let limit = Limits::default().converted_children;
    let index = many(limit);
    ensure!(answered(&by_tag(&index, schema2()), &index.documents())?.form == Form::Schema2, "it is refused");
    let index = many(limit + 1);
    let (code, cause) = refused(&by_tag(&index, schema2()), &index.documents())?;
    ensure!(code == "limit-exceeded" && cause.contains("`converted-children`"), "{cause}");
    let one = nested(&image(Family::Oci, "one"), 1, None);
    let again = listing(Form::Index, &vec![(&one, None); limit + 1]);
    ensure!(
        refused(&by_tag(&again, schema2()), &again.documents())?.0 == "limit-exceeded",
        "one is read often"
    );
    // Past it a platform is picked of what was opened, too.
    let inner = (0..=limit).map(|number| image(Family::Oci, &number.to_string())).collect::<Vec<_>>();
    let inner =
        listing(Form::Index, &inner.iter().map(|image| (image, Some("linux/amd64"))).collect::<Vec<_>>());
    let index = nested(&inner, 1, None);
    let answer = answered(&by_tag(&index, docker_1_13("linux/amd64")), &index.documents())?;
    ensure!(answer.form == Form::Schema2, "it is `{}`", answer.form);
    let mut request = by_tag(&index, schema2());
    request.limits.set("entries", limit)?;
    ensure!(refused(&request, &index.documents())?.0 == "limit-exceeded", "it is opened");
    Ok(())
}
