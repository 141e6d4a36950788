//! Version 1, as Docker before 1.6 pulls by it.

use std::sync::LazyLock;

use downshift::{Digest, EMPTY_LAYER, Limits};
use downshift_cases::images::{Descriptor, Family, Image, Manifest, REPOSITORY, built, sample};
use downshift_registry::{V1Image, V1Images, V1Mode};

use super::row::{
    AccessOption, Ask, Comes, Options, Row, Step, asked, blob, body, change, get, head, line, manifest, part,
    pass, push, refused, row, schema1, status,
};
use crate::fault::{Fault, Rule};
use crate::layers::unpacked;
use crate::net::{Authentication, Change, User};

/// It asks version 2 first.
const V1_5: &str = "docker/1.5.0 go/go1.3.3 git-commit/a8a31ef kernel/3.16.0 os/linux arch/amd64";
/// It does not.
const V1_3: &str = "docker/1.3.3 go/go1.3.3 git-commit/d344625 kernel/3.16.0 os/linux arch/amd64";
const ON_ARM: &str = "docker/1.5.0 go/go1.3.3 git-commit/a8a31ef kernel/3.16.0 os/linux arch/arm";
const V1_6: &str = "docker/1.6.2 go/go1.4.2 git-commit/7c8fca2 kernel/3.16.0 os/linux arch/amd64";
/// As what looks whether there is a registry it does not say its name.
const LIBRARY: &str = "Go 1.1 package http";

const ALICE: User = User { name: "alice", password: "wonder land" };
const BOB: User = User { name: "bob", password: "builder" };

const NO_V1: &str = "this registry speaks version 2 only\n";
const UNKNOWN: &str = "there is no such image; look for its name and tag with a current client\n";
const NO_TOKEN: &str = "the token of this pull is missing, wrong, of another platform or no longer valid; pull the image again\n";
const WITH_UPSTREAM: &str = "library/sample was not pulled: Docker before 1.6 pulls by version 1 of the registry API, in which no registry can be asked who may pull; pull with Docker 1.6 or later, or have the operator of this server let in users of its own, or everybody";
const NOT_SERVED: &str = "library/sample was not pulled: Docker before 1.6 pulls by version 1 of the registry API, which is not served here; pull with Docker 1.6 or later, or have the operator of this server set `v1` to `on`";

/// A pull, which has a token of its own.
const PULL: &str = "a pull";
const OTHER: &str = "another pull";

/// The sample, with the name and tag in it that it is pulled by.
static SAMPLE: LazyLock<Vec<V1Image>> = LazyLock::new(|| images(&sample::schema2()));

/// The images of one, the newest first.
fn images(image: &Image) -> Vec<V1Image> {
    let stored = in_schema1(image);
    let images = V1Images::read(&stored.manifest.bytes, &Limits::default()).expect("the sample is sound");
    images.with_id(images.id()).map(|(_, all)| all.to_vec()).expect("the newest is one of them")
}

fn in_schema1(image: &Image) -> Image {
    built::in_schema1(image.clone()).expect("the image is converted")
}

/// The first of the sample's images whose layer is not the empty one.
fn with_a_layer() -> &'static V1Image {
    SAMPLE.iter().find(|own| own.layer.as_str() != Digest::EMPTY_LAYER).expect("it has a layer")
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = vec![pings(), of_the_platform(), gone(), tokens(), expired(), at_once(), forgotten()];
    rows.extend([older(), many(), some_broken(), of_one_part(), refusals(), users(), with_upstream()]);
    rows.extend([not_for_others(), without_it(), explained(), broken_layer(), zstd()]);
    for place in [Place::Server, Place::Edge] {
        rows.extend(sample::in_every_form().map(|(name, image)| pulled(place, name, &image)));
        rows.extend([stored_schema1(place), moved(place), resumed(place)]);
    }
    rows
}

/// How layers go to engines that check nothing of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// As they are stored, with their digest checked.
    Server,
    /// As plain tars, for there nothing is checked that is only copied.
    Edge,
}

