//! What an operator says of an edge: the variables that its platform gives to a program, as one JSON object.

use alloc::borrow::{Cow, ToOwned as _};
use alloc::boxed::Box;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::time::Duration;

use downshift::layer::LIMITS as LAYER_LIMITS;
use downshift::{Failure, Fault, Limits, Permissions, PlainLayers, Policy, UnsignedSchema1};
use downshift_json::{Json, Kind, Object, Value};
use downshift_registry::{ClientRules, Credentials, Mapping, RegistryName, is_docker_hub, registry_host};

use crate::names::ListedHost;
use crate::settings::{Access, Delivery, Domain, Origin, OriginId, Place, Registry, Resolve, Settings, Url};

/// How long one thing that is asked of a registry may take, unless the operator says otherwise: as long as a client cares
/// to wait.
pub const UPSTREAM_TIMEOUT: Duration = Duration::from_secs(30);

/// Requests of its own that one request may make on the free plan (Cloudflare, "Workers limits").
const SUBREQUESTS: u32 = 50;

/// Bytes of a layer that is unpacked: of zstd, what takes some ten seconds where a request has thirty of a processor's
/// (Cloudflare, "Workers limits": the default of paid plans).
const LAYER_BYTES: u64 = 256 * 1024 * 1024;

/// Bytes of memory that what is read at once may take: half of what a program has at an edge (Cloudflare, "Workers limits":
/// 128 MB).
const READ_MEMORY: usize = 64 * 1024 * 1024;

/// Bytes of the variables: platforms have limits of their own, which are lower (Cloudflare: 128 of 5 KB each).
const MAX_BYTES: usize = 1024 * 1024;

/// What may be said of a registry in `UPSTREAMS`.
const MEMBERS: [&str; 13] = [
    "url",
    "hosts",
    "prefix",
    "remotePrefix",
    "library",
    "ns",
    "slash",
    "blobs",
    "username",
    "password",
    "allow",
    "plainLayers",
    "client",
];

