//! Image configs, read as Distribution reads them.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::policy::Rules;
use crate::time::GoTime;
use crate::{Error, Fault, Limits, Permission};
use downshift_json::{Json, Kind, Value};

/// What schema 1 takes from a config: a few members decoded, all others as they are spelt.
pub(crate) struct Config<'c> {
    pub(crate) architecture: Cow<'c, str>,
    pub(crate) rootfs: Option<RootFs<'c>>,
    /// Oldest first.
    pub(crate) history: Vec<History<'c>>,
    /// All members of the object, in the order of their keys. Of a key that stands twice, the last.
    pub(crate) members: Vec<(Cow<'c, str>, Value<'c>)>,
}

/// The member `rootfs`.
#[derive(Default)]
pub(crate) struct RootFs<'c> {
    /// How many diff ids there are.
    pub(crate) diff_ids: usize,
    diff_id_array: Option<Value<'c>>,
    pub(crate) base_layer: Cow<'c, str>,
}

/// An entry of the member `history`.
#[derive(Clone, Default)]
pub(crate) struct History<'c> {
    pub(crate) created: Option<GoTime>,
    pub(crate) created_by: Cow<'c, str>,
    pub(crate) author: Cow<'c, str>,
    pub(crate) comment: Cow<'c, str>,
    pub(crate) empty_layer: bool,
}

/// Keys of a config that Go would take for one of these in any case: those that are decoded here, those that schema 1
/// writes, and those that engines of its days decode (Docker 1.9's `image.Image`).
const KNOWN: [&str; 15] = [
    "architecture",
    "rootfs",
    "history",
    "id",
    "parent",
    "throwaway",
    "author",
    "comment",
    "config",
    "container",
    "container_config",
    "created",
    "docker_version",
    "os",
    "Size",
];

impl<'c> RootFs<'c> {
    /// The diff ids, lowest first: not yet known to be digests.
    pub(crate) fn diff_ids(&self) -> impl Iterator<Item = Cow<'c, str>> {
        self.diff_id_array.into_iter().flat_map(Value::elements).map(|id| id.as_text().unwrap_or_default())
    }
}

impl<'c> Config<'c> {
    /// Reads a config from its parsed bytes.
    ///
    /// The rules are those of Go's decoder for the structs of Distribution's converter: keys match without regard to
    /// case, objects that stand twice are merged, null changes nothing. The strict policy refuses a config where
    /// those rules matter, for other engines have others.
    pub(crate) fn read(json: &'c Json<'_>, rules: Rules, limits: &Limits) -> Result<Self, Box<Error>> {
        let root = json.root();
        let mut config =
            Self { architecture: Cow::default(), rootfs: None, history: Vec::new(), members: Vec::new() };
        let mut history = Slice::default();
        // `null` is what Go leaves an empty config for.
        if !root.is_null() {
            read_object(root, "config", &KNOWN, rules, &mut |name, value| match name {
                "architecture" => read_text(value, "architecture", &mut config.architecture),
                "rootfs" => read_rootfs(value, &mut config.rootfs, rules, limits),
                "history" => history.read(value, rules, limits),
                _ => Ok(()),
            })?;
        }
        config.history = history.into_entries();
        config.members = sorted_members(root, rules)?;
        Ok(config)
    }

    /// Whether a document is the config of an image, by what is in it.
    pub(crate) fn is_of_image(bytes: &[u8], limits: &Limits) -> Result<bool, Box<Error>> {
        let config = Json::parse("config", bytes, limits).map_err(Box::<Error>::from);
        // Whether it is a sound one is another question.
        match config.and_then(|json| Ok(Config::read(&json, Rules::REFERENCE, limits)?.rootfs.is_some())) {
            Err(error) if error.fault() == Fault::Document => Ok(false),
            read => read,
        }
    }

    /// The member of this name.
    pub(crate) fn member(&self, name: &str) -> Option<Value<'c>> {
        self.members.iter().find(|(key, _)| key == name).map(|&(_, value)| value)
    }

    /// History entries that have a layer.
    pub(crate) fn layer_count(&self) -> usize {
        self.history.iter().filter(|entry| !entry.empty_layer).count()
    }

    /// When the image was made: `created`, else that of the newest history entry that has one.
    pub(crate) fn created(&self) -> Option<GoTime> {
        let own = self.member("created").and_then(|created| GoTime::parse(created.text().as_bytes()));
        own.or_else(|| self.history.iter().rev().find_map(|entry| entry.created))
    }
}

/// The members of an object, in the order of their keys: of a key that stands twice the last, but under
/// [`Policy::Strict`](crate::Policy::Strict) an error, which names the key that is the first to stand there again.
pub(crate) fn sorted_members<'c>(
    object: Value<'c>,
    rules: Rules,
) -> Result<Vec<(Cow<'c, str>, Value<'c>)>, Box<Error>> {
    let place = |value: Value<'_>| value.span().start;
    let mut members: Vec<_> = object.members().map(|(key, value)| (key.text(), value)).collect();
    members.sort_unstable_by(|(key, value), (other_key, other_value)| {
        key.cmp(other_key).then_with(|| place(*value).cmp(&place(*other_value)))
    });
    if rules.refuse(Permission::DuplicateKey) {
        let pairs = members.windows(2).filter_map(|pair| match pair {
            [(key, _), (again, value)] if key == again => Some((place(*value), key)),
            _ => None,
        });
        if let Some((_, key)) = pairs.min() {
            return Err(Error::DuplicateKey { key: key.clone().into_owned() }.into());
        }
    }
    members.dedup_by(|(key, value), (previous_key, previous_value)| {
        let is_same = key == previous_key;
        if is_same {
            *previous_value = *value;
        }
        is_same
    });
    Ok(members)
}

