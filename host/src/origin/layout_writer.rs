//! One layout of a store, which is written: blobs first, each whole or not there, then `index.json` by rename. So whoever
//! reads it meanwhile sees what was there before or all that is new.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use downshift::Digest;
use serde_json::{Map, Value, json};

use super::layout::{Entry, INDEX_BYTES, LAYOUT_VERSION};
use super::layout_tags::{IMAGE_NAME, PROTECTED, REF_NAME, SOURCE, tag_of};
use super::store_files::open_anywhere;
use crate::bounded;
use crate::data;
use crate::digest::ALGORITHMS;
use crate::error::Error;

/// The annotation of an entry that is there only because it refers to another one.
const ROLE: &str = "io.downshift.role";
const REFERRER: &str = "referrer";

/// One layout.
#[derive(Clone)]
pub(crate) struct LayoutWriter {
    /// The repository's name.
    pub(crate) name: String,
    folder: PathBuf,
}

/// An `index.json`, with all that other tools have put into it.
#[derive(Default)]
pub(crate) struct LayoutIndex {
    /// The members beside the entries.
    members: Map<String, Value>,
    entries: Vec<Value>,
    /// Whether it says something else than what was read.
    is_changed: bool,
}

/// A manifest, as an entry has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Described {
    /// The digest of the file.
    pub(crate) digest: Digest,
    /// Its bytes.
    pub(crate) size: u64,
    /// Its media type, if anybody has said that.
    pub(crate) media_type: Option<String>,
    /// What kind of artifact it is, if it is one.
    pub(crate) artifact_type: Option<String>,
}

