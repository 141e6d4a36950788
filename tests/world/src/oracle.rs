//! What must hold whatever was done: who got what, who heard of which credentials, and how errors look.
//!
//! It looks at what happened from outside: at what hosts answered and clients received, not at what was decided why.

use core::time::Duration;
use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use downshift::{Digest, jws};
use downshift_pull::{Access, Origin, Place};
use downshift_registry::{Body, Reference, Resource, Response, Route};

use crate::layers::unpacked;
use crate::net::{Exchange, Host, Request};
use crate::world::{Happened, PullId, Sent, World};

/// What pulls call the catalog where others have the name of a repository, and where it is.
const CATALOG: &str = "_catalog";
const CATALOG_PATH: &str = "/v2/_catalog";

/// For how long a yes may be remembered.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Checks all of it.
///
/// # Errors
/// What does not hold.
pub fn check(world: &World) -> anyhow::Result<()> {
    ensure!(world.violations.is_empty(), "{:?}", world.violations);
    credentials(world)?;
    for pull in (0..world.pulls()).map(PullId) {
        let Some(response) = world.response(pull) else { continue };
        let what = || format!("{:?} got {}", world.sent(pull), response.status);
        error(world, pull, response).with_context(what)?;
        was_let_in(world, pull, response).with_context(what)?;
        bytes(world, pull, response).with_context(what)?;
    }
    Ok(())
}

/// No credentials reach another origin than their own, or the token service that it names.
fn credentials(world: &World) -> anyhow::Result<()> {
    let homes = homes(world);
    let is_passed = matches!(world.settings.access, Access::Upstream { .. });
    for (_, happened) in &world.history {
        let Happened::Asked(pull, number) = happened else { continue };
        let Some(exchange) = world.net.exchanges().get(*number) else { continue };
        let line = || format!("credentials go where they must not: {}", exchange.line());
        // A token service, which the registry itself has named; where it is at its host, it says itself.
        let realm = format!("realm=\"{}/", world.net.url(exchange.request.host));
        let names = |earlier: &Exchange| {
            homes.iter().any(|(home, _)| *home == earlier.request.host)
                && earlier.challenge.as_ref().is_some_and(|challenge| challenge.contains(&realm))
        };
        let is_named = || world.net.exchanges().iter().take(*number).any(names);
        // An identity token goes there and nowhere else, and only this server's own.
        ensure!(exchange.request.form.is_empty() || !is_passed && is_named(), line());
        let Some(authorization) = exchange.request.header("authorization") else { continue };
        // There is no way there but from another host.
        ensure!(!exchange.request.target.starts_with("/back"), line());
        let is_of_client = world.sent(*pull).and_then(Sent::authorization) == Some(authorization);
        let is_own = |(_, own): &&(Host, Option<String>)| own.as_deref() == Some(authorization);
        let is_token = authorization.starts_with("Bearer ");
        let Request { host, target, .. } = &exchange.request;
        let is_right = if homes.iter().any(|(home, _)| home == host) && target.starts_with("/v2/") {
            let is_home = |home: &(Host, Option<String>)| home.0 == *host && is_own(&home);
            if is_passed { is_of_client } else { is_token || homes.iter().any(is_home) }
        } else {
            // What it is told is not a token yet.
            let is_theirs = if is_passed { is_of_client } else { homes.iter().find(is_own).is_some() };
            is_named() && is_theirs && !is_token
        };
        ensure!(is_right, line());
    }
    Ok(())
}

/// Each registry, and who the server is there.
fn homes(world: &World) -> Vec<(Host, Option<String>)> {
    let home = |origin: &Origin| match &origin.place {
        Place::Layouts | Place::Pulp(_) => Vec::new(),
        Place::Registry(registry) => {
            let password = registry.credentials.as_ref().filter(|own| own.identity_token().is_none());
            let own = password.map(|own| own.authorization().as_str().to_owned());
            world.net.host_of(&registry.base.text).map(|(host, _)| (host, own)).into_iter().collect()
        }
        // Of those that clients name nobody is told anything.
        Place::Domain(domain) => {
            let fits = |host: &Host| {
                domain.pattern.matches(&world.net.with_urls(&format!("{{{}.host}}", host.name())))
            };
            Host::ALL
                .into_iter()
                .filter(|host| host.is_registry() && fits(host))
                .map(|host| (host, None))
                .collect()
        }
    };
    world.settings.origins.iter().flat_map(home).collect()
}

