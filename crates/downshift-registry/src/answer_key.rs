//! The key of a cache of answers.

use alloc::string::String;
use core::fmt::{self, Write as _};

use downshift::{Capabilities, Digest, Form, Platform};

use crate::Reference;

/// What decides the answer to a request for a manifest, beside the settings of a server: requests with the same key
/// have the same answer.
///
/// Of the headers it has what they mean, so that clients which spell the same in different ways share an answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AnswerKey {
    /// The repository's name, which is written into schema 1.
    pub name: String,
    /// The tag, which is written into schema 1, or the digest.
    pub reference: Reference,
    /// What the reference means.
    pub meaning: Meaning,
    /// What the client understands.
    pub client: Capabilities,
}

/// What a reference means. What a digest stands for never changes, but more of it may come to be there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Meaning {
    /// What this reading of a stored repository says; no two readings have the same number.
    Reading(u64),
    /// The manifest with this digest of an upstream registry.
    Upstream(Digest),
}

impl AnswerKey {
    /// The same without the platform of the client, which decides nothing where the reference stands for one image.
    #[must_use]
    pub fn without_platform(self) -> Self {
        Self { client: self.client.without_platform(), ..self }
    }

    /// The same without the types that the client names beside those of forms, which decide nothing where the reference
    /// stands for something that has a form.
    #[must_use]
    pub fn without_types(self) -> Self {
        Self { client: self.client.without_types(), ..self }
    }

    /// The key as the path of a URL, for caches that have these for keys: different keys have different paths.
    ///
    /// No part but the name has a slash in it, and so the parts are told apart from the end.
    #[must_use]
    pub fn path(&self) -> String {
        let mut path = String::with_capacity(256);
        // Writing to a string cannot fail.
        let _ = self.write(&mut path);
        path
    }

    fn write(&self, path: &mut String) -> fmt::Result {
        let Self { name, reference, meaning, client } = self;
        match reference {
            Reference::Tag(tag) => write!(path, "{name}/{tag}")?,
            Reference::Digest(digest) => write!(path, "{name}/{digest}")?,
        }
        match meaning {
            Meaning::Reading(number) => write!(path, "/reading:{number}/")?,
            Meaning::Upstream(digest) => write!(path, "/{digest}/")?,
        }
        for (form, weight) in client.forms() {
            write!(path, "{form}={weight},")?;
        }
        for (media_type, weight) in client.types() {
            // All of them are `application/…`.
            let (_, subtype) = media_type.split_once('/').unwrap_or_default();
            write!(path, "{subtype}={weight},")?;
        }
        write!(path, "any={}", client.takes_any())?;
        for form in Form::ALL.into_iter().filter(|&form| client.cannot_read(form)) {
            write!(path, ",no-{form}")?;
        }
        if let Some(zstd) = client.zstd() {
            write!(path, ",zstd={}", zstd.name())?;
        }
        // Names of Go's, as everything else is left out of a User-Agent.
        if let Some(Platform { os, architecture, variant }) = client.platform() {
            write!(path, ",{os}:{architecture}")?;
            if let Some(variant) = variant {
                write!(path, ":{variant}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn keys_are_paths() {
        let client = Capabilities::of(&[Form::Oci]).with_platform(Platform::new("linux", "arm64"));
        let digest = Digest::empty_layer();
        let key = AnswerKey {
            name: "library/httpd".to_string(),
            reference: Reference::Tag("latest".to_string()),
            meaning: Meaning::Upstream(digest.clone()),
            client,
        };
        let rest = "oci=1000,any=false,linux:arm64";
        assert_eq!(key.path(), alloc::format!("library/httpd/latest/{digest}/{rest}"));
        let by_digest =
            AnswerKey { reference: Reference::Digest(digest), meaning: Meaning::Reading(7), ..key };
        assert!(by_digest.path().ends_with("/reading:7/oci=1000,any=false,linux:arm64"));
        let platform = Platform { variant: Some("v7".to_string()), ..Platform::new("linux", "arm") };
        let of_variant = AnswerKey { client: by_digest.client.clone().with_platform(platform), ..by_digest };
        assert!(of_variant.path().ends_with(",linux:arm:v7"));
    }
}
