//! Rows: what one is, what it is written with, and how it is put to a place.

use core::time::Duration;
use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use downshift::layer::LIMITS as LAYER_LIMITS;
use downshift::{Digest, Form, Permissions, Policy, UnsignedSchema1};
use downshift_cases::images::{Image, REPOSITORY, digest_of};
use downshift_cases::implementation::{Implementation, Native, Outcome, schema1_request};
use downshift_pull::{
    Access, Delivery, ListedHost, Origin, OriginId, Place as OriginPlace, Registry, Settings, Url,
};
use downshift_registry::{ClientRules, Mapping, RegistryName, V1Mode};

use crate::net::{Change, Host, Net, User};
use crate::world::{Received, Sent, World};

/// A case.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// How the server is set up.
    pub options: Options,
    /// What is done, one after the other.
    pub steps: Vec<Step>,
}

/// How the server in front of the registry is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Who may pull.
    pub access: AccessOption,
    /// Who the server is at the registry.
    pub credentials: Option<User>,
    /// Whether it has their identity token, and no password.
    pub has_identity_token: bool,
    /// For how long what a tag points to is told without asking again.
    pub tag_lifetime: Duration,
    /// For how long it is told while the registry cannot be asked.
    pub stale_for: Duration,
    /// How clients get blobs.
    pub delivery: Delivery,
    /// How long one thing that is asked of the registry may take.
    pub timeout: Duration,
    /// How many requests one pull may make, at an edge that limits them.
    pub subrequests: Option<u32>,
    /// How many bytes a layer may have that is read, at an edge that limits them.
    pub layer_bytes: Option<u64>,
    /// Limits of conversions and of layers, by their names.
    pub limits: &'static [(&'static str, u32)],
    /// What is allowed in its repositories.
    pub allow: Permissions,
    /// What clients get of the API of version 1.
    pub v1: V1Mode,
    /// What becomes of stored schema 1 without a signature.
    pub unsigned_schema1: UnsignedSchema1,
    /// What is known of clients, as rules.
    pub client: &'static [&'static str],
    /// The registries that it stands before, in the place of the one.
    pub upstreams: &'static [Upstream],
}

/// One of several registries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Which one.
    pub host: Host,
    /// What names of its images begin with, where that is not its host.
    pub prefix: &'static str,
    /// By which other names clients know it.
    pub ns: &'static [&'static str],
    /// What stands for a slash in names.
    pub slash: &'static str,
    /// Whether it is one of a list of hosts, so that names begin with them.
    pub is_by_host: bool,
    /// Who the server is there.
    pub credentials: Option<User>,
    /// What is known of clients in its repositories, as rules.
    pub client: &'static [&'static str],
}

impl Upstream {
    /// A registry with these names.
    #[must_use]
    pub const fn new(host: Host, prefix: &'static str) -> Self {
        Self { host, prefix, ns: &[], slash: "", is_by_host: false, credentials: None, client: &[] }
    }

    /// One of a list of hosts.
    #[must_use]
    pub const fn by_host(host: Host) -> Self {
        Self { is_by_host: true, ..Self::new(host, "") }
    }
}

/// Who may pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessOption {
    /// Everybody.
    Open,
    /// These, by name and password.
    Users(&'static [User]),
    /// Whoever the registry lets.
    Upstream,
}

