//! Random images of schema 1, as engines before 1.10 pushed them, most of them at the edges of what Docker's upgrade reads.
//!
//! About nine of ten are pulled by Docker. The others have one fault each, in their chain of records or in a type.

use downshift::{Digest, Form, Limits, jws};
use downshift_sign::Signer;

use super::{INVALID_TIMES, Maker, NUMBERS, PIECES, RandomImage, nested};
use crate::fixed_key::FixedKey;
use crate::images::sample::{self, Archive};
use crate::images::text::{Member, Space, Text, quoted};
use crate::images::{Image, Manifest};
use crate::random::Random;

/// The repository that the images are stored in.
const REPOSITORY: &str = "archive/sample";

/// The `index`th image of `seed`, signed with `key`.
///
/// # Errors
/// If it cannot be signed.
pub fn image(seed: u64, index: u64, key: &FixedKey) -> anyhow::Result<RandomImage> {
    // Not the numbers of the images upwards of which there are others.
    let random = Random::nth(seed.wrapping_add(0x5c4e_6d61), index);
    let mut maker = Maker { random, notes: Vec::new() };
    let tag = format!("i{index}");
    let (payload, layers) = maker.schema1(&tag);
    let unsigned = jws::prepare(payload, key.time()?, &Limits::default())?;
    let bytes = unsigned.seal(&[key.signer()?.sign(&unsigned.signing_input())?])?;
    let manifest = Manifest { form: Form::Schema1, bytes };
    let image = Image { manifest, children: Vec::new(), configs: Vec::new(), layers };
    Ok(RandomImage { note: maker.notes.join(", "), repository: REPOSITORY, tag, image })
}

/// What is wrong with an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    ShortId,
    UpperCaseId,
    RepeatedId,
    ParentOfBase,
    OtherParent,
    NoParent,
    InvalidTime,
    WrongType,
    NoObject,
}

const FAULTS: [Fault; 9] = [
    Fault::ShortId,
    Fault::UpperCaseId,
    Fault::RepeatedId,
    Fault::ParentOfBase,
    Fault::OtherParent,
    Fault::NoParent,
    Fault::InvalidTime,
    Fault::WrongType,
    Fault::NoObject,
];

