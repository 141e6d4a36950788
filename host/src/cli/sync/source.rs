//! Where images come from: the registries of the settings, or what Pulp 2 has published, asked as clients of a server in
//! front of them ask. So tokens, redirects, proxies, retries and limits are those of every pull. What no client is told – all
//! that Pulp has by one tag – is read where that server reads it.

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;
use std::collections::BTreeSet;
use std::time::Instant;

use bytes::Bytes;
use downshift::{Digest, Form};
use downshift_registry::{Reference, every_type, is_local_name, is_tag};
use serde::Deserialize;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::super::pages::{Endless, Pages};
use super::super::refusal::Refusal;
use super::flights::blocking;
use crate::error::Error;
use crate::origin::pulp::Repository;
use crate::pull::{Reply, ReplyBody};
use crate::service::Service;
use crate::settings::Settings;
use crate::work_budget::Asker;

/// Tags of a repository.
const MAX_TAGS: usize = 100_000;

/// Repositories of all registries.
const MAX_REPOSITORIES: usize = 100_000;

/// Pages of a list.
const MAX_PAGES: usize = 10_000;

/// Bytes of a page.
const MAX_PAGE_BYTES: usize = 16 * 1024 * 1024;

/// Bytes of all pages of a list of referrers.
const MAX_REFERRERS_BYTES: usize = 64 * 1024 * 1024;

/// How long to wait at the least before asking again, whatever the registry says.
const MIN_PAUSE: Duration = Duration::from_secs(1);

/// Who asks.
const ASKER: Asker = Asker { client: IpAddr::V4(Ipv4Addr::LOCALHOST), is_shared: true };

/// Registries.
pub(super) struct Source {
    service: Service,
    /// How many requests may be under way.
    jobs: Semaphore,
    patience: Duration,
}

/// A manifest, as a registry gives it.
pub(super) struct Manifest {
    /// The digest by which the registry knows it.
    pub(super) digest: Digest,
    pub(super) media_type: Option<String>,
    pub(super) bytes: Bytes,
}

/// What a registry answers.
pub(super) struct Answer<'s> {
    pub(super) status: u16,
    headers: Vec<(&'static str, String)>,
    body: ReplyBody,
    /// As long as its body comes it is under way.
    _permit: SemaphorePermit<'s>,
}

#[derive(Deserialize)]
struct Page {
    tags: Option<Vec<String>>,
    repositories: Option<Vec<String>>,
}

impl Source {
    pub(super) fn new(settings: Settings, jobs: usize, patience: Duration) -> Result<Self, Error> {
        Ok(Self { service: Service::open(settings)?, jobs: Semaphore::new(jobs), patience })
    }

    /// Where a repository is: its registry's URL with its name there.
    pub(super) fn place(&self, name: &str) -> Option<String> {
        self.service.front.place(name)
    }

    /// Whether it is what Pulp has published.
    pub(super) fn is_pulp(&self) -> bool {
        self.service.front.shared.pulp.is_some()
    }

    /// The repositories in Pulp whose metadata cannot be used, each with what is wrong.
    pub(super) async fn unusable(&self) -> Result<Vec<(String, Refusal)>, Error> {
        let Some(pulp) = self.service.front.shared.pulp.clone() else { return Ok(Vec::new()) };
        let unusable = blocking(move || pulp.unusable()).await?.into_iter();
        Ok(unusable.map(|(name, error)| (name, Refusal::of_error(&error))).collect())
    }