/// What the variables of an edge say.
#[derive(Clone, Debug)]
pub struct Variables {
    /// How requests are answered.
    pub settings: Settings,
    /// What `LIMITS` says of conversions, as JSON: `{}` where it says nothing.
    pub limits: String,
    /// What it says of layers that are unpacked, but for their bytes: a name of [`LIMITS`](downshift::layer::LIMITS) each.
    pub layer_limits: Vec<(&'static str, u64)>,
}

impl Variables {
    /// Reads the variables, a JSON object, and checks all of them.
    ///
    /// Secrets are members as well, but for the signing key, which is nothing that this crate should see: `SIGNING_KEY` and
    /// `RECORDS` are `true` where the platform has a key and a store for records.
    ///
    /// # Errors
    /// What is wrong, with the variable's name and without any value of theirs that may be a secret.
    pub fn read(json: &str, resolve: Resolve) -> Result<Self, Box<Failure>> {
        let limits = downshift_json::Limits { document_bytes: MAX_BYTES, ..Default::default() };
        let json = Json::parse("variables", json.as_bytes(), limits)
            .map_err(|error| wrong(error.to_string(), "give the variables as a JSON object"))?;
        Reader { root: json.root(), resolve }.variables()
    }
}

/// What `LIMITS` says.
struct SaidLimits {
    /// The limits of conversions, and the same as JSON.
    limits: Limits,
    json: String,
    /// Those of layers.
    of_layers: Vec<(&'static str, u64)>,
}

struct Reader<'j> {
    root: Value<'j>,
    resolve: Resolve,
}

impl<'j> Reader<'j> {
    fn variables(&self) -> Result<Variables, Box<Failure>> {
        let origins = self.origins()?;
        let SaidLimits { limits, json: limits_json, of_layers: mut layer_limits } = self.limits()?;
        let access = match self.one_of("AUTH", &["open", "upstream"])? {
            "open" => Access::Open,
            _ => Access::Upstream { public_url: self.public_url()? },
        };
        if !self.has("RECORDS") {
            return Err(invalid("RECORDS", "bind a bucket: reported digests are kept there"));
        }
        self.one_of("SIGNER", &["p256", "webcrypto"])?;
        let mut settings = Settings::new(origins, access, self.resolve);
        if let Some(twice) = settings.said_twice() {
            return Err(wrong(
                ["`", twice, "` stands for two registries of `UPSTREAMS`"].concat(),
                "give each another `prefix`, and name each registry in one `ns` only",
            ));
        }
        if !settings.is_access_possible() {
            return Err(invalid("AUTH", "a client's token is good for one registry, and there are several"));
        }
        if self.one_of("POLICY", &["strict", "reference"])? == "reference" {
            settings.policy = Policy::Reference;
        }
        settings.allow = permissions("ALLOW", self.value("ALLOW"))?;
        if let Some(plain_layers) = plain_layers("PLAIN_LAYERS", self.value("PLAIN_LAYERS"))? {
            settings.plain_layers = plain_layers;
        }
        if self.one_of("UNSIGNED_SCHEMA1", &UnsignedSchema1::ALL.map(UnsignedSchema1::name))? == "refuse" {
            settings.unsigned_schema1 = UnsignedSchema1::Refuse;
        }
        if let Some(wait) = self.seconds("FACTS_WAIT")? {
            settings.facts_wait = wait;
        }
        settings.v1 = self.one_of("V1", &["on", "explain", "off"])?.parse().unwrap_or_default();
        settings.clients = client_rules("CLIENT", self.value("CLIENT"))?;
        if let Some(platform) = self.text("PLATFORM")? {
            let invalid = |_| invalid("PLATFORM", "write it as `linux/arm64` or `linux/arm/v7`");
            settings.platform = platform.parse().map_err(invalid)?;
        }
        settings.limits = limits;
        if let Some(lifetime) = self.seconds("TAG_TTL")? {
            settings.tag_lifetime = lifetime;
        }
        settings.subrequests = Some(self.number("SUBREQUESTS")?.unwrap_or(SUBREQUESTS));
        // The one limit of a layer that has a variable of its own, which is asked before anything is read.
        let of_layers = layer_limits.extract_if(.., |(name, _)| *name == "layer-bytes").last();
        let bytes = self.number("LAYER_BYTES")?.map(u64::from).or(of_layers.map(|(_, bytes)| bytes));
        settings.layer_bytes = Some(bytes.unwrap_or(LAYER_BYTES));
        settings.marks_passes = true;
        settings.read_memory = Some(READ_MEMORY);
        settings.checks_copies = false;
        settings.is_key_lasting = self.has("SIGNING_KEY");
        Ok(Variables { settings, limits: limits_json, layer_limits })
    }

    /// A variable, if it says anything: an empty one says nothing.
    fn value(&self, name: &str) -> Option<Value<'j>> {
        self.root.member(name).filter(|value| !value.is_null() && !value.is_text(""))
    }

    /// Whether the platform has something.
    fn has(&self, name: &str) -> bool {
        self.value(name).is_some_and(|value| value.kind() == Kind::True)
    }

