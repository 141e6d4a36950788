//! Layers that not everybody can unpack: who gets the plain tars instead, and how these go out.

use std::sync::LazyLock;

use downshift::{Digest, Form};
use downshift_cases::images::{Descriptor, Family, Image, Manifest, REPOSITORY, sample, zstd};
use downshift_pull::Delivery;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::row::{
    AccessOption, Ask, Comes, Options, Row, Step, Upstream, asked, blob, body, broken, change, get, head,
    manifest, part, pass, push, refused, row, several, status, streamed,
};
use crate::fault::{Fault, Rule};
use crate::layers::unpacked;
use crate::net::{Authentication, Change, Host, User};

/// An engine that takes OCI manifests and dies on zstd layers: Debian 12's.
const OLD: &str = "docker/20.10.24+dfsg1 go/go1.19.8 git-commit/5d6db84 kernel/6.1.0 os/linux arch/amd64";

/// May pull everything.
const ALICE: User = User { name: "alice", password: "wonder land" };
/// May pull something else.
const BOB: User = User { name: "bob", password: "builder" };

/// An image whose layers are compressed with zstd.
struct Sample {
    image: Image,
    /// The first of them, and what it unpacks to.
    zstd: Vec<u8>,
    plain: Vec<u8>,
}

static SAMPLE: LazyLock<Sample> = LazyLock::new(|| {
    let Image { configs, layers, .. } = sample::oci();
    let plain: Vec<_> = layers.iter().map(|layer| unpacked(layer).expect("the sample is sound")).collect();
    let zstd: Vec<_> =
        plain.iter().map(|plain| compress_to_vec(plain.as_slice(), CompressionLevel::Fastest)).collect();
    let image = with_zstd(configs.concat(), &zstd);
    Sample { image, zstd: zstd[0].clone(), plain: plain[0].clone() }
});

fn with_zstd(config: Vec<u8>, zstd: &[Vec<u8>]) -> Image {
    let media_type = "application/vnd.oci.image.layer.v1.tar+zstd";
    let layers = zstd.iter().map(|layer| Descriptor::of(media_type, layer)).collect();
    let manifest = Manifest::single(Family::Oci, Descriptor::of(Family::Oci.config(), &config), layers);
    Image { manifest, children: Vec::new(), configs: vec![config], layers: zstd.to_vec() }
}

pub(super) fn rows() -> Vec<Row> {
    [
        vec![
            plain(),
            without_a_manifest(),
            elsewhere(),
            at_another_registry(),
            by_another_user(),
            denied(),
            cached(),
            cached_elsewhere(),
            cached_behind_a_page(),
            several_sources(),
        ],
        at_the_edge(),
        limits(),
        codings(),
        faults(),
        missing(),
    ]
    .concat()
}

/// The path of the plain tar, and of the stored layer.
fn paths() -> (String, String) {
    (blob(&Digest::of(&SAMPLE.plain)), blob(&Digest::of(&SAMPLE.zstd)))
}

fn old(target: &str) -> Ask {
    get(target).with("User-Agent", OLD).reading(Form::Schema2).reading(Form::Oci)
}

/// The image by its tag, as the old engine gets it.
fn pulled() -> Step {
    old(&manifest("latest")).comes(
        status(200)
            .header("content-type", Form::Oci.media_type())
            .header("downshift-source-digest", SAMPLE.image.manifest.digest().as_str()),
    )
}

fn with_image(name: &str, options: Options, steps: impl IntoIterator<Item = Step>) -> Row {
    let image = push("latest", &SAMPLE.image);
    row(format!("layers/{name}"), options, [image].into_iter().chain(steps))
}

