//! Documents as the field has them.

use std::sync::LazyLock;

use downshift::{Digest, Form, Permission};
use downshift_cases::images::{Family, REPOSITORY, sample};

use super::row::{
    Options, Row, body, change, get, head, manifest, push, refused, row, schema1, status, stored,
};
use crate::fault::{Fault, Rule};
use crate::net::Change;

pub(super) fn rows() -> Vec<Row> {
    [
        config_types(),
        vec![short_history(), wrong_sizes()],
        permissions(),
        vec![clients()],
        others(),
        untyped(),
        unread(),
    ]
    .concat()
}

/// Types of configs that say nothing, as Docker 1.10 pushed them to some registries.
fn config_types() -> Vec<Row> {
    let types = [
        ("none", ""),
        ("octet-stream", "application/octet-stream"),
        ("json", "application/json"),
        ("html", "text/html"),
        ("html-with-charset", "text/html; charset=utf-8"),
    ];
    let with = |(name, media_type)| {
        let image = sample::with_config_type(Family::Docker, media_type);
        let oci = status(200).header("content-type", Form::Oci.media_type());
        let tag = manifest("latest");
        let steps = [
            push("latest", &image),
            get(&tag).comes(schema1(&image, "latest")),
            get(&tag).reading(Form::Schema2).comes(stored(&image)),
            get(&tag).reading(Form::Oci).comes(oci),
        ];
        row(format!("field/config-type/{name}"), Options::default(), steps)
    };
    types.into_iter().map(with).collect()
}

/// A layer that the history says nothing of.
fn short_history() -> Row {
    let image = sample::surplus_layer();
    let steps = [push("latest", &image), get(&manifest("latest")).comes(schema1(&image, "latest"))];
    row("field/short-history", Options::default(), steps)
}

/// An index that says other sizes of its manifests.
fn wrong_sizes() -> Row {
    let image = sample::with_wrong_sizes(sample::index());
    let tag = manifest("latest");
    let comes = |form: Form| status(200).header("content-type", form.media_type());
    let steps = [
        push("latest", &image),
        get(&tag).comes(comes(Form::Schema1)),
        get(&tag).reading(Form::Index).comes(stored(&image)),
        get(&tag).reading(Form::List).comes(comes(Form::List)),
        get(&tag).reading(Form::Oci).comes(comes(Form::Oci)),
    ];
    row("field/wrong-sizes", Options::default(), steps)
}

/// Foreign layers, which are refused or not by what the operator says.
fn permissions() -> Vec<Row> {
    let image =
        sample::with_layers(Family::Docker, "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip");
    let with = |name: &str, allow: &[Permission], comes| {
        let options = Options { allow: allow.iter().copied().collect(), ..Options::default() };
        let steps = [push("latest", &image), get(&manifest("latest")).comes(comes)];
        row(format!("field/permissions/{name}"), options, steps)
    };
    let schema1 = status(200).header("content-type", Form::Schema1.media_type());
    vec![
        with("none", &[], refused(400, "foreign-layer")),
        with("another", &[Permission::ZstdLayer], refused(400, "foreign-layer")),
        with("its-own", &[Permission::ZstdLayer, Permission::ForeignLayer], schema1),
    ]
}

/// Clients that read something else than the table knows: the operator says it in all repositories.
fn clients() -> Row {
    const RULES: &[&str] =
        &["scanner/2..3 refuses=oci+index", "docker/1.13 refuses=none", "crane refuses=none"];
    let image = sample::oci();
    let tag = manifest("latest");
    let asked = |agent: &str| get(&tag).reading(Form::Oci).with("User-Agent", agent);
    let also_schema2 = |agent: &str| asked(agent).reading(Form::Schema2);
    let schema2 = status(200).header("content-type", Form::Schema2.media_type());
    let steps = [
        push("latest", &image),
        also_schema2("scanner/2.9").comes(schema2.clone()),
        also_schema2("Scanner/2.0.1").comes(schema2.clone()),
        also_schema2("scanner/3.0").comes(stored(&image)),
        also_schema2("curl/8.0").comes(stored(&image)),
        // As an engine that was mended says.
        also_schema2("docker/1.13.1 os/linux arch/amd64").comes(stored(&image)),
        also_schema2("docker/1.12.6 os/linux arch/amd64").comes(schema2),
    ];
    row("field/clients", Options { client: RULES, ..Options::default() }, steps)
}

