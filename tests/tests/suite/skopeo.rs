//! skopeo pulls through the running server: as it is, and made older by a proxy.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use downshift::{Digest, Form, Limits, jws};
use downshift_cases::difference;
use downshift_cases::images::{Image, sample};
use downshift_tests::front::{Engine, Front};
use downshift_tests::programs::{SKOPEO, case_with};
use downshift_tests::proxy::Proxy;
use downshift_tests::skopeo::{Pulled, pull};
use libtest_mimic::Trial;

use crate::Named;

/// The forms that Docker had before OCI.
const DOCKER_ONLY: &[&str] = &[
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

pub(crate) fn trials(engine: Engine) -> Vec<Trial> {
    let trial = |(name, run): Named<fn(Engine) -> anyhow::Result<()>>| {
        case_with(engine.programs(&[SKOPEO]), format!("{}::front::skopeo::{name}", engine.name), move || {
            run(engine)
        })
    };
    vec![
        trial(named!(pulls_schema_2_as_it_is_stored)),
        trial(named!(pulls_oci_as_it_is_stored)),
        trial(named!(pulls_every_image_of_an_oci_index)),
        trial(named!(without_accept_pulls_schema_2_as_schema_1)),
        trial(named!(without_accept_pulls_oci_as_schema_1)),
        trial(named!(without_accept_pulls_a_list_as_schema_1)),
        trial(named!(without_accept_pulls_an_oci_index_as_schema_1)),
        trial(named!(with_docker_types_only_pulls_an_oci_index_as_a_list)),
    ]
}

fn pulls_schema_2_as_it_is_stored(engine: Engine) -> anyhow::Result<()> {
    pulls_as_stored(engine, &sample::schema2())
}

fn pulls_oci_as_it_is_stored(engine: Engine) -> anyhow::Result<()> {
    pulls_as_stored(engine, &sample::oci())
}

fn pulls_every_image_of_an_oci_index(engine: Engine) -> anyhow::Result<()> {
    pulls_as_stored(engine, &sample::index())
}

fn without_accept_pulls_schema_2_as_schema_1(engine: Engine) -> anyhow::Result<()> {
    pulls_schema1(engine, &sample::schema2(), &sample::schema2())
}

fn without_accept_pulls_oci_as_schema_1(engine: Engine) -> anyhow::Result<()> {
    pulls_schema1(engine, &sample::oci(), &sample::oci())
}

fn without_accept_pulls_a_list_as_schema_1(engine: Engine) -> anyhow::Result<()> {
    pulls_schema1(engine, &sample::list(), &sample::schema2())
}

fn without_accept_pulls_an_oci_index_as_schema_1(engine: Engine) -> anyhow::Result<()> {
    pulls_schema1(engine, &sample::index(), &sample::oci())
}

fn pulls_as_stored(engine: Engine, image: &Image) -> anyhow::Result<()> {
    let front = Front::start(engine, &[("latest", image.clone())])?;
    let mut expected = Pulled { manifest: image.manifest.bytes.clone(), documents: image.documents() };
    expected.documents.remove(&image.manifest.digest());
    for reference in [":latest".to_string(), format!("@{}", image.manifest.digest())] {
        ensure!(
            pull(front.address(), &reference, &["--all"])? == expected,
            "`{reference}` gives something else"
        );
    }
    Ok(())
}

/// Pulls `image`, of which `picked` is the one for this platform.
fn pulls_schema1(engine: Engine, image: &Image, picked: &Image) -> anyhow::Result<()> {
    let front = Front::start(engine, &[("latest", image.clone())])?;
    let proxy = Proxy::start(front.address(), Some(&[]))?;
    let reported = front.send("HEAD", "/v2/library/sample/manifests/latest", &[])?;
    let reported = reported.header("docker-content-digest").context("no digest is reported")?.to_string();

    let by_tag = pull(proxy.address(), ":latest", &[])?;
    let document = jws::parse(&by_tag.manifest, &Limits::default())?;
    ensure!(downshift_sign::verify(&document).is_valid(), "the signature does not hold");
    ensure!(Digest::of(&document.payload).as_str() == reported, "`{reported}` is not the payload's digest");
    let layers: BTreeMap<_, _> =
        picked.layers.iter().map(|layer| (Digest::of(layer), layer.clone())).collect();
    let mut pulled = by_tag.documents.clone();
    pulled.remove(&Digest::empty_layer());
    ensure!(pulled == layers, "other layers came: {:?}", pulled.keys());

    let by_digest = pull(proxy.address(), &format!("@{reported}"), &[])?;
    difference::compare("manifest by digest", &by_tag.manifest, &by_digest.manifest)?;
    ensure!(by_digest.documents == by_tag.documents, "by digest other layers came");
    Ok(())
}

fn with_docker_types_only_pulls_an_oci_index_as_a_list(engine: Engine) -> anyhow::Result<()> {
    let image = sample::index();
    let front = Front::start(engine, &[("latest", image.clone())])?;
    let proxy = Proxy::start(front.address(), Some(DOCKER_ONLY))?;
    let by_tag = pull(proxy.address(), ":latest", &["--all"])?;

    let list: serde_json::Value = serde_json::from_slice(&by_tag.manifest)?;
    ensure!(list["mediaType"] == Form::List.media_type(), "it is no list: {list}");
    let entries = list["manifests"].as_array().context("it lists nothing")?;
    ensure!(entries.len() == image.children.len(), "it does not list all: {list}");
    for entry in entries {
        let child = by_tag.documents.get(&Digest::parse(entry["digest"].as_str().unwrap_or_default())?);
        let child: serde_json::Value =
            serde_json::from_slice(child.context("a listed manifest did not come")?)?;
        ensure!(child["mediaType"] == Form::Schema2.media_type(), "it is not schema 2: {child}");
    }
    for blob in image.configs.iter().chain(&image.layers) {
        ensure!(by_tag.documents.contains_key(&Digest::of(blob)), "a blob did not come");
    }

    let by_digest = pull(proxy.address(), &format!("@{}", Digest::of(&by_tag.manifest)), &["--all"])?;
    ensure!(by_digest == by_tag, "by digest something else came");
    Ok(())
}
