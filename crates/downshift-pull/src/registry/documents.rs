//! Documents of a registry: kept, or asked for and checked.

use alloc::string::String;

use bytes::Bytes;
use downshift::Digest;
use downshift::answer::{Need, NeedKind};
use downshift::document::Document;

use super::remote::Remote;
use crate::caller::Caller;
use crate::effect::{Answered, Done, Effect};
use crate::failure::Failure;
use crate::value::{DOCUMENT_LIFETIME, HeadOf, Key, Value};

/// Bytes of a manifest of which the sizes are kept that it says. With 127 layers it has some 30 KB; larger ones are lists, to
/// read which a second time would take long.
const MAX_SIZED_BYTES: usize = 256 * 1024;

impl Remote<'_> {
    /// A document, if there is one: kept, or from the registry. Its digest is checked.
    pub(crate) async fn document(&self, need: &Need, caller: &Caller) -> Result<Option<Bytes>, Failure> {
        let key = Key::Document { scope: self.scope.clone(), digest: need.digest.clone() };
        if let Done::Known(Value::Document(bytes)) = self.shell.ask(Effect::Load(key)).await {
            if need.kind == NeedKind::Manifest {
                self.keep_sizes(&bytes).await;
            }
            return Ok(Some(bytes));
        }
        self.get_document(need, caller).await
    }

    /// A document from the registry, if there is one.
    async fn get_document(&self, need: &Need, caller: &Caller) -> Result<Option<Bytes>, Failure> {
        let path = self.path(&path_of(need));
        let check = |bytes: &Bytes, hash: &Digest, _: &Answered| self.check(&need.digest, bytes, hash);
        let got = self.get(&path, self.document_take(), caller, &check).await?;
        let Some((bytes, ..)) = got else { return Ok(None) };
        self.keep_document(need.digest.clone(), bytes.clone()).await;
        if need.kind == NeedKind::Manifest {
            self.keep_sizes(&bytes).await;
            self.keep_presence(&need.digest).await;
        }
        Ok(Some(bytes))
    }

    /// Keeps how many bytes the blobs of a manifest have: some registries send layers without their length.
    pub(super) async fn keep_sizes(&self, manifest: &[u8]) {
        if manifest.len() > MAX_SIZED_BYTES {
            return;
        }
        let Ok(Document::Manifest(manifest)) = Document::parse(manifest, &self.settings.limits) else {
            return;
        };
        for descriptor in manifest.layers.iter().chain([&manifest.config]) {
            let key = Key::BlobSize { scope: self.scope.clone(), digest: descriptor.digest.clone() };
            let (value, lifetime) = (Value::BlobSize(descriptor.size), DOCUMENT_LIFETIME);
            self.shell.ask(Effect::Keep { key, value, lifetime }).await;
        }
    }

    pub(super) async fn keep_document(&self, digest: Digest, bytes: Bytes) {
        let key = Key::Document { scope: self.scope.clone(), digest };
        let (value, lifetime) = (Value::Document(bytes), DOCUMENT_LIFETIME);
        self.shell.ask(Effect::Keep { key, value, lifetime }).await;
    }

    /// Whether there is a manifest with this digest for this caller.
    pub(crate) async fn has_manifest(&self, digest: &Digest, caller: &Caller) -> Result<bool, Failure> {
        let need = Need::manifest(digest);
        // A login page says 200 to everybody.
        let told = |answered: &Answered| (reported(answered).as_ref() == Some(digest)).then_some(());
        let path = self.path(&path_of(&need));
        // The document is needed next.
        let get = async { Ok(self.get_document(&need, caller).await?.map(|_| ())) };
        let found = self.head_or_get(HeadOf::Manifests, &path, caller, &told, get).await?;
        if found.is_some() {
            self.keep_presence(digest).await;
        }
        Ok(found.is_some())
    }
}

/// The digest that a response reports, if it is one. Some registries report none, and some have it in quotes or in capitals:
/// then the bytes tell.
pub(super) fn reported(answered: &Answered) -> Option<Digest> {
    Digest::parse(answered.header("docker-content-digest")?).ok()
}

/// The path of a document below a repository.
fn path_of(need: &Need) -> String {
    let kind = match need.kind {
        NeedKind::Manifest => "manifests/",
        NeedKind::Blob => "blobs/",
    };
    [kind, need.digest.as_str()].concat()
}
