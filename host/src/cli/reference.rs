//! What to warm, as it is written on the command line: images, the clients that they are for, and their platforms.

use std::collections::HashSet;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use downshift::{Digest, Platform};
use downshift_inspect::{Client, clients};
use downshift_registry::{Reference, is_local_name, is_tag};

/// The tag of an image that names neither a tag nor a digest, as for Docker.
const DEFAULT_TAG: &str = "latest";

/// An image at the server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Image {
    /// Its repository.
    pub(super) name: String,
    /// What to ask for: with a tag and a digest, the digest, as clients do.
    pub(super) reference: Reference,
    /// As it is written.
    pub(super) text: String,
}

/// The platforms to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Platforms {
    /// Every one that an image has.
    All,
    /// These.
    These(Vec<Platform>),
}

impl Image {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        const FORM: &str = "it must be of the form NAME[:TAG][@DIGEST], such as library/httpd:2.4";
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                let digest = Digest::parse(digest).map_err(|error| error.to_string())?;
                (rest, Some(digest))
            }
            None => (text, None),
        };
        // What follows the last slash: before it there may be a port.
        let last = rest.rsplit_once('/').map_or(rest, |(_, last)| last);
        let (name, tag) = match last.split_once(':') {
            Some((_, tag)) => (rest.strip_suffix(tag).and_then(|name| name.strip_suffix(':')), Some(tag)),
            None => (Some(rest), None),
        };
        let name = name.filter(|name| is_local_name(name)).ok_or(FORM)?.to_owned();
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(FORM.to_owned());
        }
        let reference = match digest {
            Some(digest) => Reference::Digest(digest),
            None => Reference::Tag(tag.unwrap_or(DEFAULT_TAG).to_owned()),
        };
        Ok(Self { name, reference, text: text.to_owned() })
    }

    /// The image with this tag.
    pub(super) fn tagged(name: &str, tag: String) -> Self {
        let text = format!("{name}:{tag}");
        Self { name: name.to_owned(), reference: Reference::Tag(tag), text }
    }

    /// The image by its name at the server `authority`, with which it may begin, as clients write it.
    pub(super) fn at(&self, authority: &str) -> Self {
        let own = self.name.strip_prefix(authority).and_then(|rest| rest.strip_prefix('/'));
        let name = own.unwrap_or(&self.name).to_owned();
        Self { name, ..self.clone() }
    }
}

impl Platforms {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self::All);
        }
        let mut platforms: Vec<Platform> = Vec::new();
        for part in text.split(',') {
            let platform = part.trim().parse().map_err(|error: downshift::Error| error.to_string())?;
            if !platforms.contains(&platform) {
                platforms.push(platform);
            }
        }
        Ok(Self::These(platforms))
    }
}

/// Parses the id of a client.
pub(super) fn client() -> impl TypedValueParser<Value = Client<'static>> {
    let ids = clients().iter().map(|client| PossibleValue::new(client.id).help(client.name));
    PossibleValuesParser::new(ids).try_map(|id| {
        let client = clients().iter().find(|client| client.id == id);
        client.copied().ok_or_else(|| format!("there is no client `{id}`"))
    })
}

/// The name of a repository at the server.
pub(super) fn repository(text: &str) -> Result<String, String> {
    let is_name = is_local_name(text);
    is_name
        .then(|| text.to_owned())
        .ok_or_else(|| "it must be the name of a repository, such as library/httpd".to_owned())
}

/// Leaves each image once, where it stands first.
pub(super) fn drop_duplicates(images: &mut Vec<Image>) {
    let mut seen = HashSet::new();
    images.retain(|image| seen.insert((image.name.clone(), image.reference.clone())));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_has_a_name_and_a_tag_or_a_digest() {
        let digest = Digest::of(b"");
        let (by_digest, by_both) = (format!("app@{digest}"), format!("app:1.0@{digest}"));
        for (text, name, reference) in [
            ("library/httpd:2.4", "library/httpd", "2.4"),
            ("ghcr.io/owner/app:v1", "ghcr.io/owner/app", "v1"),
            ("localhost:5000/app", "localhost:5000/app", "latest"),
            ("localhost:5000/app:1", "localhost:5000/app", "1"),
            ("app", "app", "latest"),
            (&by_digest, "app", digest.as_str()),
            (&by_both, "app", digest.as_str()),
        ] {
            let image = Image::parse(text).unwrap();
            assert_eq!((image.name.as_str(), image.text.as_str()), (name, text));
            assert_eq!(Some(image.reference), Reference::parse(reference), "{text}");
        }
        for text in [
            "",
            ":1",
            "app:",
            "App",
            "app:a b",
            "a//b",
            "app@sha256:0",
            "http://host/app",
            "app:1:2",
            "../app:1",
        ] {
            assert!(Image::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_name_may_begin_with_the_server() {
        let name = |text: &str| Image::parse(text).unwrap().at("127.0.0.1:5000").name;
        assert_eq!(name("127.0.0.1:5000/library/httpd:2.4"), "library/httpd");
        assert_eq!(name("127.0.0.1:50001/app"), "127.0.0.1:50001/app");
        let mut images: Vec<_> = ["127.0.0.1:5000/app:1", "app:1", "app:2"]
            .into_iter()
            .map(|text| Image::parse(text).unwrap().at("127.0.0.1:5000"))
            .collect();
        drop_duplicates(&mut images);
        let left: Vec<_> = images.iter().map(|image| image.text.as_str()).collect();
        assert_eq!(left, ["127.0.0.1:5000/app:1", "app:2"]);
    }

    #[test]
    fn platforms_are_all_or_named() {
        let arm: Platform = "linux/arm/v7".parse().unwrap();
        assert_eq!(Platforms::parse("all"), Ok(Platforms::All));
        let both = Platforms::These(vec![Platform::linux_amd64(), arm]);
        assert_eq!(Platforms::parse("linux/amd64, linux/arm/v7,linux/amd64"), Ok(both));
        for text in ["", "linux", "all,linux/amd64", "linux/amd64,"] {
            assert!(Platforms::parse(text).is_err(), "{text}");
        }
    }
}
