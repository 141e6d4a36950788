//! The grammar of names, tags and references.

use alloc::string::{String, ToString};

use downshift::Digest;

use crate::registry_name::split_registry;

/// The last part of a manifest's path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reference {
    /// A tag.
    Tag(String),
    /// A digest.
    Digest(Digest),
}

impl Reference {
    /// Reads a reference: a digest if it is a valid one, else a tag. `None` if it is neither.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match Digest::parse(text) {
            Ok(digest) => Some(Self::Digest(digest)),
            Err(_) => is_tag(text).then(|| Self::Tag(text.to_string())),
        }
    }
}

/// Whether `name` is a repository's name: at most 255 bytes, of components of lower-case letters and digits, with
/// `.`, `_`, `__` or dashes inside, joined by `/` (OCI distribution specification 1.1, "Pulling manifests").
#[must_use]
pub fn is_repository_name(name: &str) -> bool {
    let is_alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_separator =
        |text: &[u8]| matches!(text, b"." | b"_" | b"__") || text.iter().all(|byte| *byte == b'-');
    let is_run = |run: &[u8]| run.first().is_some_and(is_alphanumeric) || is_separator(run);
    let is_component = |component: &[u8]| {
        component.first().is_some_and(is_alphanumeric)
            && component.last().is_some_and(is_alphanumeric)
            && component.chunk_by(|a, b| is_alphanumeric(a) == is_alphanumeric(b)).all(is_run)
    };
    name.len() <= 255 && name.as_bytes().split(|byte| *byte == b'/').all(is_component)
}

/// Whether `name` is a repository's name at this server: one of [`is_repository_name`], of which any component but the last
/// may have a port, for it may be the registry that the repository is at, as in `localhost:5000/app`.
#[must_use]
pub fn is_local_name(name: &str) -> bool {
    let Some((rest, last)) = name.rsplit_once('/').filter(|(rest, _)| rest.contains(':')) else {
        return is_repository_name(name);
    };
    let is_port = |port: &str| matches!(port.len(), 1..=5) && port.bytes().all(|byte| byte.is_ascii_digit());
    let is_component = |component: &str| match component.split_once(':') {
        Some((host, port)) => is_repository_name(host) && is_port(port),
        None => is_repository_name(component),
    };
    name.len() <= 255 && rest.split('/').all(is_component) && is_repository_name(last)
}

/// Whether `tag` is a tag: a letter, digit or `_`, and up to 127 of these, `.` and `-` (OCI distribution
/// specification 1.1, "Pulling manifests").
#[must_use]
pub fn is_tag(tag: &str) -> bool {
    let word = |char: char| char.is_ascii_alphanumeric() || char == '_';
    tag.len() <= 128
        && tag.starts_with(word)
        && tag.chars().all(|char| word(char) || matches!(char, '.' | '-'))
}

/// The tag in the name of an image as people write it, such as `docker.io/library/alpine:3.18`, which may go on with a
/// digest. Without a tag it is `latest`, as for Docker, unless there is a digest. `None` if it is no name of an image.
#[must_use]
pub fn tag_of_image(image: &str) -> Option<&str> {
    let (name, has_digest) = match image.split_once('@') {
        Some((name, digest)) if Digest::parse(digest).is_ok() => (name, true),
        Some(_) => return None,
        None => (image, false),
    };
    // What follows the last slash: before it there may be a port.
    let last = name.rsplit('/').next().unwrap_or(name);
    let (repository, tag) = match last.rsplit_once(':') {
        Some((_, tag)) => (name.strip_suffix(tag)?.strip_suffix(':')?, Some(tag)),
        None => (name, None),
    };
    // A host, with upper-case letters and a port perhaps, and the repository's name.
    let in_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte);
    let is_repository = match split_registry(repository) {
        Some((host, path)) if host.bytes().all(in_host) => is_repository_name(path),
        _ => is_repository_name(repository),
    };
    match tag {
        _ if !is_repository => None,
        Some(tag) => is_tag(tag).then_some(tag),
        None => (!has_digest).then_some("latest"),
    }
}

/// The repository in the name of an image, with the registry if that is named.
#[must_use]
pub fn repository_of_image(image: &str) -> &str {
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    match name.rsplit_once(':') {
        Some((repository, tag)) if is_tag(tag) => repository,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn the_tag_of_an_image_is_in_its_name() {
        let digest = Digest::of(b"");
        for (image, tag) in [
            ("docker.io/library/alpine:3.18", "3.18"),
            ("alpine:3.18", "3.18"),
            ("team/app:v1", "v1"),
            ("registry.example.org:5000/team/app:1.0", "1.0"),
            ("registry.example.org:5000/team/app", "latest"),
            ("[::1]:5000/app:1.0", "1.0"),
            ("Registry.Example.org/app:1.0", "1.0"),
            ("localhost/app", "latest"),
            (&format!("alpine:3.18@{digest}"), "3.18"),
        ] {
            assert_eq!(tag_of_image(image), Some(tag), "{image}");
        }
        for image in [
            "",
            ":1.0",
            "app:",
            "app:a b",
            "app:-x",
            "App:1.0",
            "a/../b:1.0",
            "/app:1.0",
            "app@sha256:0",
            "app:1.0@x",
            "http://registry.example.org/app:1.0",
            &format!("alpine@{digest}"),
            &format!("@{digest}"),
        ] {
            assert_eq!(tag_of_image(image), None, "{image}");
        }
    }

    #[test]
    fn the_repository_of_an_image_has_its_registry() {
        let digest = Digest::of(b"");
        for (image, repository) in [
            ("docker.io/library/alpine:3.18", "docker.io/library/alpine"),
            ("localhost:5000/app", "localhost:5000/app"),
            ("app:1.0", "app"),
            (&format!("app:1.0@{digest}"), "app"),
        ] {
            assert_eq!(repository_of_image(image), repository, "{image}");
        }
    }

    #[test]
    fn repository_names_keep_to_the_grammar() {
        let (longest, too_long) = ("a".repeat(255), "a".repeat(256));
        for name in "a 0 library/httpd a.b a_b a__b a-b a---b a/b/c/d 1.2.3".split(' ').chain([&*longest]) {
            assert!(is_repository_name(name), "{name}");
        }
        let invalid = " / a/ /a a//b A .a a. -a a- _a a..b a___b a._b a-_b a:b ä a/.. a\n a%2fb";
        for name in invalid.split(' ').chain(["a b", &*too_long]) {
            assert!(!is_repository_name(name), "{name}");
        }
    }

    #[test]
    fn tags_keep_to_the_grammar() {
        let (longest, too_long) = ("a".repeat(128), "a".repeat(129));
        for tag in ["latest", "_", "1.0-RC_1", "A..-", &longest] {
            assert!(is_tag(tag), "{tag}");
        }
        for tag in ["", ".a", "-a", "a/b", "a:b", "a b", "ä", "a\n", &too_long] {
            assert!(!is_tag(tag), "{tag}");
        }
    }
}
