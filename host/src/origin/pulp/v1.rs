//! The images of the V1 protocol that Pulp 2 has published: a folder for each, with `json`, `ancestry` and `layer`.
//!
//! A chain of them is schema 1 but for the digests of its layers, which V1 has none of (Docker's `image/spec/v1`). So the
//! layers are read for those, once for each state of their files, and the manifest is made, and signed: podman 4.3 takes one
//! without a signature, and makes no container of it.

use core::hash::BuildHasher as _;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use downshift::document::Document;
use downshift::{Digest, Limits, jws};
use downshift_registry::is_v1_id;
use downshift_sign::Signer;
use ring::digest::{Context, SHA256};
use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{PrettyFormatter, Serializer};

use super::files::PulpFiles;
use crate::bounded;
use crate::digest;
use crate::error::Error;

/// How many tags are looked at for a manifest or a layer that is asked for by its digest, and was not given by its tag before.
/// All their layers are read for that, once.
const MAX_TAGS_SEARCHED: usize = 10_000;

/// The images of a repository.
pub(super) struct Images<'r> {
    pub(super) files: &'r PulpFiles,
    pub(super) folder: &'r Path,
    pub(super) name: &'r str,
    /// Their ids, by the tags.
    pub(super) tags: &'r BTreeMap<String, String>,
}

/// Schema 1 (Distribution's `manifest-v2-1.md`), in the order in which Go writes it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'m> {
    schema_version: u32,
    name: &'m str,
    tag: &'m str,
    architecture: String,
    fs_layers: Vec<FsLayer>,
    history: Vec<History>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FsLayer {
    blob_sum: String,
}

#[derive(Serialize)]
struct History {
    #[serde(rename = "v1Compatibility")]
    v1_compatibility: String,
}

