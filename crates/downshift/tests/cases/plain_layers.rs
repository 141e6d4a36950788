//! Layers by their diff ids, for whoever cannot read how they are compressed.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use downshift::answer::{Documents, LayerReading, LayerRecord, Needs, Request, Root, Step, answer};
use downshift::document::{Document, Manifest as Parsed};
use downshift::layer::Compression;
use downshift::schema1::layer_id;
use downshift::{
    Capabilities, Digest, Form, Limits, Permission, PlainLayers, Platform, Policy, ZstdSupport, jws,
};
use downshift_cases::images::{Family, Image, Manifest, REPOSITORY, sample, zstd};
use downshift_cases::implementation::{Answered, Implementation, Native, Outcome, schema1_request};
use downshift_cases::layers::{facts, reading};
use serde_json::{Value, json};

const OCI_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

fn by_tag(image: &Image, client: Capabilities) -> Request {
    let request = schema1_request(REPOSITORY, "latest", image.manifest.digest(), Policy::Strict);
    Request { client, ..request }
}

fn by_digest(digest: &Digest, client: Capabilities) -> Request {
    let root = Root::Digest { name: REPOSITORY.to_owned(), digest: digest.clone(), tag: None, record: None };
    Request { root, client, ..schema1_request(REPOSITORY, "latest", digest.clone(), Policy::Strict) }
}

/// The request where everybody gets plain layers.
fn always(request: Request) -> Request {
    Request { plain_layers: PlainLayers::Always, ..request }
}

fn docker_1_9() -> Capabilities {
    Capabilities::default().with_schema1_engine().with_zstd(ZstdSupport::None)
}

fn docker_1_13() -> Capabilities {
    let client = Capabilities::of(&[Form::Schema1, Form::Schema2, Form::List]);
    let client = client.with_platform(Platform::linux_amd64()).with_zstd(ZstdSupport::None);
    client.with_unreadable(Form::Oci).with_unreadable(Form::Index)
}

/// A Docker that names all forms.
fn docker(zstd: ZstdSupport) -> Capabilities {
    let forms = [Form::Schema1, Form::Schema2, Form::List, Form::Oci, Form::Index];
    Capabilities::of(&forms).with_platform(Platform::linux_amd64()).with_zstd(zstd)
}

fn docker_20_10() -> Capabilities {
    docker(ZstdSupport::None)
}

/// podman up to 5.5, which does not say its platform.
fn podman() -> Capabilities {
    let forms = [Form::Oci, Form::Schema2, Form::Schema1, Form::Schema1Unsigned, Form::List, Form::Index];
    Capabilities::of(&forms).with_zstd(ZstdSupport::Oci)
}

