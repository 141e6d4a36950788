//! What Pulp 2 says of a repository to Crane: a JSON file in the folder `app`, of four versions (`crane/data.py`).
//!
//! | Version | Says beside the name, the URL and whether it is protected |
//! |---|---|
//! | 1 | the images of the V1 protocol, and which of them has which tag |
//! | 2 | nothing: its manifests are of one form |
//! | 3 | which tags and digests have a schema 2 manifest |
//! | 4 | which have a manifest list, and which of its manifests is for who reads none |
//!
//! Which manifests there are the files themselves say. So of these lists only the last one, which no file says, is used; of
//! the others it is checked that they are lists, for nobody knows what else is wrong with a file that has others.

use std::collections::BTreeMap;

use downshift::Digest;
use downshift_registry::{is_local_name, is_v1_id};
use serde::Deserialize;

/// Bytes of a file: room for some 100,000 tags.
pub const METADATA_BYTES: u64 = 32 * 1024 * 1024;

/// What there is to know of a repository.
#[derive(Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The name by which clients know it.
    pub name: String,
    /// The folder with its files.
    pub folder: String,
    /// The URL to which Crane sends clients for these, without a slash at the end.
    pub url: String,
    /// Whether Crane wants a client certificate with an entitlement.
    pub is_protected: bool,
    /// What it has.
    pub content: Content,
}

/// What a repository has.
#[derive(Debug, PartialEq, Eq)]
pub enum Content {
    /// The images of the V1 protocol, by their tags.
    Images(BTreeMap<String, String>),
    /// Manifests.
    Manifests {
        /// By the tag of a list the manifest in it for who reads no lists.
        amd64: BTreeMap<String, Single>,
    },
}

/// A manifest in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Single {
    /// Its digest.
    pub digest: Digest,
    /// Whether it is schema 1; else schema 2.
    pub is_schema1: bool,
}

/// Why a file cannot be used, and of which repository it is as far as it says so.
#[derive(Debug, PartialEq, Eq)]
pub struct Unusable {
    /// The repository's name.
    pub name: Option<String>,
    /// What is wrong.
    pub problem: String,
}

/// The members that all versions have.
#[derive(Deserialize)]
struct Common {
    version: u64,
    #[serde(rename = "repo-registry-id")]
    name: String,
    repository: String,
    url: String,
    #[serde(default)]
    protected: bool,
}