/// Every error is a response with a code, on which programs can rely.
fn error(world: &World, pull: PullId, response: &Response) -> anyhow::Result<()> {
    ensure!((200..600).contains(&response.status), "a status of its own");
    let mut names = BTreeSet::new();
    for (name, value) in &response.headers {
        ensure!(names.insert(*name), "`{name}` is there twice");
        ensure!(value.trim() == value && !value.chars().any(char::is_control), "`{name}` cannot be sent");
    }
    let is_head = world.sent(pull).is_some_and(|sent| sent.method == "HEAD");
    if response.status < 400
        || is_head
        || matches!(
            world.route(pull),
            Some(
                Route::V1
                    | Route::V1Ping
                    | Route::V1Images { .. }
                    | Route::V1Tags { .. }
                    | Route::V1Image { .. }
            )
        )
    {
        return Ok(());
    }
    let Body::Bytes(body) = &response.body else { anyhow::bail!("an error has a blob for a body") };
    let json: serde_json::Value = serde_json::from_slice(body).context("an error is not JSON")?;
    let errors = json["errors"].as_array().context("there are no errors")?;
    let [error] = errors.as_slice() else { anyhow::bail!("there is not one error") };
    for part in [&error["code"], &error["message"]] {
        ensure!(part.as_str().is_some_and(|text| !text.is_empty()), "a part is missing: {error}");
    }
    Ok(())
}

/// Nobody gets what the script did not permit to this caller.
fn was_let_in(world: &World, pull: PullId, response: &Response) -> anyhow::Result<()> {
    let gives = matches!(response.status, 200 | 206 | 304 | 307);
    let Some(scope) = world.route(pull).and_then(Route::scope).filter(|_| gives) else { return Ok(()) };
    let caller = world.sent(pull).and_then(Sent::authorization);
    let (began, ended) = (place(world, pull, true), place(world, pull, false));
    match world.settings.access {
        Access::Open => Ok(()),
        Access::Users => {
            let is_in =
                |(_, happened): &(u64, Happened)| matches!(happened, Happened::LoggedIn(own) if *own == pull);
            ensure!(world.history.iter().any(is_in), "somebody was let in who is not known");
            Ok(())
        }
        Access::Upstream { .. } => {
            let origin = world.settings.origins.first().context("there is no registry")?;
            let name = match scope.resource {
                Resource::Registry => CATALOG.to_owned(),
                Resource::Repository => {
                    origin.mapping.remote(&scope.name).context("there is no such repository")?
                }
            };
            let id = World::caller(caller);
            let revoked = world.history.iter().take(began).rposition(|(_, happened)| {
                matches!(happened, Happened::Revoked(own, scope) if *own == id && (scope.name.is_empty() || scope.name == name))
            });
            let yes = |from: usize, to: usize| {
                world.history.get(from..to).unwrap_or_default().iter().any(|(_, happened)| match happened {
                    Happened::Asked(_, exchange) => world
                        .net
                        .exchanges()
                        .get(*exchange)
                        .is_some_and(|exchange| is_yes(exchange, caller, &name)),
                    _ => false,
                })
            };
            if yes(began, ended) {
                return Ok(());
            }
            let at = world.history.get(began).map_or(0, |(at, _)| *at);
            let is_remembered = world.history.iter().take(ended).any(|(then, happened)| {
                let age = Duration::from_millis(at.saturating_sub(*then));
                matches!(happened, Happened::Permitted(own, scope) if *own == id && scope.name == name)
                    && age < REMEMBERED
            });
            ensure!(is_remembered, "the registry has not said yes lately");
            ensure!(yes(revoked.unwrap_or(0), ended), "the registry has said no since it said yes");
            Ok(())
        }
    }
}

