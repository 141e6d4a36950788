//! A repository as Pulp 2 publishes it: which files there are, and what is in each.
//!
//! It is written with metadata of version 4, and read by whatever reads that: Crane, the web server behind it, and Downshift.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use downshift::document::Document;
use downshift::{Digest, Form, Limits};
use downshift_registry::{is_local_name, is_tag};
use serde::Serialize;

use crate::metadata::is_folder;

/// The version of the metadata.
const VERSION: u64 = 4;

/// What is published of a repository.
#[derive(Clone, Debug)]
pub struct Publication {
    /// Its id, which names its folder and its file of metadata: [`id_of`] its name, if there is no other.
    pub id: String,
    /// The name by which clients know it.
    pub name: String,
    /// The URL of its folder `web`, to which Crane sends clients.
    pub url: String,
    /// Whether Crane wants a client certificate with an entitlement.
    pub is_protected: bool,
    /// What its tags have: a manifest of each of Docker's forms at the most, by its digest.
    pub tags: BTreeMap<String, BTreeSet<Digest>>,
    /// All manifests, those that lists have as well.
    pub manifests: BTreeMap<Digest, Manifest>,
    /// The configs and layers.
    pub blobs: BTreeSet<Digest>,
}

/// A manifest, by the digest that registries report for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Its form.
    pub form: Form,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What is in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum File {
    /// These bytes.
    Bytes(Vec<u8>),
    /// What is in the file at this path.
    Same(String),
    /// The blob with this digest.
    Blob(Digest),
}

/// Why a repository cannot be published so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unpublishable {
    /// The id is not the name of a folder.
    Id(String),
    /// The name is not that of a repository.
    Name(String),
    /// The tag is not one.
    Tag(String),
    /// There is no folder for manifests of this form.
    Form {
        /// The manifest.
        digest: Digest,
        /// Its form.
        form: Form,
    },
    /// A tag has a manifest that is not there.
    Missing {
        /// The tag.
        tag: String,
        /// The manifest.
        digest: Digest,
    },
    /// A tag has two manifests of one form.
    Twice {
        /// The tag.
        tag: String,
        /// The form.
        form: Form,
    },
}

/// The metadata, in the order in which Pulp has them.
#[derive(Serialize)]
struct Metadata<'p> {
    r#type: &'static str,
    version: u64,
    repository: &'p str,
    #[serde(rename = "repo-registry-id")]
    name: &'p str,
    url: &'p str,
    protected: bool,
    schema2_data: BTreeSet<&'p str>,
    manifest_list_data: BTreeSet<&'p str>,
    manifest_list_amd64_tags: BTreeMap<&'p str, (&'p str, u64)>,
}

#[derive(Serialize)]
struct Tags<'p> {
    name: &'p str,
    tags: Vec<&'p str>,
}

impl Publication {
    /// The files, by their paths below the folder `docker`. The same publication has the same files.
    ///
    /// # Errors
    /// [`Unpublishable`].
    pub fn files(&self) -> Result<BTreeMap<String, File>, Unpublishable> {
        let file = format!("{}.json", self.id);
        if !is_folder(&self.id) || !is_folder(&file) {
            return Err(Unpublishable::Id(self.id.clone()));
        }
        if !is_local_name(&self.name) {
            return Err(Unpublishable::Name(self.name.clone()));
        }
        let web = format!("v2/web/{}", self.id);
        let mut files = BTreeMap::new();
        let (mut schema2, mut lists) = (BTreeSet::new(), BTreeSet::new());
        for (digest, Manifest { form, bytes }) in &self.manifests {
            let folder = folder_of(*form)
                .ok_or_else(|| Unpublishable::Form { digest: digest.clone(), form: *form })?;
            match form {
                Form::Schema2 => drop(schema2.insert(digest.as_str())),
                Form::List => drop(lists.insert(digest.as_str())),
                _ => {}
            }
            files.insert(format!("{web}/manifests/{folder}/{digest}"), File::Bytes(bytes.clone()));
        }
        let mut amd64 = BTreeMap::new();
        for (tag, digests) in &self.tags {
            if !is_tag(tag) {
                return Err(Unpublishable::Tag(tag.clone()));
            }
            for digest in digests {
                let missing = || Unpublishable::Missing { tag: tag.clone(), digest: digest.clone() };
                let Manifest { form, bytes } = self.manifests.get(digest).ok_or_else(missing)?;
                let Some(folder) = folder_of(*form) else { continue };
                let folder = format!("{web}/manifests/{folder}");
                let same = File::Same(format!("{folder}/{digest}"));
                if files.insert(format!("{folder}/{tag}"), same).is_some() {
                    return Err(Unpublishable::Twice { tag: tag.clone(), form: *form });
                }
                match form {
                    Form::Schema2 => drop(schema2.insert(tag.as_str())),
                    Form::List => {
                        lists.insert(tag.as_str());
                        amd64.extend(self.amd64(digests, bytes).map(|single| (tag.as_str(), single)));
                    }
                    _ => {}
                }
            }
        }
        for digest in &self.blobs {
            files.insert(format!("{web}/blobs/{digest}"), File::Blob(digest.clone()));
        }
        let tags = Tags { name: &self.name, tags: self.tags.keys().map(String::as_str).collect() };
        files.insert(format!("{web}/tags/list"), json(&tags));
        let metadata = Metadata {
            r#type: "pulp-docker-redirect",
            version: VERSION,
            repository: &self.id,
            name: &self.name,
            url: &self.url,
            protected: self.is_protected,
            schema2_data: schema2,
            manifest_list_data: lists,
            manifest_list_amd64_tags: amd64,
        };
        files.insert(format!("v2/app/{file}"), json(&metadata));
        Ok(files)
    }

