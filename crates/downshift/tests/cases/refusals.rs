//! What some clients cannot have, and what they are told instead.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use downshift::answer::{Documents, Record, Request, Root, Step, answer};
use downshift::{Capabilities, Digest, Failure, Form, Limits, PlainLayers, Platform, Policy};
use downshift_cases::difference;
use downshift_cases::found;
use downshift_cases::images::{Descriptor, Family, Image, Manifest, REPOSITORY, sample};
use downshift_cases::implementation::{Answered, Implementation, Native, Outcome, schema1_request};

/// The media type of a layer that is fetched from elsewhere, in Docker's manifests.
const FOREIGN: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";

/// A request for the image's tag.
fn by_tag(image: &Image, client: Capabilities) -> Request {
    let request = schema1_request(REPOSITORY, "latest", image.manifest.digest(), Policy::Strict);
    Request { client, ..request }
}

/// A request for a digest.
fn by_digest(digest: &Digest, client: Capabilities, record: Option<&Record>) -> Request {
    let root = Root::Digest {
        name: REPOSITORY.to_string(),
        digest: digest.clone(),
        tag: None,
        record: record.cloned().map(Box::new),
    };
    let request = schema1_request(REPOSITORY, "latest", digest.clone(), Policy::Strict);
    Request { root, client, ..request }
}

/// A client that names one form.
fn named(form: Form) -> Capabilities {
    Capabilities::of(&[form])
}

/// Docker 1.6 to 1.9, which name nothing.
fn docker_1_9() -> Capabilities {
    Capabilities::default().with_schema1_engine()
}

fn answered(request: &Request, documents: &BTreeMap<Digest, Vec<u8>>) -> anyhow::Result<Answered> {
    match Native.answer(request, documents) {
        Outcome::Answered(answered) => Ok(answered),
        outcome => bail!("there is no answer: {outcome:?}"),
    }
}

/// Checks that a request is refused with this code, and gives what is said and recorded.
fn refused(
    request: &Request,
    documents: &BTreeMap<Digest, Vec<u8>>,
    code: &str,
) -> anyhow::Result<(Failure, Vec<Record>)> {
    match Native.answer(request, documents) {
        Outcome::Refused { failure, records, .. } => {
            ensure!(failure.code == code, "it is refused with `{}`: {failure}", failure.code);
            for text in [&failure.cause, &*failure.remedy] {
                ensure!(!text.is_empty() && !text.contains('\n'), "it is not one line: {text:?}");
            }
            Ok((failure, records))
        }
        outcome => bail!("it is not refused: {outcome:?}"),
    }
}

#[test]
fn docker_1_9_asking_by_a_digest_that_it_cannot_read_is_told_another() -> anyhow::Result<()> {
    for (tag, image) in sample::in_every_form() {
        let documents = image.documents();
        for digest in core::iter::once(&image.manifest).chain(&image.children).map(Manifest::digest) {
            let request = by_digest(&digest, docker_1_9(), None);
            let (failure, records) = refused(&request, &documents, "unreadable-digest").context(tag)?;
            let mut named = failure.cause.split('`').filter_map(|word| Digest::parse(word).ok());
            ensure!(named.next() == Some(digest), "it is about another digest: {failure}");
            let instead = named.next().with_context(|| format!("no other digest is named: {failure}"))?;
            let record = records.iter().find(|record| record.digest == instead);
            let record = record.context("the digest that is named was not recorded")?;
            let pulled = answered(&by_digest(&instead, docker_1_9(), Some(record)), &documents)?;
            ensure!((pulled.form, &pulled.digest) == (Form::Schema1, &instead), "{tag}: {pulled:?}");
        }
    }
    Ok(())
}

#[test]
fn a_digest_gives_what_has_it_whatever_the_client_names() -> anyhow::Result<()> {
    let image = sample::index();
    for manifest in core::iter::once(&image.manifest).chain(&image.children) {
        let request = by_digest(&manifest.digest(), named(Form::Schema2), None);
        let answer = answered(&request, &image.documents())?;
        ensure!((answer.form, &answer.digest) == (manifest.form, &manifest.digest()), "{answer:?}");
        difference::compare("manifest", &manifest.bytes, &answer.body)?;
    }
    Ok(())
}

#[test]
fn a_client_gets_the_manifest_for_its_platform() -> anyhow::Result<()> {
    let image = sample::list();
    let documents = image.documents();
    let [arm64, amd64] = image.children.as_slice() else { bail!("the sample has other platforms") };
    let on = |os, architecture| named(Form::Schema2).with_platform(Platform::new(os, architecture));
    for (client, child) in
        [(on("linux", "arm64"), arm64), (on("linux", "amd64"), amd64), (named(Form::Schema2), amd64)]
    {
        let answer = answered(&by_tag(&image, client.clone()), &documents)?;
        ensure!(answer.digest == child.digest() && answer.by_platform, "{client:?}: {answer:?}");
    }
    let (failure, _) = refused(&by_tag(&image, on("windows", "amd64")), &documents, "platform-missing")?;
    ensure!(failure.cause.contains("`linux/arm64, linux/amd64`"), "it does not say which: {failure}");

    let mut request = by_tag(&image, named(Form::Schema2));
    request.default_platform = Platform::new("linux", "arm64");
    ensure!(answered(&request, &documents)?.digest == arm64.digest(), "the default does not count");
    // The reference knows linux/amd64 only.
    request.policy = Policy::Reference;
    ensure!(answered(&request, &documents)?.digest == amd64.digest(), "the default counts");
    Ok(())
}