fn answered(request: &Request, image: &Image) -> anyhow::Result<Answered> {
    match Native.answer(request, &image.documents()) {
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

/// What a request needs in the end, with all documents at hand and no layer.
fn needed_layers(request: &Request, image: &Image) -> anyhow::Result<Vec<Digest>> {
    let documents = image.documents();
    let known: Documents<'_> = documents.iter().map(|(digest, bytes)| (digest, Some(&**bytes))).collect();
    match answer(request, &known) {
        Step::Need(Needs { documents, layers, .. }) if documents.is_empty() => {
            Ok(layers.into_iter().map(|need| need.digest).collect())
        }
        Step::Need(needs) => bail!("documents are missing: {needs:?}"),
        _ => Ok(Vec::new()),
    }
}

fn parsed(bytes: &[u8]) -> anyhow::Result<Parsed> {
    match Document::parse(bytes, &Limits::default()) {
        Ok(Document::Manifest(manifest)) => Ok(*manifest),
        other => bail!("it is another document: {other:?}"),
    }
}

/// The image with another manifest: `edit` changes it as JSON.
fn edited(image: Image, edit: impl FnOnce(&mut Value)) -> anyhow::Result<Image> {
    let mut manifest: Value = serde_json::from_slice(&image.manifest.bytes)?;
    edit(&mut manifest);
    let manifest = Manifest { form: image.manifest.form, bytes: serde_json::to_vec(&manifest)? };
    Ok(Image { manifest, ..image })
}

/// The image with another config, and a manifest that names it.
fn with_config(image: Image, edit: impl FnOnce(&mut Value)) -> anyhow::Result<Image> {
    let mut config: Value = serde_json::from_slice(&image.configs.concat())?;
    edit(&mut config);
    let config = serde_json::to_vec(&config)?;
    let image = edited(image, |manifest| {
        manifest["config"]["digest"] = Digest::of(&config).as_str().into();
        manifest["config"]["size"] = config.len().into();
    })?;
    Ok(Image { configs: vec![config], ..image })
}

/// The image with other bytes of the layer at `index`, and a manifest that names them, by this type if there is one.
fn with_layer(image: Image, index: usize, blob: Vec<u8>, media_type: &str) -> anyhow::Result<Image> {
    let mut image = edited(image, |manifest| {
        let layer = &mut manifest["layers"][index];
        layer["digest"] = Digest::of(&blob).as_str().into();
        layer["size"] = blob.len().into();
        layer["mediaType"] = media_type.into();
    })?;
    image.layers[index] = blob;
    Ok(image)
}

/// The notes of one kind in a report, as `code path`.
fn notes(answer: &Answered, kind: &str) -> Vec<String> {
    let notes = answer.report[kind].as_array().into_iter().flatten();
    notes
        .map(|note| {
            let text = |name| note[name].as_str().unwrap_or_default().to_owned();
            format!("{} {}", text("code"), text("path"))
        })
        .collect()
}

/// Checks that a manifest names each layer of the sample by its diff id, with the size and the type of the plain tar.
fn is_plain(answer: &Answered, family: Family) -> anyhow::Result<()> {
    let manifest = parsed(&answer.body)?;
    let tars = sample::plain_layers();
    ensure!(manifest.layers.len() == tars.len(), "it has {} layers", manifest.layers.len());
    for (layer, tar) in manifest.layers.iter().zip(&tars) {
        ensure!(layer.digest == Digest::of(tar) && layer.size == tar.len() as u64, "{layer:?}");
        ensure!(layer.media_type == family.plain_layer(), "{layer:?}");
    }
    Ok(())
}

/// The layers that are to be served under their diff ids, as pairs of stored digest and diff id.
fn renamed(layers: &[LayerRecord]) -> Vec<(&Digest, &Digest)> {
    layers.iter().map(|layer| (&layer.facts.digest, &layer.facts.diff_id)).collect()
}

#[test]
fn layers_go_by_their_diff_ids_in_every_form() -> anyhow::Result<()> {
    let stored = [sample::zstd(), sample::zstd_schema2()];
    for image in &stored {
        for (client, form) in [
            (docker_20_10(), image.manifest.form),
            (docker_1_13(), Form::Schema2),
            (Capabilities::of(&[Form::Schema2]), Form::Schema2),
            (Capabilities::of(&[Form::Oci]).with_zstd(ZstdSupport::None), Form::Oci),
        ] {
            let request = by_tag(image, client);
            ensure!(needed_layers(&request, image)?.len() == 3, "it needs no layers");
            let answer = answered(&request, image)?;
            ensure!(answer.form == form && answer.source == Some(image.manifest.digest()), "{answer:?}");
            is_plain(&answer, if form == Form::Oci { Family::Oci } else { Family::Docker })?;
            let (made, before) = (parsed(&answer.body)?, parsed(&image.manifest.bytes)?);
            ensure!(made.config.digest == before.config.digest, "the image has another id");
            let pairs: Vec<_> = before.layers.iter().zip(&made.layers).collect();
            let pairs: Vec<_> = pairs.iter().map(|(stored, plain)| (&stored.digest, &plain.digest)).collect();
            ensure!(renamed(&answer.layers) == pairs, "{:?}", answer.layers);
            ensure!(answer.layers.iter().all(|layer| layer.name == REPOSITORY), "{:?}", answer.layers);
            let lost = notes(&answer, "lost");
            ensure!((0..3).all(|at| lost.contains(&format!("compression layers[{at}]"))), "{lost:?}");
        }
    }
    Ok(())
}

/// Schema 1 names the plain tars, and its ids are computed of these names, as Distribution computes them of what it serves.
#[test]
fn ids_in_schema_1_are_computed_with_the_names_that_it_has() -> anyhow::Result<()> {
    let image = sample::zstd();
    let answer = answered(&by_tag(&image, docker_1_9()), &image)?;
    let payload = jws::parse(&answer.body, &Limits::default())?.payload;
    let Document::Schema1(made) = Document::parse(&payload, &Limits::default())? else {
        bail!("it is another form")
    };
    let mut tars = sample::plain_layers().into_iter();
    let config: Value = serde_json::from_slice(&image.configs.concat())?;
    let (mut parent, mut blobs, mut ids) = (String::new(), Vec::new(), Vec::new());
    let history = config["history"].as_array().context("the sample has a history")?;
    for (index, entry) in history.iter().enumerate() {
        let blob = match entry["empty_layer"] == true {
            true => Digest::EMPTY_LAYER.to_owned(),
            false => Digest::of(&tars.next().context("there are too few layers")?).as_str().to_owned(),
        };
        let own = image.configs.concat();
        parent = layer_id(&blob, &parent, (index + 1 == history.len()).then_some(&own[..]));
        blobs.insert(0, blob);
        ids.insert(0, parent.clone());
    }
    ensure!(made.layers == blobs, "{:?}", made.layers);
    let own = made.history.iter().map(|entry| serde_json::from_str::<Value>(entry));
    let own = own.map(|entry| Ok(entry?["id"].as_str().unwrap_or_default().to_owned()));
    ensure!(own.collect::<anyhow::Result<Vec<_>>>()? == ids, "the ids are others");
    ensure!(answer.layers.len() == 3, "{:?}", answer.layers);
    Ok(())
}

#[test]
fn all_else_of_a_manifest_stays_in_its_own_form() -> anyhow::Result<()> {
    let image = edited(sample::zstd(), |manifest| {
        manifest["annotations"] = json!({"org.opencontainers.image.version": "1 < 2"});
        manifest["subject"] = json!({"mediaType": "a", "digest": Digest::of(b"").as_str(), "size": 0});
        manifest["layers"][1]["annotations"] = json!({
            "containerd.io/snapshot/stargz/toc.digest": "a",
            "containerd.io/uncompressed": "b",
            "io.containers.estargz.uncompressed-size": "c",
            "io.github.containers.zstd-chunked.manifest-checksum": "d",
            "io.github.containers.zstd-chunked.manifest-position": "e",
            "org.example.note": "f",
        });
        manifest["layers"][1]["data"] = "AAAA".into();
        manifest["layers"][1]["urls"] = json!(["https://example.org/layer"]);
    })?;
    let answer = answered(&by_tag(&image, docker_20_10()), &image)?;
    let made: Value = serde_json::from_slice(&answer.body)?;
    let mut expected: Value = serde_json::from_slice(&image.manifest.bytes)?;
    for (at, tar) in sample::plain_layers().iter().enumerate() {
        expected["layers"][at] = json!({
            "mediaType": Family::Oci.plain_layer(), "digest": Digest::of(tar).as_str(), "size": tar.len(),
        });
    }
    expected["layers"][1]["annotations"] =
        json!({"containerd.io/uncompressed": "b", "org.example.note": "f"});
    ensure!(made == expected, "{made:#}");
    let lost = notes(&answer, "lost");
    for note in [
        "annotation layers[1].annotations.containerd.io/snapshot/stargz/toc.digest",
        "annotation layers[1].annotations.io.containers.estargz.uncompressed-size",
        "annotation layers[1].annotations.io.github.containers.zstd-chunked.manifest-checksum",
        "annotation layers[1].annotations.io.github.containers.zstd-chunked.manifest-position",
        "member layers[1].data",
        "urls layers[1].urls",
    ] {
        ensure!(lost.iter().any(|own| own == note), "`{note}` is not reported: {lost:?}");
    }
    ensure!(lost.len() == 9, "{lost:?}");
    // In the other family's form nothing but the names is new.
    let schema2 = answered(&by_tag(&image, Capabilities::of(&[Form::Schema2])), &image)?;
    is_plain(&schema2, Family::Docker)?;
    ensure!(parsed(&schema2.body)?.layers[1].urls.is_empty(), "the tar is somewhere else, too");
    ensure!(notes(&schema2, "lost").iter().any(|note| note == "urls layers[1].urls"), "{}", schema2.report);
    Ok(())
}

/// zstd:chunked has its table of contents in frames that readers skip.
#[test]
fn frames_that_are_skipped_are_part_of_a_layer() -> anyhow::Result<()> {
    let [first, ..] = sample::plain_layers();
    let (start, end) = first.split_at(first.len() / 2);
    let blob =
        [zstd::frame(start), zstd::skippable(b"a table"), zstd::frame(end), zstd::skippable(b"")].concat();
    let image = with_layer(sample::zstd(), 0, blob, OCI_ZSTD)?;
    is_plain(&answered(&by_tag(&image, docker_20_10()), &image)?, Family::Oci)
}

#[test]
fn only_layers_that_must_be_are_renamed() -> anyhow::Result<()> {
    let gzip = sample::oci();
    let image = with_layer(sample::zstd(), 1, gzip.layers[1].clone(), Family::Oci.layer())?;
    let request = by_tag(&image, docker_20_10());
    let [first, _, third] = image.layers.as_slice() else { bail!("the sample has other layers") };
    ensure!(needed_layers(&request, &image)? == [Digest::of(first), Digest::of(third)], "it needs others");
    let answer = answered(&request, &image)?;
    let (made, before) = (parsed(&answer.body)?, parsed(&image.manifest.bytes)?);
    ensure!(made.layers[1] == before.layers[1] && answer.layers.len() == 2, "{:?}", made.layers);
    Ok(())
}

#[test]
fn a_layer_that_has_the_wrong_type_gets_the_true_one() -> anyhow::Result<()> {
    let [tar, ..] = sample::plain_layers();
    let gzip = sample::oci().layers[0].clone();
    for (blob, media_type) in [(tar, Family::Oci.plain_layer()), (gzip, Family::Oci.layer())] {
        let image = with_layer(sample::zstd(), 0, blob.clone(), OCI_ZSTD)?;
        let image = edited(image, |manifest| {
            manifest["layers"][0]["annotations"] = json!({"containerd.io/snapshot/stargz/toc.digest": "a"});
        })?;
        let answer = answered(&by_tag(&image, docker_20_10()), &image)?;
        let made = parsed(&answer.body)?;
        let layer = &made.layers[0];
        ensure!(layer.digest == Digest::of(&blob) && layer.media_type == media_type, "{layer:?}");
        // It is the same blob, so what is said about its bytes holds.
        ensure!(layer.others == ["annotations"] && layer.size == blob.len() as u64, "{layer:?}");
        ensure!(
            notes(&answer, "warnings").contains(&"layer-type layers[0].mediaType".to_owned()),
            "{answer:?}"
        );
        ensure!(answer.layers.len() == 2, "{:?}", answer.layers);
    }
    // All of them: no layer has another name, and none is recorded.
    let image = sample::with_layers(Family::Oci, OCI_ZSTD);
    let answer = answered(&by_tag(&image, docker_20_10()), &image)?;
    let gzip: Vec<_> = parsed(&sample::oci().manifest.bytes)?.layers;
    ensure!(parsed(&answer.body)?.layers == gzip && answer.layers.is_empty(), "{answer:?}");
    Ok(())
}

/// bzip2 and xz have no media types: whatever such a layer is called, nobody but Docker reads it.
#[test]
fn what_is_compressed_in_a_way_without_a_type_goes_by_its_diff_id() -> anyhow::Result<()> {
    let image = sample::zstd();
    let request = by_tag(&image, docker_20_10());
    for compression in [Compression::Bzip2, Compression::Xz] {
        let documents = image.documents();
        let layers: Vec<(Digest, LayerReading)> = image
            .layers
            .iter()
            .map(|blob| {
                let mut facts = facts(blob).expect("the sample can be read");
                facts.compression = compression;
                (facts.digest.clone(), LayerReading::Facts(facts))
            })
            .collect();
        let known: Documents<'_> = documents.iter().map(|(digest, bytes)| (digest, Some(&**bytes))).collect();
        let known = known.with_layers(layers.iter().map(|(digest, reading)| (digest, reading)));
        let Step::Done(draft) = answer(&request, &known) else { bail!("there is no answer") };
        let answer = draft.finish();
        ensure!(answer.layers.len() == 3 && answer.report.warnings.len() == 3, "{answer:?}");
    }
    Ok(())
}

#[test]
fn a_config_that_does_not_fit_is_refused_by_name() -> anyhow::Result<()> {
    let other = Digest::of(b"another layer");
    let wrong = with_config(sample::zstd(), |config| {
        config["rootfs"]["diff_ids"][1] = other.as_str().into();
    })?;
    let few = with_config(sample::zstd(), |config| {
        config["rootfs"]["diff_ids"].as_array_mut().expect("it is an array").pop();
    })?;
    let none = with_config(sample::zstd(), |config| {
        config.as_object_mut().expect("it is an object").remove("rootfs");
    })?;
    let bad = with_config(sample::zstd(), |config| config["rootfs"]["diff_ids"][1] = "sha256:0".into())?;
    for client in [docker_20_10(), docker_1_13(), docker_1_9()] {
        let (code, cause) = refused(&by_tag(&wrong, client.clone()), &wrong.documents())?;
        let blob = Digest::of(&wrong.layers[1]);
        let names_both = cause.contains(other.as_str()) && cause.contains(blob.as_str());
        ensure!(code == "diff-id-mismatch" && names_both, "{code}: {cause}");
        // No layer is read for what is known before.
        for (image, code) in [(&few, "diff-id-count"), (&none, "no-rootfs"), (&bad, "invalid-digest")] {
            let request = by_tag(image, client.clone());
            ensure!(needed_layers(&request, image)?.is_empty(), "a layer is read");
            ensure!(refused(&request, &image.documents())?.0 == code, "{code}");
        }
    }
    // Whoever reads the layers finds out alone.
    ensure!(answered(&by_tag(&wrong, docker(ZstdSupport::All)), &wrong)?.source.is_none(), "it is refused");
    Ok(())
}

#[test]
fn a_layer_that_cannot_be_read_is_refused_by_name() -> anyhow::Result<()> {
    let image = sample::zstd();
    let request = by_tag(&image, docker_20_10());
    let blob = Digest::of(&image.layers[1]);
    let mut documents = image.documents();
    documents.insert(blob.clone(), b"no layer at all".to_vec());
    let (code, cause) = refused(&request, &documents)?;
    ensure!(code == "unreadable-layer" && cause.contains(blob.as_str()), "{code}: {cause}");
    ensure!(cause.contains("(unknown-compression)"), "{cause}");
    documents.remove(&blob);
    let (code, cause) = refused(&request, &documents)?;
    ensure!(code == "missing-layer" && cause.contains(blob.as_str()), "{code}: {cause}");
    Ok(())
}

#[test]
fn what_is_not_here_or_encrypted_is_refused_and_never_read() -> anyhow::Result<()> {
    let typed = |media_type: &'static str| {
        edited(sample::zstd(), |manifest| manifest["layers"][2]["mediaType"] = media_type.into())
    };
    for (media_type, client, code) in [
        ("application/vnd.oci.image.layer.v1.tar+zstd+encrypted", docker_20_10(), "encrypted-layer"),
        ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", docker_1_13(), "encrypted-layer"),
        ("application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", docker_20_10(), "zstd-layer"),
        ("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", docker_1_9(), "foreign-layer"),
    ] {
        let image = typed(media_type)?;
        let request = by_tag(&image, client);
        ensure!(needed_layers(&request, &image)?.is_empty(), "`{media_type}`: a layer is read");
        let (own, cause) = refused(&request, &image.documents())?;
        ensure!(own == code, "`{media_type}`: {own}: {cause}");
        // Whoever reads zstd gets it as it is, also where everybody else gets plain layers.
        let request = always(by_tag(&image, docker(ZstdSupport::All)));
        if media_type.ends_with("gzip") {
            continue;
        }
        ensure!(answered(&request, &image)?.source.is_none(), "`{media_type}` is changed");
    }
    // Nor is there anything for who would have to decrypt all of it.
    let encrypted = edited(sample::zstd(), |manifest| {
        for layer in manifest["layers"].as_array_mut().into_iter().flatten() {
            layer["mediaType"] = "application/vnd.oci.image.layer.v1.tar+zstd+encrypted".into();
        }
    })?;
    ensure!(refused(&by_tag(&encrypted, docker_20_10()), &encrypted.documents())?.0 == "encrypted-layer");
    let request = by_tag(&encrypted, docker(ZstdSupport::All));
    ensure!(answered(&request, &encrypted)?.source.is_none(), "it is changed");
    // A foreign layer beside others stays what it is.
    let image = typed("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip")?;
    let request = by_tag(&image, docker_20_10());
    ensure!(needed_layers(&request, &image)?.len() == 2, "it needs others");
    let answer = answered(&request, &image)?;
    ensure!(parsed(&answer.body)?.layers[2] == parsed(&image.manifest.bytes)?.layers[2], "{answer:?}");
    Ok(())
}

#[test]
fn of_an_index_the_manifest_for_the_platform_is_made() -> anyhow::Result<()> {
    let index = sample::zstd_index();
    let [_, amd64] = index.children.as_slice() else { bail!("it has other children") };
    for (client, family) in [(docker_20_10(), Family::Oci), (docker_1_13(), Family::Docker)] {
        let request = by_tag(&index, client.clone());
        ensure!(needed_layers(&request, &index)?.len() == 3, "layers of another platform are read");
        let answer = answered(&request, &index)?;
        ensure!(answer.source == Some(amd64.digest()) && answer.by_platform, "{answer:?}");
        is_plain(&answer, family)?;
        // One that can be read as it is comes first.
        let both = sample::zstd_beside_gzip();
        ensure!(answered(&by_tag(&both, client), &both)?.layers.is_empty(), "layers are renamed");
    }
    // Who takes no manifest is told why there is no list.
    let (code, cause) = refused(&by_tag(&index, Capabilities::of(&[Form::List])), &index.documents())?;
    ensure!(code == "children-refused" && cause.contains("zstd-layer"), "{code}: {cause}");
    // Who reads zstd gets the index.
    ensure!(answered(&by_tag(&index, docker(ZstdSupport::All)), &index)?.source.is_none(), "it is made");
    Ok(())
}

#[test]
fn hybrids_become_oci_for_who_reads_zstd_there() -> anyhow::Result<()> {
    let image = sample::zstd_schema2();
    let answer = answered(&by_tag(&image, podman()), &image)?;
    ensure!(answer.form == Form::Oci && answer.layers.is_empty(), "{answer:?}");
    // Who does not name OCI gets plain layers.
    let client = Capabilities::of(&[Form::Schema2, Form::List]).with_zstd(ZstdSupport::Oci);
    is_plain(&answered(&by_tag(&image, client.clone()), &image)?, Family::Docker)?;
    let never = Request { plain_layers: PlainLayers::Never, ..by_tag(&image, client.clone()) };
    ensure!(refused(&never, &image.documents())?.0 == "zstd-layer", "it is not refused");
    // Nor does anybody need another form where all get plain layers.
    let of_all = [podman(), docker_20_10(), docker(ZstdSupport::All)];
    let answers: Vec<_> = of_all
        .map(|client| answered(&always(by_tag(&image, client)), &image))
        .into_iter()
        .collect::<Result<_, _>>()?;
    ensure!(answers.iter().all(|answer| answer.body == answers[0].body), "there are several: {answers:?}");
    is_plain(&answers[0], Family::Docker)?;

    let list = sample::zstd_list();
    let answer = answered(&by_tag(&list, podman()), &list)?;
    let made: Value = serde_json::from_slice(&answer.body)?;
    let entries = made["manifests"].as_array().context("it lists nothing")?;
    ensure!(answer.form == Form::Index && entries.len() == 2 && answer.layers.is_empty(), "{made:#}");
    ensure!(entries.iter().all(|entry| entry["mediaType"] == Form::Oci.media_type()), "{made:#}");
    ensure!(answer.records.len() == 3, "its manifests cannot be pulled: {:?}", answer.records);
    for record in &answer.records {
        let root = Root::Digest {
            name: REPOSITORY.to_owned(),
            digest: record.digest.clone(),
            tag: None,
            record: Some(Box::new(record.clone())),
        };
        let pulled = answered(&Request { root, ..by_tag(&list, podman()) }, &list)?;
        ensure!(pulled.body == record.payload, "{pulled:?}");
    }
    // Who takes no index gets the manifest.
    let manifests = Capabilities::of(&[Form::Oci, Form::Schema2, Form::List]).with_zstd(ZstdSupport::Oci);
    ensure!(answered(&by_tag(&list, manifests), &list)?.form == Form::Oci, "it is another form");
    is_plain(&answered(&by_tag(&list, client), &list)?, Family::Docker)?;
    // A list that they can read stays as it is.
    let list = sample::list();
    ensure!(answered(&by_tag(&list, podman()), &list)?.source.is_none(), "it is converted");
    Ok(())
}

#[test]
fn who_is_known_to_read_zstd_in_schema_2_gets_it_there() -> anyhow::Result<()> {
    let image = sample::zstd();
    let client = Capabilities::of(&[Form::Schema2]).with_zstd(ZstdSupport::All);
    let answer = answered(&by_tag(&image, client), &image)?;
    let made = parsed(&answer.body)?;
    ensure!(answer.form == Form::Schema2 && answer.layers.is_empty(), "{answer:?}");
    ensure!(made.layers.iter().all(|layer| layer.media_type == Family::Docker.zstd_layer()), "{made:?}");
    Ok(())
}

#[test]
fn by_a_pinned_digest_the_plain_one_is_named() -> anyhow::Result<()> {
    for image in [sample::zstd(), sample::zstd_schema2()] {
        for client in [docker_20_10(), docker_1_13(), docker_1_9()] {
            let told = answered(&by_tag(&image, client.clone()), &image)?.digest;
            let pinned = Root::Digest {
                name: REPOSITORY.to_owned(),
                digest: image.manifest.digest(),
                tag: Some("latest".to_owned()),
                record: None,
            };
            let request = Request { root: pinned, ..by_tag(&image, client.clone()) };
            let outcome = Native.answer(&request, &image.documents());
            let Outcome::Refused { failure, records, layers } = outcome else {
                bail!("it is not refused: {outcome:?}")
            };
            ensure!(
                failure.code == "unreadable-digest" && failure.cause.contains(told.as_str()),
                "{failure}"
            );
            ensure!(layers.len() == 3, "its layers cannot be pulled: {layers:?}");
            // And that can be pulled, as it was told.
            let record =
                records.into_iter().find(|record| record.digest == told).context("it is not kept")?;
            let root = Root::Digest {
                name: REPOSITORY.to_owned(),
                digest: told.clone(),
                tag: None,
                record: Some(Box::new(record)),
            };
            ensure!(answered(&Request { root, ..by_tag(&image, client) }, &image)?.digest == told, "{told}");
        }
        // Whoever is not known gets what was asked for.
        let request = by_digest(&image.manifest.digest(), Capabilities::default());
        ensure!(answered(&request, &image)?.body == image.manifest.bytes, "it is another manifest");
    }
    let image = sample::zstd();
    let (_, cause) = refused(&by_digest(&image.manifest.digest(), docker_20_10()), &image.documents())?;
    ensure!(cause.contains("has layers that are compressed with zstd"), "{cause}");
    Ok(())
}

/// What was made for who reads zstd in OCI only is asked for by who does not read it at all.
#[test]
fn by_a_reported_digest_the_plain_one_is_named() -> anyhow::Result<()> {
    let image = sample::zstd_schema2();
    let made = answered(&by_tag(&image, podman()), &image)?;
    let record = made.records.into_iter().next().context("nothing is recorded")?;
    let root = Root::Digest {
        name: REPOSITORY.to_owned(),
        digest: record.digest.clone(),
        tag: None,
        record: Some(Box::new(record)),
    };
    let request = Request { root, ..by_tag(&image, docker_20_10()) };
    let (code, cause) = refused(&request, &image.documents())?;
    let plain = answered(&by_tag(&image, docker_20_10()), &image)?.digest;
    ensure!(code == "unreadable-digest" && cause.contains(plain.as_str()), "{code}: {cause}");
    Ok(())
}

#[test]
fn always_gives_clients_of_every_age_one_digest_for_each_form() -> anyhow::Result<()> {
    for image in [sample::zstd(), sample::zstd_schema2()] {
        let mut digests: BTreeMap<&str, Digest> = BTreeMap::new();
        for client in [
            docker_20_10(),
            docker(ZstdSupport::All),
            docker_1_13(),
            docker_1_9(),
            podman(),
            Capabilities::of(&[Form::Schema2]).with_zstd(ZstdSupport::All),
            Capabilities::of(&[Form::Oci]),
            Capabilities::of(&[Form::Oci, Form::Schema2]).with_any(),
        ] {
            let answer = answered(&always(by_tag(&image, client)), &image)?;
            ensure!(answer.layers.len() == 3, "{answer:?}");
            let known = digests.entry(answer.form.name()).or_insert_with(|| answer.digest.clone());
            ensure!(*known == answer.digest, "{} has two digests", answer.form);
        }
        ensure!(digests.len() == 3, "{digests:?}");
        // By its digest the stored one is what it is.
        let request = always(by_digest(&image.manifest.digest(), docker(ZstdSupport::All)));
        ensure!(answered(&request, &image)?.body == image.manifest.bytes, "it is another manifest");
    }
    // Images without zstd are not looked at.
    for image in [sample::oci(), sample::index(), sample::list()] {
        for client in [docker(ZstdSupport::All), podman()] {
            ensure!(answered(&always(by_tag(&image, client)), &image)?.source.is_none(), "it is changed");
        }
    }
    Ok(())
}

/// To make all manifests of an index is to read the layers of every platform. So whoever says a platform gets its manifest;
/// others get the index.
#[test]
fn always_gives_of_an_index_the_manifest_for_a_known_platform() -> anyhow::Result<()> {
    let index = sample::zstd_index();
    let old = answered(&always(by_tag(&index, docker_20_10())), &index)?;
    let new = answered(&always(by_tag(&index, docker(ZstdSupport::All))), &index)?;
    ensure!(old.digest == new.digest && new.form == Form::Oci, "{new:?}");
    for client in [docker(ZstdSupport::All).without_platform(), podman()] {
        let request = always(by_tag(&index, client));
        ensure!(needed_layers(&request, &index)?.is_empty(), "layers are read");
        let answer = answered(&request, &index)?;
        ensure!(answer.source.is_none(), "{answer:?}");
        ensure!(notes(&answer, "warnings") == ["plain-layers manifests"], "{}", answer.report);
    }
    // Who takes no manifest gets the index, too.
    let client = Capabilities::of(&[Form::Index]).with_platform(Platform::linux_amd64());
    ensure!(answered(&always(by_tag(&index, client)), &index)?.source.is_none(), "it is changed");
    // Attestations are about the stored manifest.
    let [_, amd64] = index.children.as_slice() else { bail!("it has other children") };
    let with_attestation = edited(index.clone(), |manifest| {
        let entry = json!({
            "mediaType": Form::Oci.media_type(), "digest": Digest::of(b"a").as_str(), "size": 1,
            "platform": {"os": "unknown", "architecture": "unknown"},
            "annotations": {
                "vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": amd64.digest().as_str(),
            },
        });
        manifest["manifests"].as_array_mut().expect("it is an array").push(entry);
    })?;
    let answer = answered(&always(by_tag(&with_attestation, docker(ZstdSupport::All))), &with_attestation)?;
    let expected = format!("attestation manifests[{}]", Digest::of(b"a"));
    ensure!(notes(&answer, "warnings") == [expected], "{}", answer.report);
    Ok(())
}

#[test]
fn never_and_a_permission_leave_layers_as_they_are() -> anyhow::Result<()> {
    let image = sample::zstd();
    for client in [docker_20_10(), docker_1_13(), docker_1_9(), Capabilities::of(&[Form::Schema2])] {
        let never = Request { plain_layers: PlainLayers::Never, ..by_tag(&image, client.clone()) };
        ensure!(refused(&never, &image.documents())?.0 == "zstd-layer", "{client:?}");
        for plain_layers in PlainLayers::ALL {
            let allow = [Permission::ZstdLayer].into_iter().collect();
            let request = Request { allow, plain_layers, ..by_tag(&image, client.clone()) };
            ensure!(answered(&request, &image)?.layers.is_empty(), "{client:?}");
        }
    }
    // Distribution does not look how layers are compressed; an operator may want them plain all the same.
    let hybrid = sample::zstd_schema2();
    let reference = Request { policy: Policy::Reference, ..by_tag(&hybrid, docker_20_10()) };
    ensure!(answered(&reference, &hybrid)?.source.is_none(), "it is changed");
    is_plain(&answered(&always(reference), &hybrid)?, Family::Docker)?;
    let reference = Request { policy: Policy::Reference, ..by_tag(&hybrid, docker_1_9()) };
    ensure!(answered(&reference, &hybrid)?.layers.is_empty(), "layers are renamed");
    ensure!(answered(&always(reference), &hybrid)?.layers.len() == 3, "layers are not renamed");
    Ok(())
}

#[test]
fn the_order_of_what_is_at_hand_does_not_matter() -> anyhow::Result<()> {
    for image in [sample::zstd(), sample::zstd_schema2(), sample::zstd_index(), sample::zstd_list()] {
        let documents = image.documents();
        let readings: Vec<(Digest, LayerReading)> = image
            .layers
            .iter()
            .map(|blob| (Digest::of(blob), reading(&documents, &Digest::of(blob))))
            .collect();
        for client in [docker_20_10(), docker_1_13(), Capabilities::of(&[Form::Schema1Unsigned]), podman()] {
            let request = by_tag(&image, client);
            let mut bodies = Vec::new();
            for turn in 0..12 {
                let mut order: Vec<_> = documents.iter().collect();
                let mut layers: Vec<_> = readings.iter().collect();
                let (at, place) = (turn % order.len(), turn % layers.len());
                order.rotate_left(at);
                layers.rotate_right(place);
                if turn % 2 == 1 {
                    order.reverse();
                    layers.reverse();
                }
                let known: Documents<'_> =
                    order.into_iter().map(|(digest, bytes)| (digest, Some(&**bytes))).collect();
                let known = known.with_layers(layers.into_iter().map(|(digest, one)| (digest, one)));
                let Step::Done(draft) = answer(&request, &known) else { bail!("there is no answer") };
                let answer = draft.finish().into_owned();
                let pairs =
                    renamed(&answer.layers).into_iter().map(|(one, other)| (one.clone(), other.clone()));
                bodies.push((pairs.collect::<Vec<_>>(), answer.body.into_owned()));
            }
            bodies.dedup();
            ensure!(bodies.len() == 1, "{} answers", bodies.len());
        }
    }
    Ok(())
}

/// An image may have one layer many times, such as an empty one.
#[test]
fn a_layer_that_stands_there_twice_is_read_once() -> anyhow::Result<()> {
    let image = edited(sample::zstd(), |manifest| manifest["layers"][2] = manifest["layers"][0].clone())?;
    let image = with_config(image, |config| {
        config["rootfs"]["diff_ids"][2] = config["rootfs"]["diff_ids"][0].clone();
    })?;
    let request = by_tag(&image, docker_20_10());
    ensure!(needed_layers(&request, &image)?.len() == 2, "it is read twice");
    let answer = answered(&request, &image)?;
    let made = parsed(&answer.body)?;
    ensure!(answer.layers.len() == 2 && made.layers[0] == made.layers[2], "{answer:?}");
    Ok(())
}
