//! Schema 1 manifests as documents.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use sha2::{Digest as _, Sha256};

use crate::digest::hex;
use crate::jws;
use crate::time::GoTime;
use crate::{Digest, Error, Limits, Timestamp};
use downshift_json::{Json, Kind, Value};

/// A schema 1 manifest.
///
/// What it says is read from the signed payload only: whatever else a signed document holds, Docker 1.10 and later
/// ignore, and so must everybody.
#[derive(Clone, Debug)]
pub struct Schema1<'a> {
    payload: Cow<'a, [u8]>,
    is_signed: bool,
    /// `name`.
    pub name: String,
    /// `tag`.
    pub tag: String,
    /// `architecture`.
    pub architecture: String,
    /// `fsLayers[].blobSum`, newest first. Not yet known to be digests.
    pub layers: Vec<String>,
    /// `history[].v1Compatibility`, newest first: each is JSON in a string.
    pub history: Vec<String>,
}

impl<'a> Schema1<'a> {
    /// Reads the document `bytes`, which was parsed as `root`.
    pub(crate) fn read(bytes: &'a [u8], root: Value<'_>, limits: &Limits) -> Result<Self, Box<Error>> {
        match root.member("signatures") {
            Some(signatures) => {
                let payload = jws::payload(bytes, signatures)?;
                let json = Json::parse("signed payload", &payload, limits)?;
                let fields = Fields::read(json.root(), limits)?;
                Ok(fields.with(Cow::Owned(payload), true))
            }
            None => Ok(Fields::read(root, limits)?.with(Cow::Borrowed(bytes), false)),
        }
    }

    /// The bytes that signatures cover.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Whether there are signatures, which [`jws::parse`] reads. Nothing else is known of them here.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.is_signed
    }

    /// The digest that names the manifest: that of its payload.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.payload)
    }

    /// The time to sign it with: `created` of its newest history entry, else 1970.
    #[must_use]
    pub fn time(&self, limits: &Limits) -> Timestamp {
        let Some(newest) = self.history.first() else { return Timestamp::default() };
        let Ok(json) = Json::parse("v1Compatibility", newest.as_bytes(), limits) else {
            return Timestamp::default();
        };
        let created = json.root().field("created").map(Value::text);
        let created = created.and_then(|text| GoTime::parse(text.as_bytes())?.timestamp());
        created.unwrap_or_default()
    }
}

/// What a payload says.
struct Fields {
    name: String,
    tag: String,
    architecture: String,
    layers: Vec<String>,
    history: Vec<String>,
}

impl Fields {
    fn read(root: Value<'_>, limits: &Limits) -> Result<Self, Box<Error>> {
        if root.field("schemaVersion").is_none_or(|version| version.raw() != b"1") {
            return Err(
                Error::UnknownDocument { value: "a signed payload that is not schema 1".into() }.into()
            );
        }
        // It may say one, as what is of another form does.
        text(root, "mediaType")?;
        Ok(Self {
            name: text(root, "name")?,
            tag: text(root, "tag")?,
            architecture: text(root, "architecture")?,
            layers: texts(root, "fsLayers", "blobSum", limits)?,
            history: texts(root, "history", "v1Compatibility", limits)?,
        })
    }

    fn with(self, payload: Cow<'_, [u8]>, is_signed: bool) -> Schema1<'_> {
        let Self { name, tag, architecture, layers, history } = self;
        Schema1 { payload, is_signed, name, tag, architecture, layers, history }
    }
}

/// A string as Go decodes it: `null` changes nothing, and of a member that stands twice the second counts.
fn text(object: Value<'_>, path: &'static str) -> Result<String, Box<Error>> {
    let mut own = String::new();
    read_text(object, path, &mut own)?;
    Ok(own)
}

fn read_text(object: Value<'_>, path: &'static str, own: &mut String) -> Result<(), Box<Error>> {
    for value in fields(object, path).filter(|value| !value.is_null()) {
        let text = value.as_text().ok_or_else(|| Error::wrong_type(path, "a string"))?;
        *own = text.into_owned();
    }
    Ok(())
}

/// The members of an object that Go decodes into a field of this name, one after the other.
fn fields<'j>(object: Value<'j>, name: &str) -> impl Iterator<Item = Value<'j>> {
    object.members().filter(move |(key, _)| key.folds_to_one_of([name]).is_some()).map(|(_, value)| value)
}

/// The strings called `member` of the objects in the array called `path`. An array that stands there twice is decoded over
/// the first, element by element.
fn texts(
    root: Value<'_>,
    path: &'static str,
    member: &'static str,
    limits: &Limits,
) -> Result<Vec<String>, Box<Error>> {
    let (mut texts, mut length) = (Vec::new(), 0);
    for list in fields(root, path) {
        if !matches!(list.kind(), Kind::Array | Kind::Null) {
            return Err(Error::wrong_type(path, "an array"));
        }
        length = list.elements().count();
        Limits::check("history", limits.history, length)?;
        if length == 0 {
            texts.clear();
        }
        texts.resize_with(texts.len().max(length), String::new);
        for (element, text) in list.elements().zip(&mut texts) {
            if !matches!(element.kind(), Kind::Object | Kind::Null) {
                return Err(Error::wrong_type(path, "an array of objects"));
            }
            read_text(element, member, text)?;
        }
    }
    texts.truncate(length);
    Ok(texts)
}

/// The id that Distribution, and Docker since 1.10, make for a layer: of its blob, its parent, and for the newest the
/// config.
///
/// The space before the parent is there also if there is none.
#[must_use]
pub fn layer_id(blob: &str, parent: &str, config: Option<&[u8]>) -> String {
    let layer = blob.split_once(':').map_or("", |(_, hex)| hex);
    let mut hash = Sha256::new().chain_update(layer).chain_update(b" ").chain_update(parent);
    if let Some(config) = config {
        hash = hash.chain_update(b" ").chain_update(config);
    }
    hex(&hash.finalize())
}