    /// Reads in a repository of Pulp, if there is one of that name.
    async fn of_pulp<T: Send + 'static>(
        &self,
        name: &str,
        read: impl FnOnce(&Repository) -> Result<T, Error> + Send + 'static,
    ) -> Result<Option<T>, Refusal> {
        let Some(pulp) = self.service.front.shared.pulp.clone() else { return Ok(None) };
        let name = name.to_owned();
        let found = blocking(move || pulp.repository(&name)?.map(|repository| read(&repository)).transpose());
        found.await.map_err(|error| Refusal::of_error(&error))
    }

    /// All that Pulp has by a tag, in the order in which Crane prefers it; nothing if there is no such tag.
    pub(super) async fn variants(&self, name: &str, tag: &str) -> Result<Vec<(Form, Digest)>, Refusal> {
        let reference = Reference::Tag(tag.to_owned());
        let stored = self.of_pulp(name, move |repository| repository.resolve(&reference)).await?.flatten();
        Ok(stored.map_or_else(Vec::new, |stored| match stored.variants {
            // Images of the V1 protocol become this.
            none if none.is_empty() => vec![(Form::Schema1, stored.digest)],
            variants => variants,
        }))
    }

    /// All manifests that Pulp has of a repository, those without a tag as well.
    pub(super) async fn manifests(&self, name: &str) -> Result<Vec<Digest>, Refusal> {
        Ok(self.of_pulp(name, Repository::manifests).await?.unwrap_or_default())
    }

    /// Whether a repository is protected in Pulp; nothing if it is not from there.
    pub(super) async fn is_protected(&self, name: &str) -> Result<Option<bool>, Refusal> {
        self.of_pulp(name, |repository| Ok(repository.is_protected())).await
    }

    /// All repositories.
    pub(super) async fn repositories(&self) -> Result<BTreeSet<String>, Refusal> {
        let pages = self.list("/v2/_catalog", MAX_REPOSITORIES, |page| page.repositories).await?;
        let pages = pages.ok_or_else(|| Refusal {
            reason: "no-catalog".to_owned(),
            cause: "the registry does not say which repositories it has".to_owned(),
            remedy: "name the repositories".to_owned(),
        })?;
        Ok(pages.into_iter().filter(|name| is_local_name(name)).collect())
    }

    /// All tags of a repository; nothing if there is no such repository.
    pub(super) async fn tags(&self, name: &str) -> Result<Option<BTreeSet<String>>, Refusal> {
        let pages = self.list(&format!("/v2/{name}/tags/list"), MAX_TAGS, |page| page.tags).await?;
        Ok(pages.map(|tags| tags.into_iter().filter(|tag| is_tag(tag)).collect()))
    }

    async fn list(
        &self,
        path: &str,
        most: usize,
        texts: impl Fn(Page) -> Option<Vec<String>>,
    ) -> Result<Option<Vec<String>>, Refusal> {
        let mut all = Vec::new();
        let mut pages = Pages::new(path, MAX_PAGES);
        while let Some(next) = pages.next().map_err(|endless| endless_list(&endless))? {
            let answer = self.ask("GET", &next, &[]).await?;
            if answer.status == 404 && all.is_empty() {
                return Ok(None);
            }
            let answer = answer.good().await?;
            pages.go_on(answer.header("link"));
            let page: Page = serde_json::from_slice(&answer.whole(MAX_PAGE_BYTES).await?)
                .map_err(|error| not_a_list(&error.to_string()))?;
            all.extend(texts(page).unwrap_or_default());
            if all.len() > most {
                return Err(not_a_list(&format!("it has more than `{most}` entries")));
            }
        }
        Ok(Some(all))
    }

    /// What a tag points to; nothing if there is no such tag. `last` is what it pointed to, which need not be fetched again.
    pub(super) async fn tagged(
        &self,
        name: &str,
        tag: &str,
        last: Option<(Digest, Bytes)>,
    ) -> Result<Option<Manifest>, Refusal> {
        if let Some((digest, bytes)) = last {
            self.service.front.remember(name, tag, digest, bytes).await;
        }
        self.manifest(name, tag).await
    }

    /// A manifest by its tag or digest, as it is stored; nothing if there is none.
    pub(super) async fn manifest(&self, name: &str, reference: &str) -> Result<Option<Manifest>, Refusal> {
        let accept: Vec<&str> = every_type().chain(["*/*"]).collect();
        let path = format!("/v2/{name}/manifests/{reference}");
        let answer = self.ask("GET", &path, &[("accept", &accept.join(", "))]).await?;
        if answer.status == 404 {
            return Ok(None);
        }
        let answer = answer.good().await?;
        let media_type = answer.header("content-type").map(str::to_owned);
        let reported = answer.header("docker-content-digest").and_then(|text| Digest::parse(text).ok());
        let bytes = answer.whole(MAX_PAGE_BYTES).await?;
        let digest = reported.unwrap_or_else(|| Digest::of(&bytes));
        Ok(Some(Manifest { digest, media_type, bytes }))
    }

    /// The lists of what refers to a manifest, page by page; nothing if the registry does not know of such.
    pub(super) async fn referrers(&self, name: &str, digest: &Digest) -> Result<Option<Vec<Bytes>>, Refusal> {
        let path = format!("/v2/{name}/referrers/{digest}");
        let (mut pages, mut all, mut bytes) = (Pages::new(&path, MAX_PAGES), Vec::new(), 0);
        while let Some(next) = pages.next().map_err(|endless| endless_list(&endless))? {
            let answer = self.ask("GET", &next, &[]).await?;
            if answer.status == 404 {
                return Ok(None);
            }
            let answer = answer.good().await?;
            pages.go_on(answer.header("link"));
            let page = answer.whole(MAX_PAGE_BYTES).await?;
            bytes += page.len();
            if bytes > MAX_REFERRERS_BYTES {
                return Err(not_a_list(&format!("it has more than `{MAX_REFERRERS_BYTES}` bytes")));
            }
            all.push(page);
        }
        Ok(Some(all))
    }

    /// A blob from its byte `start` on, as a part where that begins later, or `is_part`; what comes may be all of it.
    pub(super) async fn blob(
        &self,
        name: &str,
        digest: &Digest,
        start: u64,
        is_part: bool,
    ) -> Result<Answer<'_>, Refusal> {
        let path = format!("/v2/{name}/blobs/{digest}");
        let range = format!("bytes={start}-");
        let headers = [("range", range.as_str())];
        self.ask("GET", &path, if start > 0 || is_part { &headers } else { &[] }).await
    }

    /// Whether a repository has a blob.
    pub(super) async fn has_blob(&self, name: &str, digest: &Digest) -> Result<bool, Refusal> {
        let answer = self.ask("HEAD", &format!("/v2/{name}/blobs/{digest}"), &[]).await?;
        Ok(answer.status != 404 && answer.good().await.is_ok())
    }

    /// Asks, and again when the registry says that it is worth it.
    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Result<Answer<'_>, Refusal> {
        let begun = Instant::now();
        loop {
            // Nobody closes it.
            let permit = self.jobs.acquire().await.map_err(|_| broken_off())?;
            let lines = headers.iter().copied();
            let Reply { status, headers, body, .. } =
                self.service.front.ask(method, path, lines, ASKER).await;
            let answer = Answer { status, headers, body, _permit: permit };
            match answer.pause() {
                Some(pause) if begun.elapsed().saturating_add(pause) < self.patience => {
                    drop(answer);
                    tokio::time::sleep(pause).await;
                }
                _ => return Ok(answer),
            }
        }
    }
}