    fn text(&self, name: &str) -> Result<Option<Cow<'j, str>>, Box<Failure>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        value.as_text().map(Some).ok_or_else(|| invalid(name, "write a text"))
    }

    /// One of several texts, the first of which is meant if nothing is said.
    fn one_of(&self, name: &str, choice: &[&'static str]) -> Result<&'static str, Box<Failure>> {
        let Some(value) = self.value(name) else { return Ok(choice.first().copied().unwrap_or_default()) };
        let chosen = choice.iter().find(|one| value.is_text(one));
        chosen.copied().ok_or_else(|| invalid(name, &["write ", &any_of(choice)].concat()))
    }

    /// A number or JSON, as itself or in a text.
    fn spelt(&self, name: &str) -> Option<Cow<'j, str>> {
        let value = self.value(name)?;
        let raw = || Some(Cow::Borrowed(core::str::from_utf8(value.raw()).ok()?));
        value.as_text().or_else(raw)
    }

    fn number(&self, name: &str) -> Result<Option<u32>, Box<Failure>> {
        let Some(spelt) = self.spelt(name) else { return Ok(None) };
        let number = spelt.trim().parse();
        number.map(Some).map_err(|_| invalid(name, "write a whole number"))
    }

    fn seconds(&self, name: &str) -> Result<Option<Duration>, Box<Failure>> {
        let Some(spelt) = self.spelt(name) else { return Ok(None) };
        seconds(spelt.trim()).map(Some).ok_or_else(|| invalid(name, "write a number of seconds"))
    }

    fn limits(&self) -> Result<SaidLimits, Box<Failure>> {
        const REMEDY: &str = "write them as `{\"layers\": 127}`";
        let (mut limits, mut own, mut of_layers) = (Limits::default(), Object::new(), Vec::new());
        let text = self.spelt("LIMITS").unwrap_or(Cow::Borrowed("{}"));
        let json = Json::parse("limits", text.as_bytes(), downshift_json::Limits::default());
        let json = json.map_err(|_| invalid("LIMITS", REMEDY))?;
        if json.root().kind() != Kind::Object {
            return Err(invalid("LIMITS", REMEDY));
        }
        for (name, value) in json.root().members() {
            let (name, number) = (name.text(), value.as_u64().ok_or_else(|| invalid("LIMITS", REMEDY))?);
            if let Some(of_layer) = LAYER_LIMITS.into_iter().find(|limit| *limit == name) {
                of_layers.push((of_layer, number));
                continue;
            }
            let value = usize::try_from(number).map_err(|_| invalid("LIMITS", REMEDY))?;
            limits.set(&name, value).map_err(|error| Box::new(error.into()))?;
            own.number(&name, number);
        }
        Ok(SaidLimits { limits, json: own.finish(), of_layers })
    }

    fn public_url(&self) -> Result<Option<String>, Box<Failure>> {
        let url = self.text("PUBLIC_URL")?;
        Ok(url.map(|url| url.trim_end_matches('/').to_owned()))
    }

    fn origins(&self) -> Result<Vec<Origin>, Box<Failure>> {
        let timeout = self.seconds("UPSTREAM_TIMEOUT")?.unwrap_or(UPSTREAM_TIMEOUT);
        if timeout.is_zero() {
            return Err(invalid("UPSTREAM_TIMEOUT", "write a number of seconds greater than 0"));
        }
        let Some(text) = self.spelt("UPSTREAMS") else {
            return self.origins_of(&self.only()?, 0, timeout);
        };
        // They would be told to every one of them.
        for name in ["UPSTREAM_USERNAME", "UPSTREAM_PASSWORD"] {
            if self.value(name).is_some() {
                return Err(wrong(
                    ["`", name, "` is for the one registry of `UPSTREAM`, and `UPSTREAMS` is set"].concat(),
                    "give the registry that they are for its own `username` and `password` in `UPSTREAMS`",
                ));
            }
        }
        let refused = || invalid("UPSTREAMS", "write an array of registries, each with its `url`");
        let json = Json::parse("upstreams", text.as_bytes(), downshift_json::Limits::default());
        let json = json.map_err(|_| refused())?;
        let mut origins = Vec::new();
        for described in json.root().elements() {
            if described.kind() != Kind::Object {
                return Err(refused());
            }
            let next = u32::try_from(origins.len()).map_err(|_| refused())?;
            origins.extend(self.origins_of(&Described::read(described)?, next, timeout)?);
        }
        if origins.is_empty() { Err(refused()) } else { Ok(origins) }
    }

    /// The one registry that needs no array.
    fn only(&self) -> Result<Described, Box<Failure>> {
        let username = self.text("UPSTREAM_USERNAME")?.map(Cow::into_owned);
        let is_known = username.is_some() || self.value("UPSTREAM_PASSWORD").is_some();
        Ok(Described {
            url: self.text("UPSTREAM")?.unwrap_or_default().into_owned(),
            ns: self
                .text("UPSTREAM_NS")?
                .map(|names| names.split(',').map(str::to_owned).collect())
                .unwrap_or_default(),
            username,
            password: is_known.then(|| "UPSTREAM_PASSWORD".to_owned()),
            ..Described::default()
        })
    }

    /// What is described, as origins with numbers from `number` on: one, or one for each of its hosts.
    fn origins_of(
        &self,
        described: &Described,
        number: u32,
        timeout: Duration,
    ) -> Result<Vec<Origin>, Box<Failure>> {
        const BAD_URL: &str = "write the registry's URL, such as https://registry.example.org";
        const BAD_MAPPING: &str =
            "write prefixes that a repository's name can begin with, and a `slash` such as `__`";
        let blobs = described.blobs.as_deref().map(Cow::Borrowed);
        let delivery = match blobs.or(self.text("BLOBS")?).as_deref() {
            None | Some("stream") => Delivery::Stream,
            Some("redirect") => Delivery::Redirect,
            Some("cache") => {
                return Err(invalid(
                    "BLOBS",
                    "write `stream` or `redirect`: only the server has a blob cache",
                ));
            }
            Some(_) => return Err(invalid("BLOBS", "write `stream` or `redirect`")),
        };
        let mut places = Vec::new();
        if described.hosts.is_empty() {
            let base = Url::of_registry(&described.url, self.resolve);
            let base = base.ok_or_else(|| invalid("UPSTREAM", BAD_URL))?;
            let credentials = self.credentials(&base, described)?;
            let mapping = described.mapping(&base)?;
            places.push((mapping, Place::Registry(Registry { base, credentials, delivery, timeout })));
        } else {
            described.check_hosts()?;
            for host in &described.hosts {
                let listed = ListedHost::parse(host, self.resolve);
                let listed = listed.ok_or_else(|| bad_host("hosts", host))?;
                let mapping = listed.mapping(&described.prefix, &described.slash);
                let place = match listed {
                    ListedHost::Registry { base, .. } => {
                        Place::Registry(Registry { base, credentials: None, delivery, timeout })
                    }
                    ListedHost::Pattern(pattern) => Place::Domain(Domain { pattern, delivery, timeout }),
                };
                places.push((mapping, place));
            }
        }
        if places.iter().any(|(mapping, _)| !mapping.is_valid()) {
            return Err(invalid("UPSTREAMS", BAD_MAPPING));
        }
        let (allow, plain_layers) = (described.allow, described.plain_layers);
        let origin = |(id, (mapping, place))| Origin {
            id: OriginId(id),
            mapping,
            place,
            allow,
            plain_layers,
            clients: described.client.clone(),
        };
        Ok((number..).zip(places).map(origin).collect())
    }

    /// Who this edge is towards a registry.
    fn credentials(&self, base: &Url, described: &Described) -> Result<Option<Credentials>, Box<Failure>> {
        let lacks = |what: &str| {
            wrong(
                ["the registry `", &base.host, "` has credentials without ", what].concat(),
                "give both the name, and the secret that has the password",
            )
        };
        let (username, secret) = match (&described.username, &described.password) {
            (None, None) => return Ok(None),
            (None, Some(_)) => return Err(lacks("its `username`")),
            (Some(_), None) => return Err(lacks("its `password`")),
            (Some(username), Some(secret)) => (username.clone(), secret),
        };
        let password = self.value(secret).and_then(Value::as_text);
        let password = password.ok_or_else(|| lacks(&["its secret `", secret, "`"].concat()))?;
        Ok(Some(Credentials { username, password: password.into_owned().into() }))
    }
}

