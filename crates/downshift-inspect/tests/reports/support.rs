//! Documents to report on.

use downshift::answer::{Documents, Request, Root, Step, answer};
use downshift::{
    Capabilities, Digest, Form, Limits, Permissions, PlainLayers, Platform, Policy, Timestamp,
    UnsignedSchema1, jws,
};
use downshift_inspect::{Given, Report, inspect};
use downshift_sign::{P256Signer, PrivateKey, Signer as _};
use serde_json::Value;

/// The key of RFC 6979, A.2.5.
const KEY: &[u8] = br#"{
    "kty": "EC",
    "crv": "P-256",
    "d": "ya-p2EW6dRZrXCFXZ7HWk05Qw9s26JsSe4piKxIPZyE",
    "x": "YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y",
    "y": "eQP-EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk"
}"#;

/// A config with a layer, and a history entry without one.
pub(crate) const CONFIG: &str = r#"{"architecture":"amd64","os":"linux","created":"2020-03-01T12:00:05Z","config":{"Env":["PATH=/bin"],"Cmd":["sh"],"Labels":{"a":"b"}},"history":[{"created":"2020-03-01T12:00:04Z","created_by":"/bin/sh -c #(nop) ADD file:1 in / "},{"created":"2020-03-01T12:00:05Z","created_by":"/bin/sh -c #(nop)  CMD [\"sh\"]","empty_layer":true}],"rootfs":{"type":"layers","diff_ids":["sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"]}}"#;

/// A digest, of nothing that there is.
pub(crate) fn digest(of: &str) -> Digest {
    Digest::of(of.as_bytes())
}

/// A descriptor, with `more` members after its own.
pub(crate) fn descriptor(media_type: &str, bytes: &[u8], more: &str) -> String {
    format!(r#"{{"mediaType":"{media_type}","digest":"{}","size":{}{more}}}"#, Digest::of(bytes), bytes.len())
}

/// A schema 2 manifest of [`CONFIG`] and one layer.
pub(crate) fn schema2() -> String {
    manifest(Form::Schema2, "application/vnd.docker.image.rootfs.diff.tar.gzip")
}

/// A manifest of [`CONFIG`] and one layer of this type.
pub(crate) fn manifest(form: Form, layer_type: &str) -> String {
    manifest_of(form, layer_type, CONFIG)
}

/// A manifest of a config and one layer of this type.
pub(crate) fn manifest_of(form: Form, layer_type: &str, config: &str) -> String {
    let config_type = match form {
        Form::Oci => "application/vnd.oci.image.config.v1+json",
        _ => "application/vnd.docker.container.image.v1+json",
    };
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","config":{},"layers":[{}]}}"#,
        form.media_type(),
        descriptor(config_type, config.as_bytes(), ""),
        descriptor(layer_type, b"layer", "")
    )
}

/// An index or list of such entries.
pub(crate) fn index(form: Form, entries: &[String]) -> String {
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[{}]}}"#,
        form.media_type(),
        entries.join(",")
    )
}

/// [`schema2`] as schema 1: signed, or not.
pub(crate) fn schema1(form: Form) -> Vec<u8> {
    schema1_of(form, &schema2(), CONFIG)
}

/// A manifest with its config as schema 1.
pub(crate) fn schema1_of(form: Form, manifest: &str, config: &str) -> Vec<u8> {
    let stored =
        [(Digest::of(manifest.as_bytes()), manifest.as_bytes()), (digest(config), config.as_bytes())];
    let request = Request {
        root: Root::Tag { name: "library/app".into(), tag: "1.0".into(), digest: stored[0].0.clone() },
        client: Capabilities::of(&[form]),
        policy: Policy::Strict,
        allow: Permissions::default(),
        plain_layers: PlainLayers::default(),
        unsigned_schema1: UnsignedSchema1::default(),
        default_platform: Platform::linux_amd64(),
        time: None,
        limits: Limits::default(),
    };
    let documents: Documents<'_> = stored.iter().map(|(digest, bytes)| (digest, Some(*bytes))).collect();
    match answer(&request, &documents) {
        Step::Done(draft) => draft.finish().body.into_owned(),
        Step::Sign(prepared) => {
            let signature = signer().sign(&prepared.signing_input()).unwrap();
            prepared.seal(signature).unwrap().body.into_owned()
        }
        Step::Need(_) | Step::Refused(_) => panic!("it is not converted"),
    }
}

pub(crate) fn signer() -> P256Signer {
    P256Signer::new(&PrivateKey::parse(KEY).unwrap())
}

/// A payload, signed.
pub(crate) fn signed(payload: &str) -> Vec<u8> {
    let limits = Limits::default();
    let unsigned = jws::prepare(payload.as_bytes().to_vec(), Timestamp::default(), &limits).unwrap();
    unsigned.seal(&[signer().sign(&unsigned.signing_input()).unwrap()]).unwrap()
}

/// What `curl -i` prints.
pub(crate) fn response(headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    [format!("HTTP/1.1 200 OK\r\n{headers}\r\n").as_bytes(), body].concat()
}

/// The report on documents.
pub(crate) fn report_on(documents: &[Given<'_>]) -> Report {
    inspect(documents, &[]).unwrap()
}

/// The report on one document, as JSON.
pub(crate) fn json_of(bytes: &[u8]) -> Value {
    serde_json::to_value(&report_on(&[Given::of(bytes)]).documents[0]).unwrap()
}
