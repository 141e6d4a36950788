//! Documents of a registry: kept, or asked for and checked.

use alloc::string::String;

use bytes::Bytes;
use downshift::Digest;
use downshift::answer::{Need, NeedKind};

use super::remote::Remote;
use crate::caller::Caller;
use crate::effect::{Answered, Done, Effect};
use crate::failure::Failure;
use crate::value::{DOCUMENT_LIFETIME, Key, Value};

impl Remote<'_> {
    /// A document, if there is one: kept, or from the registry. Its digest is checked.
    pub(crate) async fn document(&self, need: &Need, caller: &Caller) -> Result<Option<Bytes>, Failure> {
        let key = Key::Document { scope: self.scope.clone(), digest: need.digest.clone() };
        if let Done::Known(Value::Document(bytes)) = self.shell.ask(Effect::Load(key)).await {
            return Ok(Some(bytes));
        }
        let path = self.path(&path_of(need));
        let check = |bytes: &Bytes, hash: &Digest, _: &Answered| self.check(&need.digest, bytes, hash);
        let got = self.get(&path, self.document_take(), caller, &check).await?;
        let Some((bytes, ..)) = got else { return Ok(None) };
        self.keep_document(need.digest.clone(), bytes.clone()).await;
        Ok(Some(bytes))
    }

    pub(super) async fn keep_document(&self, digest: Digest, bytes: Bytes) {
        let key = Key::Document { scope: self.scope.clone(), digest };
        let (value, lifetime) = (Value::Document(bytes), DOCUMENT_LIFETIME);
        self.shell.ask(Effect::Keep { key, value, lifetime }).await;
    }

    /// Whether there is a manifest with this digest for this caller.
    pub(crate) async fn has_manifest(&self, digest: &Digest, caller: &Caller) -> Result<bool, Failure> {
        Ok(self.head_manifest(digest.as_str(), caller).await?.is_some())
    }
}

/// The path of a document below a repository.
fn path_of(need: &Need) -> String {
    let kind = match need.kind {
        NeedKind::Manifest => "manifests/",
        NeedKind::Blob => "blobs/",
    };
    [kind, need.digest.as_str()].concat()
}
