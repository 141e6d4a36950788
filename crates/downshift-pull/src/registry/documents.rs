//! Documents of a registry: kept, or asked for and checked.

use alloc::string::String;

use bytes::Bytes;
use downshift::answer::{Need, NeedKind};
use downshift::document::Document;
use downshift::{Digest, Form, is_manifest_type};

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
                self.learn(&need.digest, &bytes, None).await;
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
        let Some((bytes, _, answered)) = got else { return Ok(None) };
        self.keep_document(need.digest.clone(), bytes.clone()).await;
        if need.kind == NeedKind::Manifest {
            self.learn(&need.digest, &bytes, Some(&answered)).await;
            self.keep_presence(&need.digest).await;
        }
        Ok(Some(bytes))
    }

    /// Keeps what is of use beside a manifest: how many bytes its blobs have, for some registries send layers without their
    /// length; and of one that does not say what it is, which type its registry said when it `answered`.
    pub(super) async fn learn(&self, digest: &Digest, bytes: &[u8], answered: Option<&Answered>) {
        let is_small = bytes.len() <= MAX_SIZED_BYTES;
        let document = is_small.then(|| Document::parse(bytes, &self.settings.limits));
        let told = answered.and_then(told_type);
        match document {
            Some(Ok(document)) => self.keep_sizes(&document).await,
            Some(Err(_)) => self.keep_media_type(digest, told).await,
            None => self.keep_media_type(digest, told.filter(|told| is_of_no_form(told))).await,
        }
    }

    async fn keep_sizes(&self, document: &Document<'_>) {
        let Document::Manifest(manifest) = document else { return };
        for descriptor in manifest.layers.iter().chain([&manifest.config]) {
            let key = Key::BlobSize { scope: self.scope.clone(), digest: descriptor.digest.clone() };
            let (value, lifetime) = (Value::BlobSize(descriptor.size), DOCUMENT_LIFETIME);
            self.shell.ask(Effect::Keep { key, value, lifetime }).await;
        }
    }

    /// Of which type a manifest is as the registry said lately.
    pub(crate) async fn media_type(&self, digest: &Digest) -> Option<String> {
        match self.shell.ask(Effect::Load(self.media_type_key(digest))).await {
            Done::Known(Value::MediaType(media_type)) => Some(media_type),
            _ => None,
        }
    }

    /// Keeps of which type a manifest is, if the registry has told one that needs keeping.
    pub(super) async fn keep_media_type(&self, digest: &Digest, told: Option<String>) {
        let Some(media_type) = told else { return };
        let (value, lifetime) = (Value::MediaType(media_type), DOCUMENT_LIFETIME);
        self.shell.ask(Effect::Keep { key: self.media_type_key(digest), value, lifetime }).await;
    }

    fn media_type_key(&self, digest: &Digest) -> Key {
        Key::MediaType { scope: self.scope.clone(), digest: digest.clone() }
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
        let told = |answered: &Answered| {
            (reported(answered).as_ref() == Some(digest)).then(|| told_type_of_no_form(answered))
        };
        let path = self.path(&path_of(&need));
        // The document is needed next.
        let get = async { Ok(self.get_document(&need, caller).await?.map(|_| None)) };
        let found = self.head_or_get(HeadOf::Manifests, &path, caller, &told, get).await?;
        let is_found = found.is_some();
        if is_found {
            self.keep_presence(digest).await;
            self.keep_media_type(digest, found.flatten()).await;
        }
        Ok(is_found)
    }
}

/// The digest that a response reports, if it is one. Some registries report none, and some have it in quotes or in capitals:
/// then the bytes tell.
pub(super) fn reported(answered: &Answered) -> Option<Digest> {
    Digest::parse(answered.header("docker-content-digest")?).ok()
}

/// The type of a manifest as a response says it, without parameters, if it is one that a manifest can have.
fn told_type(answered: &Answered) -> Option<String> {
    let content_type = answered.header("content-type")?;
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    is_manifest_type(media_type).then(|| media_type.to_ascii_lowercase())
}

/// The same where the manifest itself is not at hand. What is told to have a form is nearly always known by its members, and
/// not worth keeping.
pub(super) fn told_type_of_no_form(answered: &Answered) -> Option<String> {
    told_type(answered).filter(|told| is_of_no_form(told))
}

fn is_of_no_form(media_type: &str) -> bool {
    Form::from_media_type(media_type).is_none()
}

/// The path of a document below a repository.
fn path_of(need: &Need) -> String {
    let kind = match need.kind {
        NeedKind::Manifest => "manifests/",
        NeedKind::Blob => "blobs/",
    };
    [kind, need.digest.as_str()].concat()
}