impl LayoutWriter {
    /// The layout of the repository called `name` in the store at `store`. Nothing is read or written yet.
    pub(crate) fn new(store: &Path, name: &str) -> Self {
        Self { name: name.to_owned(), folder: store.join(name) }
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes its folders, as far as they are not there, and removes what a crash has left.
    pub(crate) fn make(&self) -> Result<(), Error> {
        let folder = self.folder.join("blobs/sha256");
        fs::create_dir_all(&folder).map_err(|error| Error::unwritable(&folder, error))?;
        data::remove_leftovers(&self.folder);
        let marker = self.folder.join("oci-layout");
        if !marker.exists() {
            let text = json!({ "imageLayoutVersion": LAYOUT_VERSION }).to_string();
            self.replace(&marker, text.as_bytes())?;
        }
        Ok(())
    }

    /// Reads `index.json`; an empty one where there is none.
    pub(crate) fn index(&self) -> Result<LayoutIndex, Error> {
        let path = self.folder.join("index.json");
        let broken = |problem: String| Error::BrokenLayout { path: path.clone(), problem };
        let file = match open_anywhere(&path).map_err(|error| Error::unreadable(&path, error))? {
            Some(file) => file,
            None if path.exists() => return Err(broken("it is not a regular file".to_owned())),
            None => return Ok(LayoutIndex::default()),
        };
        let bytes = bounded::read(file, INDEX_BYTES).map_err(|error| Error::unreadable(&path, error))?;
        let bytes = bytes.ok_or_else(|| broken(format!("it has more than `{INDEX_BYTES}` bytes")))?;
        let mut members: Map<String, Value> =
            serde_json::from_slice(&bytes).map_err(|error| broken(error.to_string()))?;
        let entries = match members.remove("manifests") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(entries)) => entries,
            Some(_) => return Err(broken("its `manifests` are not an array".to_owned())),
        };
        Ok(LayoutIndex { members, entries, is_changed: false })
    }

    /// Writes `index.json`, once all that it names is on the disk; nothing where it says what it said.
    pub(crate) fn write_index(&self, index: &LayoutIndex) -> Result<bool, Error> {
        if !index.is_changed {
            return Ok(false);
        }
        for folder in self.blob_folders() {
            sync_folder(&folder)?;
        }
        self.replace(&self.folder.join("index.json"), &index.bytes())?;
        Ok(true)
    }

    /// Removes the index, so that this is no repository any longer. Its blobs stay.
    pub(crate) fn remove_index(&self) -> Result<(), Error> {
        let path = self.folder.join("index.json");
        match fs::remove_file(&path) {
            Ok(()) => sync_folder(&self.folder),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Error::unwritable(&path, error)),
        }
    }

    /// How many bytes a blob has, if it is there.
    pub(crate) fn blob_size(&self, digest: &Digest) -> Option<u64> {
        let metadata = fs::metadata(self.blob_path(digest)).ok()?;
        metadata.is_file().then_some(metadata.len())
    }

    /// Where a blob is, or is to be.
    pub(crate) fn blob_path(&self, digest: &Digest) -> PathBuf {
        blob_path(&self.folder, digest)
    }

    /// A document, if it is there, has no more than `limit` bytes, and has its digest.
    pub(crate) fn document(&self, digest: &Digest, limit: usize) -> Option<Bytes> {
        let file = open_anywhere(&self.blob_path(digest)).ok()??;
        let bytes = bounded::read(file, limit as u64).ok()??;
        digest.matches(&bytes).then(|| bytes.into())
    }

    /// Writes a document under its digest.
    pub(crate) fn put_document(&self, digest: &Digest, bytes: &[u8]) -> Result<(), Error> {
        let path = self.blob_path(digest);
        self.make_folder_of(&path)?;
        self.replace(&path, bytes)
    }

    /// Takes a file that is whole, and is on the disk, for the blob with this digest.
    pub(crate) fn take_blob(&self, file: &Path, digest: &Digest) -> Result<(), Error> {
        let path = self.blob_path(digest);
        self.make_folder_of(&path)?;
        match fs::rename(file, &path) {
            // A link has led to another disk.
            Err(error) if error.kind() == ErrorKind::CrossesDevices => {
                self.copy_blob(file, &path)?;
                fs::remove_file(file).map_err(|error| Error::unwritable(file, error))
            }
            renamed => renamed.map_err(|error| Error::unwritable(&path, error)),
        }
    }

    /// Has a blob that another layout has, as the same file where that can be.
    pub(crate) fn link_blob(&self, file: &Path, digest: &Digest) -> Result<(), Error> {
        let path = self.blob_path(digest);
        self.make_folder_of(&path)?;
        // What is there already is of another size, or damaged.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(Error::unwritable(&path, error)),
            _ => {}
        }
        // What a link leads to, and not the link, which may lead elsewhere from here.
        let linked = fs::canonicalize(file).and_then(|file| fs::hard_link(file, &path));
        // Another disk, one without links, or a file with as many as it may have.
        linked.or_else(|_| self.copy_blob(file, &path))
    }

    /// The blobs that are there, with their digests.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = Digest> {
        self.blob_folders().into_iter().flat_map(|folder| {
            let algorithm = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
            entries.filter_map(move |entry| {
                let name = entry.file_name().into_string().ok()?;
                Digest::parse(&format!("{algorithm}:{name}")).ok()
            })
        })
    }

    fn blob_folders(&self) -> Vec<PathBuf> {
        let folders = ALGORITHMS.iter().map(|algorithm| self.folder.join("blobs").join(algorithm));
        folders.filter(|folder| folder.is_dir()).collect()
    }

    fn make_folder_of(&self, path: &Path) -> Result<(), Error> {
        let folder = path.parent().unwrap_or(&self.folder);
        fs::create_dir_all(folder).map_err(|error| Error::unwritable(folder, error))
    }

    fn copy_blob(&self, file: &Path, path: &Path) -> Result<(), Error> {
        self.put(path, |draft| {
            fs::copy(file, draft)?;
            File::open(draft)?.sync_all()
        })
    }

    /// Writes a file, with the permissions that the umask leaves.
    fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        self.put(path, |draft| {
            let mut file = File::create_new(draft)?;
            file.write_all(bytes)?;
            file.sync_all()
        })?;
        sync_folder(path.parent().unwrap_or(&self.folder))
    }

    /// Puts a file in its place. Its draft is where no reader looks for blobs.
    fn put(&self, path: &Path, write: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), Error> {
        data::put(path, &self.folder, write).map_err(|error| Error::unwritable(path, error))
    }
}