fn plain() -> Row {
    let (plain, stored) = paths();
    let etag = format!("\"{}\"", Digest::of(&SAMPLE.plain));
    let bytes = &SAMPLE.plain;
    let vary = |comes: Comes| comes.header("vary", "Accept-Encoding").header("etag", &etag);
    with_image(
        "plain",
        Options::default(),
        [
            // Somebody who reads zstd gets what is stored.
            get(&manifest("latest"))
                .reading(Form::Oci)
                .with("User-Agent", "containers/5.24.1 (github.com/containers/image)")
                .comes(super::row::stored(&SAMPLE.image)),
            pulled(),
            Step::AnythingAsked,
            get(&plain).comes(vary(body(bytes))),
            asked([format!("GET registry {stored} -")]),
            head(&plain).comes(vary(status(200)).header("content-length", &bytes.len().to_string())),
            asked([format!("HEAD registry {stored} -")]),
            get(&plain).with("Range", "bytes=600-699").comes(part(600..700, bytes)),
            get(&plain).with("Range", "bytes=-100").comes(part(bytes.len() - 100..bytes.len(), bytes)),
            get(&plain).with("Range", "bytes=99999999-").comes(refused(416, "invalid-range")),
            // However many, one pass brings them, in their order in the layer.
            Step::AnythingAsked,
            get(&plain)
                .with("Range", "bytes=600-699,0-9,-5,20-29")
                .comes(several(&[0..10, 20..30, 600..700, bytes.len() - 5..bytes.len()], bytes)),
            asked([format!("GET registry {stored} -")]),
            get(&plain).with("If-None-Match", &etag).comes(status(304)),
            // By its own digest a layer is what it is.
            get(&stored)
                .with("Accept-Encoding", "zstd")
                .comes(body(&SAMPLE.zstd).without("content-encoding")),
            // Once more, and nothing is read again.
            Step::AnythingAsked,
            pulled(),
            asked([format!("HEAD registry {} -", manifest("latest"))]),
        ],
    )
}

/// Of several layers that unpack to the same, the cheapest that is there.
fn several_sources() -> Row {
    let (plain, stored) = paths();
    // Not compressed at all, but in frames of zstd.
    let framed = zstd::frame(&SAMPLE.plain);
    let mut layers = SAMPLE.image.layers.clone();
    layers[0].clone_from(&framed);
    let image = with_zstd(SAMPLE.image.configs.concat(), &layers);
    with_image(
        "several-sources",
        Options::default(),
        [
            pulled(),
            push("latest", &image),
            old(&manifest("latest")).comes(status(200)),
            Step::AnythingAsked,
            get(&plain).comes(body(&SAMPLE.plain)),
            asked([format!("GET registry {stored} -")]),
            change(Rule::at(Digest::of(&SAMPLE.zstd).as_str(), Fault::status(404)).change()),
            get(&plain).comes(body(&SAMPLE.plain)),
            asked([
                format!("GET registry {stored} -"),
                format!("GET registry {} -", blob(&Digest::of(&framed))),
            ]),
        ],
    )
}

/// A plain tar that nobody was told of is not there.
fn without_a_manifest() -> Row {
    let (plain, _) = paths();
    with_image(
        "untold",
        Options::default(),
        [
            get(&plain).comes(refused(404, "BLOB_UNKNOWN")),
            asked([format!("GET registry {plain} -")]),
            head(&plain).comes(refused(404, "BLOB_UNKNOWN")),
        ],
    )
}

/// What is known from one repository is not told in another: neither the facts nor the bytes, nor that they are known.
fn elsewhere() -> Row {
    let other = |path: &str| path.replace(REPOSITORY, "other/app");
    let strange = Image { layers: Vec::new(), ..SAMPLE.image.clone() };
    let missing = || refused(400, "missing-layer");
    let asked_elsewhere = || {
        let layers = SAMPLE.image.layers.iter().map(|layer| other(&blob(&Digest::of(layer))));
        let layers = layers.map(|path| format!("GET registry {path} -"));
        let tag = format!("HEAD registry {} -", other(&manifest("latest")));
        Step::AskedInAnyOrder([tag].into_iter().chain(layers).collect())
    };
    with_image(
        "elsewhere",
        Options::default(),
        [
            change(Change::Push("other/app", "latest", Box::new(strange))),
            // Nothing is known of it yet.
            old(&other(&manifest("latest"))).comes(missing()),
            Step::AnythingAsked,
            old(&other(&manifest("latest"))).comes(missing()),
            asked_elsewhere(),
            pulled(),
            Step::AnythingAsked,
            // And now that it is known, the same comes of the same.
            old(&other(&manifest("latest"))).comes(missing()),
            asked_elsewhere(),
        ]
        .into_iter()
        .chain(strange_blobs(&other, "registry")),
    )
}