impl Answer<'_> {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| *own == name).map(|(_, value)| value.as_str())
    }

    /// How long to wait before asking again, if that may help (RFC 9110, 10.2.3).
    fn pause(&self) -> Option<Duration> {
        let retry_after = self.header("retry-after").filter(|_| matches!(self.status, 429 | 503))?;
        Some(Duration::from_secs(retry_after.trim().parse().unwrap_or_default()).max(MIN_PAUSE))
    }

    /// The answer, if it has what was asked for.
    pub(super) async fn good(self) -> Result<Self, Refusal> {
        if matches!(self.status, 200 | 206) {
            return Ok(self);
        }
        let status = self.status;
        // An error that broke off is an error all the same.
        let body = self.whole(MAX_PAGE_BYTES).await.unwrap_or_default();
        Err(Refusal::of_response(status, &body))
    }

    /// The next bytes of its body; none at the end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Refusal> {
        self.body.next().await.map_err(|_| broken_off())
    }

    /// All bytes of its body, if there are at most `limit`.
    async fn whole(self, limit: usize) -> Result<Bytes, Refusal> {
        let bytes = self.body.whole(limit).await.map_err(|_| broken_off())?;
        bytes.ok_or_else(|| not_a_list(&format!("it has more than `{limit}` bytes")))
    }
}

/// That a body ended too early.
fn broken_off() -> Refusal {
    Refusal {
        reason: "broke-off".to_owned(),
        cause: "the registry broke off, and did so when it was asked again".to_owned(),
        remedy: "run the command again, which goes on where this one ended".to_owned(),
    }
}

fn endless_list(endless: &Endless) -> Refusal {
    not_a_list(&endless.to_string())
}

fn not_a_list(problem: &str) -> Refusal {
    Refusal {
        reason: "invalid-list".to_owned(),
        cause: format!("a list of the registry cannot be used: {problem}"),
        remedy: "check that the URL is that of a registry, or name the repositories and tags".to_owned(),
    }
}
