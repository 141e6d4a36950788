//! Whether a manifest is still at its registry, which has deleted some that are kept here.
//!
//! What a digest names never changes, and so what is kept is told without asking again; but not for ever, for somebody may
//! have had a reason to delete it.

use core::time::Duration;

use downshift::Digest;

use super::remote::Remote;
use super::tags::PATIENCE;
use crate::caller::Caller;
use crate::effect::{Done, Effect};
use crate::failure::Failure;
use crate::value::{Key, Value};

/// For how long a manifest that was at its registry is told without asking again.
const LIFETIME: Duration = Duration::from_secs(12 * 3600);

/// For how long a registry is not asked again that could not say.
const OUTAGE_LIFETIME: Duration = Duration::from_secs(60);

impl Remote<'_> {
    /// Whether a manifest was at the registry within half a day, or need not be.
    pub(crate) async fn was_there(&self, digest: &Digest) -> bool {
        matches!(self.shell.ask(Effect::Load(self.presence_key(digest))).await, Done::Known(_))
    }

    /// Whether a manifest is still at the registry. One that cannot say does not make it go.
    pub(crate) async fn is_still_there(&self, digest: &Digest, caller: &Caller) -> Result<bool, Failure> {
        match self.shell.within(PATIENCE, self.has_manifest(digest, caller)).await {
            Some(Err(failure)) if failure.upstream().is_some() && !failure.is_about_caller() => {}
            Some(answered) => return answered,
            None => {}
        }
        self.keep_presence_for(digest, OUTAGE_LIFETIME).await;
        Ok(true)
    }

    /// Keeps that a manifest is at the registry, or need not be.
    pub(crate) async fn keep_presence(&self, digest: &Digest) {
        self.keep_presence_for(digest, LIFETIME).await;
    }

    async fn keep_presence_for(&self, digest: &Digest, lifetime: Duration) {
        let (key, value) = (self.presence_key(digest), Value::Presence);
        self.shell.ask(Effect::Keep { key, value, lifetime }).await;
    }

    fn presence_key(&self, digest: &Digest) -> Key {
        Key::Presence { scope: self.scope.clone(), digest: digest.clone() }
    }
}