/// What is said of a registry.
#[derive(Default)]
struct Described {
    url: String,
    /// The hosts of registries, in the place of one URL.
    hosts: Vec<String>,
    prefix: String,
    remote_prefix: String,
    library: Option<bool>,
    /// The registries whose mirror this is for clients.
    ns: Vec<String>,
    slash: String,
    blobs: Option<String>,
    username: Option<String>,
    /// The name of the secret that has it.
    password: Option<String>,
    allow: Permissions,
    plain_layers: Option<PlainLayers>,
    client: ClientRules,
}

impl Described {
    fn read(value: Value<'_>) -> Result<Self, Box<Failure>> {
        let mut described = Self::default();
        for (name, value) in value.members() {
            let name = name.text();
            if !MEMBERS.contains(&&*name) {
                return Err(wrong(
                    ["a registry of `UPSTREAMS` has the unknown member `", &name, "`"].concat(),
                    &["write ", &any_of(&MEMBERS)].concat(),
                ));
            }
            if value.is_null() || value.is_text("") {
                continue;
            }
            if name == "library" {
                described.library = Some(value.kind() == Kind::True);
                continue;
            }
            if name == "allow" {
                described.allow = permissions("UPSTREAMS", Some(value))?;
                continue;
            }
            if name == "plainLayers" {
                described.plain_layers = plain_layers("UPSTREAMS", Some(value))?;
                continue;
            }
            if name == "client" {
                described.client = client_rules("UPSTREAMS", Some(value))?;
                continue;
            }
            if let "hosts" | "ns" = &*name {
                let texts = value.elements().map(|text| text.as_text().map(Cow::into_owned)).collect();
                let texts: Option<Vec<_>> = if value.kind() == Kind::Array { texts } else { None };
                let texts = texts.ok_or_else(|| {
                    wrong(
                        ["the member `", &name, "` of a registry of `UPSTREAMS` is not an array of texts"]
                            .concat(),
                        "write it as `[\"ghcr.io\", \"quay.io\"]`",
                    )
                })?;
                *(if name == "ns" { &mut described.ns } else { &mut described.hosts }) = texts;
                continue;
            }
            let text = value.as_text().map(Cow::into_owned);
            let text = text.ok_or_else(|| {
                wrong(
                    ["the member `", &name, "` of a registry of `UPSTREAMS` is not a text"].concat(),
                    "write a text",
                )
            })?;
            match &*name {
                "url" => described.url = text,
                "prefix" => described.prefix = text,
                "remotePrefix" => described.remote_prefix = text,
                "slash" => described.slash = text,
                "blobs" => described.blobs = Some(text),
                "username" => described.username = Some(text),
                _ => described.password = Some(text),
            }
        }
        Ok(described)
    }

