//! A repository at a registry, and what goes wrong with it.

use alloc::string::{String, ToString as _};
use core::future::Future;

use downshift::document::Document;
use downshift::{Digest, Limits};
use downshift_registry::{Fault, Problem};

use crate::effect::Take;
use crate::failure::Failure;
use crate::settings::{Registry, Scope, Settings, Url};
use crate::shell::Shell;

/// A repository at a registry.
#[derive(Clone)]
pub(crate) struct Remote<'p> {
    pub(crate) settings: &'p Settings,
    pub(crate) shell: &'p Shell,
    pub(crate) registry: &'p Registry,
    /// Its origin, and its name there; empty for the registry itself.
    pub(crate) scope: Scope,
}

impl Remote<'_> {
    /// Whether what the registry said at `at` is still told without asking again.
    pub(super) fn is_fresh(&self, at: u64) -> bool {
        self.age(at) < self.settings.tag_lifetime.as_millis()
    }

    /// Milliseconds since `at`.
    pub(super) fn age(&self, at: u64) -> u128 {
        self.shell.now().saturating_sub(at).into()
    }

    pub(super) fn document_take(&self) -> Take {
        Take::Whole { limit: self.settings.limits.document_bytes, cost: 1 }
    }

    /// The path of something of this repository, below `v2/`.
    pub(super) fn path(&self, rest: &str) -> String {
        [&self.scope.name, "/", rest].concat()
    }

    /// What comes of something, if that comes within the time that the registry has.
    pub(super) async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        match self.shell.within(self.registry.timeout, work).await {
            Some(done) => done,
            None => Err(self.fault(Problem::Timeout)),
        }
    }

    /// Checks bytes that hash to `hash` in SHA-256.
    pub(super) fn check(&self, digest: &Digest, bytes: &[u8], hash: &Digest) -> Result<(), Failure> {
        let is_own =
            if digest.algorithm() == hash.algorithm() { digest == hash } else { digest.matches(bytes) };
        if is_own || payload_digest(bytes, &self.settings.limits).as_ref() == Some(digest) {
            return Ok(());
        }
        Err(self.corrupt(digest))
    }

    /// That something came which does not have the digest that was asked for.
    pub(super) fn corrupt(&self, digest: &Digest) -> Failure {
        self.fault(Problem::Corrupt { digest: digest.clone() })
    }

    pub(crate) fn invalid(&self, what: &str) -> Failure {
        self.fault(Problem::Invalid(what.to_string()))
    }

    pub(crate) fn fault(&self, problem: Problem) -> Failure {
        self.fault_at(&self.registry.base, problem)
    }

    pub(super) fn fault_at(&self, url: &Url, problem: Problem) -> Failure {
        Fault { host: url.authority().to_string(), problem }.into()
    }
}

/// The digest of a schema 1 manifest's payload, by which registries know that manifest; none for other documents.
pub(super) fn payload_digest(bytes: &[u8], limits: &Limits) -> Option<Digest> {
    match Document::parse(bytes, limits) {
        Ok(Document::Schema1(schema1)) => Some(schema1.digest()),
        _ => None,
    }
}
