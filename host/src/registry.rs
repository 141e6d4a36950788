//! The registry: what there is to answer to a request, from a store. All of it may block.

use std::fs::File;
use std::io::{Seek, SeekFrom};

use downshift::answer::{self, Need, Root};
use downshift::{Capabilities, Digest, Failure, Limits, Platform, Policy};
use downshift_registry::{Body, Reference, Request, Response, Route, error as http, response};
use downshift_sign::{P256Signer, Signer};

use crate::answers::{Answers, Key, Made};
use crate::engine::{self, Engine, NoAnswer};
use crate::error::Error;
use crate::log;
use crate::records::Records;
use crate::store::{Repository, Store};

/// A read-only registry.
pub(crate) struct Registry {
    /// Where the images are.
    pub(crate) store: Store,
    /// The digests that were reported.
    pub(crate) records: Records,
    /// The answers that were made lately.
    pub(crate) answers: Answers,
    /// Where the core runs.
    pub(crate) engine: Engine,
    /// Who signs converted manifests.
    pub(crate) signer: P256Signer,
    /// What to do where the reference would lose something.
    pub(crate) policy: Policy,
    /// The platform for clients that do not say theirs.
    pub(crate) platform: Platform,
    /// How much to take in and give out.
    pub(crate) limits: Limits,
}

/// A response, and for a [`Body::Blob`] the file, at the range's start.
pub(crate) type Reply = (Response, Option<File>);

impl Registry {
    /// The answer to a request for a manifest that was answered before. It takes so little time that it need not
    /// wait for a worker.
    pub(crate) fn at_hand(&self, request: &Request) -> Option<Response> {
        let Route::Manifest { name, reference } = &request.route else { return None };
        let repository = self.store.loaded(name)?;
        let key = key(request, &repository, name, reference);
        let manifest = self.answers.get(&key, &self.records)?;
        Some(response::manifest(request, &manifest))
    }

    /// Answers a request.
    pub(crate) fn answer(&self, request: &Request) -> Reply {
        let response = match &request.route {
            Route::Root => response::root(),
            Route::Base => response::base(),
            Route::Manifest { name, reference } => self.manifest(request, name, reference),
            Route::Blob { name, digest } => {
                return self.blob(request, name, digest).unwrap_or_else(|error| (internal(&error), None));
            }
            Route::EmptyLayer => response::empty_layer(request),
            Route::Tags { name, page } => match self.store.repository(name) {
                Ok(Some(repository)) => response::tags(name, page, repository.tags()),
                Ok(None) => http::name_unknown(name),
                Err(error) => internal(&error),
            },
            Route::Referrers { .. } => http::no_referrers(),
            Route::V1Images { .. } | Route::V1 => response::no_v1(),
            Route::Unknown => http::unknown_path(),
        };
        (response, None)
    }

    fn manifest(&self, request: &Request, name: &str, reference: &Reference) -> Response {
        let repository = match self.store.repository(name) {
            Ok(Some(repository)) => repository,
            Ok(None) => return http::manifest_unknown(name, reference),
            Err(error) => return internal(&error),
        };
        let Some(root) = self.root(&repository, name, reference) else {
            return http::manifest_unknown(name, reference);
        };
        let key = key(request, &repository, name, reference);
        let make = || self.make(&repository, root, request.client.clone());
        match self.answers.get_or_make(key, &self.records, make) {
            Ok(manifest) => response::manifest(request, &manifest),
            Err(no_answer) => self.refuse(name, reference, &no_answer),
        }
    }

    /// Makes an answer, and keeps what has to be recorded for it.
    fn make(&self, repository: &Repository, root: Root, client: Capabilities) -> Result<Made, NoAnswer> {
        let request = answer::Request {
            root,
            client,
            policy: self.policy,
            default_platform: self.platform.clone(),
            time: None,
            limits: self.limits.clone(),
        };
        let fetch = |need: &Need| repository.document(&need.digest, &self.limits);
        let sign = |bytes: &[u8]| self.signer.sign(bytes).map_err(Error::from);
        let mut answer = engine::run(&self.engine, &request, fetch, sign)?;
        let records = core::mem::take(&mut answer.records);
        let recorded = records.iter().map(|record| record.digest.clone()).collect();
        self.records.keep(records);
        Ok(Made { manifest: answer.into(), recorded })
    }

    /// What the core is asked for, if the repository may have it.
    fn root(&self, repository: &Repository, name: &str, reference: &Reference) -> Option<Root> {
        let name = name.to_owned();
        match reference {
            Reference::Tag(tag) => {
                let digest = repository.tagged(tag)?.clone();
                Some(Root::Tag { name, tag: tag.clone(), digest })
            }
            Reference::Digest(digest) => {
                let record = self.records.get(&name, digest).map(Box::new);
                let tag = repository.tag_of(digest).map(str::to_owned);
                Some(Root::Digest { name, digest: digest.clone(), tag, record })
            }
        }
    }

    fn refuse(&self, name: &str, reference: &Reference, no_answer: &NoAnswer) -> Response {
        self.records.keep(no_answer.records.clone());
        let error = &no_answer.error;
        match error {
            Error::Core(failure) => http::refusal(failure),
            Error::Missing { digest } => {
                if matches!(reference, Reference::Tag(_)) {
                    log::error(error);
                }
                http::manifest_unknown(name, &Reference::Digest(digest.clone()))
            }
            Error::Corrupt { .. } | Error::WrongSize { .. } => {
                log::error(error);
                http::refusal(&Failure::from(error))
            }
            _ => internal(error),
        }
    }

    fn blob(&self, request: &Request, name: &str, digest: &Digest) -> Result<Reply, Error> {
        let unknown = || (http::blob_unknown(digest), None);
        let Some(repository) = self.store.repository(name)? else { return Ok(unknown()) };
        let Some((mut file, size)) = repository.layout.blob(digest)? else { return Ok(unknown()) };
        let response = response::blob(request, digest, size);
        if let Body::Blob(range) = &response.body {
            file.seek(SeekFrom::Start(range.start))
                .map_err(|error| Error::unreadable(&repository.layout.blob_path(digest), error))?;
        }
        Ok((response, Some(file)))
    }
}

/// What decides the answer to a request for a manifest.
fn key(request: &Request, repository: &Repository, name: &str, reference: &Reference) -> Key {
    Key {
        name: name.to_owned(),
        reference: reference.clone(),
        reading: repository.reading,
        client: request.client.clone(),
    }
}

fn internal(error: &Error) -> Response {
    log::error(error);
    http::internal()
}
