//! Facts about layers: how they are read, and what they add to reports on schema 1.

use downshift::layer::{DECODER_VERSION, LayerFacts};
use downshift::{Digest, Form};
use downshift_inspect::{Given, Kind, facts};
use serde_json::{Value, json};

use crate::support::{json_of, manifest_of, report_on, schema1, schema1_of};

/// What `downshift layer --json` writes of a gzip layer with this digest.
fn layer(digest: &Digest) -> Value {
    json!({"file": "layer", "facts": {
        "digest": digest.as_str(), "compression": "gzip", "size": 32, "diff_id": Digest::of(b"tar").as_str(),
        "plain_size": 1024, "zstd_window": null, "decoder_version": DECODER_VERSION,
    }})
}

fn document(layers: &[Value]) -> Vec<u8> {
    json!({ "layers": layers }).to_string().into_bytes()
}

#[test]
fn what_is_written_is_read() {
    let (one, other) = (Digest::of(b"1"), Digest::of(b"2"));
    let failure = json!({"failure": {"code": "truncated-layer"}});
    let read = facts(&document(&[layer(&one), failure, layer(&other), layer(&one)])).unwrap();
    let digests: Vec<_> = read.iter().map(|facts| &facts.digest).collect();
    assert_eq!(digests, [&one, &other]);
    // As the core writes them.
    for facts in &read {
        let written = serde_json::to_value(facts).unwrap();
        assert_eq!(written, layer(&facts.digest)["facts"]);
    }
    // What is not known is the current version's.
    let mut by_hand = layer(&one);
    let members = by_hand["facts"].as_object_mut().unwrap();
    members.remove("zstd_window");
    members.remove("decoder_version");
    assert_eq!(facts(&document(&[by_hand])).unwrap(), read[..1]);
    assert_eq!(facts(&document(&[])).unwrap(), Vec::<LayerFacts>::new());
}

#[test]
fn what_is_none_is_refused() {
    let digest = Digest::of(b"1");
    let change = |name: &str, value: Value| {
        let mut layer = layer(&digest);
        layer["facts"][name] = value;
        layer
    };
    for (bytes, cause) in [
        (b"{".to_vec(), "JSON"),
        (b"{}".to_vec(), "`layers` is not an array"),
        (json!({"schemaVersion": 2, "layers": []}).to_string().into_bytes(), "`layers` is not an array"),
        (document(&[json!({})]), "`layers[0].facts` is missing"),
        (document(&[layer(&digest), json!(1)]), "`layers[1].facts` is missing"),
        (document(&[change("digest", json!("1"))]), "`layers[0].facts.digest` is not a digest"),
        (
            document(&[change("compression", json!("lzma"))]),
            "`layers[0].facts.compression` is not plain, gzip",
        ),
        (document(&[change("size", json!(-1))]), "`layers[0].facts.size` is not a whole number"),
        (document(&[change("diff_id", Value::Null)]), "`layers[0].facts.diff_id` is not a string"),
        (document(&[change("plain_size", json!("1"))]), "`layers[0].facts.plain_size` is not a whole number"),
        (document(&[change("zstd_window", json!(true))]), "`layers[0].facts.zstd_window` is not a whole"),
        (document(&[change("diff_id", json!(digest.as_str()))]), "`layers[0].facts` contradict themselves"),
        (document(&[change("compression", json!("plain"))]), "`layers[0].facts` contradict themselves"),
        (document(&[layer(&digest), change("size", json!(33))]), "`layers[1].facts` contradict others"),
        (document(&[change("decoder_version", json!(DECODER_VERSION - 1))]), "are of an older version"),
    ] {
        let failure = facts(&bytes).unwrap_err();
        assert_eq!(failure.code, "invalid-facts");
        assert!(failure.cause.contains(cause), "{cause}: {}", failure.cause);
    }
}

