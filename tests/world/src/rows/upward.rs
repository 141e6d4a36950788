//! Stored schema 1 for clients that do not read it: the manifest that is made of it, and the config and the layers that
//! this names.

use std::sync::LazyLock;

use downshift::answer::Record;
use downshift::{Capabilities, Digest, Form, Permission, Policy, UnsignedSchema1};
use downshift_cases::images::{Image, Manifest, REPOSITORY, digest_of, sample};
use downshift_cases::implementation::{Answered, Implementation, Native, Outcome, schema1_request};
use downshift_cases::signed::{key_id, signed};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::row::{
    AccessOption, Ask, Comes, Options, Row, Step, asked, blob, body, change, get, head, manifest, part, pass,
    push, refused, row, several, status, stored,
};
use crate::fault::{Fault, Rule};
use crate::layers::unpacked;
use crate::net::{Authentication, Change, Host, User};

/// Names schema 1 and refuses it.
const REFUSES: &str = "docker/28.1.1 go/go1.23.8 git-commit/01f442b kernel/6.1.0 os/linux arch/amd64";
/// Names it and reads it.
const READS: &str = "docker/25.0.5 go/go1.21.8 git-commit/e63daec kernel/6.1.0 os/linux arch/amd64";

const ALICE: User = User { name: "alice", password: "wonder land" };
const BOB: User = User { name: "bob", password: "builder" };

/// An image that was pushed as schema 1, and what is made of it.
struct Sample {
    image: Image,
    oci: Answered,
    config: Record,
}

static SAMPLE: LazyLock<Sample> = LazyLock::new(|| {
    let image = sample::schema2();
    let made = answered(&image, Capabilities::default());
    let manifest = Manifest { form: Form::Schema1, bytes: made.body };
    let image = Image { layers: image.layers, ..Image::bare(manifest.form, manifest.bytes) };
    let oci = answered(&image, Capabilities::of(&[Form::Oci]));
    let config = oci.records.iter().find(|record| record.is_config()).expect("a config is made").clone();
    Sample { image, oci, config }
});

fn answered(image: &Image, client: Capabilities) -> Answered {
    let request = schema1_request(REPOSITORY, "latest", image.manifest.digest(), Policy::Strict);
    let request = downshift::answer::Request { client, ..request };
    match Native.answer(&request, &image.documents()) {
        Outcome::Answered(answered) => answered,
        outcome => panic!("the image is not converted: {outcome:?}"),
    }
}

pub(super) fn rows() -> Vec<Row> {
    let own =
        [pulled_by_all(), pinned(), untold(), denied(), gone(), plain(), missing_layer(), broken_chain()];
    let signed = [signatures(), unsigned(), wrong(), wrong_and_allowed(), unsigned_and_refused()];
    let listed = [list(), list_for_others(), list_without_others(), index_for_old_engines()];
    own.into_iter().chain(signed).chain(listed).collect()
}

fn with_image(name: &str, options: Options, steps: impl IntoIterator<Item = Step>) -> Row {
    let image = push("latest", &SAMPLE.image);
    row(format!("upward/{name}"), options, [image].into_iter().chain(steps))
}

/// containerd and most others.
fn oci(target: &str) -> Ask {
    get(target).reading(Form::Schema2).reading(Form::List).reading(Form::Oci).reading(Form::Index)
}

fn made() -> Comes {
    body(&SAMPLE.oci.body)
        .header("content-type", Form::Oci.media_type())
        .header("docker-content-digest", SAMPLE.oci.digest.as_str())
        .header("downshift-source-signature", &valid())
}

/// What the suite's signature proves.
fn valid() -> String {
    format!("valid; key={}", key_id())
}

fn made_of_stored() -> Comes {
    let stored = digest_of(Form::Schema1, &SAMPLE.image.manifest.bytes).expect("it is signed");
    made().header("downshift-source-digest", stored.as_str())
}

fn paths() -> (String, String) {
    (blob(&SAMPLE.config.digest), manifest(SAMPLE.oci.digest.as_str()))
}

