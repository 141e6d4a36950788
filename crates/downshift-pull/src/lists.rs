//! Lists: the tags of a repository, a page at a time.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use downshift_json::{Json, Kind, Limits};
use downshift_registry::{Page, Response, response};

use crate::value::ListValue;

/// The tags of a repository.
pub(crate) enum TagList {
    /// All of them.
    All(Vec<String>),
    /// What a registry gave, which may be a page.
    Page(ListValue),
}

impl TagList {
    /// The response with them; nothing if they are not a list of tags.
    pub(crate) fn response(&self, name: &str, page: &Page) -> Option<Response> {
        match self {
            Self::All(tags) => Some(response::tags(name, page, tags.iter().map(String::as_str))),
            Self::Page(list) => {
                let tags = texts(&list.bytes, "tags")?;
                Some(response::upstream_tags(name, page, &tags, list.next.as_deref()))
            }
        }
    }
}

/// A list of a registry, which was read within the limit that it has.
pub(crate) fn parse(bytes: &[u8]) -> Option<Json<'_>> {
    Json::parse("list", bytes, Limits { document_bytes: bytes.len(), ..Limits::default() }).ok()
}

/// The texts that a registry's list has under `member`, which is missing or null where there are none.
pub(crate) fn texts(bytes: &[u8], member: &str) -> Option<Vec<String>> {
    let json = parse(bytes)?;
    let Some(texts) = json.root().member(member).filter(|texts| !texts.is_null()) else {
        return Some(Vec::new());
    };
    if texts.kind() != Kind::Array {
        return None;
    }
    texts.elements().map(|text| text.as_text().map(|text| text.to_string())).collect()
}