/// Which version of Docker wrote the newest record.
const VERSIONS: [Option<&str>; 30] = [
    None,
    None,
    None,
    None,
    Some(r#""""#),
    Some("null"),
    Some(r#""0.6.4""#),
    Some(r#""1.3.2""#),
    Some(r#""1.6.2""#),
    Some(r#""1.7.1""#),
    Some(r#""1.8.2""#),
    Some(r#""1.8.2-el7.centos""#),
    Some(r#""1.8.3-rc1""#),
    Some(r#""1.8""#),
    Some(r#""dev""#),
    Some(r#""1.08.2""#),
    Some(r#""1.8.3""#),
    Some(r#""1.8.3""#),
    Some(r#""1.8.3.0""#),
    Some(r#""1.9.1""#),
    Some(r#""1.9.1-fc23""#),
    Some(r#""1.10.0-dev""#),
    Some(r#""1.10.3""#),
    Some(r#""1.12.6""#),
    Some(r#""17.03.0-ce""#),
    Some(r#""17.12.1-ce""#),
    Some(r#""20.10.24""#),
    Some(r#""2""#),
    Some(r#""1.9\u002e1""#),
    Some(r#""99999999999999999999""#),
];

/// Fields of `container.Config` with values that Go takes for them; most are there as engines have written them.
const CONFIG_FIELDS: [(&str, &[&str]); 27] = [
    ("Hostname", &[r#""""#, r#""2f3c4d5e6f70""#, "null"]),
    ("Domainname", &[r#""""#, r#""example.org""#]),
    ("User", &[r#""""#, r#""daemon""#, r#""1000:1000""#, r#""a\u003cb\/c""#]),
    ("AttachStdin", &["false", "true", "null"]),
    ("AttachStdout", &["false", "true"]),
    ("AttachStderr", &["false", "true"]),
    ("ExposedPorts", &["null", "{}", r#"{"80/tcp":{}}"#, r#"{"53/udp":{},"443/tcp":{"a":1},"80/tcp":null}"#]),
    ("Tty", &["false", "true"]),
    ("OpenStdin", &["false", "true"]),
    ("StdinOnce", &["false", "true"]),
    ("Env", &["null", "[]", r#"["PATH=/bin"]"#, r#"["A=<&>","B=\u2028","",null,"C=\ud83d\ude00"]"#]),
    (
        "Cmd",
        &[
            "null",
            "[]",
            r#"["sh"]"#,
            r#""sh -c 'x'""#,
            r##"["/bin/sh","-c","#(nop) CMD [\"sh\"]"]"##,
            r#"["a",null]"#,
        ],
    ),
    (
        "Healthcheck",
        &["null", "{}", r#"{"Test":["CMD","true"],"Interval":30000000000}"#, r#"{"Retries":0,"test":null}"#],
    ),
    ("ArgsEscaped", &["false", "true", "null"]),
    ("Image", &[r#""""#, r#""sha256:0123""#, r#""busybox:latest""#]),
    ("Volumes", &["null", "{}", r#"{"/data":{}}"#, r#"{"/z":{},"/a":{},"/<":null}"#]),
    ("WorkingDir", &[r#""""#, r#""/srv""#, "null"]),
    ("Entrypoint", &["null", "[]", r#"["/e.sh"]"#, r#""/e.sh""#, r#""""#]),
    ("NetworkDisabled", &["false", "true", "null"]),
    ("MacAddress", &[r#""""#, r#""02:42:ac:11:00:02""#]),
    ("OnBuild", &["null", "[]", r#"["RUN make","ADD . /x"]"#]),
    ("Labels", &["null", "{}", r#"{"b":"2","a":"<1>"}"#, r#"{"k":null,"":"e\u0301","K":"\ud800"}"#]),
    ("StopSignal", &[r#""""#, r#""SIGKILL""#]),
    ("StopTimeout", &["null", "0", "10", "-1"]),
    ("Shell", &["null", "[]", r#"["powershell","-Command"]"#, r#""sh""#]),
    // Engines before 1.8 wrote these, and later ones do not know them.
    ("Memory", &["0", "67108864"]),
    ("PortSpecs", &["null", r#"["80"]"#]),
];

/// Members of which Go says that their type is wrong.
const WRONG_TYPES: [(&str, &str); 24] = [
    ("comment", "1"),
    ("author", "[]"),
    ("container", "{}"),
    ("docker_version", "1.9"),
    ("architecture", "true"),
    ("os", "[\"linux\"]"),
    ("Size", "1.5"),
    ("Size", "1e3"),
    ("Size", "\"7\""),
    ("Size", "9223372036854775808"),
    ("throwaway", "\"yes\""),
    ("throwaway", "1"),
    ("config", "[]"),
    ("config", r#"{"Env":"A=1"}"#),
    ("config", r#"{"Env":[1]}"#),
    ("config", r#"{"Cmd":{}}"#),
    ("config", r#"{"Cmd":[1]}"#),
    ("config", r#"{"Tty":"false"}"#),
    ("config", r#"{"Labels":{"a":1}}"#),
    ("config", r#"{"Volumes":["/a"]}"#),
    ("config", r#"{"StopTimeout":1.5}"#),
    ("container_config", r#"{"ExposedPorts":{"80/tcp":""}}"#),
    ("container_config", r#"{"Healthcheck":{"Interval":"30s"}}"#),
    ("container_config", "\"sh\""),
];

/// A record of an image: its members, and where its layer is.
struct Entry {
    id: String,
    members: Vec<Member>,
    layer: Option<Vec<u8>>,
}

impl Maker {
    /// A payload, and its layers.
    fn schema1(&mut self, tag: &str) -> (Vec<u8>, Vec<Vec<u8>>) {
        let fault = self.random.chance(12).then(|| FAULTS[self.random.below(FAULTS.len())]);
        let version = VERSIONS[self.random.below(VERSIONS.len())];
        self.notes.push(version.unwrap_or("no version").to_owned());
        self.notes.extend(fault.map(|fault| format!("{fault:?}")));
        let mut entries = self.entries(version, fault);
        // From here on the newest comes first.
        entries.reverse();
        let (mut layers, mut blobs, mut history) = (Vec::<Vec<u8>>::new(), Vec::new(), Vec::new());
        for entry in entries {
            let digest = entry.layer.as_deref().map_or(Digest::empty_layer(), Digest::of);
            blobs.push(Text::object([("blobSum", Text::string(digest.as_str()))]));
            let layer = entry.layer.unwrap_or_else(|| downshift::EMPTY_LAYER.to_vec());
            if !layers.contains(&layer) {
                layers.push(layer);
            }
            let record = match fault {
                Some(Fault::NoObject) if history.is_empty() => {
                    self.random.pick(&["[]", "0", "\"\"", "true"]).as_bytes().to_vec()
                }
                _ => {
                    let space = self.space();
                    Text::Object(entry.members).write(space)
                }
            };
            let record = String::from_utf8(record).expect("only what is UTF-8 is put together");
            history.push(Text::Object(vec![(quoted("v1Compatibility"), self.spelt(&record))]));
        }
        let mut members = vec![
            (quoted("schemaVersion"), Text::token("1")),
            (quoted("name"), Text::string(REPOSITORY)),
            (quoted("tag"), Text::string(tag)),
            (quoted("architecture"), Text::string(self.random.pick(&["amd64", "", "arm"]))),
            (quoted("fsLayers"), Text::Array(blobs)),
            (quoted("history"), Text::Array(history)),
        ];
        if self.random.chance(15) {
            self.random.shuffle(&mut members);
        }
        let space = match self.random.chance(60) {
            true => Space::Lines { end: "\n", indent: "   " },
            false => self.space(),
        };
        (Text::Object(members).write(space).trim_ascii().to_vec(), layers)
    }

    /// The records, the oldest first.
    fn entries(&mut self, version: Option<&str>, fault: Option<Fault>) -> Vec<Entry> {
        let least = if matches!(fault, Some(Fault::OtherParent | Fault::NoParent)) { 2 } else { 1 };
        let least = if fault == Some(Fault::RepeatedId) { 3 } else { least };
        let count = self.random.between(least, 8);
        let mut entries = Vec::<Entry>::new();
        for index in 0..count {
            let is_newest = index + 1 == count;
            let mut id = self.random.hex(64);
            let mut parent = entries.last().map(|entry| entry.id.clone());
            match fault {
                Some(Fault::ShortId) if is_newest => id.truncate(63),
                Some(Fault::UpperCaseId) if is_newest => id.replace_range(..1, "A"),
                Some(Fault::RepeatedId) if is_newest => id.clone_from(&entries[0].id),
                Some(Fault::ParentOfBase) if index == 0 => parent = Some(self.random.hex(64)),
                Some(Fault::OtherParent) if is_newest => parent = Some(self.random.hex(64)),
                Some(Fault::NoParent) if is_newest => parent = None,
                _ => {}
            }
            let entry = self.entry_of(id, parent, is_newest.then_some(version).flatten(), fault);
            entries.push(entry);
            // Engines before 1.8 pushed some records twice. The parent of the second is never looked at.
            while fault.is_none() && self.random.chance(if is_newest { 12 } else { 6 }) {
                self.notes.push(format!("{index} twice"));
                let id = entries[entries.len() - 1].id.clone();
                let parent = [None, Some(id.clone()), Some("x".to_owned())][self.random.below(3)].clone();
                let entry = self.entry_of(id, parent, is_newest.then_some(version).flatten(), fault);
                entries.push(entry);
            }
        }
        entries
    }

    fn entry_of(
        &mut self,
        id: String,
        parent: Option<String>,
        version: Option<&str>,
        fault: Option<Fault>,
    ) -> Entry {
        let mut members = vec![(quoted("id"), Text::string(&id))];
        match parent {
            Some(parent) => members.push((quoted("parent"), Text::string(&parent))),
            None if self.random.chance(20) => {
                members.push((quoted("parent"), Text::token(self.random.pick(&["null", r#""""#]))));
            }
            None => {}
        }
        members.extend(version.map(|version| (quoted("docker_version"), Text::token(version))));
        let is_empty = self.random.chance(40);
        if is_empty || self.random.chance(10) {
            let others = &["false", "null"];
            let throwaway = if is_empty { "true" } else { self.random.pick(others) };
            members.push((quoted("throwaway"), Text::token(throwaway)));
        }
        match self.random.below(6) {
            0 => {}
            1 => members.push((quoted("created"), Text::string("0001-01-01T00:00:00Z"))),
            _ => {
                // Of most offsets beyond a day comes a time that Docker itself does not read again.
                let time = if self.random.chance(75) { self.plain_time() } else { self.odd_time() };
                members.push((quoted("created"), time));
            }
        }
        if self.random.chance(50) {
            let size = self.random.pick(&["0", "-0", "32", "725727791", "null", "9223372036854775807"]);
            members.push((quoted("Size"), Text::token(size)));
        }
        // Docker refuses others, and crashes on one in upper case when it is inspected.
        if self.random.chance(50) {
            let os = self.random.pick(&[r#""linux""#, r#""linux""#, r#""""#, "null", r#""l\u0069nux""#]);
            members.push((quoted("os"), Text::token(os)));
        }
        for key in ["comment", "author", "container", "architecture", "variant"] {
            if self.random.chance(35) {
                let text = self.text_or_null();
                members.push((quoted(key), text));
            }
        }
        for key in ["config", "container_config"] {
            if self.random.chance(70) {
                let config = self.container_config();
                members.push((quoted(key), config));
            }
        }
        // What later engines wrote, what a config has of its own, and what nobody knows.
        for key in ["parent_id", "layer_id", "rootfs", "history", "moby.buildkit.cache.v0"] {
            if self.random.chance(6) {
                let value = self.value(2);
                members.push((quoted(key), value));
            }
        }
        if self.random.chance(10) {
            members.push((quoted("os.version"), Text::string("10.0.14393")));
            members.push((
                quoted("os.features"),
                Text::token(self.random.pick(&["null", "[]", r#"["a","b"]"#])),
            ));
        }
        while self.random.chance(35) {
            let (key, value) = (self.key(), self.value(3));
            members.push((key, value));
        }
        if self.random.chance(2) {
            members.push((quoted("deep"), nested(50)));
        }
        match fault {
            Some(Fault::InvalidTime) => {
                let time = Text::token(self.random.pick(&INVALID_TIMES));
                members.push((quoted("created"), time));
            }
            Some(Fault::WrongType) => {
                let (key, value) = WRONG_TYPES[self.random.below(WRONG_TYPES.len())];
                members.push((quoted(key), Text::token(value)));
            }
            _ => {}
        }
        if self.random.chance(60) {
            self.random.shuffle(&mut members);
        }
        // A member that comes again is decoded over the first.
        if fault.is_none() && self.random.chance(6) {
            let config = self.container_config();
            members.push((quoted(self.random.pick(&["config", "container_config"])), config));
            let text = self.text_or_null();
            members.push((quoted(self.random.pick(&["comment", "author", "Comment"])), text));
        }
        for (key, _) in &mut members {
            self.respell(key);
        }
        // For engines since 1.10 nothing but `throwaway` says that a layer is empty.
        let is_stored_empty = if is_empty { !self.random.chance(10) } else { self.random.chance(8) };
        let layer = (!is_stored_empty).then(|| self.tar());
        Entry { id, members, layer }
    }

    /// `container.Config`, as engines wrote it or in any other way.
    fn container_config(&mut self) -> Text {
        if self.random.chance(5) {
            return Text::null();
        }
        let likely = self.random.pick(&[&10_usize, &40, &100]);
        let mut members = Vec::new();
        for (name, values) in CONFIG_FIELDS {
            if self.random.chance(*likely) {
                members.push((quoted(name), Text::token(self.random.pick(values))));
            }
        }
        if self.random.chance(10) {
            let (key, value) = (self.key(), self.value(1));
            members.push((key, value));
        }
        if self.random.chance(30) {
            self.random.shuffle(&mut members);
        }
        for (key, _) in &mut members {
            self.respell(key);
        }
        Text::Object(members)
    }

    /// A layer, most often compressed.
    fn tar(&mut self) -> Vec<u8> {
        let name = format!("f{}", self.random.below(20));
        let mut archive = Archive::default();
        archive.file(&name, 0o644, &format!("{}\n", self.random.below(4)));
        let archive = archive.finish();
        match self.random.below(8) {
            0 => archive,
            // As parallel compressors write it.
            1 => [&archive[..512], &archive[512..]].map(sample::gzip).concat(),
            _ => sample::gzip(&archive),
        }
    }

    fn text_or_null(&mut self) -> Text {
        if self.random.chance(8) { Text::null() } else { Text::Token(self.text_token()) }
    }

    /// A string of anything but what is no UTF-8, which no signed document keeps as it is.
    fn text_token(&mut self) -> Vec<u8> {
        let mut token = vec![b'"'];
        for _ in 0..self.random.below(7) {
            let piece = self.random.pick(&PIECES);
            if core::str::from_utf8(piece).is_ok() {
                token.extend_from_slice(piece);
            }
        }
        token.push(b'"');
        token
    }

    fn key(&mut self) -> Vec<u8> {
        if self.random.chance(50) {
            return quoted(self.random.pick(&[
                "x",
                "\u{212a}ey",
                "z<&>",
                "",
                "Z",
                "roOtfs",
                "Volumes",
                "labels",
            ]));
        }
        self.text_token()
    }

    /// Any value, of which Docker looks at nothing.
    fn value(&mut self, depth: usize) -> Text {
        match self.random.below(if depth == 0 { 3 } else { 6 }) {
            0 => self.text_or_null(),
            1 => Text::token(self.random.pick(&NUMBERS)),
            2 => Text::token(self.random.pick(&["true", "false", "null", "\"\"", "{}", "[]"])),
            3 => Text::Array((0..self.random.below(4)).map(|_| self.value(depth - 1)).collect()),
            _ => {
                let count = self.random.below(5);
                Text::Object((0..count).map(|_| (self.key(), self.value(depth - 1))).collect())
            }
        }
    }

    /// A string that says `text`, most often as Go spells it.
    fn spelt(&mut self, text: &str) -> Text {
        let is_odd = self.random.chance(20);
        let mut token = String::from("\"");
        for character in text.chars() {
            let is_escaped = is_odd && self.random.chance(4);
            match character {
                '"' => token.push_str("\\\""),
                '\\' => token.push_str("\\\\"),
                '/' if is_escaped => token.push_str("\\/"),
                '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                    token.push_str(&format!("\\u{:04x}", u32::from(character)));
                }
                _ if is_escaped => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        token.push_str(&format!("\\u{unit:04X}"));
                    }
                }
                _ => token.push(character),
            }
        }
        token.push('"');
        Text::token(token)
    }
}