/// What is done.
#[derive(Clone, Debug)]
pub enum Step {
    /// Something changes in the network.
    Change(Change),
    /// A request is sent, and this comes.
    Send(Ask, Comes),
    /// A user asks the server for a token for a repository, and uses it from then on. This is the status.
    Token(User, &'static str, u16),
    /// Time passes.
    Pass(Duration),
    /// What the hosts were asked since the last such step, in [lines](crate::net::Exchange::line).
    Asked(Vec<String>),
    /// The same where several things are asked side by side, so that any of them may come first.
    AskedInAnyOrder(Vec<String>),
    /// Whatever the hosts were asked until now is nothing to look at.
    AnythingAsked,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Ask {
    pub(super) sent: Sent,
    by: Option<User>,
    has_token: bool,
    /// The pull by version 1 that it is of, and how it says the token of that.
    pull: Option<(&'static str, PullToken)>,
}

/// How a request says the token of a pull by version 1.
#[derive(Clone, Copy, Debug)]
enum PullToken {
    /// Not yet: it is given one.
    Begins,
    /// As authorization, after something was done with it.
    Authorization(fn(&str) -> String),
    /// As a cookie.
    Cookie,
}

/// What comes of it.
#[derive(Clone, Debug)]
pub struct Comes {
    status: u16,
    code: Option<&'static str>,
    /// What its remedy says, beside other things.
    remedy: &'static str,
    digest: Option<Digest>,
    headers: Vec<(&'static str, Option<String>)>,
    content: Content,
}

/// What the body is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Any,
    Is(Vec<u8>),
    /// It begins with this text.
    BeginsWith(&'static str),
    /// It ends before its end.
    Broken,
}

/// A server with the network behind it.
pub trait Place {
    /// Sends a request to the server.
    ///
    /// # Errors
    /// If there is no response at all.
    fn send(&mut self, sent: &Sent) -> anyhow::Result<Received>;

    /// Does something with the network.
    fn with_net(&mut self, act: &mut dyn FnMut(&mut Net));

    /// Lets time pass.
    fn pass(&mut self, time: Duration);
}

/// Puts a row to a place, whose network is new.
///
/// # Errors
/// If something else comes, or the hosts are asked for something else.
pub fn run(row: &Row, place: &mut dyn Place) -> anyhow::Result<()> {
    let mut tokens = BTreeMap::new();
    let mut seen = 0;
    for (number, step) in row.steps.iter().enumerate() {
        one(step, place, &mut tokens, &mut seen)
            .with_context(|| format!("step {} of `{}`", number + 1, row.name))?;
    }
    Ok(())
}

pub(super) fn one(
    step: &Step,
    place: &mut dyn Place,
    tokens: &mut BTreeMap<&'static str, String>,
    seen: &mut usize,
) -> anyhow::Result<()> {
    match step {
        Step::Change(change) => place.with_net(&mut |net| net.change(change)),
        Step::Pass(time) => place.pass(*time),
        Step::Send(ask, comes) => {
            let mut sent = ask.with_authorization(tokens)?;
            let mut urls = BTreeMap::new();
            place.with_net(&mut |net| {
                urls = Host::ALL.into_iter().map(|host| (host, net.url(host).to_owned())).collect();
            });
            let urls = Net::new(urls);
            sent.target = urls.with_urls(&sent.target);
            let received = place.send(&sent)?;
            comes.check(&sent, &received, &urls).with_context(|| format!("{sent:?}"))?;
            if let (Some((pull, PullToken::Begins)), Some(token)) =
                (ask.pull, received.response.header("x-docker-token"))
            {
                tokens.insert(pull, token.to_owned());
            }
        }
        Step::Token(user, repository, status) => {
            let target = format!("/_downshift/token?service=downshift&scope=repository:{repository}:pull");
            let mut sent = Sent::new("GET", &target);
            if !user.name.is_empty() {
                sent = sent.with("Authorization", user.basic().as_str());
            }
            let received = place.send(&sent)?;
            ensure!(received.response.status == *status, "the token: {received:?}");
            if *status == 200 {
                let json = received.response.json()?;
                tokens.insert(user.name, json["token"].as_str().context("there is no token")?.to_owned());
            }
        }
        Step::AnythingAsked => place.with_net(&mut |net| *seen = net.exchanges().len()),
        Step::Asked(expected) | Step::AskedInAnyOrder(expected) => {
            let (mut lines, mut expected) = (Vec::new(), expected.clone());
            place.with_net(&mut |net| {
                lines = net.exchanges().iter().skip(*seen).map(crate::net::Exchange::line).collect();
                *seen = net.exchanges().len();
            });
            if matches!(step, Step::AskedInAnyOrder(_)) {
                lines.sort();
                expected.sort();
            }
            ensure!(lines == expected, "asked was\n{}\nand not\n{}", lines.join("\n"), expected.join("\n"));
        }
    }
    Ok(())
}

impl Default for Options {
    fn default() -> Self {
        Self {
            access: AccessOption::Open,
            credentials: None,
            has_identity_token: false,
            tag_lifetime: Duration::ZERO,
            stale_for: Duration::ZERO,
            delivery: Delivery::Stream,
            timeout: Duration::from_secs(1),
            subrequests: None,
            layer_bytes: None,
            limits: &[],
            allow: Permissions::default(),
            v1: V1Mode::default(),
            unsigned_schema1: UnsignedSchema1::default(),
            client: &[],
            upstreams: &[],
        }
    }
}

impl Options {
    /// As settings of pulls, in front of the registry of `net`.
    #[must_use]
    pub fn settings(&self, net: &Net) -> Settings {
        let one = [Upstream { credentials: self.credentials, ..Upstream::new(Host::Registry, "") }];
        let upstreams = if self.upstreams.is_empty() { &one } else { self.upstreams };
        let origins = (0..).zip(upstreams).map(|(id, upstream)| self.origin(id, upstream, net)).collect();
        let access = match self.access {
            AccessOption::Open => Access::Open,
            AccessOption::Users(_) => Access::Users,
            AccessOption::Upstream => Access::Upstream { public_url: None },
        };
        let mut settings = Settings::new(origins, access, resolve);
        settings.tag_lifetime = self.tag_lifetime;
        settings.stale_for = self.stale_for;
        settings.subrequests = self.subrequests;
        settings.clients = rules(self.client);
        settings.layer_bytes = self.layer_bytes;
        settings.v1 = self.v1;
        // An edge that counts these has not the time either to hash what it copies.
        settings.checks_copies = self.layer_bytes.is_none();
        settings.unsigned_schema1 = self.unsigned_schema1;
        for (name, value) in self.limits_of(false) {
            settings.limits.set(name, value as usize).expect("it is the name of a limit");
        }
        settings
    }

    fn origin(&self, id: u32, upstream: &Upstream, net: &Net) -> Origin {
        let url = net.url(upstream.host);
        let (mapping, base) = if upstream.is_by_host {
            match ListedHost::parse(url, resolve) {
                Some(host @ ListedHost::Registry { .. }) => {
                    let mapping = host.mapping(upstream.prefix, upstream.slash);
                    let ListedHost::Registry { base, .. } = host else { unreachable!() };
                    (mapping, base)
                }
                _ => panic!("`{url}` is the URL of a registry"),
            }
        } else {
            let base = format!("{url}/");
            let base = resolve(None, &base).unwrap_or_else(|| panic!("`{base}` is a URL"));
            let name = |name: &&str| {
                RegistryName::parse(name).unwrap_or_else(|| panic!("`{name}` is the name of a registry"))
            };
            let mapping = Mapping {
                prefix: upstream.prefix.to_owned(),
                slash: upstream.slash.to_owned(),
                registries: upstream.ns.iter().map(name).collect(),
                ..Mapping::default()
            };
            (mapping, base)
        };
        let registry = Registry {
            base,
            credentials: upstream.credentials.as_ref().and_then(|user| {
                if self.has_identity_token {
                    Some(user.identity_token().into())
                } else {
                    user.basic().credentials()
                }
            }),
            delivery: self.delivery,
            timeout: self.timeout,
        };
        let place = OriginPlace::Registry(registry);
        Origin {
            allow: self.allow,
            clients: rules(upstream.client),
            ..Origin::new(OriginId(id), mapping, place)
        }
    }

    /// The limits of layers, or the others.
    fn limits_of(&self, layers: bool) -> impl Iterator<Item = (&'static str, u32)> {
        self.limits.iter().copied().filter(move |(name, _)| LAYER_LIMITS.contains(name) == layers)
    }

    /// A world that is set up like this, with hosts at names of their own: `http` or `https`.
    #[must_use]
    pub fn world(&self, scheme: &str) -> World {
        let net = Net::new(Host::ALL.map(|host| (host, format!("{scheme}://{}.test", host.name()))));
        let settings = self.settings(&net);
        let mut world = World::new(net, settings);
        for (name, value) in self.limits_of(true) {
            world.layers.limits.set(name, value.into()).expect("it is the name of a limit");
        }
        if let AccessOption::Users(users) = self.access {
            world.logins = users.to_vec();
        }
        world
    }
}

/// Reads URLs as the `url` crate does, which the server's HTTP client has as well.
#[must_use]
pub fn resolve(base: Option<&str>, url: &str) -> Option<Url> {
    let url = match base {
        Some(base) => url::Url::parse(base).ok()?.join(url).ok()?,
        None => url::Url::parse(url).ok()?,
    };
    let (origin, host) = (url.origin().ascii_serialization(), url.host_str()?.to_owned());
    Url::of_web(url.into(), origin, host)
}

impl Place for World {
    fn send(&mut self, sent: &Sent) -> anyhow::Result<Received> {
        let id = self.begin(sent);
        self.run();
        ensure!(self.is_over(id), "the pull does not end: {:?}", self.tasks());
        ensure!(self.violations.is_empty(), "{:?}", self.violations);
        crate::oracle::check(self)?;
        Ok(self.received(id))
    }

    fn with_net(&mut self, act: &mut dyn FnMut(&mut Net)) {
        act(&mut self.net);
    }

    fn pass(&mut self, time: Duration) {
        World::pass(self, time);
    }
}

/// GET.
pub(super) fn get(target: &str) -> Ask {
    Ask { sent: Sent::new("GET", target), by: None, has_token: false, pull: None }
}

/// HEAD.
pub(super) fn head(target: &str) -> Ask {
    Ask { sent: Sent::new("HEAD", target), by: None, has_token: false, pull: None }
}

/// The path of a manifest of the sample.
pub(super) fn manifest(reference: &str) -> String {
    format!("/v2/{REPOSITORY}/manifests/{reference}")
}

/// The path of a blob of the sample.
pub(super) fn blob(digest: &Digest) -> String {
    format!("/v2/{REPOSITORY}/blobs/{digest}")
}

impl Ask {
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.sent = self.sent.with(name, value);
        self
    }

    /// By a client that reads this form and no other.
    pub(super) fn reading(self, form: Form) -> Self {
        self.with("Accept", form.media_type())
    }

    /// With the name and password of a user.
    pub(super) fn by(mut self, user: User) -> Self {
        self.by = Some(user);
        self
    }

    /// With the token that a user got last.
    pub(super) fn by_token(mut self, user: User) -> Self {
        (self.by, self.has_token) = (Some(user), true);
        self
    }

    /// By an engine that begins a pull by version 1.
    pub(super) fn begins(mut self, pull: &'static str) -> Self {
        self.pull = Some((pull, PullToken::Begins));
        self
    }

    /// By one that goes on with it.
    pub(super) fn of_pull(self, pull: &'static str) -> Self {
        self.of_pull_with(pull, str::to_owned)
    }

    /// With another token, which is made of that of the pull.
    pub(super) fn of_pull_with(mut self, pull: &'static str, change: fn(&str) -> String) -> Self {
        self.pull = Some((pull, PullToken::Authorization(change)));
        self
    }

    /// With the token as a cookie.
    pub(super) fn of_pull_by_cookie(mut self, pull: &'static str) -> Self {
        self.pull = Some((pull, PullToken::Cookie));
        self
    }

    pub(super) fn comes(self, comes: Comes) -> Step {
        Step::Send(self, comes)
    }

    pub(super) fn with_authorization(&self, tokens: &BTreeMap<&'static str, String>) -> anyhow::Result<Sent> {
        let sent = self.sent.clone();
        let sent = match self.pull {
            None | Some((_, PullToken::Begins)) => sent,
            Some((pull, how)) => {
                let token = tokens.get(pull).with_context(|| format!("{pull} has no token"))?;
                match how {
                    PullToken::Authorization(change) => {
                        sent.with("Authorization", &format!("Token {}", change(token)))
                    }
                    _ => sent.with("Cookie", &format!("other=1; downshift-v1={token}")),
                }
            }
        };
        Ok(match self.by {
            None => sent,
            Some(user) if self.has_token => {
                let token = tokens.get(user.name).with_context(|| format!("{} has no token", user.name))?;
                sent.with("Authorization", &format!("Bearer {token}"))
            }
            Some(user) => sent.with("Authorization", user.basic().as_str()),
        })
    }
}

/// What a client gets of a stored manifest: its bytes.
pub(super) fn stored(image: &Image) -> Comes {
    let bytes = image.manifest.bytes.clone();
    let digest = digest_of(image.manifest.form, &bytes).expect("the manifests of tests can be taken apart");
    Comes { digest: Some(digest), content: Content::Is(bytes), ..status(200) }
}

/// The digest of the schema 1 manifest that an image becomes under a tag of the sample's repository.
///
/// # Panics
/// If it is not converted.
#[must_use]
pub fn schema1_digest(image: &Image, tag: &str) -> Digest {
    schema1_digest_of(image, REPOSITORY, tag)
}

/// The same in another repository.
///
/// # Panics
/// If it is not converted.
#[must_use]
pub fn schema1_digest_of(image: &Image, name: &str, tag: &str) -> Digest {
    let request = schema1_request(name, tag, image.manifest.digest(), Policy::Strict);
    match Native.answer(&request, &image.documents()) {
        Outcome::Answered(answered) => answered.digest,
        outcome => panic!("the image is not converted: {outcome:?}"),
    }
}

fn rules(texts: &[&str]) -> ClientRules {
    ClientRules::parse(texts.iter().copied()).unwrap_or_else(|error| panic!("{error}"))
}

/// What a client gets of an image that it reads as schema 1 only.
pub(super) fn schema1(image: &Image, tag: &str) -> Comes {
    Comes { digest: Some(schema1_digest(image, tag)), ..status(200) }
        .header("content-type", Form::Schema1.media_type())
        .header("downshift-source-digest", image.manifest.digest().as_str())
}

/// A body.
pub(super) fn body(bytes: &[u8]) -> Comes {
    Comes { content: Content::Is(bytes.to_vec()), ..status(200) }
        .header("content-length", &bytes.len().to_string())
}

/// A body whose length is not said.
pub(super) fn streamed(bytes: &[u8]) -> Comes {
    Comes { content: Content::Is(bytes.to_vec()), ..status(200) }.without("content-length")
}

/// A line of plain text.
pub(super) fn line(status: u16, text: &str) -> Comes {
    Comes { content: Content::Is(text.as_bytes().to_vec()), ..self::status(status) }
        .header("content-type", "text/plain; charset=utf-8")
}

/// A part of a body.
pub(super) fn part(range: core::ops::Range<usize>, bytes: &[u8]) -> Comes {
    let content_range = format!("bytes {}-{}/{}", range.start, range.end - 1, bytes.len());
    let part = bytes.get(range).expect("the part is one of it").to_vec();
    Comes { content: Content::Is(part), ..status(206) }.header("content-range", &content_range)
}

/// Several parts of a blob (RFC 9110, 14.6).
pub(super) fn several(ranges: &[core::ops::Range<usize>], bytes: &[u8]) -> Comes {
    let digest = Digest::of(bytes);
    let boundary = digest.hex();
    let mut body = Vec::new();
    for (index, range) in ranges.iter().enumerate() {
        let line = if index == 0 { "" } else { "\r\n" };
        let head = format!(
            "{line}--{boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes {}-{}/{}\r\n\r\n",
            range.start,
            range.end - 1,
            bytes.len()
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes.get(range.clone()).unwrap_or_default());
    }
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    let length = body.len().to_string();
    let comes = Comes { content: Content::Is(body), ..status(206) };
    comes
        .header("content-type", &format!("multipart/byteranges; boundary={boundary}"))
        .header("content-length", &length)
}

/// A body that ends before its end.
pub(super) fn broken() -> Comes {
    Comes { content: Content::Broken, ..status(200) }
}

/// A part that ends before its end.
pub(super) fn broken_part() -> Comes {
    Comes { content: Content::Broken, ..status(206) }
}

/// A status.
pub(super) fn status(status: u16) -> Comes {
    Comes { status, code: None, remedy: "", digest: None, headers: Vec::new(), content: Content::Any }
}

/// An error, by its stable reason, or where there is none by its code.
pub(super) fn refused(status: u16, code: &'static str) -> Comes {
    Comes { code: Some(code), ..self::status(status) }.without("docker-content-digest")
}

impl Comes {
    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, Some(value.to_owned())));
        self
    }

