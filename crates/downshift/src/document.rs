//! Stored manifests: which kind a document is, and what it says.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::schema1::Schema1;
use crate::{Digest, Error, Form, Limits, Platform};
use downshift_json::{Json, Kind, Value};

/// A stored manifest of any kind.
#[derive(Clone, Debug)]
pub enum Document<'a> {
    /// Schema 1, signed or not.
    Schema1(Schema1<'a>),
    /// Schema 2 or an OCI manifest.
    Manifest(Box<Manifest>),
    /// A manifest list or an OCI index.
    Index(Index),
}

/// A schema 2 or OCI manifest: a config and layers.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// [`Form::Schema2`] or [`Form::Oci`].
    pub form: Form,
    /// The config.
    pub config: Descriptor,
    /// The layers, lowest first.
    pub layers: Vec<Descriptor>,
    /// `artifactType`, if it is there.
    pub artifact_type: Option<String>,
    /// Members beyond those of the form, and those that only OCI has (`annotations`, `subject`).
    pub others: Vec<String>,
}

/// A manifest list or an OCI index.
#[derive(Clone, Debug)]
pub struct Index {
    /// [`Form::List`] or [`Form::Index`].
    pub form: Form,
    /// The manifests, in the document's order.
    pub entries: Vec<Descriptor>,
    /// Members beyond those of the form, and those that only OCI has.
    pub others: Vec<String>,
}

/// A descriptor: what a manifest or index says of another document or blob (OCI image specification, descriptor.md).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// `mediaType`; empty if it is absent.
    pub media_type: String,
    /// `digest`.
    pub digest: Digest,
    /// `size` in bytes.
    pub size: u64,
    /// `urls`, from which a foreign layer is fetched.
    pub urls: Vec<String>,
    /// `platform`, in the entries of a list or index.
    pub platform: Option<EntryPlatform>,
    /// `artifactType`, if it is there.
    pub artifact_type: Option<String>,
    /// Whether the annotations call the entry an attestation for another, as BuildKit writes it.
    pub is_attestation: bool,
    /// The names of all other members, such as `annotations` and `data`.
    pub others: Vec<String>,
}

/// The platform of an entry, with the members that no client's request can ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryPlatform {
    /// `os`, `architecture` and `variant`.
    pub platform: Platform,
    /// `os.version`.
    pub os_version: Option<String>,
    /// `os.features`.
    pub os_features: Vec<String>,
    /// `features`, which only manifest lists have.
    pub features: Vec<String>,
}

impl Descriptor {
    /// One that says nothing else.
    pub(crate) fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.into(),
            digest,
            size,
            urls: Vec::new(),
            platform: None,
            artifact_type: None,
            is_attestation: false,
            others: Vec::new(),
        }
    }
}

/// The members of a descriptor that are read.
pub(crate) const DESCRIPTOR: [&str; 6] = ["platform", "mediaType", "digest", "size", "urls", "artifactType"];

/// The members of an entry's platform that are read.
pub(crate) const PLATFORM: [&str; 6] =
    ["os", "architecture", "variant", "os.version", "os.features", "features"];

impl<'a> Document<'a> {
    /// Reads a manifest of any kind.
    ///
    /// Its kind is what it says itself: `schemaVersion`, then `mediaType`, then for OCI (where `mediaType` is
    /// optional) whether it has `manifests`.
    ///
    /// # Errors
    /// Of [`Fault::Document`](crate::Fault::Document) and [`Fault::Limit`](crate::Fault::Limit); among them
    /// [`Error::Ambiguous`] for a document that can be read as two kinds.
    pub fn parse(bytes: &'a [u8], limits: &Limits) -> Result<Self, Box<Error>> {
        let json = Json::parse("manifest", bytes, limits)?;
        let root = json.root();
        if root.kind() != Kind::Object {
            return Err(Error::wrong_type("manifest", "an object"));
        }
        let version = root.member("schemaVersion").ok_or_else(|| Error::missing_member("schemaVersion"))?;
        match version.raw() {
            b"1" => {
                refuse_members(root, "schemaVersion 1", &["config", "layers", "manifests"])?;
                Ok(Self::Schema1(Schema1::read(bytes, root, limits)?))
            }
            b"2" => Self::parse_version_2(root, limits),
            other => {
                Err(Error::UnknownDocument { value: String::from_utf8_lossy(other).into_owned() }.into())
            }
        }
    }