impl Images<'_> {
    /// The manifest of a tag, with its digest.
    pub(super) fn manifest(&self, tag: &str) -> Result<Option<(Digest, Vec<u8>)>, Error> {
        let Some(id) = self.tags.get(tag) else { return Ok(None) };
        let (mut fs_layers, mut history) = (Vec::new(), Vec::new());
        let mut architecture = None;
        let mut bytes = 0;
        for id in self.ancestry(id)? {
            let path = self.folder.join(&id).join("json");
            let text = self.text(&path)?;
            // All of them are in memory, and make one document.
            bytes += text.len();
            if bytes > self.files.limits.document_bytes {
                return Err(Error::document_too_large(&self.files.limits, bytes as u64));
            }
            let json: Value =
                serde_json::from_str(&text).map_err(|error| self.broken(&path, &error.to_string()))?;
            architecture.get_or_insert_with(|| {
                json.get("architecture").and_then(Value::as_str).unwrap_or("amd64").to_owned()
            });
            let layer = self.layer_path(&id);
            let Some(blob_sum) = self.layer_digest(&layer)? else {
                return Err(self.broken(&layer, "it is missing"));
            };
            fs_layers.push(FsLayer { blob_sum: blob_sum.to_string() });
            self.files.images.insert((self.number(), blob_sum), id);
            history.push(History { v1_compatibility: text });
        }
        let architecture = architecture.unwrap_or_default();
        let manifest = Manifest { schema_version: 1, name: self.name, tag, architecture, fs_layers, history };
        let mut bytes = Vec::new();
        let layout = PrettyFormatter::with_indent(b"   ");
        // Into memory, texts and lists are always written.
        let _ = manifest.serialize(&mut Serializer::with_formatter(&mut bytes, layout));
        let digest = digest::of_payload(&bytes, &self.files.limits).unwrap_or_else(|| Digest::of(&bytes));
        self.files.made.insert((self.number(), digest.clone()), tag.to_owned());
        Ok(Some((digest, bytes)))
    }

    /// The number of the folder.
    fn number(&self) -> u64 {
        self.files.numbering.hash_one(self.folder)
    }

    /// Looks at all tags, so that what they have is known by its digest, unless that was done in this state. What is wrong
    /// with one image says nothing of the others.
    fn search(&self) {
        let state = self.files.numbering.hash_one((self.folder, self.tags));
        if self.files.searched.contains_key(&state) {
            return;
        }
        let mut is_whole = true;
        for tag in self.tags.keys().take(MAX_TAGS_SEARCHED) {
            is_whole &= self.manifest(tag).is_ok();
        }
        if is_whole {
            self.files.searched.insert(state, ());
        }
    }

    /// What is `known`, also if it only is once all tags were looked at.
    fn known_or_searched<T>(
        &self,
        known: impl Fn() -> Option<Result<Option<T>, Error>>,
    ) -> Result<Option<T>, Error> {
        if let Some(found) = known().transpose()?.flatten() {
            return Ok(Some(found));
        }
        self.search();
        Ok(known().transpose()?.flatten())
    }

    /// The manifest with a digest, of one of the tags, signed.
    pub(super) fn by_digest(&self, digest: &Digest, signer: &impl Signer) -> Result<Option<Vec<u8>>, Error> {
        let key = (self.number(), digest.clone());
        let made = || {
            let tag = self.files.made.get(&key)?;
            // It may be of another image by now.
            Some(self.manifest(&tag).map(|made| made.filter(|(own, _)| own == digest)))
        };
        let Some((_, bytes)) = self.known_or_searched(made)? else { return Ok(None) };
        let limits = &self.files.limits;
        let Document::Schema1(schema1) = Document::parse(&bytes, limits)? else {
            return Ok(Some(bytes));
        };
        let unsigned = jws::prepare(schema1.payload().to_vec(), schema1.time(limits), limits)?;
        let signature = signer.sign(&unsigned.signing_input())?;
        Ok(Some(unsigned.seal(&[signature])?))
    }

    /// Where the layer with a digest is.
    pub(super) fn layer(&self, digest: &Digest) -> Result<Option<PathBuf>, Error> {
        let key = (self.number(), digest.clone());
        let known = || {
            let path = self.layer_path(&self.files.images.get(&key)?);
            Some(self.layer_digest(&path).map(|own| (own.as_ref() == Some(digest)).then_some(path)))
        };
        self.known_or_searched(known)
    }

    /// An image and those below it.
    fn ancestry(&self, id: &str) -> Result<Vec<String>, Error> {
        let path = self.folder.join(id).join("ancestry");
        let text = self.text(&path)?;
        let ids: Vec<String> =
            serde_json::from_str(&text).map_err(|error| self.broken(&path, &error.to_string()))?;
        if ids.len() > self.files.limits.history {
            return Err(
                self.broken(&path, &format!("it has more than `{}` images", self.files.limits.history))
            );
        }
        if ids.first().map(String::as_str) != Some(id) || !ids.iter().all(|id| is_v1_id(id)) {
            return Err(self.broken(&path, "it is not a list of ids that begins with the image's own"));
        }
        Ok(ids)
    }

    fn layer_path(&self, id: &str) -> PathBuf {
        self.folder.join(id).join("layer")
    }

    /// The digest of a layer, which is read unless it was read in this state before.
    fn layer_digest(&self, path: &Path) -> Result<Option<Digest>, Error> {
        let Some((file, stamp)) = self.files.open(path)? else { return Ok(None) };
        if let Some(known) = self.files.layers.get(&stamp) {
            return Ok(Some(known));
        }
        let _one = self.files.layer_reader.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = self.files.layers.get(&stamp) {
            return Ok(Some(known));
        }
        let is_settled = stamp.is_settled();
        let digest =
            hash(file).map_err(|error| Error::unreadable(&self.files.folder().join(path), error))??;
        if is_settled {
            self.files.layers.insert(stamp, digest.clone());
        }
        Ok(Some(digest))
    }

    fn text(&self, path: &Path) -> Result<String, Error> {
        let Some((file, _)) = self.files.open(path)? else {
            return Err(self.broken(path, "it is missing"));
        };
        let Limits { document_bytes, .. } = self.files.limits;
        let bytes = bounded::read(file, document_bytes as u64)
            .map_err(|error| Error::unreadable(&self.files.folder().join(path), error))?
            .ok_or_else(|| self.broken(path, &format!("it has more than `{document_bytes}` bytes")))?;
        String::from_utf8(bytes).map_err(|_| self.broken(path, "it is not UTF-8"))
    }

    fn broken(&self, path: &Path, problem: &str) -> Error {
        Error::BrokenPulp { path: self.files.folder().join(path), problem: problem.to_owned() }
    }
}

fn hash(file: File) -> std::io::Result<Result<Digest, Error>> {
    let mut hash = Context::new(&SHA256);
    digest::read_pieces(file, |piece| hash.update(piece))?;
    Ok(digest::sha256(hash))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::origin::store_files::StoreFiles;

    #[test]
    fn what_an_image_and_those_below_it_say_has_one_limit() {
        let folder = tempfile::tempdir().unwrap();
        let ids = ["a", "b", "c"].map(|hex| hex.repeat(64));
        for (at, id) in ids.iter().enumerate() {
            let image = folder.path().join(id);
            fs::create_dir(&image).unwrap();
            fs::write(image.join("ancestry"), serde_json::to_vec(&ids[at..]).unwrap()).unwrap();
            fs::write(image.join("json"), format!(r#"{{"id":"{id}"}}{}"#, " ".repeat(400))).unwrap();
            fs::write(image.join("layer"), id).unwrap();
        }
        let mut limits = Limits::default();
        limits.document_bytes = 1000;
        let files = PulpFiles::new(StoreFiles::with_all_links(folder.path().to_owned()), limits);
        let tags = [("two".to_owned(), ids[1].clone()), ("three".to_owned(), ids[0].clone())].into();
        let images = Images { files: &files, folder: Path::new(""), name: "a", tags: &tags };
        assert!(images.manifest("two").unwrap().is_some());
        assert_eq!(images.manifest("three").unwrap_err().code(), "limit-exceeded");
    }
}