    /// The names of the one registry's repositories.
    fn mapping(&self, base: &Url) -> Result<Mapping, Box<Failure>> {
        let registry = |name: &String| RegistryName::parse(name.trim()).ok_or_else(|| bad_host("ns", name));
        Ok(Mapping {
            prefix: self.prefix.clone(),
            remote_prefix: self.remote_prefix.clone(),
            library: self.library.unwrap_or_else(|| is_docker_hub(&base.host)),
            slash: self.slash.clone(),
            registries: self.ns.iter().map(registry).collect::<Result<_, _>>()?,
            is_by_host: false,
        })
    }

    /// Whether nothing is said that can be said of one registry only.
    fn check_hosts(&self) -> Result<(), Box<Failure>> {
        let of_one = [
            ("url", !self.url.is_empty()),
            ("remotePrefix", !self.remote_prefix.is_empty()),
            ("library", self.library.is_some()),
            ("ns", !self.ns.is_empty()),
            ("username", self.username.is_some()),
            ("password", self.password.is_some()),
        ];
        match of_one.into_iter().find(|(_, is_said)| *is_said) {
            None => Ok(()),
            Some((name, _)) => Err(wrong(
                ["`", name, "` is for one registry, and stands beside `hosts`"].concat(),
                "give the registry that it is for an entry of its own in `UPSTREAMS`",
            )),
        }
    }
}

fn bad_host(member: &str, text: &str) -> Box<Failure> {
    // A password may be in it.
    let text = text.rsplit_once('@').map_or(text, |_| "…");
    wrong(
        ["`", text, "` in `", member, "` is not the host of a registry"].concat(),
        "write it as `ghcr.io` or `localhost:5000`; among `hosts` also as `http://localhost:5000` or `*.azurecr.io`",
    )
}