    fn parse_version_2(root: Value<'_>, limits: &Limits) -> Result<Self, Box<Error>> {
        let media_type = root.member("mediaType").filter(|media_type| !media_type.is_null());
        let form = match media_type {
            Some(media_type) => {
                let text = text(media_type, "mediaType")?;
                let form = Form::from_media_type(&text).filter(|form| !form.is_schema1());
                form.ok_or_else(|| Error::UnknownDocument { value: text.into_owned() })?
            }
            None if root.member("manifests").is_some() => Form::Index,
            None => Form::Oci,
        };
        check_kind(root, form)?;
        if form.is_index() {
            Ok(Self::Index(Index::read(root, form, limits)?))
        } else {
            Ok(Self::Manifest(Box::new(Manifest::read(root, form, limits)?)))
        }
    }

    /// The form in which the document is stored.
    #[must_use]
    pub fn form(&self) -> Form {
        match self {
            Self::Schema1(schema1) if schema1.is_signed() => Form::Schema1,
            Self::Schema1(_) => Form::Schema1Unsigned,
            Self::Manifest(manifest) => manifest.form,
            Self::Index(index) => index.form,
        }
    }
}

impl Manifest {
    fn read(root: Value<'_>, form: Form, limits: &Limits) -> Result<Self, Box<Error>> {
        let names = ["schemaVersion", "mediaType", "config", "layers", "artifactType"];
        let ([_, _, config, layers, artifact_type], others) = members(root, names)?;
        Ok(Self {
            form,
            config: Descriptor::read(config.ok_or_else(|| Error::missing_member("config"))?)?,
            layers: read_descriptors(layers, "layers", limits.layers)?,
            artifact_type: optional_text(artifact_type, "artifactType")?,
            others,
        })
    }
}

impl Index {
    fn read(root: Value<'_>, form: Form, limits: &Limits) -> Result<Self, Box<Error>> {
        let ([_, _, manifests], others) = members(root, ["schemaVersion", "mediaType", "manifests"])?;
        Ok(Self { form, entries: read_descriptors(manifests, "manifests", limits.entries)?, others })
    }

    /// The platforms of the images among the entries, separated by commas: for messages.
    #[must_use]
    pub fn platforms(&self) -> String {
        let images = self.entries.iter().filter(|entry| !entry.is_attestation);
        let mut platforms: Vec<&Platform> = Vec::new();
        for platform in images.filter_map(Descriptor::plain_platform) {
            // No more than a message has room for, and none of them twice.
            const ROOM: usize = 64;
            if platforms.len() < ROOM && !platform.is_unknown() && !platforms.contains(&platform) {
                platforms.push(platform);
            }
        }
        if platforms.is_empty() {
            return "none".to_string();
        }
        platforms.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    /// The entries that are for a platform, or do not say for which: not attestations, nor what runs nowhere.
    pub fn images(&self) -> impl Iterator<Item = &Descriptor> {
        let is_image = |entry: &&Descriptor| {
            !entry.is_attestation && !entry.plain_platform().is_some_and(Platform::is_unknown)
        };
        self.entries.iter().filter(is_image)
    }

    /// The entry that a client on `platform` takes: the one that suits it best, by containerd's order of variants, or the only
    /// image that there is, if that does not say its platform.
    #[must_use]
    pub fn image_for(&self, platform: &Platform) -> Option<&Descriptor> {
        let fit = |entry: &Descriptor| platform.fit(entry.plain_platform().filter(|own| own.is_whole())?);
        let best = self.images().filter_map(|entry| Some((fit(entry)?, entry))).min_by_key(|(fit, _)| *fit);
        let only = || {
            let mut images = self.images();
            images.next().filter(|entry| images.next().is_none() && entry.lacks_platform())
        };
        best.map(|(_, entry)| entry).or_else(only)
    }
}

impl Descriptor {
    fn read(value: Value<'_>) -> Result<Self, Box<Error>> {
        if value.kind() != Kind::Object {
            return Err(Error::wrong_type("descriptor", "an object"));
        }
        let ([platform, media_type, digest, size, urls, artifact_type], others) = members(value, DESCRIPTOR)?;
        let digest = digest.ok_or_else(|| Error::missing_member("descriptor.digest"))?;
        let size = size.ok_or_else(|| Error::missing_member("descriptor.size"))?;
        Ok(Self {
            media_type: optional_text(media_type, "descriptor.mediaType")?.unwrap_or_default(),
            digest: Digest::parse(&text(digest, "descriptor.digest")?)?,
            size: size.as_u64().ok_or_else(|| Error::wrong_type("descriptor.size", "a number of bytes"))?,
            urls: read_texts(urls, "descriptor.urls")?,
            platform: platform.map(EntryPlatform::read).transpose()?,
            artifact_type: optional_text(artifact_type, "descriptor.artifactType")?,
            is_attestation: is_attestation(value),
            others,
        })
    }