    /// The manifest that who reads no lists gets of a list, and its schema. Crane asks for nothing else by the tag of one
    /// (`crane/views/v2.py`), so that a schema 2 manifest of the tag itself counts, and then what the list has.
    fn amd64(&self, of_tag: &BTreeSet<Digest>, list: &[u8]) -> Option<(&str, u64)> {
        let is_schema2 = |digest: &&Digest| {
            self.manifests.get(*digest).is_some_and(|manifest| manifest.form == Form::Schema2)
        };
        if let Some(own) = of_tag.iter().find(is_schema2)
            && let Some((digest, _)) = self.manifests.get_key_value(own)
        {
            return Some((digest.as_str(), 2));
        }
        let Ok(Document::Index(list)) = Document::parse(list, &Limits::default()) else { return None };
        list.entries.iter().find_map(|entry| {
            let platform = entry.plain_platform()?;
            if platform.os != "linux" || platform.architecture != "amd64" {
                return None;
            }
            let (digest, manifest) = self.manifests.get_key_value(&entry.digest)?;
            let schema = match manifest.form {
                Form::Schema2 => 2,
                form if form.is_schema1() => 1,
                _ => return None,
            };
            Some((digest.as_str(), schema))
        })
    }
}

/// An id for a repository of this name, which none of another name has: no name has two dots beside each other.
#[must_use]
pub fn id_of(name: &str) -> String {
    name.replace('/', "..")
}

/// The folder of manifests of a form.
#[must_use]
pub fn folder_of(form: Form) -> Option<&'static str> {
    match form {
        Form::List => Some("list"),
        Form::Schema2 => Some("2"),
        Form::Schema1 | Form::Schema1Unsigned => Some("1"),
        Form::Oci | Form::Index | Form::Other => None,
    }
}

fn json(value: &impl Serialize) -> File {
    // Texts, numbers and lists are always written.
    File::Bytes(serde_json::to_vec(value).unwrap_or_default())
}

impl fmt::Display for Unpublishable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "`{}` is not the name of a folder", id.escape_debug()),
            Self::Name(name) => write!(f, "`{}` is not the name of a repository", name.escape_debug()),
            Self::Tag(tag) => write!(f, "`{}` is not a tag", tag.escape_debug()),
            Self::Form { digest, form } => {
                write!(f, "`{digest}` is of the form {form}, for which Pulp 2 has no folder")
            }
            Self::Missing { tag, digest } => write!(f, "`{tag}` has `{digest}`, which is not there"),
            Self::Twice { tag, form } => write!(f, "`{tag}` has two manifests of the form {form}"),
        }
    }
}

impl core::error::Error for Unpublishable {}

#[cfg(test)]
mod tests {
    use downshift_cases::images::{Image, sample};

    use super::*;
    use crate::metadata::{self, Content, Single};