/// Nor is it in another registry, whatever it calls its repositories.
fn at_another_registry() -> Row {
    const UPSTREAMS: &[Upstream] =
        &[Upstream::new(Host::Registry, "one"), Upstream::new(Host::Second, "two")];
    let options = Options { upstreams: UPSTREAMS, ..Options::default() };
    let at = |prefix: &str, path: &str| path.replacen("/v2/", &format!("/v2/{prefix}/"), 1);
    let tag = manifest("latest");
    let strange = Image { layers: Vec::new(), ..SAMPLE.image.clone() };
    let pushes = [(Host::Registry, SAMPLE.image.clone()), (Host::Second, strange)]
        .map(|(host, image)| change(Change::PushAt(host, REPOSITORY, "latest", Box::new(image))));
    let source = SAMPLE.image.manifest.digest();
    let known = || status(200).header("downshift-source-digest", source.as_str());
    let mut steps = pushes.to_vec();
    // The config may be at hand; of the layers nothing is, before and after they are known at the other one.
    steps.push(old(&at("two", &tag)).comes(refused(400, "missing-layer")));
    for is_known in [false, true] {
        if is_known {
            steps.push(old(&at("one", &tag)).comes(known()));
        }
        steps.push(Step::AnythingAsked);
        steps.push(old(&at("two", &tag)).comes(refused(400, "missing-layer")));
        let layers = SAMPLE.image.layers.iter().map(|layer| blob(&Digest::of(layer)));
        let layers = layers.map(|path| format!("GET second {path} -"));
        steps.push(Step::AskedInAnyOrder(
            [format!("HEAD second {tag} -")].into_iter().chain(layers).collect(),
        ));
        steps.extend(strange_blobs(&|path| at("two", path), "second"));
    }
    row("layers/at-another-registry", options, steps)
}

/// What comes of blobs, by all the names that they have, where they are not: the same for those that are known elsewhere and for
/// one that nobody has.
fn strange_blobs(at: &dyn Fn(&str) -> String, host: &str) -> Vec<Step> {
    let (plain, stored) = paths();
    let nobodys = blob(&Digest::of(b"nobody has this"));
    let of = |path: &String| {
        let (target, line) = (at(path), format!("{host} {} -", at_origin(&at(path))));
        [
            Step::AnythingAsked,
            get(&target).comes(refused(404, "BLOB_UNKNOWN")),
            asked([format!("GET {line}")]),
            head(&target).comes(status(404)),
            asked([format!("HEAD {line}"), format!("GET {line}")]),
            get(&target).with("Range", "bytes=0-9,20-29").comes(refused(404, "BLOB_UNKNOWN")),
            asked([format!("GET {line}")]),
            get(&target).with("Accept-Encoding", "zstd").comes(refused(404, "BLOB_UNKNOWN")),
            asked([format!("GET {line}")]),
        ]
    };
    [plain, stored, nobodys].iter().flat_map(of).collect()
}

/// A path as its registry has it.
fn at_origin(path: &str) -> String {
    path.replacen("/v2/one/", "/v2/", 1).replacen("/v2/two/", "/v2/", 1)
}