impl Place {
    fn row(self, name: &str, steps: impl IntoIterator<Item = Step>) -> Row {
        let (place, layer_bytes) = match self {
            Self::Server => ("at-a-server", None),
            Self::Edge => ("at-an-edge", Some(1024 * 1024)),
        };
        row(format!("v1/{place}/{name}"), Options { layer_bytes, ..Options::default() }, steps)
    }

    /// The bytes that an image's layer has there.
    fn layer(self, image: &Image, own: &V1Image) -> Vec<u8> {
        let stored = layer(image, own);
        match self {
            Self::Edge if stored != EMPTY_LAYER => unpacked(&stored).expect("the sample is sound"),
            _ => stored,
        }
    }
}

fn by(ask: Ask, engine: &str) -> Ask {
    ask.with("User-Agent", engine)
}

fn v1_5(target: &str) -> Ask {
    by(get(target), V1_5)
}

/// A request of a pull that has begun.
fn next(target: &str) -> Ask {
    v1_5(target).of_pull(PULL)
}

fn repository(path: &str) -> String {
    format!("/v1/repositories/{REPOSITORY}/{path}")
}

fn of_image(id: &str, path: &str) -> String {
    format!("/v1/images/{id}/{path}")
}

/// What is asked for first.
fn begun(engine: &str, pull: &'static str) -> Ask {
    by(get(&repository("images")), engine).with("X-Docker-Token", "true").begins(pull)
}

/// Docker 1.5 has asked version 2 for a tag.
fn wanted(tag: &str) -> Step {
    v1_5(&manifest(tag)).comes(refused(404, "MANIFEST_UNKNOWN"))
}

fn json(text: &str) -> Comes {
    body(text.as_bytes()).header("content-type", "application/json").header("cache-control", "no-store")
}