#[test]
fn schema_1_has_the_sizes_and_diff_ids_that_are_given() {
    let signed = schema1(Form::Schema1);
    let alone = json_of(&signed);
    let digests: Vec<Digest> = alone["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| layer["digest"].as_str().unwrap().parse().unwrap())
        .collect();
    let given = document(&digests.iter().map(layer).collect::<Vec<_>>());
    let report = report_on(&[Given::of(&signed), Given::of(&given)]);
    let [manifest, facts] = &*report.documents else { panic!("{report:?}") };
    assert_eq!(facts.kind, Kind::LayerFacts);
    assert_eq!(facts.media_type.as_deref(), Some("application/json"));
    assert!(facts.failure.is_none() && facts.problems.is_empty(), "{facts:?}");
    for layer in &manifest.layers {
        assert_eq!(layer.part.size, Some(32));
        assert_eq!(layer.diff_id.as_deref(), Some(Digest::of(b"tar").as_str()));
    }
    assert!(alone["layers"][0].get("diff_id").is_none());

    let broken = document(&[json!({"facts": {}})]);
    let report = report_on(&[Given::of(&broken)]);
    assert_eq!(report.documents[0].kind, Kind::LayerFacts);
    assert_eq!(report.documents[0].failure.as_ref().unwrap().code, "invalid-facts");
}

const LAYER_TYPE: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// A config as Docker writes it: by its names, with the command that made it.
fn config_of_docker(more: &str) -> String {
    let diff_id = Digest::of(&[0; 1024]);
    format!(
        r#"{{"architecture":"amd64","config":{{"Cmd":["sh"]}},"container_config":{{"Cmd":["CMD"]}},"created":"2020-03-01T12:00:05Z","docker_version":"18.09.1","history":[{{"created":"2020-03-01T12:00:04Z","created_by":"ADD"}},{{"created":"2020-03-01T12:00:05Z","created_by":"CMD","empty_layer":true}}],"os":"linux","rootfs":{{"type":"layers","diff_ids":["{diff_id}"]}}{more}}}"#
    )
}

/// The card on a manifest that came back from schema 1: its code, and what it says.
fn returned(config: &str) -> (String, String) {
    returned_of(Digest::of(b"layer").as_str(), config)
}

/// The same with another layer.
fn returned_of(layer: &str, config: &str) -> (String, String) {
    let manifest = manifest_of(Form::Schema2, LAYER_TYPE, config);
    let manifest = manifest.replace(Digest::of(b"layer").as_str(), layer);
    let schema1 = schema1_of(Form::Schema1, &manifest, config);
    let report = report_on(&[&schema1[..], manifest.as_bytes(), config.as_bytes()].map(Given::of));
    let codes = ["same-image", "other-image-id"];
    let card = report.explanations.iter().find(|card| codes.contains(&card.code)).expect("there is no card");
    assert_eq!(card.documents, [0, 1]);
    assert!(card.text[0].contains("sha256:"), "{card:?}");
    (card.code.to_owned(), card.text.join(" "))
}

#[test]
fn schema_1_is_the_image_that_it_was_made_of_or_says_what_differs() {
    let (code, text) = returned(&config_of_docker(""));
    assert_eq!(code, "same-image");
    assert!(text.contains(Digest::of(config_of_docker("").as_bytes()).as_str()), "{text}");
    // Members that are not in their order, and white space.
    let (code, text) = returned(&config_of_docker("").replace("\"os\":\"linux\"", "\"os\": \"linux\""));
    assert_eq!(code, "other-image-id");
    assert!(text.contains("only how the JSON is written differs") && !text.contains("1.8.3"), "{text}");
    // What schema 1 has no place for, and what Docker writes anew.
    let (code, text) = returned(&config_of_docker("").replace("18.09.1", "1.6.0"));
    assert_eq!(code, "other-image-id");
    assert!(text.contains("differ in `config`, `container_config`.") && text.contains("1.8.3"), "{text}");

    // A layer that is empty is one all the same.
    let (code, _) = returned_of(Digest::EMPTY_LAYER, &config_of_docker(""));
    assert_eq!(code, "same-image");

    // Of another image it says nothing.
    let config = config_of_docker("");
    let manifest = manifest_of(Form::Schema2, LAYER_TYPE, &config);
    let other = schema1_of(Form::Schema1, &manifest, &config);
    let manifest = manifest.replace(Digest::of(b"layer").as_str(), Digest::of(b"other").as_str());
    let report = report_on(&[&other[..], manifest.as_bytes(), config.as_bytes()].map(Given::of));
    assert!(report.explanations.iter().all(|card| !card.code.contains("image")), "{:?}", report.explanations);
}

#[test]
fn the_ids_of_the_image_are_known_with_all_facts() {
    let config = config_of_docker("");
    let schema1 = schema1_of(Form::Schema1, &manifest_of(Form::Schema2, LAYER_TYPE, &config), &config);
    let mut facts = layer(&Digest::of(b"layer"));
    facts["facts"]["diff_id"] = Digest::of(&[0; 1024]).as_str().into();
    let given = document(core::slice::from_ref(&facts));
    let report = report_on(&[Given::of(&schema1), Given::of(&given)]);
    let ids = &report.documents[0].image_ids;
    let tools: Vec<_> = ids.iter().map(|id| id.tool).collect();
    assert_eq!(tools, ["docker", "skopeo", "skopeo-oci", "containerd", "oci-schema1", "frozen-image"]);
    let id = Digest::of(config.as_bytes());
    assert!(ids[0].id == id && ids[1].id == id && ids[2].id != id && ids[3].id != ids[2].id, "{ids:?}");
    // A layer is missing.
    facts["facts"]["digest"] = Digest::of(b"other").as_str().into();
    let given = document(&[facts]);
    let report = report_on(&[Given::of(&schema1), Given::of(&given)]);
    assert!(report.documents[0].image_ids.is_empty());
}
