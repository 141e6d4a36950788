//! Random images, most of them at the edges of what Go's JSON decoder and Distribution's converter take.
//!
//! About two of three can be converted. The others have one fault each, in their counts, members or text.

pub mod schema1;

use downshift::{Digest, Form};

use super::text::{Member, Space, Text, quoted};
use super::{Family, Image, Manifest};
use crate::random::Random;

/// A random image and where it belongs.
#[derive(Clone, Debug)]
pub struct RandomImage {
    /// What is special about it.
    pub note: String,
    /// A repository's name.
    pub repository: &'static str,
    /// A tag. No other image of the same seed has it.
    pub tag: String,
    /// The image.
    pub image: Image,
}

/// The `index`th image of `seed`.
#[must_use]
pub fn image(seed: u64, index: u64) -> RandomImage {
    let mut random = Random::nth(seed, index);
    let repository = random.pick(&REPOSITORIES);
    let tag = format!("{}{index}", random.pick(&["", "_", "v1.", "latest-", "1.0.0-rc.1_build."]));
    let mut maker = Maker { random, notes: Vec::new() };
    let image = if maker.random.chance(15) { maker.list() } else { maker.single() };
    RandomImage { note: maker.notes.join(", "), repository, tag, image }
}

/// Few, so that a layer need not be pushed for each image; odd, for they are written into schema 1.
const REPOSITORIES: [&str; 6] = [
    "a",
    "library/sample",
    "foo__bar/b-a-z",
    "x-y/a.b/q_r/base1",
    "0/1/2/3/4/5/6/7/8/9",
    "a-repository/with-a-name-that-is-much-longer-than-any-that-a-person-would-like-to-type-but-shorter-than-255",
];

/// The media type of a layer that is fetched from elsewhere.
const FOREIGN_LAYER: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";

/// What is wrong with an image. With one of the first two it can be converted all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// The reference drops layers that no history entry is for.
    SurplusLayers,
    /// `null` is no wrong type for Go.
    NullEntries,
    TooFewLayers,
    TooFewDiffIds,
    TooManyDiffIds,
    EmptyHistory,
    NullHistory,
    NoHistory,
    NullRootfs,
    NoRootfs,
    WrongType,
    InvalidTime,
    InvalidToken,
    Truncated,
    TrailingText,
    ByteOrderMark,
    NoObject,
    TooDeep,
}

const FAULTS: [Fault; 18] = [
    Fault::SurplusLayers,
    Fault::NullEntries,
    Fault::TooFewLayers,
    Fault::TooFewDiffIds,
    Fault::TooManyDiffIds,
    Fault::EmptyHistory,
    Fault::NullHistory,
    Fault::NoHistory,
    Fault::NullRootfs,
    Fault::NoRootfs,
    Fault::WrongType,
    Fault::InvalidTime,
    Fault::InvalidToken,
    Fault::Truncated,
    Fault::TrailingText,
    Fault::ByteOrderMark,
    Fault::NoObject,
    Fault::TooDeep,
];

/// How many layers, diff ids and history entries an image has.
struct Counts {
    layers: usize,
    diff_ids: usize,
    /// For each history entry, the lowest first, whether it is without a layer.
    history: Vec<bool>,
}

struct Maker {
    random: Random,
    notes: Vec<String>,
}

impl Maker {
    fn list(&mut self) -> Image {
        let count = self.random.below(5);
        let images: Vec<Image> = (0..count).map(|_| self.single()).collect();
        self.notes.push(format!("list of {count}"));
        let entries = images.iter().map(|image| self.entry(&image.manifest)).collect();
        let list = Text::object([
            ("schemaVersion", Text::token("2")),
            ("mediaType", Text::string(Form::List.media_type())),
            ("manifests", Text::Array(entries)),
        ]);
        let manifest = Manifest { form: Form::List, bytes: list.write(self.space()) };
        Image::listing(manifest, images)
    }