    /// The same with another status.
    pub(super) fn of_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// An error whose remedy has this in it.
    pub(super) fn remedy(self, remedy: &'static str) -> Self {
        Self { remedy, ..self }
    }

    /// A body that begins with this text.
    pub(super) fn begins_with(self, text: &'static str) -> Self {
        Self { content: Content::BeginsWith(text), ..self }
    }

    pub(super) fn without(mut self, name: &'static str) -> Self {
        self.headers.push((name, None));
        self
    }

    pub(super) fn check(&self, sent: &Sent, received: &Received, urls: &Net) -> anyhow::Result<()> {
        let response = &received.response;
        ensure!(response.status == self.status, "the status is not {}: {response:?}", self.status);
        if sent.method == "HEAD" {
            ensure!(response.body.is_empty(), "HEAD has a body: {response:?}");
        } else if let Some(code) = self.code {
            let json = response.json()?;
            let error = &json["errors"][0];
            let own = error["detail"]["reason"].as_str().or(error["code"].as_str());
            ensure!(own == Some(code), "the code is not `{code}`: {response:?}");
            let remedy = error["detail"]["remedy"].as_str().unwrap_or_default();
            ensure!(remedy.contains(self.remedy), "the remedy has no `{}`: {response:?}", self.remedy);
        }
        if let Some(digest) = &self.digest {
            let own = response.header("docker-content-digest");
            ensure!(own == Some(digest.as_str()), "the digest is not {digest}: {response:?}");
        }
        for (name, value) in &self.headers {
            let value = value.as_ref().map(|value| urls.with_urls(value));
            ensure!(response.header(name) == value.as_deref(), "`{name}` is not {value:?}: {response:?}");
        }
        match &self.content {
            Content::Broken if !received.is_broken => bail!("the body is whole: {response:?}"),
            Content::Any | Content::Is(_) | Content::BeginsWith(_) if received.is_broken => {
                bail!("the body breaks off: {response:?}")
            }
            Content::BeginsWith(text) if !response.body.starts_with(text.as_bytes()) => {
                bail!("the body does not begin so: {response:?}")
            }
            Content::Is(bytes) if sent.method != "HEAD" && *bytes != response.body => {
                bail!("the body is another: {response:?}")
            }
            _ => Ok(()),
        }
    }
}

/// A row.
pub(super) fn row(name: impl Into<String>, options: Options, steps: impl IntoIterator<Item = Step>) -> Row {
    Row { name: name.into(), options, steps: steps.into_iter().collect() }
}

/// What the hosts were asked.
pub(super) fn asked<T: Into<String>>(lines: impl IntoIterator<Item = T>) -> Step {
    Step::Asked(lines.into_iter().map(Into::into).collect())
}

/// An image under a tag of the sample's repository.
pub(super) fn push(tag: &'static str, image: &Image) -> Step {
    Step::Change(Change::Push(REPOSITORY, tag, Box::new(image.clone())))
}

pub(super) fn change(change: Change) -> Step {
    Step::Change(change)
}

pub(super) fn pass(seconds: u64) -> Step {
    Step::Pass(Duration::from_secs(seconds))
}