    fn publication(tags: &[(&str, Vec<Image>)]) -> Publication {
        let mut publication = Publication {
            id: id_of("team/app"),
            name: "team/app".to_owned(),
            url: "https://pulp.example/web/team..app/".to_owned(),
            is_protected: false,
            tags: BTreeMap::new(),
            manifests: BTreeMap::new(),
            blobs: BTreeSet::new(),
        };
        for (tag, images) in tags {
            for image in images {
                for manifest in image.children.iter().chain([&image.manifest]) {
                    let own = Manifest { form: manifest.form, bytes: manifest.bytes.clone() };
                    publication.manifests.insert(manifest.digest(), own);
                }
                publication.tags.entry((*tag).to_owned()).or_default().insert(image.manifest.digest());
                publication
                    .blobs
                    .extend(image.configs.iter().chain(&image.layers).map(|blob| Digest::of(blob)));
            }
        }
        publication
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let (list, schema2) = (sample::list(), sample::schema2());
        let schema1 = Image::bare(Form::Schema1Unsigned, b"{\"schemaVersion\": 1}".to_vec());
        let publication =
            publication(&[("a", vec![list.clone(), schema1.clone()]), ("b", vec![schema2.clone(), schema1])]);
        let files = publication.files().unwrap();
        assert_eq!(files, publication.files().unwrap());
        let File::Bytes(metadata) = &files["v2/app/team..app.json"] else { panic!("it has no bytes") };
        let metadata = metadata::Metadata::parse(metadata).unwrap();
        assert_eq!((&*metadata.name, &*metadata.folder), ("team/app", "team..app"));
        assert_eq!(metadata.url, "https://pulp.example/web/team..app");
        let child = Single { digest: list.children[1].digest(), is_schema1: false };
        assert_eq!(metadata.content, Content::Manifests { amd64: [("a".to_owned(), child)].into() });
        let web = "v2/web/team..app";
        let digest = list.manifest.digest();
        assert_eq!(
            files[&format!("{web}/manifests/list/a")],
            File::Same(format!("{web}/manifests/list/{digest}"))
        );
        assert_eq!(files[&format!("{web}/manifests/list/{digest}")], File::Bytes(list.manifest.bytes));
        for path in ["manifests/1/a", "manifests/1/b", "manifests/2/b"] {
            assert!(matches!(files[&format!("{web}/{path}")], File::Same(_)), "{path}");
        }
        for path in ["manifests/2/a", "manifests/list/b"] {
            assert!(!files.contains_key(&format!("{web}/{path}")), "{path}");
        }
        let layer = Digest::of(&schema2.layers[0]);
        assert_eq!(files[&format!("{web}/blobs/{layer}")], File::Blob(layer));
        assert_eq!(
            files[&format!("{web}/tags/list")],
            File::Bytes(br#"{"name":"team/app","tags":["a","b"]}"#.to_vec())
        );
    }

    #[test]
    fn what_a_tag_has_for_who_reads_no_lists_counts_before_what_its_list_has() {
        let (list, schema2) = (sample::list(), sample::without_layers());
        let publication =
            publication(&[("a", vec![list.clone(), schema2.clone()]), ("b", vec![list.clone()])]);
        let files = publication.files().unwrap();
        let File::Bytes(metadata) = &files["v2/app/team..app.json"] else { panic!("it has no bytes") };
        let single = |digest: Digest| Single { digest, is_schema1: false };
        let expected = [
            ("a".to_owned(), single(schema2.manifest.digest())),
            ("b".to_owned(), single(list.children[1].digest())),
        ];
        let content = metadata::Metadata::parse(metadata).unwrap().content;
        assert_eq!(content, Content::Manifests { amd64: expected.into() });
    }

    #[test]
    fn what_pulp_has_no_place_for_is_refused() {
        let sound = publication(&[("a", vec![sample::schema2()])]);
        let refused = |change: &dyn Fn(&mut Publication)| {
            let mut publication = sound.clone();
            change(&mut publication);
            publication.files().unwrap_err().to_string()
        };
        for (change, expected) in [
            (
                &(|own: &mut Publication| own.id = "..".to_owned()) as &dyn Fn(&mut _),
                "`..` is not the name of a folder",
            ),
            (&|own: &mut Publication| own.id = "a".repeat(255), "is not the name of a folder"),
            (&|own: &mut Publication| own.name = "A".to_owned(), "`A` is not the name of a repository"),
            (
                &|own: &mut Publication| drop(own.tags.insert("../a".to_owned(), BTreeSet::new())),
                "`../a` is not a tag",
            ),
            (&|own: &mut Publication| own.manifests.clear(), "which is not there"),
            (
                &|own: &mut Publication| *own = publication(&[("a", vec![sample::oci()])]),
                "for which Pulp 2 has no folder",
            ),
            (
                &|own: &mut Publication| {
                    *own = publication(&[("a", vec![sample::schema2(), sample::without_layers()])]);
                },
                "`a` has two manifests",
            ),
        ] {
            assert!(refused(change).contains(expected), "{}", refused(change));
        }
    }

    #[test]
    fn no_two_names_have_the_same_id() {
        let names = ["a/b", "a.b", "a-b", "a_b", "a__b", "ab", "a/b.c", "a.b/c", "a/b/c"];
        let ids: BTreeSet<_> = names.into_iter().map(id_of).collect();
        assert_eq!(ids.len(), names.len());
        assert!(ids.iter().all(|id| is_folder(id)));
    }
}