    fn entry(&mut self, manifest: &Manifest) -> Text {
        let platform = self.random.pick(&[
            r#"{"architecture":"amd64","os":"linux"}"#,
            r#"{"os":"linux","architecture":"amd64","features":["sse4"]}"#,
            r#"{"architecture":"amd64","os":"linux","variant":"v2"}"#,
            r#"{"architecture":"amd64","os":"linux","os.version":"","os.features":null}"#,
            r#"{"architecture":"arm64","os":"linux","variant":"v8"}"#,
            r#"{"architecture":"arm","os":"linux","variant":"v7"}"#,
            r#"{"architecture":"amd64","os":"windows","os.version":"10.0.17763.1397"}"#,
            r#"{"architecture":"AMD64","os":"Linux"}"#,
            r#"{"architecture":"unknown","os":"unknown"}"#,
        ]);
        descriptor(manifest.form.media_type(), &manifest.bytes, [("platform", Text::token(platform))])
    }

    fn single(&mut self) -> Image {
        let fault = self.random.chance(35).then(|| FAULTS[self.random.below(FAULTS.len())]);
        let is_odd = fault.is_some() || self.random.chance(75);
        self.notes.push(match fault {
            Some(fault) => format!("{fault:?}"),
            None if is_odd => "odd".to_string(),
            None => "plain".to_string(),
        });
        let counts = self.counts(fault);
        let config = if is_odd { self.odd_config(&counts, fault) } else { self.plain_config(&counts) };
        let layers: Vec<Vec<u8>> = (0..counts.layers).map(|_| self.layer()).collect();
        if !is_odd {
            return Image::single(Family::Docker, config, layers);
        }
        let manifest = Manifest { form: Form::Schema2, bytes: self.odd_manifest(&config, &layers) };
        Image { manifest, children: Vec::new(), configs: vec![config], layers }
    }

    fn counts(&mut self, fault: Option<Fault>) -> Counts {
        let layers = self.random.below(9);
        let mut history = vec![false; layers];
        let empty = self.random.below(6).max(usize::from(layers == 0));
        history.extend(core::iter::repeat_n(true, empty));
        self.random.shuffle(&mut history);
        let mut counts = Counts { layers, diff_ids: layers, history };
        match fault {
            Some(Fault::SurplusLayers) => {
                counts.layers += 1 + self.random.below(2);
                counts.diff_ids = counts.layers;
            }
            Some(Fault::NullEntries) => {
                counts = Counts { layers: 2, diff_ids: 2, history: vec![false, false] };
            }
            Some(Fault::TooFewLayers) => counts.history.insert(0, false),
            Some(Fault::TooManyDiffIds) => counts.diff_ids += 1,
            Some(Fault::TooFewDiffIds) => {
                counts.layers += 1;
                counts.history.push(false);
            }
            Some(Fault::EmptyHistory) => counts.history.clear(),
            _ => {}
        }
        counts
    }

    /// One of a few layers: conversion looks at their digests only.
    fn layer(&mut self) -> Vec<u8> {
        format!("layer {}", self.random.below(12)).into_bytes()
    }