/// Nor for another user, who gets the same of what is known and of what nobody has.
fn by_another_user() -> Row {
    let (plain, stored) = paths();
    let options = Options { access: AccessOption::Upstream, ..Options::default() };
    let nobodys = blob(&Digest::of(b"nobody has this"));
    let mut steps = vec![
        change(Change::Authentication(Authentication::Basic)),
        change(Change::Rights(ALICE, &["*"])),
        change(Change::Rights(BOB, &["library/open"])),
    ];
    for is_known in [false, true] {
        if is_known {
            steps.push(old(&manifest("latest")).by(ALICE).comes(status(200)));
            steps.push(get(&plain).by(ALICE).comes(body(&SAMPLE.plain)));
        }
        for path in [&plain, &stored, &nobodys] {
            for method in ["GET", "HEAD"] {
                let ask = if method == "GET" { get(path) } else { head(path) };
                let comes = if method == "GET" { refused(401, "UNAUTHORIZED") } else { status(401) };
                // What a registry says to HEAD it is asked again by GET.
                let methods = if method == "GET" { &["GET"][..] } else { &["HEAD", "GET"] };
                let lines = methods.iter().map(|method| format!("{method} registry {path} bob"));
                steps.extend([Step::AnythingAsked, ask.by(BOB).comes(comes), asked(lines)]);
            }
        }
    }
    with_image("by-another-user", options, steps)
}

/// Who may not pull gets no plain tar.
fn denied() -> Row {
    let (plain, _) = paths();
    let options = Options { access: AccessOption::Upstream, ..Options::default() };
    with_image(
        "denied",
        options,
        [
            change(Change::Authentication(Authentication::Basic)),
            change(Change::Rights(ALICE, &["*"])),
            change(Change::Rights(BOB, &["library/open"])),
            old(&manifest("latest")).by(ALICE).comes(status(200)),
            get(&plain).by(ALICE).comes(body(&SAMPLE.plain)),
            get(&plain).comes(refused(401, "UNAUTHORIZED")),
            get(&plain).by(BOB).comes(refused(401, "UNAUTHORIZED")),
            head(&plain).by(BOB).comes(status(401)),
        ],
    )
}

fn codings() -> Vec<Row> {
    let (plain, _) = paths();
    let tag = format!("\"{}+zstd\"", Digest::of(&SAMPLE.plain));
    let zstd = || streamed(&SAMPLE.zstd).header("content-encoding", "zstd").header("etag", &tag);
    let identity = || body(&SAMPLE.plain).without("content-encoding");
    let containerd = "zstd;q=1.0, gzip;q=0.8, deflate;q=0.5";
    vec![with_image(
        "codings",
        Options::default(),
        [
            pulled(),
            get(&plain).with("Accept-Encoding", containerd).comes(zstd()),
            get(&plain).with("Accept-Encoding", "gzip").comes(identity()),
            get(&plain).with("Accept-Encoding", "identity").comes(identity()),
            get(&plain).with("Accept-Encoding", "zstd").with("If-None-Match", &tag).comes(status(304)),
            // A client that goes on, and one that splits: plain bytes by plain positions.
            get(&plain)
                .with("Accept-Encoding", containerd)
                .with("Range", "bytes=512-1023")
                .comes(part(512..1024, &SAMPLE.plain).without("content-encoding")),
            head(&plain)
                .with("Accept-Encoding", containerd)
                .comes(status(200).header("content-length", &SAMPLE.plain.len().to_string())),
            // What it has begun is coded, and cannot be gone on with.
            get(&plain)
                .with("Accept-Encoding", containerd)
                .with("Range", "bytes=5-")
                .with("If-Range", &tag)
                .comes(zstd()),
        ],
    )]
}