impl LayoutIndex {
    /// What each tag points to, and what else was copied with that for other clients.
    pub(crate) fn tags(&self, repository: &str) -> BTreeMap<String, Vec<Digest>> {
        let mut tags: BTreeMap<String, (Option<&str>, Vec<Digest>)> = BTreeMap::new();
        for value in &self.entries {
            let Some((tag, digest)) = tag_and_digest(repository, value) else { continue };
            let source = annotation(value, SOURCE);
            let (of_first, digests) = tags.entry(tag).or_insert((source, Vec::new()));
            if digests.is_empty() || source.is_some() && source == *of_first {
                digests.push(digest);
            }
        }
        tags.into_iter().map(|(tag, (_, digests))| (tag, digests)).collect()
    }

    /// The tags that were copied from a place.
    pub(crate) fn tags_from<'i>(
        &'i self,
        repository: &'i str,
        place: &'i str,
    ) -> impl Iterator<Item = String> + 'i {
        let is_own = move |value: &&Value| annotation(value, SOURCE) == Some(place);
        let tag = |value: &Value| tag_and_digest(repository, value).map(|(tag, _)| tag);
        self.entries.iter().filter(is_own).filter_map(tag)
    }

    /// The manifests without a tag that were copied from a place.
    pub(crate) fn untagged(&self, repository: &str, place: &str) -> Vec<Digest> {
        let is_own = |value: &&Value| {
            annotation(value, SOURCE) == Some(place) && tag_and_digest(repository, value).is_none()
        };
        self.entries.iter().filter(is_own).filter_map(digest_of).collect()
    }

    /// The digests of all entries.
    pub(crate) fn digests(&self) -> impl Iterator<Item = Digest> {
        self.entries.iter().filter_map(digest_of)
    }

    /// Has tags point to manifests that were copied from a place, instead of whatever they pointed to. A tag with several has
    /// one for each form.
    pub(crate) fn set_tags<'t>(
        &mut self,
        repository: &str,
        place: &str,
        tags: impl IntoIterator<Item = (&'t str, &'t [Described])>,
    ) {
        let entries = |(tag, manifests): (&'t str, &'t [Described])| {
            let entry = |manifest| entry(manifest, &[(REF_NAME, tag), (SOURCE, place)]);
            (tag, manifests.iter().map(entry).collect())
        };
        // Those that have no place yet.
        let mut missing: BTreeMap<&str, VecDeque<Value>> = tags.into_iter().map(entries).collect();
        let mut is_changed = false;
        self.entries.retain_mut(|value| {
            let tag = tag_and_digest(repository, value).map(|(tag, _)| tag);
            let Some(entries) = tag.and_then(|tag| missing.get_mut(tag.as_str())) else { return true };
            // Any further entry of a tag says something else.
            let Some(entry) = entries.pop_front() else {
                is_changed = true;
                return false;
            };
            if *value != entry {
                *value = entry;
                is_changed = true;
            }
            true
        });
        let before = self.entries.len();
        self.entries.extend(missing.into_values().flatten());
        self.is_changed |= is_changed || self.entries.len() != before;
    }

    /// Removes tags.
    pub(crate) fn remove_tags(&mut self, repository: &str, tags: &BTreeSet<String>) {
        self.retain(|value| tag_and_digest(repository, value).is_none_or(|(own, _)| !tags.contains(&own)));
    }

    fn retain(&mut self, is_kept: impl Fn(&Value) -> bool) {
        let before = self.entries.len();
        self.entries.retain(is_kept);
        self.is_changed |= self.entries.len() != before;
    }

    fn add(&mut self, digest: &Digest, entry: Value) {
        let is_own = |value: &Value| value.get("digest").and_then(Value::as_str) == Some(digest.as_str());
        if !self.entries.iter().any(is_own) {
            self.entries.push(entry);
            self.is_changed = true;
        }
    }

    /// Has a manifest that is pulled by its digest, unless it is there; with the place, where it is to go when it is gone from
    /// there.
    pub(crate) fn add_untagged(&mut self, repository: &str, place: Option<&str>, manifest: &Described) {
        let name = format!("{repository}@{}", manifest.digest);
        let annotations = [Some((REF_NAME, name.as_str())), place.map(|place| (SOURCE, place))];
        let annotations: Vec<_> = annotations.into_iter().flatten().collect();
        self.add(&manifest.digest, entry(manifest, &annotations));
    }

    /// Removes the manifests without a tag that were copied from a place, but for those that `is_kept`.
    pub(crate) fn retain_untagged(
        &mut self,
        repository: &str,
        place: &str,
        is_kept: impl Fn(&Digest) -> bool,
    ) {
        self.retain(|value| {
            annotation(value, SOURCE) != Some(place)
                || tag_and_digest(repository, value).is_some()
                || digest_of(value).is_none_or(|digest| is_kept(&digest))
        });
    }

    /// Says whether the repository was copied from where not everybody may pull it.
    pub(crate) fn set_protected(&mut self, is_protected: bool) {
        let is_said = |annotations: &Value| annotations.get(PROTECTED).is_some();
        if self.members.get("annotations").is_some_and(is_said) == is_protected {
            return;
        }
        let mut annotations = match self.members.remove("annotations") {
            Some(Value::Object(annotations)) => annotations,
            _ => Map::new(),
        };
        if is_protected {
            annotations.insert(PROTECTED.to_owned(), json!("true"));
        } else {
            annotations.remove(PROTECTED);
        }
        self.members.insert("annotations".to_owned(), Value::Object(annotations));
        self.is_changed = true;
    }

    /// Has a manifest that refers to another one, unless it is there.
    pub(crate) fn add_referrer(&mut self, manifest: &Described) {
        self.add(&manifest.digest, entry(manifest, &[(ROLE, REFERRER)]));
    }

    /// Removes the manifests that [`add_referrer`](Self::add_referrer) has added, but for those that `is_kept`.
    pub(crate) fn retain_referrers(&mut self, is_kept: impl Fn(&Digest) -> bool) {
        self.retain(|value| {
            annotation(value, ROLE) != Some(REFERRER)
                || digest_of(value).is_none_or(|digest| is_kept(&digest))
        });
    }

    /// Whether it has no entry.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn bytes(&self) -> Vec<u8> {
        let mut members = self.members.clone();
        members.entry("schemaVersion").or_insert(json!(2));
        members.entry("mediaType").or_insert(json!("application/vnd.oci.image.index.v1+json"));
        members.insert("manifests".to_owned(), Value::Array(self.entries.clone()));
        let mut bytes = Value::Object(members).to_string().into_bytes();
        bytes.push(b'\n');
        bytes
    }
}