fn pulled_by_all() -> Row {
    let (config, by_digest) = paths();
    let bytes = &SAMPLE.config.payload;
    let etag = format!("\"{}\"", SAMPLE.config.digest);
    let layer = &SAMPLE.image.layers[0];
    with_image(
        "pulled",
        Options::default(),
        [
            oci(&manifest("latest")).comes(made_of_stored()),
            Step::AnythingAsked,
            get(&config).comes(body(bytes).header("etag", &etag)),
            head(&config).comes(status(200).header("content-length", &bytes.len().to_string())),
            get(&config).with("Range", "bytes=10-19").comes(part(10..20, bytes)),
            get(&config).with("Range", "bytes=10-19,0-3").comes(several(&[10..20, 0..4], bytes)),
            get(&config).with("Range", "bytes=99999999-").comes(refused(416, "invalid-range")),
            get(&config).with("If-None-Match", &etag).comes(status(304)),
            asked::<String>([]),
            get(&blob(&Digest::of(layer))).comes(body(layer)),
            get(&by_digest).comes(made()),
            // A config is not a manifest.
            get(&manifest(SAMPLE.config.digest.as_str())).comes(refused(404, "MANIFEST_UNKNOWN")),
            // Nothing is read again.
            Step::AnythingAsked,
            oci(&manifest("latest")).comes(made_of_stored()),
            asked([format!("HEAD registry {} -", manifest("latest"))]),
            // Who reads schema 1 gets what is stored.
            get(&manifest("latest")).comes(stored(&SAMPLE.image)),
            oci(&manifest("latest"))
                .with("User-Agent", READS)
                .reading(Form::Schema1)
                .comes(stored(&SAMPLE.image)),
            oci(&manifest("latest"))
                .with("User-Agent", REFUSES)
                .reading(Form::Schema1)
                .comes(made_of_stored()),
            get(&manifest("latest"))
                .reading(Form::Schema2)
                .comes(status(200).header("content-type", Form::Schema2.media_type())),
            // Of lists alone none is made.
            get(&manifest("latest")).reading(Form::List).comes(refused(400, "not-acceptable")),
            get(&manifest("latest"))
                .reading(Form::Index)
                .reading(Form::List)
                .comes(refused(400, "not-acceptable")),
        ],
    )
}

/// By its digest stored schema 1 is what it is, and who refuses it is told what to pull: that is there then.
fn pinned() -> Row {
    let (config, by_digest) = paths();
    let digest = digest_of(Form::Schema1, &SAMPLE.image.manifest.bytes).expect("it is signed");
    let pinned = manifest(digest.as_str());
    with_image(
        "pinned",
        Options::default(),
        [
            get(&pinned).with("User-Agent", REFUSES).comes(refused(400, "unreadable-digest")),
            get(&by_digest).with("User-Agent", REFUSES).comes(made()),
            get(&config).with("User-Agent", REFUSES).comes(body(&SAMPLE.config.payload)),
            oci(&pinned).comes(stored(&SAMPLE.image)),
        ],
    )
}

/// A config that nobody was told of, or in another repository, is not there.
fn untold() -> Row {
    let (config, _) = paths();
    let other = config.replace(REPOSITORY, "other/app");
    with_image(
        "untold",
        Options::default(),
        [
            get(&config).comes(refused(404, "BLOB_UNKNOWN")),
            oci(&manifest("latest")).comes(made_of_stored()),
            get(&other).comes(refused(404, "BLOB_UNKNOWN")),
            get(&config).comes(body(&SAMPLE.config.payload)),
        ],
    )
}