#[derive(Deserialize)]
struct Version1 {
    images: Vec<Image>,
    tags: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Image {
    id: String,
}

#[derive(Deserialize)]
struct Version3 {
    #[serde(rename = "schema2_data")]
    _schema2: Vec<String>,
}

#[derive(Deserialize)]
struct Version4 {
    #[serde(rename = "schema2_data")]
    _schema2: Vec<String>,
    #[serde(rename = "manifest_list_data")]
    _lists: Vec<String>,
    #[serde(rename = "manifest_list_amd64_tags")]
    amd64: BTreeMap<String, (String, u64)>,
}

impl Metadata {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Unusable`] if it says nothing of use.
    pub fn parse(bytes: &[u8]) -> Result<Self, Unusable> {
        /// The name alone, in whatever else there is.
        #[derive(Deserialize)]
        struct Named {
            #[serde(rename = "repo-registry-id")]
            name: String,
        }
        let name = serde_json::from_slice::<Named>(bytes).ok().map(|named| named.name);
        let name = name.filter(|name| is_local_name(name));
        Self::read(bytes).map_err(|problem| Unusable { name, problem })
    }

    fn read(bytes: &[u8]) -> Result<Self, String> {
        let wrong = |error: serde_json::Error| error.to_string();
        let Common { version, name, repository, url, protected } =
            serde_json::from_slice(bytes).map_err(wrong)?;
        if !is_local_name(&name) {
            return Err(format!(
                "`repo-registry-id` is `{}`, which is not the name of a repository",
                name.escape_debug()
            ));
        }
        if !is_folder(&repository) {
            let folder = repository.escape_debug();
            return Err(format!("`repository` is `{folder}`, which is not the name of a folder"));
        }
        let content = match version {
            1 => {
                let Version1 { images, tags } = serde_json::from_slice(bytes).map_err(wrong)?;
                let mut ids = images.iter().map(|image| &image.id).chain(tags.values());
                if let Some(id) = ids.find(|id| !is_v1_id(id)) {
                    return Err(format!("`{}` is not the id of an image", id.escape_debug()));
                }
                Content::Images(tags)
            }
            2 => Content::Manifests { amd64: BTreeMap::new() },
            3 => {
                let Version3 { .. } = serde_json::from_slice(bytes).map_err(wrong)?;
                Content::Manifests { amd64: BTreeMap::new() }
            }
            4 => {
                let Version4 { amd64, .. } = serde_json::from_slice(bytes).map_err(wrong)?;
                let single = |(tag, (digest, version)): (String, (String, u64))| {
                    let is_schema1 = match version {
                        1 => true,
                        2 => false,
                        _ => return Err(format!("`{}` is of schema `{version}`", tag.escape_debug())),
                    };
                    let digest = Digest::parse(&digest).map_err(|error| error.to_string())?;
                    Ok((tag, Single { digest, is_schema1 }))
                };
                Content::Manifests { amd64: amd64.into_iter().map(single).collect::<Result<_, _>>()? }
            }
            version => return Err(format!("the version is `{version}`, and known are 1 to 4")),
        };
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self { name, folder: repository, url, is_protected: protected, content })
    }
}

/// Whether `name` is that of one folder, and leads nowhere else.
pub(crate) fn is_folder(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\0']) && name.len() <= 255
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn file(version: &str, more: &str) -> String {
        format!(
            r#"{{"type":"pulp-docker-redirect","version":{version},"repository":"web","repo-registry-id":"team/app",
            "url":"https://pulp/pulp/docker/v2/web/"{more}}}"#
        )
    }

    #[test]
    fn all_four_versions_are_read() {
        let id = "a".repeat(64);
        let v1 = format!(r#","images":[{{"id":"{id}"}}],"tags":{{"latest":"{id}"}},"protected":true"#);
        let lists = format!(
            r#","schema2_data":[],"manifest_list_data":["a","{DIGEST}"],"manifest_list_amd64_tags":{{"a":["{DIGEST}",2],"b":["{DIGEST}",1]}}"#
        );
        let read = |version, more: &str| Metadata::parse(file(version, more).as_bytes()).unwrap();
        let first = read("1", &v1);
        assert_eq!((first.is_protected, &*first.folder, &*first.name), (true, "web", "team/app"));
        assert_eq!(first.url, "https://pulp/pulp/docker/v2/web");
        assert_eq!(first.content, Content::Images([("latest".to_owned(), id)].into()));
        let none = Content::Manifests { amd64: BTreeMap::new() };
        assert_eq!(
            (read("2", "").content, read("3", r#","schema2_data":["a"]"#).content),
            (none, Content::Manifests { amd64: BTreeMap::new() })
        );
        let digest = Digest::parse(DIGEST).unwrap();
        let single = |is_schema1| Single { digest: digest.clone(), is_schema1 };
        let amd64 = [("a".to_owned(), single(false)), ("b".to_owned(), single(true))].into();
        assert_eq!(read("4", &lists).content, Content::Manifests { amd64 });
    }

    #[test]
    fn what_is_wrong_is_said_with_the_name() {
        let named = Some("team/app".to_owned());
        let schema2 = r#","schema2_data":[]"#;
        for (text, name, expected) in [
            ("{".to_owned(), None, "EOF"),
            ("[]".to_owned(), None, "invalid"),
            (file("5", ""), named.clone(), "the version is `5`, and known are 1 to 4"),
            (file("\"2\"", ""), named.clone(), "invalid type: string"),
            (file("2", r#","protected":"false""#), named.clone(), "invalid type: string"),
            (file("3", ""), named.clone(), "missing field `schema2_data`"),
            (file("3", r#","schema2_data":"a""#), named.clone(), "invalid type"),
            (file("4", schema2), named.clone(), "missing field `manifest_list_data`"),
            (
                file(
                    "4",
                    r#","schema2_data":[],"manifest_list_data":[],"manifest_list_amd64_tags":{"a":["x",2]}"#,
                ),
                named.clone(),
                "`x`",
            ),
            (
                file("1", r#","images":[{"id":"../x"}],"tags":{}"#),
                named.clone(),
                "`../x` is not the id of an image",
            ),
            (file("2", "").replace("\"web\"", "\"../x\""), named, "`repository` is `../x`"),
            (file("2", "").replace("team/app", "../app"), None, "`repo-registry-id` is `../app`"),
            (file("2", "").replace("team/app", "A\\n"), None, r"`repo-registry-id` is `A\n`"),
        ] {
            let unusable = Metadata::parse(text.as_bytes()).unwrap_err();
            assert_eq!(unusable.name, name, "{text}");
            assert!(unusable.problem.contains(expected), "{}", unusable.problem);
        }
    }
}