fn ids(images: &[&str]) -> Comes {
    let images: Vec<_> = images.iter().map(|id| format!(r#"{{"id":"{id}"}}"#)).collect();
    json(&format!("[{}]", images.join(",")))
}

fn tags(tags: &[(&str, &str)]) -> Comes {
    let tags: Vec<_> = tags.iter().map(|(tag, id)| format!(r#""{tag}":"{id}""#)).collect();
    json(&format!("{{{}}}", tags.join(",")))
}

fn ancestry(images: &[V1Image]) -> Comes {
    let ids: Vec<_> = images.iter().map(|image| format!(r#""{}""#, image.id)).collect();
    json(&format!("[{}]", ids.join(",")))
}

/// The bytes that an image's layer has.
fn layer(image: &Image, own: &V1Image) -> Vec<u8> {
    let stored = image.layers.iter().find(|bytes| Digest::of(bytes) == own.layer);
    stored.cloned().unwrap_or_else(|| EMPTY_LAYER.to_vec())
}

/// All that comes after the tags, as Docker 1.5 asks for it: from the lowest image to the newest.
fn rest(place: Place, image: &Image, images: &[V1Image]) -> Vec<Step> {
    let newest = &images.first().expect("there is an image").id;
    let mut steps = vec![next(&of_image(newest, "ancestry")).comes(ancestry(images))];
    for own in images.iter().rev() {
        let bytes = place.layer(image, own);
        let size = bytes.len().to_string();
        steps.push(next(&of_image(&own.id, "json")).comes(json(&own.json).header("x-docker-size", &size)));
        let whole = body(&bytes).header("accept-ranges", "bytes").header("cache-control", "no-store");
        steps.push(next(&of_image(&own.id, "layer")).comes(whole));
    }
    steps
}

/// The six requests of a pull, whatever form the image is stored in.
fn pulled(place: Place, name: &str, image: &Image) -> Row {
    let images = images(image);
    let newest = images.first().map_or("", |image| &image.id);
    let steps = [
        push("latest", image),
        push("other", &sample::without_layers()),
        wanted("latest"),
        asked::<&str>([]),
        begun(V1_5, PULL).comes(ids(&[newest])),
        Step::AnythingAsked,
        next(&repository("tags")).comes(tags(&[("latest", newest)])),
        // All of that is known by now.
        asked::<&str>([]),
    ];
    place.row(&format!("pulled-{name}"), steps.into_iter().chain(rest(place, image, &images)))
}

/// What was pushed by Docker 1.6 to 1.9, as it was.
fn stored_schema1(place: Place) -> Row {
    let image = sample::schema2();
    // Of the empty layer nothing need be stored.
    let stored = Image { layers: image.layers.clone(), ..in_schema1(&image) };
    let newest = &SAMPLE[0].id;
    let steps = [
        push("latest", &stored),
        wanted("latest"),
        begun(V1_5, PULL).comes(ids(&[newest])),
        next(&repository("tags")).comes(tags(&[("latest", newest)])),
    ];
    place.row("stored-schema1", steps.into_iter().chain(rest(place, &stored, &SAMPLE)))
}

/// What is compressed with zstd goes as the plain tars: the image is the one with these for its layers.
fn zstd() -> Row {
    let image = sample::zstd();
    let plain = sample::plain_layers().to_vec();
    let media_type = "application/vnd.oci.image.layer.v1.tar";
    let layers = plain.iter().map(|layer| Descriptor::of(media_type, layer)).collect();
    let config = Descriptor::of(Family::Oci.config(), &image.configs.concat());
    let manifest = Manifest::single(Family::Oci, config, layers);
    let plain = Image { manifest, layers: plain, ..image.clone() };
    let images = images(&plain);
    let steps = [
        push("latest", &image),
        wanted("latest"),
        begun(V1_5, PULL).comes(ids(&[&images[0].id])),
        next(&repository("tags")).comes(tags(&[("latest", &images[0].id)])),
    ];
    row("v1/zstd", Options::default(), steps.into_iter().chain(rest(Place::Server, &plain, &images)))
}

/// Not everybody says there who they are.
fn pings() -> Row {
    let comes = || json(r#"{"standalone":false}"#).header("x-docker-registry-version", "0.9.1");
    row(
        "v1/pings",
        Options::default(),
        [
            by(get("/v1/_ping"), LIBRARY).comes(comes().header("x-docker-registry-standalone", "false")),
            v1_5("/v1/_ping").comes(comes()),
            by(head("/v1/_ping"), V1_3).comes(status(200)),
            by(get("/v1/_ping"), V1_6).comes(line(404, NO_V1).header("cache-control", "no-store")),
        ],
    )
}

/// Of an image for several platforms it gets its own.
fn of_the_platform() -> Row {
    let arm = sample::arm64_only(Family::Docker);
    row(
        "v1/of-the-platform",
        Options::default(),
        [
            push("latest", &sample::list()),
            wanted("latest"),
            begun(V1_5, PULL).comes(status(200)),
            push("latest", &arm),
            wanted("latest"),
            begun(V1_5, PULL).comes(status(400)),
        ],
    )
}

/// A pull gets one image from its beginning to its end.
fn moved(place: Place) -> Row {
    let (image, other) = (sample::schema2(), sample::without_layers());
    let newest = &SAMPLE[0].id;
    let steps = [
        push("latest", &image),
        wanted("latest"),
        begun(V1_5, PULL).comes(ids(&[newest])),
        push("latest", &other),
        next(&repository("tags")).comes(tags(&[("latest", newest)])),
    ];
    let last = [
        wanted("latest"),
        begun(V1_5, OTHER).comes(ids(&[&images(&other)[0].id])),
        v1_5(&of_image(newest, "ancestry")).of_pull(OTHER).comes(line(404, UNKNOWN)),
    ];
    let steps = steps.into_iter().chain(rest(place, &image, &SAMPLE)).chain(last);
    place.row("moved", steps)
}

/// An engine that pulls two tags at once is told both by each of its pulls, and one that fails by its own.
fn at_once() -> Row {
    let (image, other) = (sample::schema2(), sample::without_layers());
    let (newest, others) = (&SAMPLE[0].id, &images(&other)[0].id);
    let mut all = [newest.as_str(), others];
    all.sort_unstable();
    row(
        "v1/at-once",
        Options::default(),
        [
            push("latest", &image),
            push("1.0", &other),
            push("artifact", &sample::artifact()),
            wanted("latest"),
            wanted("1.0"),
            begun(V1_5, PULL).comes(ids(&all)),
            begun(V1_5, OTHER).comes(ids(&all)),
            next(&repository("tags")).comes(tags(&[("1.0", others), ("latest", newest)])),
            wanted("artifact"),
            begun(V1_5, OTHER).comes(status(400)),
            wanted("latest"),
            begun(V1_5, OTHER).comes(ids(&all)),
            // One that is not there hides no other.
            wanted("lates"),
            begun(V1_5, OTHER).comes(ids(&all)),
        ],
    )
}

/// What it wanted is forgotten soon.
fn forgotten() -> Row {
    row(
        "v1/forgotten",
        Options::default(),
        [
            push("latest", &sample::schema2()),
            push("1.0", &sample::without_layers()),
            wanted("1.0"),
            pass(301),
            wanted("latest"),
            begun(V1_5, PULL).comes(ids(&[&SAMPLE[0].id])),
        ],
    )
}

/// What is not there is not found, and what is gone in the middle of a pull is told.
fn gone() -> Row {
    let image = sample::schema2();
    let own = with_a_layer();
    let missing = "blob unknown to registry\n";
    row(
        "v1/gone",
        Options::default(),
        [
            push("latest", &image),
            wanted("lates"),
            begun(V1_5, PULL).comes(line(404, UNKNOWN)),
            v1_5("/v1/repositories/library/none/images").comes(line(404, UNKNOWN)),
            wanted("latest"),
            begun(V1_5, PULL).comes(status(200)),
            next(&of_image(&"0".repeat(64), "json")).comes(line(404, UNKNOWN)),
            next("/v1/images/latest/json").comes(line(404, NO_V1)),
            change(Change::Remove(REPOSITORY, own.layer.clone())),
            next(&of_image(&own.id, "json")).comes(json(&own.json).without("x-docker-size")),
            next(&of_image(&own.id, "layer")).comes(line(404, missing)),
        ],
    )
}

/// A layer that broke off is gone on with: from there, and to one byte past the end (docker 1.5,
/// `pkg/httputils/resumablerequestreader.go`).
fn resumed(place: Place) -> Row {
    let image = sample::schema2();
    let own = with_a_layer();
    let (path, bytes) = (of_image(&own.id, "layer"), place.layer(&image, own));
    let size = bytes.len();
    let from = |start: usize| next(&path).with("Range", &format!("bytes={start}-{size}"));
    place.row(
        "resumed",
        [
            push("latest", &image),
            wanted("latest"),
            begun(V1_5, PULL).comes(status(200)),
            from(10).comes(part(10..size, &bytes)),
            from(size).comes(body(b"").of_status(416)),
            by(head(&path), V1_5)
                .of_pull(PULL)
                .comes(status(200).header("content-length", &size.to_string())),
        ],
    )
}

/// A token is for what it says, and nobody else can make one.
fn tokens() -> Row {
    let image = sample::schema2();
    let newest = &SAMPLE[0].id;
    let path = of_image(newest, "json");
    let others = "/v1/repositories/library/other/images";
    let refused = || line(403, NO_TOKEN);
    let own = || json(&SAMPLE[0].json);
    row(
        "v1/tokens",
        Options::default(),
        [
            push("latest", &image),
            change(Change::Push("library/other", "latest", Box::new(sample::without_layers()))),
            wanted("latest"),
            begun(V1_5, PULL).comes(ids(&[newest])),
            v1_5("/v2/library/other/manifests/latest").comes(refused_by_v2()),
            v1_5(others).begins(OTHER).comes(status(200)),
            next(&path).comes(own()),
            v1_5(&path).of_pull_by_cookie(PULL).comes(own()),
            v1_5(&path).of_pull_by_cookie(PULL).with("Authorization", "Basic Og==").comes(own()),
            // The image of another repository.
            v1_5(&path).of_pull(OTHER).comes(line(404, UNKNOWN)),
            v1_5(&repository("tags")).of_pull(OTHER).comes(refused()),
            // None, and what is none.
            v1_5(&path).comes(refused()),
            v1_5(&repository("tags")).comes(refused()),
            v1_5(&path).with("Authorization", "Token true").comes(refused()),
            v1_5(&path).with("Authorization", "Basic Og==").comes(refused()),
            v1_5(&path).with("Cookie", "downshift-v1=library/sample").comes(refused()),
            // One that was changed: its repository, its platform, its end, its tag, its code.
            v1_5(&path).of_pull_with(OTHER, |token| token.replacen("other", "sample", 1)).comes(refused()),
            v1_5(&path).of_pull_with(PULL, |token| token.replacen("amd64", "arm64", 1)).comes(refused()),
            v1_5(&path).of_pull_with(PULL, |token| token.replacen("|1", "|2", 1)).comes(refused()),
            v1_5(&path).of_pull_with(PULL, |token| token.replacen("latest", "newest", 1)).comes(refused()),
            v1_5(&path).of_pull_with(PULL, last_digit).comes(refused()),
            v1_5(&path).of_pull_with(PULL, |token| token.repeat(40)).comes(refused()),
            // An engine on another platform.
            by(get(&path), ON_ARM).of_pull(PULL).comes(refused()),
        ],
    )
}

fn refused_by_v2() -> Comes {
    refused(404, "MANIFEST_UNKNOWN")
}

/// A token whose last digit is another one.
fn last_digit(token: &str) -> String {
    let (rest, last) = token.split_at(token.len() - 1);
    [rest, if last == "0" { "1" } else { "0" }].concat()
}

/// It counts as long as a pull may take.
fn expired() -> Row {
    let path = of_image(&SAMPLE[0].id, "json");
    row(
        "v1/expired",
        Options::default(),
        [
            push("latest", &sample::schema2()),
            wanted("latest"),
            begun(V1_5, PULL).comes(status(200)),
            pass(6 * 3600 - 1),
            next(&path).comes(json(&SAMPLE[0].json)),
            pass(1),
            next(&path).comes(line(403, NO_TOKEN)),
        ],
    )
}

/// An engine that has asked version 2 for nothing is told all tags.
fn older() -> Row {
    let (image, other) = (sample::schema2(), sample::without_layers());
    let (newest, others) = (&SAMPLE[0].id, images(&other)[0].id.clone());
    let mut ids: Vec<&str> = vec![newest, &others];
    ids.sort_unstable();
    let old = |target: &str| by(get(target), V1_3).of_pull(PULL);
    row(
        "v1/older",
        Options::default(),
        [
            push("1.0", &other),
            push("latest", &image),
            begun(V1_3, PULL).comes(self::ids(&ids)),
            old(&repository("tags")).comes(tags(&[("latest", newest), ("1.0", &others)])),
            old(&of_image(newest, "ancestry")).comes(ancestry(&SAMPLE)),
            old(&of_image(&others, "json")).comes(status(200)),
        ],
    )
}

/// Of very many tags it is told some, the usual one among them.
fn many() -> Row {
    static TAGS: LazyLock<Vec<&'static str>> =
        LazyLock::new(|| (0..100).map(|number| &*format!("t{number:03}").leak()).collect());
    let image = sample::without_layers();
    let pushed = TAGS.iter().map(|tag| push(tag, &image)).chain([push("latest", &sample::schema2())]);
    let newest = &SAMPLE[0].id;
    let told = [
        begun(V1_3, PULL).comes(status(200)),
        by(get(&repository("tags")), V1_3).of_pull(PULL).comes(status(200)),
        by(get(&of_image(newest, "ancestry")), V1_3).of_pull(PULL).comes(ancestry(&SAMPLE)),
    ];
    row("v1/many", Options::default(), pushed.chain(told))
}

/// Nor is it told those that cannot be pulled.
fn some_broken() -> Row {
    let newest = &SAMPLE[0].id;
    row(
        "v1/some-broken",
        Options::default(),
        [
            push("artifact", &sample::artifact()),
            change(Change::PushBytes(REPOSITORY, "broken", b"{")),
            push("latest", &sample::schema2()),
            begun(V1_3, PULL).comes(ids(&[newest])),
            by(get(&repository("tags")), V1_3).of_pull(PULL).comes(tags(&[("latest", newest)])),
            change(Change::Untag(REPOSITORY, "latest")),
            begun(V1_3, PULL).comes(status(400)),
        ],
    )
}

/// Docker writes `library/` before names of one part in one place only.
fn of_one_part() -> Row {
    let image = sample::without_layers();
    let path = "/v1/repositories/library/app/tags";
    row(
        "v1/of-one-part",
        Options::default(),
        [
            change(Change::Push("app", "latest", Box::new(image))),
            v1_5("/v2/app/manifests/latest").comes(refused_by_v2()),
            v1_5("/v1/repositories/app/images").begins(PULL).comes(status(200)),
            next(path).comes(status(200)),
            next("/v1/repositories/app/tags").comes(status(200)),
            next("/v1/repositories/other/app/tags").comes(line(403, NO_TOKEN)),
        ],
    )
}

/// Why there is no image is a line that these engines print.
fn refusals() -> Row {
    let text =
        "library/sample was not pulled: there is no manifest for `linux/amd64`, only for `linux/arm64`";
    let down = "library/sample was not pulled: the upstream registry";
    row(
        "v1/refusals",
        Options::default(),
        [
            push("latest", &sample::arm64_only(Family::Docker)),
            push("artifact", &sample::artifact()),
            wanted("latest"),
            begun(V1_5, PULL).comes(status(400).begins_with(text)),
            wanted("artifact"),
            begun(V1_5, PULL).comes(status(400).begins_with("library/sample was not pulled: ")),
            change(Change::Fault(Rule::at("/manifests/", Fault::Status(500, Vec::new())))),
            wanted("latest"),
            begun(V1_5, PULL).comes(status(400).begins_with(down)),
        ],
    )
}

/// Where there are users a pull begins with a name and password, and goes on with its token.
fn users() -> Row {
    let newest = &SAMPLE[0].id;
    let options = Options { access: AccessOption::Users(&[ALICE]), ..Options::default() };
    let steps = [
        push("latest", &sample::schema2()),
        v1_5(&manifest("latest")).comes(refused(401, "UNAUTHORIZED")),
        v1_5("/v1/_ping").comes(status(200)),
        begun(V1_5, PULL).comes(status(401).header("www-authenticate", "Basic realm=\"downshift\"")),
        begun(V1_5, PULL).by(BOB).comes(status(401)),
        v1_5(&manifest("latest")).by(ALICE).comes(refused(404, "MANIFEST_UNKNOWN")),
        begun(V1_5, PULL)
            .by(ALICE)
            .comes(body(format!(r#"[{{"id":"{newest}"}}]"#).as_bytes()).header("cache-control", "no-store")),
        next(&repository("tags")).comes(tags(&[("latest", newest)])),
        v1_5(&repository("tags")).by(ALICE).comes(line(403, NO_TOKEN)),
        v1_5(&of_image(newest, "json")).by(ALICE).comes(line(403, NO_TOKEN)),
    ];
    row("v1/users", options, steps.into_iter().chain(rest(Place::Server, &sample::schema2(), &SAMPLE)))
}

/// A registry that decides who may pull is asked with what the client says, which then has to be more than a token.
fn with_upstream() -> Row {
    let options = Options { access: AccessOption::Upstream, ..Options::default() };
    row(
        "v1/with-upstream",
        options,
        [
            change(Change::Authentication(Authentication::Basic)),
            change(Change::Rights(ALICE, &["*"])),
            push("latest", &sample::schema2()),
            v1_5(&manifest("latest")).by(ALICE).comes(refused(400, "no-v1-pulls")),
            begun(V1_5, PULL).by(ALICE).comes(line(400, WITH_UPSTREAM)),
            begun(V1_3, PULL).comes(line(400, WITH_UPSTREAM)),
            v1_5("/v1/_ping").comes(line(404, NO_V1)),
            v1_5(&repository("tags")).by(ALICE).comes(line(404, NO_V1)),
            v1_5(&of_image(&SAMPLE[0].id, "layer")).by(ALICE).comes(line(404, NO_V1)),
            asked::<&str>([]),
        ],
    )
}

/// A refusal of version 2 does not become a pull that nobody checks.
fn not_for_others() -> Row {
    let image = sample::schema2();
    let newest = &SAMPLE[0].id;
    let others = [V1_6, "docker/1.9.1", "docker/1.13.1", "docker/29.0.1", "curl/7.88.1", ""];
    let refused = others.into_iter().flat_map(|engine| {
        [
            by(get(&of_image(&SAMPLE[0].id, "json")), engine).of_pull(PULL).comes(line(404, NO_V1)),
            by(get(&of_image(&SAMPLE[0].id, "layer")), engine).of_pull(PULL).comes(line(404, NO_V1)),
            by(get(&repository("tags")), engine).of_pull(PULL).comes(line(404, NO_V1)),
        ]
    });
    let steps = [
        push("latest", &image),
        push("artifact", &sample::artifact()),
        by(get(&manifest("latest")), V1_6).comes(schema1(&image, "latest")),
        by(get(&manifest("artifact")), V1_6).comes(status(400)),
        by(get(&repository("images")), V1_6).comes(status(400).without("x-docker-token")),
        wanted("latest"),
        begun(V1_5, PULL).comes(ids(&[newest])),
    ];
    row("v1/not-for-others", Options::default(), steps.into_iter().chain(refused))
}

/// Where an operator does not want it.
fn without_it() -> Row {
    let image = sample::schema2();
    row(
        "v1/off",
        Options { v1: V1Mode::Off, ..Options::default() },
        [
            push("latest", &image),
            push("artifact", &sample::artifact()),
            v1_5(&manifest("latest")).comes(schema1(&image, "latest")),
            begun(V1_5, PULL).comes(line(404, NO_V1)),
            by(get(&manifest("artifact")), V1_6).comes(status(400)),
            by(get(&repository("images")), V1_6).comes(line(404, NO_V1)),
            v1_5("/v1/_ping").comes(line(404, NO_V1)),
        ],
    )
}

/// Or wants no more than that engines are told why.
fn explained() -> Row {
    row(
        "v1/explain",
        Options { v1: V1Mode::Explain, ..Options::default() },
        [
            push("latest", &sample::schema2()),
            push("artifact", &sample::artifact()),
            v1_5(&manifest("latest")).comes(refused(400, "no-v1-pulls")),
            begun(V1_5, PULL).comes(line(400, NOT_SERVED)),
            begun(V1_3, PULL).comes(line(400, NOT_SERVED)),
            by(get(&manifest("artifact")), V1_6).comes(status(400)),
            by(get(&repository("images")), V1_6)
                .comes(status(400).begins_with("library/sample was not pulled: ")),
            v1_5("/v1/_ping").comes(line(404, NO_V1)),
            v1_5(&repository("tags")).comes(line(404, NO_V1)),
        ],
    )
}

/// A layer that is not what its digest says is not given to the end: nobody looks at it after this.
fn broken_layer() -> Row {
    let image = sample::schema2();
    let own = with_a_layer();
    row(
        "v1/broken-layer",
        Options::default(),
        [
            push("latest", &image),
            wanted("latest"),
            begun(V1_5, PULL).comes(status(200)),
            change(Change::Fault(Rule::at(&blob(&own.layer), Fault::WrongByte))),
            next(&of_image(&own.id, "layer")).comes(super::row::broken()),
        ],
    )
}