/// Who may not pull gets no config.
fn denied() -> Row {
    let (config, _) = paths();
    let options = Options { access: AccessOption::Upstream, ..Options::default() };
    with_image(
        "denied",
        options,
        [
            change(Change::Authentication(Authentication::Basic)),
            change(Change::Rights(ALICE, &["*"])),
            change(Change::Rights(BOB, &["library/open"])),
            oci(&manifest("latest")).by(ALICE).comes(made_of_stored()),
            get(&config).by(ALICE).comes(body(&SAMPLE.config.payload)),
            get(&config).comes(refused(401, "UNAUTHORIZED")),
            get(&config).by(BOB).comes(refused(401, "UNAUTHORIZED")),
            head(&config).by(BOB).comes(status(401)),
            // Neither does who might before.
            change(Change::Rights(ALICE, &["library/open"])),
            pass(61),
            get(&config).by(ALICE).comes(refused(401, "UNAUTHORIZED")),
        ],
    )
}

/// What was told stays, while the registry is not there.
fn gone() -> Row {
    let (config, by_digest) = paths();
    with_image(
        "registry-gone",
        Options::default(),
        [
            oci(&manifest("latest")).comes(made_of_stored()),
            change(Rule::at("/", Fault::Close).of(Host::Registry).change()),
            get(&config).comes(body(&SAMPLE.config.payload)),
            get(&by_digest).comes(made()),
        ],
    )
}