/// Where a blob is in the layout at `folder`.
pub(crate) fn blob_path(folder: &Path, digest: &Digest) -> PathBuf {
    folder.join("blobs").join(digest.algorithm()).join(digest.hex())
}

/// Has the names in a folder be on the disk.
fn sync_folder(folder: &Path) -> Result<(), Error> {
    data::sync_folder(folder).map_err(|error| Error::unwritable(folder, error))
}

fn entry(manifest: &Described, annotations: &[(&str, &str)]) -> Value {
    let mut entry = Map::new();
    let mut put = |name: &str, value: Value| entry.insert(name.to_owned(), value);
    let annotations: Map<String, Value> =
        annotations.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    put("digest", json!(manifest.digest.as_str()));
    put("size", json!(manifest.size));
    put("annotations", Value::Object(annotations));
    if let Some(media_type) = &manifest.media_type {
        put("mediaType", json!(media_type));
    }
    if let Some(artifact_type) = &manifest.artifact_type {
        put("artifactType", json!(artifact_type));
    }
    Value::Object(entry)
}

/// What an annotation of an entry says.
fn annotation<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get("annotations")?.get(name)?.as_str()
}

/// The digest of an entry.
fn digest_of(value: &Value) -> Option<Digest> {
    Digest::parse(value.get("digest")?.as_str()?).ok()
}