/// Where in the history a pull began, or responded.
fn place(world: &World, pull: PullId, is_beginning: bool) -> usize {
    let is_meant = |(_, happened): &(u64, Happened)| match happened {
        Happened::Began(own) => is_beginning && *own == pull,
        Happened::Responded(own) => !is_beginning && *own == pull,
        _ => false,
    };
    world.history.iter().position(is_meant).unwrap_or(world.history.len())
}

/// Whether a registry has said yes to a caller, for a repository.
fn is_yes(exchange: &Exchange, caller: Option<&str>, name: &str) -> bool {
    let request = &exchange.request;
    request.host == Host::Registry
        && request.header("authorization") == caller
        && (request.target.starts_with(&format!("/v2/{name}/"))
            || name == CATALOG && request.path() == CATALOG_PATH)
        && exchange.status.is_some_and(|status| matches!(status, 200 | 206 | 301..=308))
}

/// What comes has the digest that it is reported by, and is of the repository that was asked for.
fn bytes(world: &World, pull: PullId, response: &Response) -> anyhow::Result<()> {
    let received = world.received(pull);
    let is_whole = response.status == 200 && !received.is_broken;
    let is_head = world.sent(pull).is_some_and(|sent| sent.method == "HEAD");
    let digest = response.headers.iter().find(|(name, _)| *name == "docker-content-digest");
    let (Some((_, digest)), true, false) = (digest, is_whole, is_head) else { return Ok(()) };
    let digest = Digest::parse(digest).context("the reported digest is malformed")?;
    // What comes coded is undone first.
    let is_coded = response.headers.iter().any(|(name, _)| *name == "content-encoding");
    let decoded = if is_coded { unpacked(&received.response.body) } else { None };
    let body = decoded.as_ref().unwrap_or(&received.response.body);
    match world.route(pull) {
        Some(Route::Blob { digest: asked, .. }) => {
            ensure!(digest == *asked && digest.matches(body), "a blob has another digest");
        }
        Some(Route::Manifest { name, reference }) => {
            let payload = jws::parse(body, &world.settings.limits).map(|document| document.payload);
            let is_own = digest.matches(body) || payload.is_ok_and(|payload| digest.matches(&payload));
            ensure!(is_own, "a manifest has another digest");
            if let Reference::Digest(asked) = reference {
                ensure!(digest == *asked, "another digest was asked for");
            }
            is_of_repository(world, name, &digest)?;
        }
        _ => {}
    }
    Ok(())
}

/// What is served is stored in its repository, or was made of what is.
fn is_of_repository(world: &World, name: &str, digest: &Digest) -> anyhow::Result<()> {
    let scope = world.settings.scope_of(name).context("there is no such repository")?;
    let origin = world.settings.origins.iter().find(|origin| origin.id == scope.origin);
    let origin = origin.context("there is no such origin")?;
    let (host, remote) = match &origin.place {
        Place::Layouts | Place::Pulp(_) => (None, scope.name),
        Place::Registry(registry) => {
            (world.net.host_of(&registry.base.text).map(|(host, _)| host), scope.name)
        }
        Place::Domain(_) => {
            let (host, remote) = scope.name.split_once('/').context("the name has no host")?;
            (world.net.host_of(&format!("https://{host}")).map(|(host, _)| host), remote.to_owned())
        }
    };
    let stored = world.store.get(&remote).map(|repository| &repository.manifests);
    let is_stored = stored.is_some_and(|manifests| manifests.contains_key(digest))
        || host.is_some_and(|host| world.net.had(host, &remote, digest));
    let is_made = world.made.iter().any(|record| record.name == name && record.digest == *digest);
    ensure!(is_stored || is_made, "{digest} is not of `{name}`");
    Ok(())
}
