//! Commands for a POSIX shell.
//!
//! A document may name anything, and its reader may paste a command into a shell. So a command is one line, written
//! here, into which only [`Word`]s are put: values that keep to a grammar without a sign that a shell obeys, or in
//! quotes.

use alloc::borrow::{Cow, ToOwned as _};
use alloc::format;
use alloc::string::String;

use downshift::Digest;
use downshift_registry::{is_repository_name, is_tag};
use downshift_text::is_hidden;

/// A word of a command. What is not known, or not fit for a command, is an upper-case word for the reader to replace.
pub(crate) enum Word<'w> {
    /// The name of a file; `manifest.json` if there is none.
    File(Option<&'w str>),
    /// The name of a repository.
    Repository(Option<&'w str>),
    /// A tag.
    Tag(Option<&'w str>),
    /// A digest, whose grammar is safe.
    Digest(&'w Digest),
}

impl<'w> Word<'w> {
    fn text(&self) -> Cow<'w, str> {
        match self {
            Self::File(None) => "manifest.json".into(),
            Self::File(Some(name)) => file(name),
            Self::Repository(name) => name.filter(|name| is_repository_name(name)).unwrap_or("NAME").into(),
            Self::Tag(tag) => tag.filter(|tag| is_tag(tag)).unwrap_or("TAG").into(),
            Self::Digest(digest) => digest.as_str().into(),
        }
    }
}

/// A command with `words` in place of the `{}`.
pub(crate) fn command(template: &'static str, words: &[Word<'_>]) -> String {
    let mut words = words.iter();
    let mut pieces = template.split("{}");
    let mut command = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        command.push_str(&words.next().map(Word::text).unwrap_or_default());
        command.push_str(piece);
    }
    command
}

/// The name of a file as one word that is not an option (POSIX, Shell Command Language, 2.2.2).
fn file(name: &str) -> Cow<'_, str> {
    // Nobody could check what they paste, and some terminals run what is before a line break.
    if name.is_empty() || name.chars().any(is_hidden) {
        return "FILE".into();
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._/:@-".contains(&byte);
    let here = if name.starts_with('-') { "./" } else { "" };
    if here.is_empty() && name.bytes().all(is_plain) {
        return name.into();
    }
    format!("'{here}{}'", name.replace('\'', r"'\''")).into()
}
