//! What every client gets of every stored image: the tables of `tests/cases/outcomes.md`, without a server. A request is
//! read, answered by the core, and written as a response, all in this process.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use downshift::answer::{Record, Request as Question, Root};
use downshift::{Digest, Limits, Permissions, PlainLayers, Platform, Policy, UnsignedSchema1};
use downshift_cases::expectations::{self, Expectations};
use downshift_cases::images::{Image, REPOSITORY};
use downshift_cases::implementation::{Implementation, Native, Outcome};
use downshift_cases::outcomes::{Client, Outcomes, title};
use downshift_cases::response::Response;
use downshift_registry::{Body, Reference, Request, Route, error, response};

#[test]
fn tags_give_what_the_tables_say_under_the_strict_policy() -> anyhow::Result<()> {
    tags_give_what_the_tables_say(Policy::Strict)
}

#[test]
fn tags_give_what_the_tables_say_under_the_reference_policy() -> anyhow::Result<()> {
    tags_give_what_the_tables_say(Policy::Reference)
}

#[test]
fn digests_give_what_the_tables_say_under_the_strict_policy() -> anyhow::Result<()> {
    digests_give_what_the_tables_say(Policy::Strict)
}

#[test]
fn digests_give_what_the_tables_say_under_the_reference_policy() -> anyhow::Result<()> {
    digests_give_what_the_tables_say(Policy::Reference)
}

fn tags_give_what_the_tables_say(policy: Policy) -> anyhow::Result<()> {
    let outcomes = Outcomes::read()?;
    let expectations = Expectations { outcomes: &outcomes, policy };
    for (tag, image) in &expectations::images()? {
        let registry = Registry { policy, image, tag, record: None };
        for client in &outcomes.clients {
            let cell = expectations.find(title::BY_TAG, &client.name, tag)?;
            let answer = expectations.by_tag(tag, image, cell)?;
            expectations
                .check("tag", &answer, false, &registry.ask(client, tag)?)
                .with_context(|| format!("`{}` asks for `{tag}`", client.name))?;
        }
    }
    Ok(())
}

fn digests_give_what_the_tables_say(policy: Policy) -> anyhow::Result<()> {
    let outcomes = Outcomes::read()?;
    let expectations = Expectations { outcomes: &outcomes, policy };
    let images = expectations::images()?;
    let in_tables =
        |client: &&Client| outcomes.find(&[title::BY_STORED_DIGEST], &client.name, "schema2").is_some();
    let clients: Vec<&Client> = outcomes.clients.iter().filter(in_tables).collect();
    ensure!(!clients.is_empty(), "the tables have no clients");
    for (tag, image) in &images {
        let stored = Registry { policy, image, tag, record: None };
        let reported = expectations.reported(tag, image)?;
        for client in &clients {
            let named = core::iter::once((tag.as_str(), &image.manifest));
            for (column, manifest) in
                named.chain(image.children.iter().map(|child| (expectations::column(child), child)))
            {
                let cell = expectations.find(title::BY_STORED_DIGEST, &client.name, column)?;
                let digest = manifest.digest();
                let answer = expectations.by_digest(image, manifest, cell, &digest)?;
                expectations
                    .check("digest", &answer, false, &stored.ask(client, digest.as_str())?)
                    .with_context(|| format!("`{}` asks for `{column}` of `{tag}`", client.name))?;
            }
            for (digest, (record, body)) in &reported {
                let registry = Registry { record: Some(record), ..stored };
                let sources = vec![record.source.clone()];
                let answer = expectations.by_reported_digest(
                    client,
                    tag,
                    image,
                    record.clone(),
                    body.clone(),
                    sources,
                )?;
                expectations
                    .check("digest", &answer, false, &registry.ask(client, digest.as_str())?)
                    .with_context(|| format!("`{}` asks for `{digest}` made of `{tag}`", client.name))?;
            }
        }
    }
    Ok(())
}

/// A registry with one image, and what it has recorded for one digest.
#[derive(Clone, Copy)]
struct Registry<'r> {
    policy: Policy,
    image: &'r Image,
    tag: &'r str,
    record: Option<&'r Record>,
}

impl Registry<'_> {
    /// What the client gets for a reference, by method and condition. The core answers once: no condition reaches it.
    fn ask<'a>(
        &self,
        client: &'a Client,
        reference: &str,
    ) -> anyhow::Result<impl Fn(&str, Option<&str>) -> anyhow::Result<Response> + use<'a>> {
        let target = format!("/v2/{REPOSITORY}/manifests/{reference}");
        let request = read("GET", &target, client, None)?;
        let outcome = self.answer(&request)?;
        Ok(move |method: &str, condition: Option<&str>| {
            let request = read(method, &target, client, condition)?;
            let answer = match &outcome {
                Ok(manifest) => response::manifest(&request, manifest),
                Err(response) => response.clone(),
            };
            shown(answer.for_method(request.method))
        })
    }

    fn answer(
        &self,
        request: &Request,
    ) -> anyhow::Result<Result<response::Manifest, downshift_registry::Response>> {
        let Route::Manifest { name, reference } = &request.route else { bail!("it is another route") };
        let name = name.clone();
        let root = match reference {
            Reference::Tag(tag) => {
                ensure!(tag == self.tag, "there is no tag `{tag}`");
                Root::Tag { name, tag: tag.clone(), digest: self.image.manifest.digest() }
            }
            Reference::Digest(digest) => Root::Digest {
                name,
                digest: digest.clone(),
                tag: None,
                record: self.record.cloned().map(Box::new),
            },
        };
        let question = Question {
            root,
            client: request.client.clone(),
            policy: self.policy,
            allow: Permissions::default(),
            plain_layers: PlainLayers::default(),
            unsigned_schema1: UnsignedSchema1::default(),
            default_platform: Platform::linux_amd64(),
            time: None,
            limits: Limits::default(),
        };
        let documents: BTreeMap<Digest, Vec<u8>> = self.image.documents();
        Ok(match Native.answer(&question, &documents) {
            Outcome::Answered(answered) => Ok(response::Manifest {
                media_type: None,
                form: answered.form,
                digest: answered.digest,
                body: answered.body.into(),
                source: answered.source,
                signature: answered.signature,
            }),
            Outcome::Refused { failure, .. } => Err(error::refusal(&failure)),
            Outcome::Missing(digest) => bail!("the document `{digest}` is asked for, and is no part of it"),
        })
    }
}

fn read(method: &str, target: &str, client: &Client, condition: Option<&str>) -> anyhow::Result<Request> {
    let mut headers = client.headers();
    headers.extend(condition.map(|value| ("If-None-Match", value)));
    let headers = headers.into_iter().map(|(name, value)| (name, value.as_bytes()));
    Request::read(method, target, headers).map_err(|response| anyhow::anyhow!("it is refused: {response:?}"))
}

/// The response as it goes over a wire.
fn shown(response: downshift_registry::Response) -> anyhow::Result<Response> {
    let Body::Bytes(body) = response.body else { bail!("the body is that of a blob") };
    let headers = response.headers.into_iter().map(|(name, value)| (name.to_string(), value)).collect();
    Ok(Response { status: response.status, headers, body: body.to_vec() })
}