/// Manifests of other kinds: to who names their type or takes anything, and by digest to everybody.
fn others() -> Vec<Row> {
    let documents: [(&str, &'static [u8], &str); 5] = [
        (
            "oci-artifact",
            br#"{"mediaType":"application/vnd.oci.artifact.manifest.v1+json","blobs":[]}"#,
            "application/vnd.oci.artifact.manifest.v1+json",
        ),
        (
            "oras-artifact",
            br#"{"mediaType":"application/vnd.cncf.oras.artifact.manifest.v1+json","blobs":[]}"#,
            "application/vnd.cncf.oras.artifact.manifest.v1+json",
        ),
        (
            "of-version-7",
            br#"{"schemaVersion":7,"mediaType":"application/vnd.example.v7+json"}"#,
            "application/vnd.example.v7+json",
        ),
        // Of no use, and so the type is the registry's.
        ("page", br#"{"mediaType":"text/html","blobs":"<script>"}"#, Form::Schema2.media_type()),
        ("untyped", br#"{"blobs":[]}"#, Form::Schema2.media_type()),
    ];
    let with = |(name, bytes, media_type): (&str, &'static [u8], &str)| {
        let digest = Digest::of(bytes);
        let (tag, by_digest) = (manifest("latest"), manifest(digest.as_str()));
        let comes = || {
            body(bytes)
                .header("docker-content-digest", digest.as_str())
                .header("content-type", media_type)
                .header("content-security-policy", "sandbox")
        };
        let is_typed = media_type != Form::Schema2.media_type();
        let mut steps = vec![
            change(Change::PushBytes(REPOSITORY, "latest", bytes)),
            get(&tag).with("Accept", "*/*").comes(comes()),
            head(&tag).with("Accept", "*/*").comes(comes()),
            get(&by_digest).reading(Form::Schema2).comes(comes()),
            get(&by_digest).reading(Form::Schema2).comes(comes()),
            // What was kept for the first is not for these.
            get(&tag)
                .reading(Form::Oci)
                .comes(refused(400, if is_typed { "artifact" } else { "missing-member" })),
        ];
        if is_typed {
            let named = [media_type, ";q=0.1, application/vnd.docker.distribution.manifest.v2+json"].concat();
            steps.push(get(&tag).with("Accept", &named).comes(comes()));
            let excluded = [media_type, ";q=0, */*"].concat();
            steps.push(get(&tag).with("Accept", &excluded).comes(refused(400, "artifact")));
        }
        row(format!("field/others/{name}"), Options::default(), steps)
    };
    documents.into_iter().map(with).collect()
}

/// Documents that do not say what they are: their registry does, if it does so with the type of a manifest.
fn untyped() -> Vec<Row> {
    const BYTES: &[u8] = br#"{"blobs":[]}"#;
    let (tag, by_digest) = (manifest("latest"), manifest(Digest::of(BYTES).as_str()));
    let comes = |media_type| {
        body(BYTES).header("content-type", media_type).header("content-security-policy", "sandbox")
    };
    let says = |media_type| {
        [
            change(Change::NoFaults),
            change(Rule::at("/manifests/", Fault::ContentType(Some(media_type))).change()),
        ]
    };
    let with = |name: &str, said, media_type: &'static str| {
        let push = [change(Change::PushBytes(REPOSITORY, "latest", BYTES))];
        // Cached, it is what it was.
        let steps = [get(&by_digest).comes(comes(media_type)), head(&by_digest).comes(comes(media_type))];
        let kept =
            [change(Change::NoFaults), get(&by_digest).reading(Form::Schema2).comes(comes(media_type))];
        let steps = push.into_iter().chain(says(said)).chain(steps).chain(kept);
        row(format!("field/untyped/{name}"), Options::default(), steps)
    };
    let json = "application/vnd.example.thing.v1+json";
    let by_tag = says(json).into_iter().chain([
        get(&tag).with("Accept", "*/*").comes(comes(json)),
        change(Change::NoFaults),
        get(&by_digest).comes(comes(json)),
    ]);
    let by_tag = [change(Change::PushBytes(REPOSITORY, "latest", BYTES))].into_iter().chain(by_tag);
    vec![
        with("own-type", json, json),
        with("in-capitals", "Application/vnd.Example.thing.v1+JSON; charset=utf-8", json),
        with("json", "application/json", "application/json"),
        with("as-oci", Form::Oci.media_type(), Form::Oci.media_type()),
        with("html", "text/html", "application/octet-stream"),
        with("javascript", "application/javascript", "application/octet-stream"),
        row("field/untyped/by-tag", Options::default(), by_tag),
    ]
}

/// Images of known forms that cannot be converted.
fn unread() -> Vec<Row> {
    static MANY: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let entry = format!(r#"{{"mediaType":"application/x","digest":"{}","size":1}}"#, Digest::of(b""));
        format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, vec![entry; 7_800].join(",")).into_bytes()
    });
    static BLAKE3: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let hex = "0f".repeat(32);
        let config = format!(r#"{{"mediaType":"application/x","digest":"blake3:{hex}","size":1}}"#);
        let oci = Form::Oci.media_type();
        format!(r#"{{"schemaVersion":2,"mediaType":"{oci}","config":{config},"layers":[]}}"#).into_bytes()
    });
    let with = |name: &str, bytes: &'static [u8], form: Form, code: &'static str| {
        let digest = Digest::of(bytes);
        let (tag, by_digest) = (manifest("latest"), manifest(digest.as_str()));
        let comes = || {
            body(bytes)
                .header("docker-content-digest", digest.as_str())
                .header("content-type", form.media_type())
                .without("content-security-policy")
        };
        let steps = [
            change(Change::PushBytes(REPOSITORY, "latest", bytes)),
            get(&tag).reading(form).comes(comes()),
            get(&by_digest).reading(Form::Schema2).comes(comes()),
            get(&tag).comes(refused(400, code)),
        ];
        row(format!("field/unread/{name}"), Options::default(), steps)
    };
    vec![
        with("entries", &MANY, Form::Index, "limit-exceeded"),
        with("digests", &BLAKE3, Form::Oci, "unsupported-digest"),
    ]
}