#[test]
fn layers_that_a_form_cannot_express_are_refused() -> anyhow::Result<()> {
    for (family, layers, form, code) in [
        (Family::Oci, "application/vnd.oci.image.layer.v1.tar+zstd", Form::Schema1, "zstd-layer"),
        (Family::Oci, "application/vnd.oci.image.layer.v1.tar+zstd", Form::Schema2, "zstd-layer"),
        (
            Family::Oci,
            "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
            Form::Schema1,
            "encrypted-layer",
        ),
        (
            Family::Oci,
            "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
            Form::Schema2,
            "encrypted-layer",
        ),
        (Family::Docker, FOREIGN, Form::Schema1, "foreign-layer"),
    ] {
        let image = sample::with_layers(family, layers);
        let request = Request { plain_layers: PlainLayers::Never, ..by_tag(&image, named(form)) };
        refused(&request, &image.documents(), code).context(layers)?;
        // A client that understands them gets them.
        let stored = by_tag(&image, named(image.manifest.form));
        ensure!(answered(&stored, &image.documents())?.body == image.manifest.bytes, "{layers}");
    }
    // OCI has foreign layers, too.
    let image = sample::with_layers(Family::Docker, FOREIGN);
    let answer = answered(&by_tag(&image, named(Form::Oci)), &image.documents())?;
    ensure!(String::from_utf8(answer.body)?.contains("nondistributable"), "the layers are others");
    Ok(())
}

#[test]
fn an_artifact_is_served_as_it_is_stored_or_not_at_all() -> anyhow::Result<()> {
    let config = Descriptor::of("application/vnd.oci.empty.v1+json", b"{}");
    let layer = Descriptor::of("application/spdx+json", b"{}");
    let artifact = Manifest::single(Family::Oci, config, vec![layer]);
    let image = Image { configs: vec![b"{}".to_vec()], ..Image::bare(Form::Oci, artifact.bytes.clone()) };
    let documents = image.documents();
    for client in [named(Form::Oci), named(Form::Schema2).with_any()] {
        difference::compare(
            "manifest",
            &artifact.bytes,
            &answered(&by_tag(&image, client), &documents)?.body,
        )?;
    }
    for client in [Capabilities::default(), named(Form::Schema2)] {
        refused(&by_tag(&image, client), &documents, "artifact")?;
    }
    Ok(())
}

#[test]
fn a_damaged_document_is_refused() -> anyhow::Result<()> {
    for (bytes, code) in [
        (&br#"{"schemaVersion":3}"#[..], "unknown-document"),
        (b"<html>", "invalid-json"),
        (b"[]", "wrong-type"),
        (b"{}", "missing-member"),
        (br#"{"schemaVersion":2,"manifests":[],"layers":[]}"#, "ambiguous"),
        (br#"{"schemaVersion":2,"config":{},"config":{}}"#, "duplicate-key"),
        (br#"{"schemaVersion":2,"Config":{}}"#, "shadowed-key"),
        (br#"{"schemaVersion":2,"config":{"digest":"sha256:0","size":1}}"#, "invalid-digest"),
        (br#"{"schemaVersion":1,"signatures":[]}"#, "invalid-signature-block"),
    ] {
        let image = Image::bare(Form::Schema2, bytes.to_vec());
        refused(&by_tag(&image, Capabilities::default()), &image.documents(), code)
            .with_context(|| bytes.escape_ascii().to_string())?;
    }
    Ok(())
}

#[test]
fn a_document_that_is_nowhere_is_named() -> anyhow::Result<()> {
    let image = sample::schema2();
    let (digest, config) = (image.manifest.digest(), Digest::of(&image.configs.concat()));
    let request = by_tag(&image, Capabilities::default());
    for (documents, missing) in [
        (vec![(&digest, None)], &digest),
        (vec![(&digest, Some(image.manifest.bytes.as_slice())), (&config, None)], &config),
    ] {
        let documents: Documents<'_> = documents.into_iter().collect();
        let Step::Refused(refusal) = answer(&request, &documents) else { bail!("it is not refused") };
        ensure!(refusal.failure.code == "missing-document", "{}", refusal.failure);
        ensure!(refusal.failure.cause.contains(missing.as_str()), "{}", refusal.failure);
    }
    Ok(())
}

#[test]
fn every_limit_refuses_what_exceeds_it_by_its_name() -> anyhow::Result<()> {
    let image = sample::list();
    let single = sample::schema2();
    for (name, image) in [
        ("document-bytes", &single),
        ("depth", &single),
        ("layers", &single),
        ("history", &single),
        ("string-bytes", &single),
        ("output-bytes", &single),
        ("entries", &image),
    ] {
        let mut request = by_tag(image, Capabilities::default());
        request.limits.set(name, 1)?;
        let (failure, _) = refused(&request, &image.documents(), "limit-exceeded").context(name)?;
        ensure!(failure.cause.contains(&format!("the limit `{name}` of `1`")), "{failure}");
    }
    // Past this one a platform is picked instead.
    let mut request = by_tag(&sample::index(), Capabilities::of(&[Form::List, Form::Schema2]));
    request.limits.set("converted-children", 1)?;
    ensure!(answered(&request, &sample::index().documents())?.form == Form::Schema2, "it is a list");
    Ok(())
}

#[test]
fn a_misspelt_limit_is_answered_with_all_names() -> anyhow::Result<()> {
    let Err(error) = Limits::default().set("layer", 1) else { bail!("there is a limit `layer`") };
    let names: Vec<&str> = error.remedy().split([' ', ',']).filter(|word| word.len() > 3).collect();
    ensure!(names.len() == 8, "they are {names:?}");
    for name in names {
        Limits::default().set(name, 1)?;
    }
    Ok(())
}

#[test]
fn a_manifest_listed_under_two_types_is_needed_once() -> anyhow::Result<()> {
    found::a_manifest_listed_under_two_types_is_needed_once(&Native)
}
