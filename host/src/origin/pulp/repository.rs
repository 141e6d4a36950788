//! One repository of what Pulp 2 has published: its manifests by tag and by digest, in a folder for each form, and its blobs.

use core::hash::{BuildHasher, Hash};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use downshift::answer::Need;
use downshift::document::Document;
use downshift::{Digest, Form, Limits};
use downshift_pull::StoredManifest;
use downshift_pulp::{Content, METADATA_BYTES, Metadata, Single, Unusable};
use downshift_registry::{Reference, is_tag};
use downshift_sign::Signer;
use serde::Deserialize;

use super::files::PulpFiles;
use super::v1;
use crate::bounded;
use crate::digest;
use crate::error::Error;
use crate::origin::layout::{BlobFile, Stamp};
use crate::origin::verified_blobs::VerifiedBlobs;

/// The folders of manifests, each with the form that it is for; at last that of metadata of version 2, which has one for all.
const FOLDERS: [(&str, Option<Form>); 4] = [
    ("manifests/list", Some(Form::List)),
    ("manifests/2", Some(Form::Schema2)),
    ("manifests/1", Some(Form::Schema1)),
    ("manifests", None),
];

/// How many tags are looked at for a manifest that nothing is named after.
const MAX_TAGS_SEARCHED: usize = 64;

/// A repository, as its metadata were a moment ago.
pub(crate) struct Repository {
    files: Arc<PulpFiles>,
    metadata: Arc<Result<Metadata, Unusable>>,
    /// Where its files are below the folder.
    folder: PathBuf,
}

/// A manifest that a tag has.
struct Tagged {
    digest: Digest,
    form: Form,
    stamp: Stamp,
    path: PathBuf,
}

impl Repository {
    pub(super) fn new(
        files: Arc<PulpFiles>,
        metadata: Arc<Result<Metadata, Unusable>>,
        folder: PathBuf,
    ) -> Self {
        Self { files, metadata, folder }
    }

    /// Who checks its blobs.
    pub(crate) fn verified(&self) -> Arc<VerifiedBlobs> {
        Arc::clone(&self.files.verified)
    }

    fn metadata(&self) -> Option<&Metadata> {
        (*self.metadata).as_ref().ok()
    }

