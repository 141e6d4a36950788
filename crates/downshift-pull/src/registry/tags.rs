//! What tags point to: as the registry said within their lifetime, and, where it cannot be asked, as it said last.

use alloc::borrow::ToOwned as _;
use alloc::string::{String, ToString};
use alloc::vec;
use core::time::Duration;

use bytes::Bytes;
use downshift::Digest;
use downshift::document::Document;
use downshift_registry::{Fault, Problem};

use super::documents::{reported, told_type_of_no_form};
use super::remote::{Remote, payload_digest};
use crate::caller::Caller;
use crate::effect::{Answered, Done, Effect, Event};
use crate::failure::Failure;
use crate::permit;
use crate::value::{HeadOf, Key, TagTarget, Value};

/// How long a registry is waited for where there is a stale answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Bytes of an index of which it is kept what its tag is: those of images have a few kilobytes.
const MAX_LISTING_BYTES: usize = 256 * 1024;

/// How many manifests of an index.
const MAX_LISTED: usize = 64;

impl Remote<'_> {
    /// What a tag points to, if there is such a tag, and this caller may know.
    pub(crate) async fn tag(&self, tag: &str, caller: &Caller) -> Result<Option<Digest>, Failure> {
        let permit = permit::permit(self.shell, &self.scope, caller).await;
        let last = self.last(tag).await;
        if permit.is_known()
            && let Some(last) = last.as_ref().filter(|last| self.is_fresh(last.at))
        {
            return Ok(Some(last.digest.clone()));
        }
        let stale = last.clone().filter(|last| self.is_bearable(last));
        let digest = match (caller, stale) {
            (Caller::Server, Some(stale)) => self.tag_or_stale(tag, stale, caller).await?,
            _ => self.ask_tag(tag, last, caller).await?,
        };
        if digest.is_some() {
            permit.keep(self.shell, &self.scope, caller).await;
        }
        Ok(digest)
    }

    /// What a tag points to, or, where the registry cannot be asked, what it pointed to not too long ago.
    async fn tag_or_stale(
        &self,
        tag: &str,
        last: TagTarget,
        caller: &Caller,
    ) -> Result<Option<Digest>, Failure> {
        let asking = self.ask_tag(tag, Some(last.clone()), caller);
        let cause = match self.shell.within(PATIENCE, asking).await {
            Some(Err(failure)) if failure.upstream().is_some_and(Fault::is_outage) => {
                failure.upstream().map(ToString::to_string).unwrap_or_default()
            }
            Some(Err(failure)) if failure.is_about_caller() => {
                // What was told before is no business of this server any more, also when the registry is down next.
                self.shell.ask(Effect::Forget(self.tag_key(tag))).await;
                return Err(failure);
            }
            Some(answered) => return answered,
            None => Fault { host: self.registry.base.authority().to_string(), problem: Problem::Timeout }
                .to_string(),
        };
        let age = self.shell.now().saturating_sub(last.at) / 1000;
        let (name, tag) = (self.scope.name.clone(), tag.to_owned());
        self.shell.tell(Event::Stale { name, tag, age, cause });
        Ok(Some(last.digest))
    }

    /// Whether what was last known may still be told, if the registry cannot be asked.
    fn is_bearable(&self, last: &TagTarget) -> bool {
        let limit = self.settings.tag_lifetime.saturating_add(self.settings.stale_for);
        !self.settings.stale_for.is_zero() && self.age(last.at) <= limit.as_millis()
    }

    /// What a tag pointed to when that was last asked, as far as that is known.
    async fn last(&self, tag: &str) -> Option<TagTarget> {
        match self.shell.ask(Effect::Load(self.tag_key(tag))).await {
            Done::Known(Value::Tag(last)) => Some(last),
            _ => None,
        }
    }

    /// Asks the registry what a tag points to, of which `last` is known.
    async fn ask_tag(
        &self,
        tag: &str,
        last: Option<TagTarget>,
        caller: &Caller,
    ) -> Result<Option<Digest>, Failure> {
        let is_at_hand = match &last {
            Some(last) => self.has_document(&last.digest).await,
            None => false,
        };
        let get = async { Ok(self.get_tag(tag, caller).await?.map(|digest| (digest, None))) };
        let told = |answered: &Answered| Some((reported(answered)?, told_type_of_no_form(answered)));
        let found = if is_at_hand {
            let path = self.path(&["manifests/", tag].concat());
            self.head_or_get(HeadOf::Manifests, &path, caller, &told, get).await?
        } else {
            get.await?
        };
        let digest = match found {
            Some((digest, media_type)) => {
                self.keep_presence(&digest).await;
                self.keep_media_type(&digest, media_type).await;
                Some(digest)
            }
            None => None,
        };
        let key = self.tag_key(tag);
        let effect = match &digest {
            Some(digest) => {
                let value = Value::Tag(TagTarget { digest: digest.clone(), at: self.shell.now() });
                Effect::Keep { key, value, lifetime: self.settings.tag_use() }
            }
            None => Effect::Forget(key),
        };
        if digest.is_some() || last.is_some() {
            self.shell.ask(effect).await;
        }
        Ok(digest)
    }

    /// Keeps that a tag points to a manifest, and to all that it lists, where it is an index: who asks for one of these by
    /// digest may be told the digest that the tag has.
    pub(crate) async fn keep_tag_of(&self, tag: &str, target: &Digest, bytes: &[u8]) {
        let mut digests = vec![target.clone()];
        if bytes.len() <= MAX_LISTING_BYTES
            && let Ok(Document::Index(index)) = Document::parse(bytes, &self.settings.limits)
        {
            digests.extend(index.entries.into_iter().take(MAX_LISTED).map(|entry| entry.digest));
        }
        for digest in digests {
            // A tag of its own says more than that of an index.
            if digest != *target
                && matches!(self.known_tag(&digest).await, Some((_, known)) if known == digest)
            {
                continue;
            }
            let key = Key::TagOf { scope: self.scope.clone(), digest };
            let value = Value::TagOf { tag: tag.to_owned(), target: target.clone() };
            self.shell.ask(Effect::Keep { key, value, lifetime: self.settings.tag_use() }).await;
        }
    }

    /// A tag that points to a manifest, or to an index that has it, as far as this server has been asked for that and it
    /// still does. The registry is not asked.
    pub(crate) async fn tag_of(&self, digest: &Digest) -> Option<String> {
        let (tag, target) = self.known_tag(digest).await?;
        self.last(&tag).await.filter(|last| last.digest == target).map(|_| tag)
    }

    async fn known_tag(&self, digest: &Digest) -> Option<(String, Digest)> {
        let key = Key::TagOf { scope: self.scope.clone(), digest: digest.clone() };
        match self.shell.ask(Effect::Load(key)).await {
            Done::Known(Value::TagOf { tag, target }) => Some((tag, target)),
            _ => None,
        }
    }

    pub(crate) async fn has_document(&self, digest: &Digest) -> bool {
        let key = Key::Document { scope: self.scope.clone(), digest: digest.clone() };
        matches!(self.shell.ask(Effect::Has(key)).await, Done::Has(true))
    }

    /// Gets the manifest that a tag points to, keeps it, and gives its digest.
    async fn get_tag(&self, tag: &str, caller: &Caller) -> Result<Option<Digest>, Failure> {
        let path = self.path(&["manifests/", tag].concat());
        let check = |bytes: &Bytes, hash: &Digest, answered: &Answered| {
            if let Some(digest) = reported(answered) {
                self.check(&digest, bytes, hash)?;
            }
            self.check_manifest(bytes, answered)
        };
        let got = self.get(&path, self.document_take(), caller, &check).await?;
        let Some((bytes, hash, answered)) = got else { return Ok(None) };
        let digest =
            reported(&answered).or_else(|| payload_digest(&bytes, &self.settings.limits)).unwrap_or(hash);
        self.learn(&digest, &bytes, Some(&answered)).await;
        self.keep_document(digest.clone(), bytes).await;
        Ok(Some(digest))
    }

    fn tag_key(&self, tag: &str) -> Key {
        Key::Tag { scope: self.scope.clone(), tag: tag.to_owned() }
    }
}