    fn odd_manifest(&mut self, config: &[u8], layers: &[Vec<u8>]) -> Vec<u8> {
        let media_type =
            if self.random.chance(5) { "application/octet-stream" } else { Family::Docker.config() };
        let config = descriptor(media_type, config, []);
        let foreign = if self.random.chance(5) { Some(self.random.below(4)) } else { None };
        let layers = layers.iter().enumerate().map(|(index, layer)| {
            if foreign == Some(index) {
                descriptor(FOREIGN_LAYER, layer, [("urls", Text::token(r#"["https://example.org/layer"]"#))])
            } else {
                descriptor(Family::Docker.layer(), layer, [])
            }
        });
        let mut members = vec![
            (quoted("schemaVersion"), Text::token("2")),
            (quoted("mediaType"), Text::string(Form::Schema2.media_type())),
            (quoted("config"), config),
            (quoted("layers"), Text::Array(layers.collect())),
        ];
        if self.random.chance(20) {
            members.push((quoted("annotations"), Text::object([("org.example.key", Text::string("value"))])));
        }
        self.random.shuffle(&mut members);
        let space = self.space();
        Text::Object(members).write(space)
    }

    /// A config as builders write it.
    fn plain_config(&mut self, counts: &Counts) -> Vec<u8> {
        let mut members = vec![
            (quoted("architecture"), Text::string(self.random.pick(&["amd64", "arm64", "386"]))),
            (quoted("config"), self.run_config()),
            (quoted("created"), self.plain_time()),
        ];
        if self.random.chance(50) {
            members.push((quoted("container"), Text::string(&self.random.hex(64))));
            members.push((quoted("container_config"), self.run_config()));
            members.push((quoted("docker_version"), Text::string("18.09.9")));
        }
        let entries = counts.history.iter().map(|&is_empty| self.plain_entry(is_empty)).collect();
        members.push((quoted("history"), Text::Array(entries)));
        members.push((quoted("os"), Text::string("linux")));
        members.push((quoted("rootfs"), self.rootfs(counts.diff_ids)));
        Text::Object(members).write(Space::None)
    }

    fn plain_entry(&mut self, is_empty: bool) -> Text {
        let mut members = vec![
            (quoted("created"), self.plain_time()),
            (quoted("created_by"), Text::token(self.random.pick(&COMMANDS))),
        ];
        if self.random.chance(50) {
            members.push((quoted("comment"), Text::string("buildkit.dockerfile.v0")));
        } else if self.random.chance(20) {
            members.push((quoted("author"), Text::string("A. Packager <packager@example.org>")));
        }
        if is_empty {
            members.push((quoted("empty_layer"), Text::token("true")));
        }
        Text::Object(members)
    }

    fn run_config(&mut self) -> Text {
        Text::token(self.random.pick(&[
            r#"{"Env":["PATH=/usr/bin:/bin"],"Cmd":["sh"],"WorkingDir":"/"}"#,
            r##"{"Hostname":"","AttachStdin":false,"Env":null,"Cmd":["/bin/sh","-c","#(nop) ","CMD [\"sh\"]"],"Volumes":{"/data":{}}}"##,
            r#"{"Entrypoint":["/e.sh"],"ExposedPorts":{"53/udp":{},"80/tcp":{}},"Labels":{"b":"<1>","a":"2 & 3"}}"#,
            r#"{"Healthcheck":{"Test":["CMD","true"],"Interval":30000000000},"StopSignal":"SIGTERM","OnBuild":["RUN x"]}"#,
        ]))
    }

    fn rootfs(&mut self, diff_ids: usize) -> Text {
        Text::object([("type", Text::string("layers")), ("diff_ids", self.diff_ids(diff_ids))])
    }

    fn diff_ids(&mut self, count: usize) -> Text {
        Text::Array((0..count).map(|_| Text::string(&format!("sha256:{}", self.random.hex(64)))).collect())
    }

    /// A config in which everything is spelt as it may be.
    fn odd_config(&mut self, counts: &Counts, fault: Option<Fault>) -> Vec<u8> {
        let mut overridden = self.overridden_members();
        let says_so = !overridden.is_empty();
        let mut members = self.other_members();
        match fault {
            Some(Fault::NoHistory) => {}
            Some(Fault::NullHistory) => members.push((quoted("history"), Text::null())),
            Some(Fault::NullEntries) => {
                members.push((quoted("history"), Text::Array(vec![Text::null(), Text::object([])])));
            }
            _ => {
                let entries = counts.history.iter().map(|&is_empty| self.odd_entry(is_empty, says_so));
                members.push((quoted("history"), Text::Array(entries.collect())));
            }
        }
        match fault {
            Some(Fault::NoRootfs) => {}
            Some(Fault::NullRootfs) => members.push((quoted("rootfs"), Text::null())),
            _ => members.push((quoted("rootfs"), self.odd_rootfs(counts.diff_ids))),
        }
        match fault {
            // Without the fault's member, or with `null` in its place, what was overridden would count.
            Some(
                Fault::NoHistory
                | Fault::NullHistory
                | Fault::NullEntries
                | Fault::NoRootfs
                | Fault::NullRootfs,
            ) => overridden.clear(),
            Some(Fault::WrongType) => members.push(self.wrong_member()),
            Some(Fault::InvalidTime) => members.push(self.member_with_invalid_time()),
            Some(Fault::InvalidToken) => {
                members.push((quoted("x"), Text::token(self.random.pick(&INVALID_TOKENS))));
            }
            Some(Fault::TooDeep) => members.push((quoted("deep"), nested(10_000))),
            None if self.random.chance(3) => members.push((quoted("deep"), nested(9_999))),
            _ => {}
        }
        if self.random.chance(60) {
            self.random.shuffle(&mut members);
        }
        members.splice(0..0, overridden);
        for (key, _) in &mut members {
            self.respell(key);
        }
        let text = Text::Object(members).write(self.space());
        self.spoil(text, fault)
    }

    fn spoil(&mut self, mut text: Vec<u8>, fault: Option<Fault>) -> Vec<u8> {
        match fault {
            Some(Fault::Truncated) => text.truncate(self.random.below(text.trim_ascii_end().len())),
            Some(Fault::TrailingText) => {
                text.extend_from_slice(self.random.pick(&[
                    &b"x"[..],
                    b"{}",
                    b",",
                    b"\0",
                    b"null",
                    b"\x0b",
                    b"\xc2\xa0",
                ]));
            }
            Some(Fault::ByteOrderMark) => {
                text.splice(0..0, *b"\xef\xbb\xbf");
            }
            Some(Fault::NoObject) => {
                text =
                    self.random.pick(&["null", "[]", "\"\"", "0", "true", " ", "[{}]"]).as_bytes().to_vec();
            }
            _ => {}
        }
        text
    }

    /// Members of the config that conversion copies, or reads only as part of the whole.
    fn other_members(&mut self) -> Vec<Member> {
        let mut members = Vec::new();
        if self.random.chance(85) {
            let architecture =
                if self.random.chance(70) { Text::string("amd64") } else { self.odd_string_or_null() };
            members.push((quoted("architecture"), architecture));
        }
        if self.random.chance(10) {
            members.push((quoted("Architecture"), self.odd_string_or_null()));
        }
        for key in
            ["os", "created", "author", "comment", "variant", "os.version", "docker_version", "container"]
        {
            if self.random.chance(40) {
                members.push((quoted(key), self.odd_value(1)));
            }
        }
        for key in ["config", "container_config"] {
            if self.random.chance(50) {
                members.push((quoted(key), self.odd_value(3)));
            }
        }
        // What schema 1 has of its own: an id is replaced, the others stay where the conversion writes none.
        for key in ["id", "parent", "throwaway", "Id", "PARENT"] {
            if self.random.chance(6) {
                members.push((quoted(key), self.odd_value(1)));
            }
        }
        for _ in 0..self.random.below(4) {
            members.push((self.odd_key(), self.odd_value(3)));
        }
        members
    }

    /// Earlier spellings of members that come again: Go decodes the later over the earlier, in the same places.
    fn overridden_members(&mut self) -> Vec<Member> {
        let mut members = Vec::new();
        while self.random.chance(20) {
            members.push(match self.random.below(6) {
                0 => (quoted("rootfs"), Text::null()),
                1 => {
                    let count = self.random.below(4);
                    (quoted("rootfs"), self.odd_rootfs(count))
                }
                2 => (quoted("history"), Text::null()),
                3 => (quoted("history"), Text::Array(Vec::new())),
                _ => {
                    let entries = (0..self.random.below(6)).map(|_| {
                        let is_empty = self.random.chance(50);
                        self.odd_entry(is_empty, false)
                    });
                    (quoted("history"), Text::Array(entries.collect()))
                }
            });
        }
        members
    }

    /// A history entry. Over an earlier one it must say itself whether it is without a layer.
    fn odd_entry(&mut self, is_empty: bool, says_so: bool) -> Text {
        if !is_empty && !says_so && self.random.chance(3) {
            return Text::null();
        }
        let mut members = Vec::new();
        if self.random.chance(70) {
            members.push((quoted("created"), self.odd_time()));
        }
        for key in ["created_by", "author", "comment"] {
            if self.random.chance(50) {
                members.push((quoted(key), self.odd_string_or_null()));
            }
        }
        if self.random.chance(10) {
            members.push((self.odd_key(), self.odd_value(2)));
        }
        self.random.shuffle(&mut members);
        match is_empty {
            true => members.push((quoted("empty_layer"), Text::token("true"))),
            false if says_so || self.random.chance(10) => {
                members.push((quoted("empty_layer"), Text::token("false")));
            }
            false => {}
        }
        if self.random.chance(5) {
            members.push((quoted("empty_layer"), Text::null()));
        }
        for (key, _) in &mut members {
            self.respell(key);
        }
        Text::Object(members)
    }

    fn odd_rootfs(&mut self, diff_ids: usize) -> Text {
        let mut members = vec![(quoted("diff_ids"), self.diff_ids(diff_ids))];
        if self.random.chance(80) {
            members.push((quoted("type"), self.odd_string_or_null()));
        }
        if self.random.chance(10) {
            members.push((quoted("base_layer"), self.odd_string_or_null()));
        }
        self.random.shuffle(&mut members);
        if self.random.chance(5) {
            let count = self.random.below(4);
            members.insert(0, (quoted("diff_ids"), self.diff_ids(count)));
        }
        for (key, _) in &mut members {
            self.respell(key);
        }
        Text::Object(members)
    }

    /// A member of which Go says that its type is wrong.
    fn wrong_member(&mut self) -> Member {
        let (key, value) = *self.random.pick(&[
            &("architecture", "1"),
            &("ARCHITECTURE", "[]"),
            &("rootfs", "\"layers\""),
            &("rootfs", r#"{"type":1}"#),
            &("rootfs", r#"{"diff_ids":{}}"#),
            &("rootfs", r#"{"diff_ids":[1]}"#),
            &("RootFS", r#"{"base_layer":[]}"#),
            &("history", "{}"),
            &("history", "[1]"),
            &("history", r#"[{"author":1}]"#),
            &("history", r#"[{"created_by":["sh"]}]"#),
            &("history", r#"[{"empty_layer":"true"}]"#),
            &("history", r#"[{"empty_layer":1}]"#),
            &("History", "true"),
        ]);
        (quoted(key), Text::token(value))
    }

    fn member_with_invalid_time(&mut self) -> Member {
        let time = Text::token(self.random.pick(&INVALID_TIMES));
        (quoted("history"), Text::Array(vec![Text::object([("created", time)])]))
    }

    /// Writes a key in another way that Go takes for the same field: in other case, with escapes, or with a long s.
    fn respell(&mut self, key: &mut Vec<u8>) {
        let Ok(text) = core::str::from_utf8(key) else { return };
        if text.contains('\\') || !self.random.chance(4) {
            return;
        }
        *key = match self.random.below(3) {
            0 => text.to_uppercase(),
            1 => text.replacen('s', "\u{17f}", 1),
            _ => text.replacen('o', "\\u006f", 1),
        }
        .into_bytes();
    }

    fn odd_key(&mut self) -> Vec<u8> {
        if self.random.chance(30) {
            return quoted(self.random.pick(&[
                "x",
                "\u{212a}ey",
                "z<&>",
                "",
                "\\ud800",
                "\\udfff",
                "\u{fffd}",
                "Z",
            ]));
        }
        self.odd_string_token()
    }

    fn odd_value(&mut self, depth: usize) -> Text {
        match self.random.below(if depth == 0 { 3 } else { 6 }) {
            0 => self.odd_string_or_null(),
            1 => Text::token(self.random.pick(&NUMBERS)),
            2 => Text::token(self.random.pick(&["true", "false", "null", "\"\"", "\"linux\"", "{}", "[]"])),
            3 => Text::Array((0..self.random.below(4)).map(|_| self.odd_value(depth - 1)).collect()),
            _ => {
                let count = self.random.below(5);
                Text::Object((0..count).map(|_| (self.odd_key(), self.odd_value(depth - 1))).collect())
            }
        }
    }

    fn odd_string_or_null(&mut self) -> Text {
        if self.random.chance(8) { Text::null() } else { Text::Token(self.odd_string_token()) }
    }

    fn odd_string_token(&mut self) -> Vec<u8> {
        let mut token = vec![b'"'];
        for _ in 0..self.random.below(7) {
            token.extend_from_slice(self.random.pick(&PIECES));
        }
        token.push(b'"');
        token
    }

    fn plain_time(&mut self) -> Text {
        let (year, day) = (self.random.between(2013, 2026), self.random.between(10, 28));
        let nanoseconds = self.random.below(1_000_000_000);
        Text::string(&format!("{year}-04-{day}T12:34:56.{nanoseconds:09}Z"))
    }

    /// A time that Go 1.19 takes, or `null`.
    fn odd_time(&mut self) -> Text {
        if self.random.chance(5) {
            return Text::null();
        }
        let date = if self.random.chance(70) {
            format!(
                "{:04}-{:02}-{:02}",
                self.random.below(10_000),
                self.random.between(1, 12),
                self.random.between(1, 28)
            )
        } else {
            let edges = [
                "0000-01-01",
                "0000-02-29",
                "0001-01-01",
                "1969-12-31",
                "2000-02-29",
                "2020-04-30",
                "9999-12-31",
            ];
            self.random.pick(&edges).to_string()
        };
        let hour =
            if self.random.chance(90) { format!("{:02}", self.random.below(24)) } else { "7".to_string() };
        let (minute, second) = (self.random.below(60), self.random.below(60));
        let mut fraction = String::new();
        if self.random.chance(70) {
            fraction.push_str(self.random.pick(&[".", ".", ".", ","]));
            let zeros = self.random.below(3);
            for _ in 0..self.random.between(1, 12) {
                fraction.push(char::from(b"0123456789"[self.random.below(10)]));
            }
            fraction.push_str(&"0".repeat(zeros));
        }
        let offset = self.random.pick(&OFFSETS);
        Text::string(&format!("{date}T{hour}:{minute:02}:{second:02}{fraction}{offset}"))
    }

    fn space(&mut self) -> Space {
        match self.random.below(6) {
            0 | 1 => Space::None,
            2 => Space::Blanks,
            3 => Space::Lines { end: "\n", indent: self.random.pick(&["  ", "   ", "\t", ""]) },
            4 => Space::Lines { end: "\r\n", indent: "    " },
            _ => Space::Any(Random::new(self.random.bits())),
        }
    }
}

fn descriptor<const N: usize>(media_type: &str, document: &[u8], others: [(&str, Text); N]) -> Text {
    let mut members = vec![
        (quoted("mediaType"), Text::string(media_type)),
        (quoted("size"), Text::token(document.len().to_string())),
        (quoted("digest"), Text::string(Digest::of(document).as_str())),
    ];
    members.extend(others.map(|(key, value)| (quoted(key), value)));
    Text::Object(members)
}

/// Arrays in arrays, `depth` of them.
fn nested(depth: usize) -> Text {
    Text::Token([b"[".repeat(depth), b"]".repeat(depth)].concat())
}

const COMMANDS: [&str; 5] = [
    r#""/bin/sh -c #(nop)  CMD [\"sh\"]""#,
    r#""/bin/sh -c apt-get update && apt-get install -y curl > /dev/null""#,
    r#""RUN /bin/sh -c set -eux; \taddgroup -g 101 -S web || true # buildkit""#,
    r#""COPY --from=0 /out /usr/bin/ # buildkit""#,
    r#""|1 VERSION=1.2 /bin/sh -c echo \"h\u00e9llo\" 'wörld' \\ > /x""#,
];

/// What strings are made of: escapes that Go writes in another way than they came, and bytes that are no UTF-8.
const PIECES: [&[u8]; 44] = [
    b"a",
    b"word",
    b" ",
    b"/bin/sh -c ",
    b"<",
    b">",
    b"&",
    b"'",
    b"/",
    br"\/",
    br#"\""#,
    br"\\",
    br"\b",
    br"\f",
    br"\n",
    br"\r",
    br"\t",
    br"\u0000",
    br"\u001F",
    br"\u003c",
    br"\u003E",
    br"\u0041",
    br"\u007f",
    br"\u00e9",
    br"\u2028",
    br"\u2029",
    br"\uFFFD",
    br"\ud83d\ude00",
    br"\ud83d",
    br"\ude00",
    br"\ud83d\u0041",
    "é".as_bytes(),
    "✓".as_bytes(),
    "😀".as_bytes(),
    "\u{7f}\u{80}\u{85}".as_bytes(),
    "\u{2028}".as_bytes(),
    "\u{2029}".as_bytes(),
    "\u{fffd}\u{feff}\u{10ffff}".as_bytes(),
    b"\xff",
    b"\xc3",
    b"\xe2\x80",
    b"\xa8",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
];

const NUMBERS: [&str; 11] = [
    "0",
    "-0",
    "1",
    "-1.0",
    "0.10",
    "1e3",
    "1E+2",
    "-0.0e-0",
    "1e999999",
    "123456789012345678901234567890",
    "3.141592653589793238462643383279",
];

/// Offsets that Go 1.19 takes. It reads hours and minutes as two-character integers, signs included, and sets no
/// bound to them.
const OFFSETS: [&str; 16] = [
    "Z", "Z", "Z", "Z", "+00:00", "-00:00", "+14:30", "-07:30", "+23:59", "+24:00", "+00:60", "+99:99",
    "-99:99", "++1:00", "+-1:+1", "-00:-5",
];

/// Times that Go 1.19 refuses. It reads the token without decoding its escapes.
const INVALID_TIMES: [&str; 30] = [
    r#""""#,
    "0",
    "1.5",
    "true",
    "{}",
    "[]",
    r#""Z""#,
    r#""2020-01-02""#,
    r#""2020-01-02T03:04:05""#,
    r#""2020-01-02t03:04:05Z""#,
    r#""2020-01-02T03:04:05z""#,
    r#""2020-01-02 03:04:05Z""#,
    r#""2020-01-02T03:04Z""#,
    r#""2020-01-02T03:4:05Z""#,
    r#""2020-1-02T03:04:05Z""#,
    r#""2020-01-02T24:00:00Z""#,
    r#""2020-01-02T23:60:00Z""#,
    r#""2016-12-31T23:59:60Z""#,
    r#""2020-04-31T00:00:00Z""#,
    r#""2021-02-29T00:00:00Z""#,
    r#""2020-13-01T00:00:00Z""#,
    r#""2020-01-00T00:00:00Z""#,
    r#""10000-01-01T00:00:00Z""#,
    r#""999-01-01T00:00:00Z""#,
    r#""2020-01-02T03:04:05.Z""#,
    r#""2020-01-02T03:04:05+0100""#,
    r#""2020-01-02T03:04:05+1:00""#,
    r#""2020-01-02T03:04:05+01:00:00""#,
    r#""2020-01-02T03:04:05\u005a""#,
    r#"" 2020-01-02T03:04:05Z""#,
];

const INVALID_TOKENS: [&str; 18] = [
    "",
    "01",
    "+1",
    ".5",
    "1.",
    "1e",
    "-",
    "0x1",
    "NaN",
    "tru",
    "nul",
    "'a'",
    "\"\t\"",
    "\"\u{1}\"",
    r#""\x41""#,
    r#""\u12g4""#,
    r#""\'""#,
    "[1,]",
];