impl Url {
    /// The URL of a registry as an operator writes it, up to the slash before `v2/`: of Docker Hub by any of its names.
    /// Nothing if it is not the URL of a registry, or has a name and password in it, which would be shown with it.
    #[must_use]
    pub fn of_registry(text: &str, resolve: Resolve) -> Option<Self> {
        let Self { text, host, is_secure, .. } = resolve(None, text)?;
        let scheme = if is_secure { "https://" } else { "http://" };
        let (authority, path) = text.strip_prefix(scheme)?.split_once('/')?;
        if authority.contains('@') || path.contains(['?', '#']) {
            return None;
        }
        // What follows the host is the port.
        let port = authority.strip_prefix(host.as_str())?;
        let path = ["/", path].concat();
        let path = path.trim_end_matches('/');
        let path = path.strip_suffix("/v2").unwrap_or(path);
        resolve(None, &[scheme, &registry_host(&host), port, path, "/"].concat())
    }
}

/// What is allowed: an array of names, or a text of names with commas between them.
fn permissions(variable: &str, value: Option<Value<'_>>) -> Result<Permissions, Box<Failure>> {
    let Some(value) = value else { return Ok(Permissions::default()) };
    let mut allow = Permissions::default();
    let elements: Vec<Value<'_>> = value.elements().collect();
    let values = if value.kind() == Kind::Array { elements } else { [value].into() };
    for value in values {
        let text = value.as_text().ok_or_else(|| invalid(variable, "write `foreign-layer` and the like"))?;
        let own: Permissions = text.parse().map_err(|error: downshift::Error| Box::new(error.into()))?;
        allow = allow.and(own);
    }
    Ok(allow)
}

fn plain_layers(variable: &str, value: Option<Value<'_>>) -> Result<Option<PlainLayers>, Box<Failure>> {
    let Some(value) = value else { return Ok(None) };
    let plain_layers = value.as_text().and_then(|text| text.parse().ok());
    plain_layers
        .map(Some)
        .ok_or_else(|| invalid(variable, "write `never`, `old` or `always` for plain layers"))
}

/// What is known of clients: an array of rules, or a text of rules with commas between them.
fn client_rules(variable: &str, value: Option<Value<'_>>) -> Result<ClientRules, Box<Failure>> {
    const REMEDY: &str = "write rules such as `docker/20.10..23 zstd=all` and `trivy refuses=schema1`";
    let Some(value) = value else { return Ok(ClientRules::default()) };
    let elements: Vec<Value<'_>> = value.elements().collect();
    let values = if value.kind() == Kind::Array { elements } else { [value].into() };
    let texts: Option<Vec<_>> = values.into_iter().map(Value::as_text).collect();
    let texts = texts.ok_or_else(|| invalid(variable, REMEDY))?;
    let rules = texts.iter().flat_map(|text| text.split(',')).map(str::trim).filter(|rule| !rule.is_empty());
    ClientRules::parse(rules).map_err(|error| wrong(error.to_string(), REMEDY))
}

/// A number of seconds, of which thousandths count.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let thousandths: String = fraction.chars().chain(core::iter::repeat_n('0', 3)).take(3).collect();
    let (whole, thousandths) = (whole.parse().ok()?, thousandths.parse().ok()?);
    Some(Duration::from_secs(whole).saturating_add(Duration::from_millis(thousandths)))
}

/// A choice, for people.
fn any_of(choice: &[&str]) -> String {
    ["`", &choice.join("` or `"), "`"].concat()
}

#[inline(never)]
fn invalid(name: &str, remedy: &str) -> Box<Failure> {
    wrong(["the variable `", name, "` is missing or wrong"].concat(), remedy)
}

#[inline(never)]
fn wrong(cause: String, remedy: &str) -> Box<Failure> {
    let (code, remedy) = (Cow::Borrowed("invalid-setting"), Cow::Owned(remedy.to_owned()));
    Box::new(Failure { code, fault: Fault::Caller, cause, remedy })
}