    /// Whether an entry is itself a list or index, by its media type.
    pub(crate) fn is_index(&self) -> bool {
        Form::from_media_type(&self.media_type).is_some_and(Form::is_index)
    }

    /// Whether an entry does not say what it was built for.
    pub(crate) fn lacks_platform(&self) -> bool {
        self.plain_platform().is_none_or(|platform| !platform.is_whole())
    }

    /// The platform of an entry, without the members that only lists and indexes have.
    #[must_use]
    pub fn plain_platform(&self) -> Option<&Platform> {
        self.platform.as_ref().map(|entry| &entry.platform)
    }
}

impl EntryPlatform {
    fn read(value: Value<'_>) -> Result<Self, Box<Error>> {
        if value.kind() != Kind::Object {
            return Err(Error::wrong_type("platform", "an object"));
        }
        let ([os, architecture, variant, os_version, os_features, features], _) = members(value, PLATFORM)?;
        let platform = Platform {
            os: optional_text(os, "platform.os")?.unwrap_or_default(),
            architecture: optional_text(architecture, "platform.architecture")?.unwrap_or_default(),
            variant: optional_text(variant, "platform.variant")?.filter(|variant| !variant.is_empty()),
        };
        Ok(Self {
            platform,
            os_version: optional_text(os_version, "platform.os.version")?
                .filter(|version| !version.is_empty()),
            os_features: read_texts(os_features, "platform.os.features")?,
            features: read_texts(features, "platform.features")?,
        })
    }
}

impl From<Platform> for EntryPlatform {
    fn from(platform: Platform) -> Self {
        Self { platform, os_version: None, os_features: Vec::new(), features: Vec::new() }
    }
}

/// BuildKit lists the attestations of an image as entries of its index, with this annotation.
fn is_attestation(descriptor: Value<'_>) -> bool {
    let annotations = descriptor.member("annotations");
    let reference_type = annotations.and_then(|annotations| annotations.member("vnd.docker.reference.type"));
    reference_type.is_some_and(|reference_type| reference_type.is_text("attestation-manifest"))
}

/// Refuses a manifest, list or index that has members of another kind of document.
pub(crate) fn check_kind(root: Value<'_>, form: Form) -> Result<(), Box<Error>> {
    if form.is_index() {
        refuse_members(root, "manifests", &["config", "layers", "fsLayers", "history"])
    } else {
        refuse_members(root, "schemaVersion 2", &["manifests", "fsLayers", "history"])
    }
}

/// Refuses a document of one kind, which `own` names, that has a member of another.
fn refuse_members(root: Value<'_>, own: &'static str, foreign: &[&'static str]) -> Result<(), Box<Error>> {
    let found = root.members().find_map(|(key, _)| key.folds_to_one_of(foreign.iter().copied()));
    match found.and_then(|index| foreign.get(index)) {
        Some(other) => Err(Error::Ambiguous { one: own, other }.into()),
        None => Ok(()),
    }
}

/// What [`members`] finds: the members that are known, and the names of all others.
pub(crate) type Members<'j, const N: usize> = ([Option<Value<'j>>; N], Vec<String>);

/// An object's members of the given names, in their order, and the names of all others. A member that stands twice, or
/// in another case, is refused: decoders differ on which they take. Null is as good as absent.
pub(crate) fn members<'j, const N: usize>(
    object: Value<'j>,
    names: [&'static str; N],
) -> Result<Members<'j, N>, Box<Error>> {
    let mut found = [None; N];
    let others = find_members(object, &names, &mut found)?;
    Ok((found, others))
}