/// The tag of an entry, whichever tool has written it, and its digest.
fn tag_and_digest(repository: &str, value: &Value) -> Option<(String, Digest)> {
    let annotations = value.get("annotations")?.as_object()?;
    let text = |key: &str| Some((key.to_owned(), annotations.get(key)?.as_str()?.to_owned()));
    let digest = value.get("digest")?.as_str()?.to_owned();
    let parsed = Digest::parse(&digest).ok()?;
    let annotations = [REF_NAME, IMAGE_NAME].into_iter().filter_map(text).collect();
    let entry = Entry { media_type: None, artifact_type: None, digest, annotations: Some(annotations) };
    Some((tag_of(repository, &entry)?.0, parsed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(text: &str) -> Described {
        let media_type = Some("application/vnd.oci.image.manifest.v1+json".to_owned());
        Described { digest: Digest::of(text.as_bytes()), size: 1, media_type, artifact_type: None }
    }

    #[test]
    fn nobody_is_waited_for_who_writes_to_a_pipe() {
        let (_store, layout) = layout();
        let digest = Digest::of(b"text");
        let (blob, index) = (layout.blob_path(&digest), layout.folder().join("index.json"));
        for path in [&blob, &index] {
            assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
        }
        assert_eq!((layout.document(&digest, 10), layout.blob_size(&digest)), (None, None));
        assert!(!crate::origin::store_writer::has_digest(&blob, &digest));
        assert_eq!(layout.index().err().unwrap().code(), "broken-layout");
        // It is replaced.
        layout.put_document(&digest, b"text").unwrap();
        assert_eq!(layout.document(&digest, 10).as_deref(), Some(&b"text"[..]));
    }

    fn layout() -> (tempfile::TempDir, LayoutWriter) {
        let store = tempfile::tempdir().unwrap();
        let layout = LayoutWriter::new(store.path(), "team/app");
        layout.make().unwrap();
        (store, layout)
    }

    #[test]
    fn an_index_keeps_what_other_tools_have_put_into_it() {
        let (_store, layout) = layout();
        let [one, two, other] = ["one", "two", "other"].map(described);
        let text = json!({ "schemaVersion": 2, "annotations": { "a": "b" }, "manifests": [
            { "digest": other.digest.as_str(), "size": 1, "urls": ["x"],
              "annotations": { IMAGE_NAME: "docker.io/team/app:other", REF_NAME: "other" } },
            { "digest": one.digest.as_str(), "annotations": { REF_NAME: "example.org/team/app:1.0" } },
        ] });
        fs::write(layout.folder().join("index.json"), text.to_string()).unwrap();
        let mut index = layout.index().unwrap();
        let tags = index.tags("team/app");
        assert_eq!(tags["1.0"].first(), Some(&one.digest));
        assert_eq!(tags["other"], [other.digest]);
        let (of_one, of_two) = ([one.clone()], [two.clone()]);
        index.set_tags("team/app", "https://a/app", [("1.0", &of_two[..])]);
        index.set_tags("team/app", "https://b/app", [("2.0", &of_one[..])]);
        assert_eq!(index.tags_from("team/app", "https://a/app").collect::<Vec<_>>(), ["1.0"]);
        index.add_referrer(&described("signature"));
        index.add_referrer(&described("signature"));
        assert!(layout.write_index(&index).unwrap());
        let mut index = layout.index().unwrap();
        assert_eq!(index.members["annotations"], json!({ "a": "b" }));
        assert_eq!(index.entries.len(), 4);
        assert_eq!(index.entries[0]["urls"], json!(["x"]));
        let tags = index.tags("team/app");
        assert_eq!((&tags["1.0"], &tags["2.0"]), (&vec![two.digest], &vec![one.digest]));
        // Once more the same writes nothing.
        index.set_tags("team/app", "https://b/app", [("2.0", &of_one[..])]);
        assert!(!layout.write_index(&index).unwrap());
        index.remove_tags("team/app", &BTreeSet::from(["2.0".to_owned()]));
        index.retain_referrers(|_| true);
        assert_eq!(index.entries.len(), 3);
        index.retain_referrers(|_| false);
        assert_eq!((index.entries.len(), index.tags("team/app").len()), (2, 2));
    }

    #[test]
    fn a_tag_has_an_entry_for_each_that_was_copied_by_it() {
        let (_store, layout) = layout();
        let [list, schema2, schema1] = ["list", "schema2", "schema1"].map(described);
        let (all, less) = ([list.clone(), schema2.clone(), schema1.clone()], [schema2.clone()]);
        let digests =
            |manifests: &[Described]| manifests.iter().map(|own| own.digest.clone()).collect::<Vec<_>>();
        let mut index = layout.index().unwrap();
        // What was there by the tag goes, and what another tag has stays.
        index.set_tags("team/app", "https://a/app", [("1.0", &less[..]), ("2.0", &less[..])]);
        index.set_tags("team/app", "file:///pulp/app", [("1.0", &all[..])]);
        assert!(layout.write_index(&index).unwrap());
        let mut index = layout.index().unwrap();
        assert_eq!(index.tags("team/app")["1.0"], digests(&all));
        assert_eq!(index.tags("team/app")["2.0"], digests(&less));
        index.set_tags("team/app", "file:///pulp/app", [("1.0", &all[..])]);
        assert!(!layout.write_index(&index).unwrap());
        index.set_tags("team/app", "file:///pulp/app", [("1.0", &all[1..])]);
        assert_eq!(index.tags("team/app")["1.0"], digests(&all[1..]));
        index.remove_tags("team/app", &BTreeSet::from(["1.0".to_owned()]));
        assert_eq!((index.entries.len(), index.tags("team/app").len()), (1, 1));
        // Without a tag it goes with what it was copied from, unless somebody has named it.
        index.add_untagged("team/app", Some("file:///pulp/app"), &list);
        index.add_untagged("team/app", None, &schema1);
        index.retain_untagged("team/app", "https://a/app", |_| false);
        assert_eq!(index.entries.len(), 3);
        index.retain_untagged("team/app", "file:///pulp/app", |_| false);
        assert_eq!(index.digests().collect::<Vec<_>>(), digests(&[schema2, schema1]));
        for (is_protected, is_written) in [(true, true), (true, false), (false, true), (false, false)] {
            let mut index = layout.index().unwrap();
            index.set_protected(is_protected);
            assert_eq!(layout.write_index(&index).unwrap(), is_written, "{is_protected}");
        }
    }

    #[test]
    fn an_index_that_is_none_is_not_written_over() {
        let (_store, layout) = layout();
        assert!(layout.index().unwrap().is_empty());
        for text in ["", "[]", "{\"manifests\":7}"] {
            fs::write(layout.folder().join("index.json"), text).unwrap();
            assert_eq!(layout.index().err().unwrap().code(), "broken-layout", "{text}");
        }
    }

    #[test]
    fn blobs_are_shared_and_documents_checked() {
        let (store, layout) = layout();
        let other = LayoutWriter::new(store.path(), "other");
        other.make().unwrap();
        let digest = Digest::of(b"bytes");
        layout.put_document(&digest, b"bytes").unwrap();
        other.link_blob(&layout.blob_path(&digest), &digest).unwrap();
        assert_eq!(other.blob_size(&digest), Some(5));
        assert_eq!(other.document(&digest, 5).as_deref(), Some(&b"bytes"[..]));
        assert_eq!(other.document(&digest, 4), None);
        let inode = |layout: &LayoutWriter| {
            std::os::unix::fs::MetadataExt::ino(&fs::metadata(layout.blob_path(&digest)).unwrap())
        };
        assert_eq!(inode(&layout), inode(&other));
        assert!(other.blobs().eq([&digest].into_iter().cloned()));
        // The one that is written anew is not the other's.
        layout.put_document(&digest, b"other").unwrap();
        assert_eq!((layout.document(&digest, 5), other.blob_size(&digest)), (None, Some(5)));
    }
}