/// A layer that is compressed in a way that has no media type in schema 2 goes by its diff id.
fn plain() -> Row {
    let plain = unpacked(&SAMPLE.image.layers[0]).expect("the sample is sound");
    let zstd = compress_to_vec(plain.as_slice(), CompressionLevel::Fastest);
    let record = format!(r#"{{\"id\":\"{}\"}}"#, "a".repeat(64));
    let bytes = format!(
        r#"{{"schemaVersion":1,"name":"library/sample","tag":"latest","fsLayers":[{{"blobSum":"{}"}}],"history":[{{"v1Compatibility":"{record}"}}]}}"#,
        Digest::of(&zstd)
    );
    let image = Image { layers: vec![zstd], ..Image::bare(Form::Schema1Unsigned, bytes.into_bytes()) };
    let made = answered(&image, Capabilities::of(&[Form::Oci]));
    row(
        "upward/plain",
        Options::default(),
        [
            push("latest", &image),
            get(&blob(&Digest::of(&plain))).comes(refused(404, "BLOB_UNKNOWN")),
            oci(&manifest("latest")).comes(body(&made.body)),
            get(&blob(&Digest::of(&plain))).comes(body(&plain)),
        ],
    )
}

fn missing_layer() -> Row {
    let image = Image { layers: Vec::new(), ..SAMPLE.image.clone() };
    row(
        "upward/missing-layer",
        Options::default(),
        [
            push("latest", &image),
            oci(&manifest("latest")).comes(refused(400, "missing-layer")),
            get(&manifest("latest")).comes(stored(&image)),
        ],
    )
}

fn broken_chain() -> Row {
    let bytes = br#"{"schemaVersion":1,"name":"library/sample","tag":"latest","fsLayers":[],"history":[]}"#;
    let image = Image::bare(Form::Schema1Unsigned, bytes.to_vec());
    row(
        "upward/broken",
        Options::default(),
        [push("latest", &image), oci(&manifest("latest")).comes(refused(400, "broken-schema1"))],
    )
}

/// What a signature of the source proves is said wherever something else comes, also by digest and where nothing has changed.
fn signatures() -> Row {
    let (_, by_digest) = paths();
    let (digest, valid) = (format!("\"{}\"", SAMPLE.oci.digest), valid());
    let valid = |comes: Comes| comes.header("downshift-source-signature", &valid);
    with_image(
        "signature",
        Options::default(),
        [
            oci(&manifest("latest")).comes(made_of_stored()),
            head(&manifest("latest")).reading(Form::Oci).comes(valid(status(200))),
            oci(&manifest("latest")).with("If-None-Match", &digest).comes(valid(status(304))),
            change(Rule::at("/", Fault::Close).of(Host::Registry).change()),
            get(&by_digest).comes(valid(status(200))),
            head(&by_digest).comes(valid(status(200))),
            get(&by_digest).with("If-None-Match", &digest).comes(valid(status(304))),
        ],
    )
}

/// A manifest of one layer, with as many signatures: each holds or does not.
fn small(holds: &[bool]) -> Image {
    let record = format!(r#"{{\"id\":\"{}\"}}"#, "a".repeat(64));
    let layer = SAMPLE.image.layers.first().cloned().unwrap_or_default();
    let bytes = format!(
        r#"{{"schemaVersion":1,"name":"library/sample","tag":"latest","architecture":"amd64","fsLayers":[{{"blobSum":"{}"}}],"history":[{{"v1Compatibility":"{record}"}}]}}"#,
        Digest::of(&layer)
    );
    let (form, bytes) = match holds {
        [] => (Form::Schema1Unsigned, bytes.into_bytes()),
        holds => (Form::Schema1, signed(bytes.as_bytes(), holds)),
    };
    Image { layers: vec![layer], ..Image::bare(form, bytes) }
}

fn unsigned() -> Row {
    let image = small(&[]);
    row(
        "upward/unsigned",
        Options::default(),
        [
            push("latest", &image),
            oci(&manifest("latest")).comes(status(200).header("downshift-source-signature", "none")),
            get(&manifest("latest")).comes(status(200).without("downshift-source-signature")),
        ],
    )
}

/// Of several signatures all have to hold. No layer is read for what is refused, and who verifies it gets what is stored.
fn wrong() -> Row {
    let image = small(&[true, false]);
    row(
        "upward/wrong-signature",
        Options::default(),
        [
            push("latest", &image),
            oci(&manifest("latest")).comes(refused(400, "wrong-signature")),
            asked([format!("GET registry {} -", manifest("latest"))]),
            get(&manifest("latest")).comes(stored(&image)),
            get(&manifest(stored_digest(&image).as_str()))
                .with("User-Agent", REFUSES)
                .comes(refused(400, "wrong-signature")),
        ],
    )
}

fn wrong_and_allowed() -> Row {
    let allow = [Permission::WrongSignature].into_iter().collect();
    row(
        "upward/wrong-signature-allowed",
        Options { allow, ..Options::default() },
        [
            push("latest", &small(&[false])),
            oci(&manifest("latest")).comes(status(200).header("downshift-source-signature", "invalid")),
        ],
    )
}

/// Nothing is made of it, not even a signature.
fn unsigned_and_refused() -> Row {
    let image = small(&[]);
    row(
        "upward/unsigned-refused",
        Options { unsigned_schema1: UnsignedSchema1::Refuse, ..Options::default() },
        [
            push("latest", &image),
            oci(&manifest("latest")).comes(refused(400, "unsigned-schema1")),
            get(&manifest("latest")).comes(refused(400, "unsigned-schema1")),
            get(&manifest("latest")).reading(Form::Schema1Unsigned).comes(stored(&image)),
            push("signed", &SAMPLE.image),
            oci(&manifest("signed")).comes(made_of_stored()),
        ],
    )
}

fn stored_digest(image: &Image) -> Digest {
    digest_of(image.manifest.form, &image.manifest.bytes).expect("the manifests of tests can be taken apart")
}

/// A list or index of images, each for an architecture.
fn listing(form: Form, images: &[(&Image, &str)]) -> Image {
    let entries = images.iter().map(|(image, architecture)| {
        let media_type = image.manifest.form.media_type();
        let (digest, size) = (stored_digest(image), image.manifest.bytes.len());
        format!(
            r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{size},"platform":{{"architecture":"{architecture}","os":"linux"}}}}"#
        )
    });
    let entries: Vec<String> = entries.collect();
    let bytes = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[{}]}}"#,
        form.media_type(),
        entries.join(",")
    );
    let mut listing = Image::bare(form, bytes.into_bytes());
    for (image, _) in images {
        listing.children.push(image.manifest.clone());
        listing.configs.extend(image.configs.iter().cloned());
        listing.layers.extend(image.layers.iter().cloned());
    }
    listing
}

/// Docker on this architecture, which names schema 1 and refuses it.
fn docker_on(architecture: &str) -> Ask {
    oci(&manifest("latest"))
        .reading(Form::Schema1)
        .with("User-Agent", &REFUSES.replace("arch/amd64", &format!("arch/{architecture}")))
}