/// [`members`] of any number, into `found`.
fn find_members<'j>(
    object: Value<'j>,
    names: &[&'static str],
    found: &mut [Option<Value<'j>>],
) -> Result<Vec<String>, Box<Error>> {
    let mut others = Vec::new();
    for (key, value) in object.members() {
        let index = key.folds_to_one_of(names.iter().copied());
        match index.and_then(|index| Some((names.get(index)?, found.get_mut(index)?))) {
            Some((name, _)) if !key.is_text(name) => {
                return Err(Error::ShadowedKey { key: key.text().into_owned(), known: name }.into());
            }
            Some((name, Some(_))) => return Err(Error::DuplicateKey { key: (*name).into() }.into()),
            Some((_, slot)) => *slot = Some(value),
            None => others.push(key.text().into_owned()),
        }
    }
    for slot in found {
        *slot = slot.filter(|value| !value.is_null());
    }
    Ok(others)
}

fn read_descriptors(
    list: Option<Value<'_>>,
    path: &'static str,
    limit: usize,
) -> Result<Vec<Descriptor>, Box<Error>> {
    let Some(list) = list else { return Ok(Vec::new()) };
    if list.kind() != Kind::Array {
        return Err(Error::wrong_type(path, "an array"));
    }
    let name = if path == "layers" { "layers" } else { "entries" };
    let count = list.elements().count();
    Limits::check(name, limit, count)?;
    let mut descriptors = Vec::with_capacity(count);
    for element in list.elements() {
        descriptors.push(Descriptor::read(element)?);
    }
    Ok(descriptors)
}

fn text<'j>(value: Value<'j>, path: &'static str) -> Result<Cow<'j, str>, Box<Error>> {
    value.as_text().ok_or_else(|| Error::wrong_type(path, "a string"))
}

fn optional_text(value: Option<Value<'_>>, path: &'static str) -> Result<Option<String>, Box<Error>> {
    value.map(|value| Ok(text(value, path)?.into_owned())).transpose()
}

fn read_texts(list: Option<Value<'_>>, path: &'static str) -> Result<Vec<String>, Box<Error>> {
    let mut texts = Vec::new();
    let Some(list) = list else { return Ok(texts) };
    if list.kind() != Kind::Array {
        return Err(Error::wrong_type(path, "an array of strings"));
    }
    for element in list.elements() {
        texts.push(text(element, path)?.into_owned());
    }
    Ok(texts)
}

#[cfg(test)]
#[allow(clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use alloc::format;

    use super::*;

    /// An index with these members in its entries, each of a digest of its own.
    fn index(entries: &[&str]) -> Index {
        let entries: Vec<String> = (0..)
            .zip(entries)
            .map(|(at, members)| {
                let digest = Digest::of(format!("{at}").as_bytes());
                format!(
                    r#"{{"mediaType":"{}","digest":"{digest}","size":1{members}}}"#,
                    Form::Oci.media_type()
                )
            })
            .collect();
        let text = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(","));
        match Document::parse(text.as_bytes(), &Limits::default()) {
            Ok(Document::Index(index)) => index,
            other => panic!("{other:?}"),
        }
    }

    fn place(index: &Index, platform: &str) -> Option<usize> {
        let platform: Platform = platform.parse().unwrap();
        let entry = index.image_for(&platform)?;
        index.entries.iter().position(|own| own == entry)
    }

    #[test]
    fn the_image_for_a_platform_is_the_one_that_suits_it_best() {
        let several = index(&[
            r#","platform":{"os":"unknown","architecture":"unknown"}"#,
            r#","platform":{"os":"linux","architecture":"amd64"},"annotations":{"vnd.docker.reference.type":"attestation-manifest"}"#,
            r#","platform":{"os":"linux","architecture":"arm","variant":"v6"}"#,
            r#","platform":{"os":"linux","architecture":"arm","variant":"v7"}"#,
            r#","platform":{"os":"linux","architecture":"amd64"}"#,
        ]);
        for (platform, expected) in [
            ("linux/amd64", Some(4)),
            ("linux/amd64/v3", Some(4)),
            ("linux/arm/v7", Some(3)),
            ("linux/arm/v6", Some(2)),
            ("linux/arm/v5", None),
            ("windows/amd64", None),
            ("unknown/unknown", None),
        ] {
            assert_eq!(place(&several, platform), expected, "{platform}");
        }
        assert_eq!(several.images().count(), 3);
    }

    #[test]
    fn the_only_image_may_leave_its_platform_out() {
        assert_eq!(place(&index(&[""]), "linux/s390x"), Some(0));
        assert_eq!(place(&index(&["", ""]), "linux/s390x"), None);
        assert_eq!(
            place(&index(&[r#","platform":{"os":"linux","architecture":"amd64"}"#]), "linux/s390x"),
            None
        );
    }
}