    /// The images of the V1 protocol, if it has those.
    fn images(&self) -> Option<v1::Images<'_>> {
        match self.metadata()? {
            Metadata { content: Content::Images(tags), name, .. } => {
                Some(v1::Images { files: &self.files, folder: &self.folder, name, tags })
            }
            Metadata { .. } => None,
        }
    }

    /// Whether Crane wants a client certificate with an entitlement.
    pub(crate) fn is_protected(&self) -> bool {
        self.metadata().is_some_and(|metadata| metadata.is_protected)
    }

    /// Whether its manifests are made of images of the V1 protocol, and signed each time that they are read.
    pub(crate) fn is_signed_here(&self) -> bool {
        self.images().is_some()
    }

    /// Where Crane would send a client for a blob.
    pub(crate) fn url(&self, digest: &Digest) -> Option<String> {
        let metadata = self.metadata().filter(|_| self.images().is_none())?;
        Some(format!("{}/blobs/{digest}", metadata.url))
    }

    /// What a reference stands for.
    pub(crate) fn resolve(&self, reference: &Reference) -> Result<Option<StoredManifest>, Error> {
        let tag = match reference {
            Reference::Tag(tag) => tag,
            Reference::Digest(digest) => {
                let found = self.find(digest)?;
                let reading = self.number(found.map(|(_, stamp, _)| stamp));
                return Ok(Some(StoredManifest { digest: digest.clone(), reading, variants: Vec::new() }));
            }
        };
        if let Some(images) = self.images() {
            let Some((digest, _)) = images.manifest(tag)? else { return Ok(None) };
            let reading = self.number(&digest);
            return Ok(Some(StoredManifest { digest, reading, variants: Vec::new() }));
        }
        let tagged = self.tagged(tag)?;
        let reading =
            self.number(tagged.iter().map(|tagged| (&tagged.digest, tagged.stamp)).collect::<Vec<_>>());
        let variants = self.variants(tag, tagged)?;
        let first = variants.first().map(|(_, digest)| digest.clone());
        Ok(first.map(|digest| StoredManifest { digest, reading, variants }))
    }

    /// Documents, as far as they are there. Their digests are checked.
    pub(crate) fn documents(
        &self,
        needs: Vec<Need>,
        signer: &impl Signer,
    ) -> Result<Vec<(Need, Option<Bytes>)>, Error> {
        let document = |need: Need| {
            let bytes = self.document(&need.digest, signer)?;
            Ok((need, bytes.map(Bytes::from)))
        };
        needs.into_iter().map(document).collect()
    }

    /// Opens a blob, if it is there.
    pub(crate) fn blob(&self, digest: &Digest) -> Result<Option<BlobFile>, Error> {
        let path = match self.images() {
            Some(images) => images.layer(digest)?,
            None => Some(self.folder.join("blobs").join(digest.as_str())),
        };
        let Some(path) = path else { return Ok(None) };
        let opened = self.files.open(&path)?;
        let path = self.files.folder().join(path);
        Ok(opened.map(|(file, stamp)| BlobFile { file, stamp, path }))
    }

    /// The tags, in order.
    ///
    /// # Errors
    /// [`Error::BrokenPulp`] as well where nobody can know them: that is not to be taken for a repository without tags.
    pub(crate) fn tags(&self) -> Result<Vec<String>, Error> {
        let missing = || Error::BrokenPulp {
            path: self.files.folder().join(&self.folder).join("tags/list"),
            problem: "it is not there, or is a link to where none may lead, which `store-links` says"
                .to_owned(),
        };
        self.read_tags()?.ok_or_else(missing)
    }

    /// The digests of all manifests that it has, those without a tag as well.
    pub(crate) fn manifests(&self) -> Result<Vec<Digest>, Error> {
        let mut digests = BTreeSet::new();
        for (folder, _) in FOLDERS {
            let folder = self.folder.join(folder);
            let unreadable = |error| Error::unreadable(&self.files.folder().join(&folder), error);
            let names = self.files.store.names(&folder).map_err(unreadable)?.unwrap_or_default();
            digests.extend(names.iter().filter_map(|name| Digest::parse(name).ok()));
        }
        Ok(digests.into_iter().collect())
    }

    /// The tags, in order; nothing if there is no list of them.
    fn read_tags(&self) -> Result<Option<Vec<String>>, Error> {
        /// What Pulp has published under this name, and Crane sends clients to.
        #[derive(Deserialize)]
        struct List {
            tags: Option<Vec<String>>,
        }
        let tags: BTreeSet<String> = match self.metadata().map(|metadata| &metadata.content) {
            Some(Content::Images(tags)) => tags.keys().cloned().collect(),
            _ => {
                let path = self.folder.join("tags/list");
                let Some((file, _)) = self.files.open(&path)? else { return Ok(None) };
                let path = self.files.folder().join(path);
                let broken = |problem: String| Error::BrokenPulp { path: path.clone(), problem };
                let bytes =
                    bounded::read(file, METADATA_BYTES).map_err(|error| Error::unreadable(&path, error))?;
                let bytes =
                    bytes.ok_or_else(|| broken(format!("it has more than `{METADATA_BYTES}` bytes")))?;
                let list: List = serde_json::from_slice(&bytes).map_err(|error| broken(error.to_string()))?;
                list.tags.unwrap_or_default().into_iter().collect()
            }
        };
        Ok(Some(tags.into_iter().filter(|tag| is_tag(tag)).collect()))
    }

    /// A tag that has a manifest, among the first ones.
    pub(crate) fn tag_of(&self, digest: &Digest) -> Result<Option<String>, Error> {
        for tag in self.read_tags()?.into_iter().flatten().take(MAX_TAGS_SEARCHED) {
            let is_own = match self.images() {
                Some(images) => images.manifest(&tag)?.is_some_and(|(own, _)| own == *digest),
                None => self.tagged(&tag)?.iter().any(|tagged| tagged.digest == *digest),
            };
            if is_own {
                return Ok(Some(tag));
            }
        }
        Ok(None)
    }

    /// What a tag has, in Crane's order.
    fn tagged(&self, tag: &str) -> Result<Vec<Tagged>, Error> {
        let mut tagged = Vec::new();
        for (folder, form) in FOLDERS {
            let path = self.folder.join(folder).join(tag);
            let Some((file, stamp)) = self.files.open(&path)? else { continue };
            let known = self.files.manifests.get(&stamp);
            let (digest, form) = match known {
                Some(known) => known,
                None => {
                    let bytes = self.read(&path, file, stamp)?;
                    let read = digest_of(&bytes, form, &self.files.limits);
                    if stamp.is_settled() {
                        self.files.manifests.insert(stamp, read.clone());
                    }
                    read
                }
            };
            tagged.push(Tagged { digest, form, stamp, path });
        }
        Ok(tagged)
    }

    /// What of it Crane gives to somebody: of a list with an image for amd64 that one has who reads no lists.
    fn variants(&self, tag: &str, tagged: Vec<Tagged>) -> Result<Vec<(Form, Digest)>, Error> {
        let mut variants: Vec<(Form, Digest)> =
            tagged.into_iter().map(|tagged| (tagged.form, tagged.digest)).collect();
        let has_list = variants.iter().any(|(form, _)| form.is_index());
        if let Some(Content::Manifests { amd64 }) = self.metadata().map(|metadata| &metadata.content)
            && let Some(Single { digest, is_schema1 }) = amd64.get(tag).filter(|_| has_list)
            && self.find(digest)?.is_some()
        {
            variants.retain(|(form, _)| form.is_index() || form.is_schema1() && !is_schema1);
            let form = if *is_schema1 { Form::Schema1 } else { Form::Schema2 };
            variants.push((form, digest.clone()));
        }
        Ok(variants)
    }

    /// Where the manifest or config with a digest is.
    fn find(&self, digest: &Digest) -> Result<Option<(File, Stamp, PathBuf)>, Error> {
        let folders = FOLDERS.into_iter().map(|(folder, _)| folder).chain(["blobs"]);
        for folder in folders.filter(|_| self.images().is_none()) {
            let path = self.folder.join(folder).join(digest.as_str());
            if let Some((file, stamp)) = self.files.open(&path)? {
                return Ok(Some((file, stamp, path)));
            }
        }
        Ok(None)
    }

    fn document(&self, digest: &Digest, signer: &impl Signer) -> Result<Option<Vec<u8>>, Error> {
        let bytes = match (self.images(), self.find(digest)?) {
            (Some(images), _) => images.by_digest(digest, signer)?,
            (None, Some((file, stamp, path))) => Some(self.read(&path, file, stamp)?),
            (None, None) => self.document_by_tag(digest)?,
        };
        if let Some(bytes) = &bytes {
            digest::check(digest, bytes, &self.files.limits)?;
        }
        Ok(bytes)
    }

    /// A manifest that is there by its tag alone, which is not how Pulp publishes it.
    fn document_by_tag(&self, digest: &Digest) -> Result<Option<Vec<u8>>, Error> {
        for tag in self.read_tags()?.into_iter().flatten().take(MAX_TAGS_SEARCHED) {
            let Some(Tagged { path, .. }) =
                self.tagged(&tag)?.into_iter().find(|tagged| tagged.digest == *digest)
            else {
                continue;
            };
            let Some((file, stamp)) = self.files.open(&path)? else { continue };
            return self.read(&path, file, stamp).map(Some);
        }
        Ok(None)
    }

    fn read(&self, path: &Path, mut file: File, stamp: Stamp) -> Result<Vec<u8>, Error> {
        let limits = &self.files.limits;
        let length = usize::try_from(stamp.size()).ok().filter(|&length| length <= limits.document_bytes);
        let mut bytes = vec![0; length.ok_or_else(|| Error::document_too_large(limits, stamp.size()))?];
        let path = || self.files.folder().join(path);
        file.read_exact(&mut bytes).map_err(|error| Error::unreadable(&path(), error))?;
        Ok(bytes)
    }

    /// The number of a reading: of what was looked at, and where.
    fn number(&self, seen: impl Hash) -> u64 {
        self.files.numbering.hash_one((&self.folder, seen))
    }
}

/// The digest by which registries know a manifest, and its form: the folder's where it does not say one.
fn digest_of(bytes: &[u8], usual: Option<Form>, limits: &Limits) -> (Digest, Form) {
    match Document::parse(bytes, limits) {
        Ok(Document::Schema1(schema1)) => {
            let form = if schema1.is_signed() { Form::Schema1 } else { Form::Schema1Unsigned };
            (schema1.digest(), form)
        }
        Ok(document) => (Digest::of(bytes), document.form()),
        // What is wrong with it is found again, and told to the client, when it is asked for.
        Err(_) => (Digest::of(bytes), usual.unwrap_or(Form::Other)),
    }
}