fn faults() -> Vec<Row> {
    let (plain, stored) = paths();
    let rule = |fault| Rule::at(Digest::of(&SAMPLE.zstd).as_str(), fault);
    let while_read = |name: &str, fault: Fault, code: &'static str, status: u16| {
        with_image(
            &format!("while-read/{name}"),
            Options::default(),
            [
                change(rule(fault).change()),
                old(&manifest("latest")).comes(refused(status, code)),
                change(Change::NoFaults),
                pulled(),
            ],
        )
    };
    let on_its_way = |name: &str, fault: Fault, comes: Comes| {
        with_image(
            &format!("on-its-way/{name}"),
            Options::default(),
            [
                pulled(),
                change(rule(fault).change()),
                get(&plain).comes(comes),
                change(Change::NoFaults),
                get(&plain).comes(body(&SAMPLE.plain)),
            ],
        )
    };
    let short = SAMPLE.zstd[..SAMPLE.zstd.len() - 3].to_vec();
    let resumed = with_image(
        "resumed",
        Options::default(),
        [
            change(rule(Fault::CutAt(10)).times(1).change()),
            pulled(),
            Step::AnythingAsked,
            change(rule(Fault::CutAt(10)).times(1).change()),
            get(&plain).comes(body(&SAMPLE.plain)),
            get(&stored).comes(body(&SAMPLE.zstd)),
        ],
    );
    vec![
        while_read("500", Fault::status(500), "upstream-status", 502),
        while_read("cut", Fault::Cut, "upstream-broke-off", 502),
        while_read("wrong-byte", Fault::WrongByte, "upstream-corrupt", 502),
        // The registry has lost its end, and says so of its length.
        while_read("short", Fault::Body(short), "upstream-corrupt", 502),
        on_its_way("cut", Fault::Cut, broken()),
        on_its_way("wrong-byte", Fault::WrongByte, broken()),
        on_its_way("500", Fault::status(500), refused(502, "upstream-status")),
        on_its_way("404", Fault::status(404), refused(404, "BLOB_UNKNOWN")),
        resumed,
    ]
}

/// An image whose layer is not there, or is nothing that can be unpacked.
fn missing() -> Vec<Row> {
    let gone = Image { layers: Vec::new(), ..SAMPLE.image.clone() };
    let with_first = |first: Vec<u8>| {
        let rest = SAMPLE.image.layers.iter().skip(1).cloned();
        with_zstd(SAMPLE.image.configs.concat(), &[first].into_iter().chain(rest).collect::<Vec<_>>())
    };
    let of_noise = with_first(b"\x28\xb5\x2f\xfd no frame at all".to_vec());
    let of_another = with_first(compress_to_vec(&[0_u8; 2048][..], CompressionLevel::Fastest));
    let without_others = with_zstd(SAMPLE.image.configs.concat(), core::slice::from_ref(&SAMPLE.zstd));
    let row_of = |name: &str, image: &Image, code: &'static str| {
        row(
            format!("layers/{name}"),
            Options::default(),
            [push("latest", image), old(&manifest("latest")).comes(refused(400, code))],
        )
    };
    vec![
        row_of("gone", &gone, "missing-layer"),
        row_of("noise", &of_noise, "unreadable-layer"),
        row_of("of-another-image", &of_another, "diff-id-mismatch"),
        row_of("without-others", &without_others, "diff-id-count"),
    ]
}

/// What an edge refuses for the processor's time that it has not, or the requests.
/// What is past a limit, of layers or of conversions: whoever can raise it is told where.
fn limits() -> Vec<Row> {
    type Limit = (&'static str, &'static str, fn(&str) -> Ask, &'static [(&'static str, u32)]);
    let places = [("server", None, "--limit"), ("edge", Some(u64::MAX >> 32), "`LIMITS`")];
    let rows = |(name, code, ask, limit): Limit| {
        places.map(|(place, layer_bytes, option)| {
            with_image(
                &format!("limits/{place}/{name}"),
                Options { limits: limit, layer_bytes, ..Options::default() },
                [ask(&manifest("latest")).comes(refused(400, code).remedy(option))],
            )
        })
    };
    let limits: [Limit; 4] = [
        ("window-bytes", "unreadable-layer", old, &[("window-bytes", 1)]),
        ("plain-bytes", "unreadable-layer", old, &[("plain-bytes", 1)]),
        ("work", "unreadable-layer", old, &[("work", 1)]),
        // Whoever names nothing wants schema 1.
        ("layers", "limit-exceeded", get, &[("layers", 1)]),
    ];
    limits.into_iter().flat_map(rows).collect()
}

