//! Lists: the tags of a repository, a page at a time.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use downshift_json::{Json, Kind, Limits};
use downshift_registry::{Page, Response, response};

/// The tags of a repository.
pub(crate) enum TagList {
    /// All of them.
    All(Vec<String>),
    /// What a registry gave, which may be a page.
    Page {
        /// The tags.
        tags: Vec<String>,
        /// The query of the next page.
        next: Option<String>,
    },
}

impl TagList {
    /// Those that are there.
    pub(crate) fn into_tags(self) -> Vec<String> {
        match self {
            Self::All(tags) | Self::Page { tags, .. } => tags,
        }
    }

    /// The response with them.
    pub(crate) fn response(&self, name: &str, page: &Page) -> Response {
        match self {
            Self::All(tags) => response::tags(name, page, tags.iter().map(String::as_str)),
            Self::Page { tags, next } => response::upstream_tags(name, page, tags, next.as_deref()),
        }
    }
}

/// A list of a registry, a JSON object that was read within the limit that it has. An HTML page is not one.
pub(crate) fn object(bytes: &[u8]) -> Option<Json<'_>> {
    let limits = Limits { document_bytes: bytes.len(), ..Limits::default() };
    let json = Json::parse("list", bytes, limits).ok()?;
    (json.root().kind() == Kind::Object).then_some(json)
}

/// The texts that a registry's list has under `member`, which is missing or null where there are none; or what is wrong
/// with it.
pub(crate) fn texts(bytes: &[u8], member: &'static str) -> Result<Vec<String>, String> {
    let json = object(bytes).ok_or_else(|| ["its list of ", member, " is not a JSON object"].concat())?;
    let Some(texts) = json.root().member(member).filter(|texts| !texts.is_null()) else {
        return Ok(Vec::new());
    };
    let elements = (texts.kind() == Kind::Array).then(|| texts.elements());
    let texts =
        elements.and_then(|texts| texts.map(|text| text.as_text().map(|text| text.to_string())).collect());
    texts.ok_or_else(|| ["its ", member, " are not a list of strings"].concat())
}
