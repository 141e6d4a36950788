//! A repository at a registry, and what goes wrong with it.

use alloc::string::{String, ToString as _};
use core::future::Future;

use downshift::document::Document;
use downshift::{Digest, Form, Limits};
use downshift_json::{Json, Kind, Value};
use downshift_registry::{Fault, Problem, Scope as TokenScope};

use crate::effect::{Answered, Take};
use crate::failure::Failure;
use crate::names::AskedRegistry;
use crate::settings::{Scope, Settings, Url};
use crate::shell::Shell;

/// What stands in the place of a repository's name where a registry's catalog is meant. No repository is called so.
pub(super) const CATALOG: &str = "_catalog";

/// A repository at a registry.
#[derive(Clone)]
pub(crate) struct Remote<'p> {
    pub(crate) settings: &'p Settings,
    pub(crate) shell: &'p Shell,
    pub(crate) registry: AskedRegistry<'p>,
    /// By what things of it are kept.
    pub(crate) scope: Scope,
    /// Its name there; empty for the registry itself, and [`CATALOG`] for the list of its repositories.
    pub(crate) name: String,
}

impl<'p> Remote<'p> {
    /// The catalog of the registry.
    pub(crate) fn catalog(&self) -> Remote<'p> {
        let scope = Scope { origin: self.scope.origin, name: CATALOG.to_string() };
        Remote { scope, name: CATALOG.to_string(), ..self.clone() }
    }

    /// The right that it takes to have what is asked of this, if it takes one.
    pub(super) fn right(&self) -> Option<TokenScope> {
        match self.name.as_str() {
            "" => None,
            CATALOG => Some(TokenScope::catalog()),
            name => Some(TokenScope::pull(name)),
        }
    }

    /// Whether what the registry said at `at` is still told without asking again.
    pub(super) fn is_fresh(&self, at: u64) -> bool {
        self.age(at) < self.settings.tag_lifetime.as_millis()
    }

    /// Milliseconds since `at`.
    pub(super) fn age(&self, at: u64) -> u128 {
        self.shell.now().saturating_sub(at).into()
    }

    pub(super) fn document_take(&self) -> Take {
        self.whole(self.settings.limits.document_bytes, 1)
    }

    /// That a body is read which may have so many bytes, each of which takes so many of memory: fewer of them where there is
    /// little memory.
    pub(super) fn whole(&self, limit: usize, cost: usize) -> Take {
        let most = self.settings.read_memory.and_then(|memory| memory.checked_div(cost));
        Take::Whole { limit: most.map_or(limit, |most| limit.min(most)), cost }
    }

    /// The path of something of this repository, below `v2/`.
    pub(super) fn path(&self, rest: &str) -> String {
        let separator = if self.name == CATALOG { "" } else { "/" };
        [&self.name, separator, rest].concat()
    }

    /// What comes of something, if that comes within the time that the registry has.
    // No async fn, as `within`.
    pub(super) fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> impl Future<Output = Result<T, Failure>> {
        let within = self.shell.within(self.registry.timeout, work);
        async move { within.await.unwrap_or_else(|| Err(self.fault(Problem::Timeout))) }
    }

    /// Checks bytes that hash to `hash` in SHA-256.
    pub(super) fn check(&self, digest: &Digest, bytes: &[u8], hash: &Digest) -> Result<(), Failure> {
        let is_own =
            if digest.algorithm() == hash.algorithm() { digest == hash } else { digest.matches(bytes) };
        if is_own || payload_digest(bytes, &self.settings.limits).as_ref() == Some(digest) {
            return Ok(());
        }
        // What is stored is not to blame where something else has answered, or has compressed it on its way: neither manifests
        // nor configs begin like that.
        let is_other = bytes.trim_ascii_start().starts_with(b"<") || bytes.starts_with(b"\x1f\x8b");
        Err(if is_other { self.no_document() } else { self.corrupt(digest) })
    }

    /// Checks that what a tag names is a manifest, and not what a login page or a proxy answers in its place: a JSON object
    /// under a manifest's type, or one that says itself what it is. Some registries give manifests as `text/html`
    /// (quay.io in 2016) or `text/plain` (registry.access.redhat.com).
    pub(super) fn check_manifest(&self, bytes: &[u8], answered: &Answered) -> Result<(), Failure> {
        let limits =
            downshift_json::Limits { document_bytes: bytes.len(), ..downshift_json::Limits::default() };
        let is_manifest = match Json::parse("manifest", bytes, limits) {
            Ok(json) if json.root().kind() != Kind::Object => false,
            Ok(json) => {
                let content_type = answered.header("content-type").unwrap_or_default();
                let says_type = |media_type: Value<'_>| {
                    media_type.as_text().is_some_and(|media_type| is_manifest_type(&media_type))
                };
                is_manifest_type(content_type)
                    || json.root().member("mediaType").is_some_and(says_type)
                    || json.root().member("schemaVersion").is_some()
            }
            // It goes too deep, which is for who converts it to say.
            Err(error) => matches!(*error, downshift_json::Error::Limit { .. }),
        };
        if is_manifest { Ok(()) } else { Err(self.no_document()) }
    }

    /// That something else came in the place of a document.
    pub(super) fn no_document(&self) -> Failure {
        self.fault(Problem::NoDocument)
    }

    /// That something came which does not have the digest that was asked for.
    pub(crate) fn corrupt(&self, digest: &Digest) -> Failure {
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

/// Whether a media type may be that of a manifest. Artifacts have types of their own.
fn is_manifest_type(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    Form::from_media_type(&essence).is_some()
        || (essence.starts_with("application/vnd.") && essence.ends_with("json"))
}

/// The digest of a schema 1 manifest's payload, by which registries know that manifest; none for other documents.
pub(super) fn payload_digest(bytes: &[u8], limits: &Limits) -> Option<Digest> {
    match Document::parse(bytes, limits) {
        Ok(Document::Schema1(schema1)) => Some(schema1.digest()),
        _ => None,
    }
}