fn at_the_edge() -> Vec<Row> {
    let size = SAMPLE.image.layers.iter().map(|layer| layer.len() as u64).max().unwrap_or_default();
    let layers = u32::try_from(SAMPLE.image.layers.len()).unwrap_or_default();
    // The manifest by its tag, the config and the record of the answer; of each layer what is known, the layer itself, and what
    // is kept of it and of its diff id.
    let subrequests = 3 + layers * (2 + 1 + 2 + 2);
    let with_bytes = |layer_bytes| Options { layer_bytes: Some(layer_bytes), ..Options::default() };
    let with_requests = |number| Options { subrequests: Some(number), ..Options::default() };
    let (_, stored) = paths();
    vec![
        with_image("layer-bytes/enough", with_bytes(size), [pulled()]),
        with_image(
            "layer-bytes/too-few",
            with_bytes(size - 1),
            [
                old(&manifest("latest")).comes(refused(400, "edge-layer-bytes")),
                // By its own digest it is what it is.
                get(&stored).comes(body(&SAMPLE.zstd)),
            ],
        ),
        with_image("subrequests/enough", with_requests(subrequests), [pulled()]),
        with_image(
            "subrequests/too-few",
            with_requests(subrequests - 1),
            [old(&manifest("latest")).comes(refused(400, "edge-subrequests"))],
        ),
    ]
}

/// What was fetched once is not fetched again, and is there while the registry is not.
fn cached() -> Row {
    let (plain, stored) = paths();
    let options = Options { delivery: Delivery::Cache, ..Options::default() };
    with_image(
        "cached",
        options,
        [
            pulled(),
            Step::AnythingAsked,
            // It is there since it was read.
            get(&plain).comes(body(&SAMPLE.plain)),
            get(&stored).comes(body(&SAMPLE.zstd)),
            get(&stored).with("Range", "bytes=3-9").comes(part(3..10, &SAMPLE.zstd)),
            head(&stored).comes(status(200).header("content-length", &SAMPLE.zstd.len().to_string())),
            asked::<String>([]),
            change(Rule::at("/", Fault::Close).of(Host::Registry).change()),
            get(&stored).comes(body(&SAMPLE.zstd)),
            get(&plain).with("Range", "bytes=600-699").comes(part(600..700, &SAMPLE.plain)),
        ],
    )
}

/// Nor is a login page a yes to somebody who has not logged in.
fn cached_behind_a_page() -> Row {
    let (plain, stored) = paths();
    let options = Options { delivery: Delivery::Cache, access: AccessOption::Upstream, ..Options::default() };
    let page = Fault::Typed("text/html", b"<!DOCTYPE html><title>Sign in".to_vec());
    with_image(
        "cached-behind-a-page",
        options,
        [
            change(Change::Authentication(Authentication::Basic)),
            change(Change::Rights(ALICE, &["*"])),
            old(&manifest("latest")).by(ALICE).comes(status(200)),
            get(&stored).by(ALICE).comes(body(&SAMPLE.zstd)),
            get(&plain).by(ALICE).comes(body(&SAMPLE.plain)),
            change(Rule::at("/", page).of(Host::Registry).change()),
            get(&stored).by(BOB).comes(refused(502, "upstream-no-document")),
            head(&stored).by(BOB).comes(status(502)),
            get(&stored).with("Range", "bytes=3-9").comes(refused(502, "upstream-no-document")),
            get(&plain).by(BOB).comes(refused(502, "upstream-no-document")),
        ],
    )
}

/// The cache is no way to what another repository has, nor to what somebody else may pull.
fn cached_elsewhere() -> Row {
    let (_, stored) = paths();
    let other = stored.replace(REPOSITORY, "other/app");
    let options = Options { delivery: Delivery::Cache, access: AccessOption::Upstream, ..Options::default() };
    with_image(
        "cached-elsewhere",
        options,
        [
            change(Change::Authentication(Authentication::Basic)),
            change(Change::Rights(ALICE, &["*"])),
            change(Change::Rights(BOB, &["library/open"])),
            get(&stored).by(ALICE).comes(body(&SAMPLE.zstd)),
            get(&stored).by(ALICE).comes(body(&SAMPLE.zstd)),
            get(&stored).comes(refused(401, "UNAUTHORIZED")),
            get(&other).by(ALICE).comes(refused(404, "BLOB_UNKNOWN")),
            pass(61),
            get(&stored).by(BOB).comes(refused(401, "UNAUTHORIZED")),
            get(&stored).by(ALICE).comes(body(&SAMPLE.zstd)),
        ],
    )
}
