//! The grammar of names, tags and references.

use alloc::string::{String, ToString};

use downshift::Digest;

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
    let alphanumeric = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit();
    // Between two letters or digits that stand side by side is the empty text.
    let is_separator = |text: &str| matches!(text, "." | "_" | "__") || text.bytes().all(|byte| byte == b'-');
    let is_component = |component: &str| {
        component.starts_with(alphanumeric)
            && component.ends_with(alphanumeric)
            && component.split(alphanumeric).all(is_separator)
    };
    name.len() <= 255 && name.split('/').all(is_component)
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

#[cfg(test)]
mod tests {
    use super::*;

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
