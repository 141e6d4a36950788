//! The cases that the project began with.

use anyhow::ensure;
use downshift::{Digest, EMPTY_LAYER, Form, Limits, jws};
use downshift_cases::difference;
use downshift_cases::fixed_key::{signed_schema1, unsigned_schema1};
use downshift_cases::images::{Image, digest_of, sample};
use downshift_cases::response::{Response, is_manifest};
use downshift_tests::front::{Engine, Front};
use downshift_tests::programs::case_with;
use libtest_mimic::Trial;

use crate::Named;

/// What Docker 1.10 to 18.05 accept, each on a line of its own.
const DOCKER_1_11: [&str; 4] = [
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "application/json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// What Distribution 2.8 makes of [`sample::without_layers`].
const WITHOUT_LAYERS_PAYLOAD: &str = r#"{
   "schemaVersion": 1,
   "name": "library/sample",
   "tag": "latest",
   "architecture": "amd64",
   "fsLayers": [
      {
         "blobSum": "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4"
      }
   ],
   "history": [
      {
         "v1Compatibility": "{\"architecture\":\"amd64\",\"config\":{\"Cmd\":[\"/bin/sh\"]},\"created\":\"2016-05-10T09:15:02.601Z\",\"docker_version\":\"1.11.1\",\"id\":\"9ac5d0fd5552da376df4617096b5e25e37a97c8db364a34c23b59aac62843d3b\",\"os\":\"linux\",\"throwaway\":true}"
      }
   ]
}"#;

pub(crate) fn trials(engine: Engine) -> Vec<Trial> {
    let trial = |(name, run): Named<fn(Engine) -> anyhow::Result<()>>| {
        case_with(engine.programs(&[]), format!("{}::front::seed::{name}", engine.name), move || run(engine))
    };
    vec![
        trial(named!(an_image_without_layers_is_served_as_stored_to_who_accepts_schema_2)),
        trial(named!(an_image_without_layers_has_the_empty_layer_in_schema_1)),
        trial(named!(stored_schema_1_is_served_as_it_is_to_docker_1_11)),
        trial(named!(stored_schema_1_without_a_signature_is_signed_for_docker_1_11)),
    ]
}

fn an_image_without_layers_is_served_as_stored_to_who_accepts_schema_2(engine: Engine) -> anyhow::Result<()> {
    let image = sample::without_layers();
    let front = Front::start(engine, &[("latest", image.clone())])?;
    let response = front.manifest("latest", &[Form::Schema2.media_type()])?;
    is_manifest(&response, Form::Schema2, &image.manifest.digest())?;
    difference::compare("manifest", &image.manifest.bytes, &response.body)
}

fn an_image_without_layers_has_the_empty_layer_in_schema_1(engine: Engine) -> anyhow::Result<()> {
    let front = Front::start(engine, &[("latest", sample::without_layers())])?;
    let payload = Digest::of(WITHOUT_LAYERS_PAYLOAD.as_bytes());
    // As curl asks, and as Docker 1.6 to 1.9 do.
    for accept in [&["*/*"] as &[&str], &[]] {
        let response = front.manifest("latest", accept)?;
        is_manifest(&response, Form::Schema1, &payload)?;
        difference::compare("payload", WITHOUT_LAYERS_PAYLOAD.as_bytes(), &signed_payload(&response)?)?;
    }
    let blob = front.blob(Digest::EMPTY_LAYER)?;
    ensure!(blob.status == 200 && blob.body == EMPTY_LAYER, "the empty layer is not there: {blob:?}");
    Ok(())
}

fn stored_schema_1_is_served_as_it_is_to_docker_1_11(engine: Engine) -> anyhow::Result<()> {
    let signed = signed_schema1()?;
    let front = Front::start(engine, &[("latest", Image::bare(Form::Schema1, signed.clone()))])?;
    for accept in rotations(DOCKER_1_11) {
        let response = front.manifest("latest", &accept)?;
        is_manifest(&response, Form::Schema1, &digest_of(Form::Schema1, &signed)?)?;
        difference::compare("manifest", &signed, &response.body)?;
    }
    Ok(())
}

fn stored_schema_1_without_a_signature_is_signed_for_docker_1_11(engine: Engine) -> anyhow::Result<()> {
    let unsigned = unsigned_schema1()?;
    let front = Front::start(engine, &[("latest", Image::bare(Form::Schema1Unsigned, unsigned.clone()))])?;
    for accept in rotations(DOCKER_1_11) {
        let response = front.manifest("latest", &accept)?;
        is_manifest(&response, Form::Schema1, &Digest::of(&unsigned))?;
        difference::compare("payload", &unsigned, &signed_payload(&response)?)?;
    }
    Ok(())
}

/// `lines`, beginning with each of them.
fn rotations<const N: usize>(mut lines: [&'static str; N]) -> impl Iterator<Item = [&'static str; N]> {
    (0..N).map(move |_| {
        lines.rotate_left(1);
        lines
    })
}

/// The payload of a manifest whose signatures hold.
fn signed_payload(response: &Response) -> anyhow::Result<Vec<u8>> {
    let document = jws::parse(&response.body, &Limits::default())?;
    ensure!(downshift_sign::verify(&document).is_valid(), "the signature does not hold");
    Ok(document.payload)
}
