//! The paths of a tree, and what is said of each.

use std::collections::BTreeMap;

use downshift::{Digest, Form};
use downshift_json::Object;

/// The file that says for each path with which headers it is to be sent.
pub const HEADERS: &str = "headers.json";

/// The same for Netlify and Cloudflare Pages, which choose nothing.
pub const NETLIFY_HEADERS: &str = "_headers";

/// For Apache: what tags stand for.
pub const TAGS_MAP: &str = "tags.txt";

/// For Apache: which variant each client has.
pub const VARIANTS_MAP: &str = "variants.txt";

/// The headers of each path, which begins with a slash.
pub type Headers = BTreeMap<String, Vec<(String, String)>>;

/// The headers of an answer that are the same for whoever gets it.
const REPORTED: [&str; 4] =
    ["content-type", "docker-content-digest", "cache-control", "downshift-source-digest"];

/// `/v2/` itself. Web servers have a file of this name for a folder.
#[must_use]
pub fn base_path() -> String {
    "v2/index.html".to_owned()
}

/// The list of repositories.
#[must_use]
pub fn catalog_path() -> String {
    "v2/_catalog".to_owned()
}

/// The list of a repository's tags.
#[must_use]
pub fn tags_path(name: &str) -> String {
    format!("v2/{name}/tags/list")
}

/// A blob.
#[must_use]
pub fn blob_path(name: &str, digest: &Digest) -> String {
    format!("v2/{name}/blobs/{digest}")
}

/// A manifest by its digest.
#[must_use]
pub fn manifest_path(name: &str, digest: &Digest) -> String {
    format!("v2/{name}/manifests/{digest}")
}

/// A manifest by its tag, for who cannot choose.
#[must_use]
pub fn plain_tag_path(name: &str, tag: &str) -> String {
    format!("v2/{name}/manifests/{tag}")
}

/// The folder of a manifest, and the name of the only file in it, which says both its digest and its type.
#[must_use]
pub fn object_path(name: &str, digest: &Digest, media_type: &str) -> (String, String) {
    (format!("objects/{name}/{digest}"), format!("{digest}.{}", extension(media_type)))
}

/// The link to the folder of the manifest that a variant has by this tag, and where it leads to from there. The name of no
/// repository has a part that begins like this.
#[must_use]
pub fn tag_link(variant: &str, name: &str, tag: &str, digest: &Digest) -> (String, String) {
    let up = "../".repeat(name.split('/').count().saturating_add(2));
    (format!("tags/{variant}/{name}/_{tag}"), format!("{up}objects/{name}/{digest}"))
}

/// The link to the tags of the variant that a client has, and where it leads to from there.
#[must_use]
pub fn client_link(client: &str, variant: &str) -> (String, String) {
    (format!("tags/{client}"), variant.to_owned())
}

/// Characters of the longest end of a name that is made of a media type. Names of files have 255 at the most, and the longest
/// digest has 135.
const LONGEST_EXTENSION: usize = 100;

/// How the name of a file ends for a media type. No other one has the same.
#[must_use]
pub fn extension(media_type: &str) -> String {
    if let Some(form) = Form::from_media_type(media_type) {
        return form.name().to_owned();
    }
    if media_type == Form::Other.media_type() {
        return Form::Other.name().to_owned();
    }
    let mut extension = String::from("x-");
    for char in media_type.chars() {
        if char.is_ascii_lowercase() || char.is_ascii_digit() {
            extension.push(char);
        } else {
            extension.push_str(&format!("-{:x}-", u32::from(char)));
        }
    }
    if extension.len() > LONGEST_EXTENSION {
        extension = format!("x-{}", Digest::of(media_type.as_bytes()).hex());
    }
    extension
}

/// Whether what is at a path stays as it is for good: it is there by its digest.
#[must_use]
pub fn is_by_digest(path: &str) -> bool {
    let last = path.rsplit('/').next().unwrap_or_default();
    let digest = last.split('.').next().unwrap_or_default();
    path.starts_with("objects/") || path.starts_with("v2/") && Digest::parse(digest).is_ok()
}

/// What of the headers of an answer is the same for whoever gets it.
#[must_use]
pub fn reported_headers(headers: &[(&'static str, String)]) -> Vec<(String, String)> {
    let of = |name: &&str| headers.iter().find(|(own, _)| own == name);
    REPORTED.iter().filter_map(of).map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

/// The document for programs.
#[must_use]
pub(crate) fn headers_json(headers: &Headers) -> String {
    let mut text = String::from("{\n");
    for (index, (path, lines)) in headers.iter().enumerate() {
        if index > 0 {
            text.push_str(",\n");
        }
        let mut object = Object::new();
        for (name, value) in lines {
            object.text(name, value);
        }
        text.push_str("  ");
        text.push_str(&downshift_json::string(path));
        text.push_str(": ");
        text.push_str(&object.finish());
    }
    text.push_str("\n}\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_media_type_has_an_end_of_its_own() {
        assert_eq!(extension("application/vnd.oci.image.index.v1+json"), "index");
        assert_eq!(extension("application/octet-stream"), "other");
        let types = [
            "application/a.b+json",
            "application/a-b+json",
            "application/a-2e-b+json",
            "application/A.b+json",
        ];
        let ends: std::collections::BTreeSet<_> = types.iter().map(|own| extension(own)).collect();
        assert_eq!(ends.len(), types.len(), "{ends:?}");
        let long = |last: char| extension(&format!("application/{}{last}json", ".".repeat(200)));
        assert!(long('a').len() <= LONGEST_EXTENSION && long('a') != long('b'));
        let plain = |end: &String| end.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        assert!(ends.iter().all(plain) && plain(&long('a')));
    }

    #[test]
    fn paths_by_digest_stay() {
        let digest = Digest::of(b"");
        for path in [
            manifest_path("a/b", &digest),
            blob_path("a/b", &digest),
            object_path("a/b", &digest, "application/octet-stream").0,
        ] {
            assert!(is_by_digest(&path), "{path}");
        }
        let (link, target) = tag_link("oci", "a/b", "latest", &digest);
        assert_eq!(
            (link.as_str(), target),
            ("tags/oci/a/b/_latest", format!("../../../../objects/a/b/{digest}"))
        );
        for path in [link, tags_path("a/b"), catalog_path(), base_path(), plain_tag_path("a/b", "latest")] {
            assert!(!is_by_digest(&path), "{path}");
        }
    }
}