/// Of schema 1 in a list the manifest that whoever asks opens is made of it; it can be pulled, and says what it was made of.
fn list() -> Row {
    let (old, newer) = (small(&[true]), sample::schema2());
    let image = listing(Form::List, &[(&old, "amd64"), (&newer, "arm64")]);
    let of_old = answered(&old, Capabilities::of(&[Form::Schema2]));
    let config = of_old.records.iter().find(|record| record.is_config()).expect("a config is made").clone();
    let request = schema1_request(REPOSITORY, "latest", image.manifest.digest(), Policy::Strict);
    let request = downshift::answer::Request { client: Capabilities::of(&[Form::List]), ..request };
    let Outcome::Answered(made) = Native.answer(&request, &known(&image)) else { panic!("it is refused") };
    let list = || {
        body(&made.body)
            .header("content-type", Form::List.media_type())
            .header("downshift-source-digest", image.manifest.digest().as_str())
            .without("downshift-source-signature")
    };
    row(
        "upward/list",
        Options::default(),
        [
            push("latest", &image),
            // Who does not say its platform.
            oci(&manifest("latest")).comes(list()),
            get(&manifest(of_old.digest.as_str()))
                .comes(body(&of_old.body).header("downshift-source-signature", &valid())),
            get(&blob(&config.digest)).comes(body(&config.payload)),
            docker_on("amd64").comes(list()),
            get(&manifest(made.digest.as_str())).comes(list()),
            // On another platform nothing is made, and who reads schema 1 gets it.
            docker_on("arm64").comes(stored(&image)),
            docker_on("amd64").comes(list()),
            oci(&manifest("latest")).reading(Form::Schema1).with("User-Agent", READS).comes(stored(&image)),
            // Without a list there is one manifest to choose.
            get(&manifest("latest"))
                .reading(Form::Schema2)
                .comes(body(&of_old.body).header("downshift-source-signature", &valid())),
            get(&manifest("latest")).comes(stored(&old)),
        ],
    )
}

/// The documents of an image by the digests that registries know them by.
fn known(image: &Image) -> std::collections::BTreeMap<Digest, Vec<u8>> {
    let children = image.children.iter().map(|child| {
        let digest = digest_of(child.form, &child.bytes).expect("the manifests of tests can be taken apart");
        (digest, child.bytes.clone())
    });
    image.documents().into_iter().chain(children).collect()
}

/// A list whose schema 1 is refused is of use on other platforms.
fn list_for_others() -> Row {
    let (old, newer) = (small(&[false]), sample::schema2());
    let image = listing(Form::List, &[(&old, "amd64"), (&newer, "arm64")]);
    row(
        "upward/list-for-others",
        Options::default(),
        [
            push("latest", &image),
            oci(&manifest("latest")).comes(stored(&image)),
            docker_on("arm64").comes(stored(&image)),
            docker_on("amd64").comes(refused(400, "wrong-signature")),
        ],
    )
}

fn list_without_others() -> Row {
    let old = small(&[false]);
    row(
        "upward/list-of-schema1-only",
        Options::default(),
        [
            push("latest", &listing(Form::List, &[(&old, "amd64")])),
            oci(&manifest("latest")).comes(refused(400, "children-refused")),
        ],
    )
}

/// In a list that is made for engines which read no index, schema 1 for them is schema 2 as well.
fn index_for_old_engines() -> Row {
    let (old, newer) = (small(&[true]), sample::oci());
    let image = listing(Form::Index, &[(&old, "amd64"), (&newer, "arm64")]);
    let of_old = answered(&old, Capabilities::of(&[Form::Schema2]));
    row(
        "upward/index",
        Options::default(),
        [
            push("latest", &image),
            get(&manifest("latest"))
                .reading(Form::List)
                .comes(status(200).header("content-type", Form::List.media_type())),
            get(&manifest(of_old.digest.as_str()))
                .comes(body(&of_old.body).header("downshift-source-signature", &valid())),
        ],
    )
}