/// A slice that Go decodes an array into. Where the array stands twice, the second is decoded over the elements of the
/// first, and what it does not say stays.
#[derive(Default)]
struct Slice<'c> {
    elements: Vec<History<'c>>,
    length: usize,
}

impl<'c> Slice<'c> {
    fn read(&mut self, value: Value<'c>, rules: Rules, limits: &Limits) -> Result<(), Box<Error>> {
        match value.kind() {
            Kind::Null => *self = Self::default(),
            Kind::Array => {
                self.length = value.elements().count();
                Limits::check("history", limits.history, self.length)?;
                if self.length == 0 {
                    *self = Self::default();
                }
                for (index, element) in value.elements().enumerate() {
                    if self.elements.len() == index {
                        self.elements.push(History::default());
                    }
                    if let Some(entry) = self.elements.get_mut(index).filter(|_| !element.is_null()) {
                        entry.read(element, rules)?;
                    }
                }
            }
            _ => return Err(Error::wrong_type("history", "an array")),
        }
        Ok(())
    }

    fn into_entries(mut self) -> Vec<History<'c>> {
        self.elements.truncate(self.length);
        self.elements
    }
}

impl<'c> History<'c> {
    fn read(&mut self, element: Value<'c>, rules: Rules) -> Result<(), Box<Error>> {
        let known = ["created", "created_by", "author", "comment", "empty_layer"];
        read_object(element, "history[]", &known, rules, &mut |name, value| match name {
            "created" => {
                if !value.is_null() {
                    self.created = Some(read_time(value, rules)?);
                }
                Ok(())
            }
            "created_by" => read_text(value, "history[].created_by", &mut self.created_by),
            "author" => read_text(value, "history[].author", &mut self.author),
            "comment" => read_text(value, "history[].comment", &mut self.comment),
            _ => {
                match value.kind() {
                    Kind::Null => {}
                    Kind::True => self.empty_layer = true,
                    Kind::False => self.empty_layer = false,
                    _ => {
                        return Err(Error::wrong_type("history[].empty_layer", "a boolean"));
                    }
                }
                Ok(())
            }
        })
    }
}

fn read_rootfs<'c>(
    value: Value<'c>,
    rootfs: &mut Option<RootFs<'c>>,
    rules: Rules,
    limits: &Limits,
) -> Result<(), Box<Error>> {
    if value.is_null() {
        *rootfs = None;
        return Ok(());
    }
    let rootfs = rootfs.get_or_insert_default();
    read_object(value, "rootfs", &["type", "diff_ids", "base_layer"], rules, &mut |name, value| match name {
        "type" => read_text(value, "rootfs.type", &mut Cow::default()),
        "base_layer" => read_text(value, "rootfs.base_layer", &mut rootfs.base_layer),
        _ => {
            let is_text = |element: Value<'_>| element.is_null() || element.kind() == Kind::String;
            if !matches!(value.kind(), Kind::Array | Kind::Null) || !value.elements().all(is_text) {
                return Err(Error::wrong_type("rootfs.diff_ids", "an array of strings"));
            }
            rootfs.diff_id_array = Some(value);
            rootfs.diff_ids = value.elements().count();
            Limits::check("layers", limits.layers, rootfs.diff_ids)
        }
    })
}

/// Gives the members of an object that Go decodes into one of the fields `known` to `assign`, in order.
fn read_object<'c>(
    object: Value<'c>,
    path: &'static str,
    known: &[&'static str],
    rules: Rules,
    assign: &mut dyn FnMut(&'static str, Value<'c>) -> Result<(), Box<Error>>,
) -> Result<(), Box<Error>> {
    if object.kind() != Kind::Object {
        return Err(Error::wrong_type(path, "an object"));
    }
    let mut seen: Vec<&'static str> = Vec::with_capacity(known.len());
    for (key, value) in object.members() {
        let index = key.folds_to_one_of(known.iter().copied());
        let Some(&name) = index.and_then(|index| known.get(index)) else { continue };
        if rules.refuse(Permission::ShadowedKey) && !key.is_text(name) {
            return Err(Error::ShadowedKey { key: key.text().into_owned(), known: name }.into());
        }
        if rules.refuse(Permission::DuplicateKey) {
            if seen.contains(&name) {
                return Err(Error::DuplicateKey { key: name.into() }.into());
            }
            seen.push(name);
        }
        assign(name, value)?;
    }
    Ok(())
}

fn read_text<'c>(value: Value<'c>, path: &'static str, text: &mut Cow<'c, str>) -> Result<(), Box<Error>> {
    match value.kind() {
        Kind::Null => Ok(()),
        Kind::String => {
            *text = value.text();
            Ok(())
        }
        _ => Err(Error::wrong_type(path, "a string")),
    }
}

/// Go parses a time as it is spelt, quotes included, so that escapes in it are no digits.
fn read_time(value: Value<'_>, rules: Rules) -> Result<GoTime, Box<Error>> {
    let raw = value.raw();
    let spelt = raw.strip_prefix(b"\"").and_then(|raw| raw.strip_suffix(b"\"")).unwrap_or_default();
    GoTime::parse(spelt)
        .filter(|time| time.is_canonical || !rules.is_strict())
        .ok_or_else(|| Error::InvalidTime { value: String::from_utf8_lossy(raw).into_owned() }.into())
}
