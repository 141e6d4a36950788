//! HTTP towards an upstream registry: connections, redirects, time limits.

use core::error::Error as _;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use downshift_registry::{Authorization, BadProxy, BadTls, Fault, Problem, TokenForm};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Certificate, Client, Method, Proxy, StatusCode, Url, redirect};
use rustls::{CertificateError, InvalidMessage};
use tokio::time::timeout;

use super::proxies::Proxies;
use super::settings::{Authorities, Site};
use super::silence::{Interrupted, ResponseBody, within};
use crate::error::Error;
use crate::metrics::METRICS;

/// How long it may take to get a connection: as long as Docker's own clients wait.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// How long to look for the address of a host that a proxy leads to. Where nothing but the proxy knows the names of the
/// internet, nobody may answer.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(2);

/// What is told of an error: the last of what led to it, which says most.
const MAX_CAUSES: usize = 8;

/// For how long a connection stays open without a request.
const IDLE: Duration = Duration::from_secs(90);

/// For how long a connection to a registry that a client has named stays open without a request: there may be many.
const IDLE_OF_DOMAIN: Duration = Duration::from_secs(10);

/// The connections to one registry, or those of a domain, and to the hosts that it names.
pub(crate) struct Http {
    /// The registry's host and port, for figures.
    name: String,
    /// The registry's own host, if the operator has named it.
    own_host: Option<String>,
    proxies: Arc<Proxies>,
    /// For that, and for whatever a proxy leads to.
    own: Client,
    /// For other hosts that are asked without a proxy: redirects and token services.
    other: Client,
    /// How long a host may be silent.
    silence: Duration,
}

/// What is asked of a registry, or of a host that it names.
pub(crate) struct Query {
    pub(crate) method: Method,
    pub(crate) url: Url,
    /// Whether it is the registry's own host.
    pub(crate) is_own: bool,
    pub(crate) headers: HeaderMap,
    pub(crate) authorization: Option<Authorization>,
    /// The body.
    pub(crate) form: Option<TokenForm>,
}

/// A response, whose body is still to come.
pub(crate) type Response = hyper::Response<ResponseBody>;

/// A body that is being read.
pub(crate) struct Reading {
    response: Response,
    bytes: BytesMut,
    limit: usize,
}

impl Reading {
    /// Reads on: gives how many bytes have come; at the end nothing.
    pub(crate) async fn next(&mut self) -> Result<Option<usize>, Problem> {
        let Some(chunk) = chunk(&mut self.response).await? else { return Ok(None) };
        if self.bytes.len() + chunk.len() > self.limit {
            return Err(Problem::TooLarge { limit: self.limit });
        }
        self.bytes.extend_from_slice(&chunk);
        Ok(Some(chunk.len()))
    }

    /// All bytes that have come.
    pub(crate) fn finish(self) -> Bytes {
        self.bytes.freeze()
    }
}

/// The next bytes of a body; at its end nothing.
pub(crate) async fn chunk(response: &mut Response) -> Result<Option<Bytes>, Problem> {
    response.body_mut().next().await.map_err(|why| match why {
        Interrupted::Silent => Problem::Timeout,
        Interrupted::Broken(error) => problem(&error, None),
    })
}

impl Http {
    /// Connections to the registry at `site`, that also trust the certificates `ca`. A host that is silent
    /// for `timeout` is given up.
    pub(crate) fn new(
        site: &Site,
        ca: Option<&Authorities>,
        timeout: Duration,
        proxies: Proxies,
    ) -> Result<Self, Error> {
        let certificates = match ca {
            None => Vec::new(),
            Some(Authorities { path, pem }) => {
                Certificate::from_pem_bundle(pem).map_err(|error| Error::unusable(path, error))?
            }
        };
        let unusable = |error| Error::Upstream(Fault { host: site.name(), problem: problem(&error, None) });
        let idle = matches!(site, Site::Domain(_)).then_some(IDLE_OF_DOMAIN);
        let builder = || {
            Client::builder()
                .user_agent(concat!("downshift/", env!("CARGO_PKG_VERSION")))
                .redirect(redirect::Policy::none())
                .no_proxy()
                .connect_timeout(CONNECT_TIMEOUT.min(timeout))
                .tls_certs_merge(certificates.iter().cloned())
                .pool_idle_timeout(idle.unwrap_or(IDLE))
        };
        let proxies = Arc::new(proxies);
        let mut own = builder();
        if !proxies.is_empty() {
            let proxies = Arc::clone(&proxies);
            own = own.proxy(Proxy::custom(move |url| proxies.to(url).map(|proxy| proxy.url().clone())));
        }
        let own = own.build().map_err(unusable)?;
        let own_host = site.host();
        let resolver = OtherHosts { own_host: own_host.clone() };
        let other = builder().dns_resolver(resolver).build().map_err(unusable)?;
        Ok(Self { name: site.name(), own_host, proxies, own, other, silence: timeout })
    }

    /// Asks once.
    pub(crate) async fn send(&self, query: Query) -> Result<Response, Problem> {
        let Query { method, url, is_own, mut headers, authorization, form } = query;
        let proxy = self
            .proxies
            .to(&url)
            .map(|proxy| Passage { proxy: proxy.shown(), is_tunnel: url.scheme() == "https" });
        if !is_own {
            self.check_host(&url, proxy.is_some()).await?;
        }
        let client = if is_own || proxy.is_some() { &self.own } else { &self.other };
        if let Some(authorization) = authorization {
            let value = HeaderValue::from_str(authorization.as_str());
            let mut value = value.map_err(|error| Problem::Invalid(error.to_string()))?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        let mut request = client.request(method, url).headers(headers);
        if let Some(form) = form {
            request = request.body(form.as_str().to_owned());
        }
        let begun = Instant::now();
        let sent = match within(self.silence, request.send()).await {
            None => Err(Problem::Timeout),
            Some(Err(error)) => Err(problem(&error, proxy.as_ref())),
            Some(Ok(response)) => match proxy {
                // Nobody but a proxy answers with it (RFC 9110, 15.5.8); one with a tunnel has done so before.
                Some(passage) if response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                    Err(passage.problem(BadProxy::Credentials))
                }
                _ => {
                    let response: hyper::Response<reqwest::Body> = response.into();
                    Ok(response.map(|body| ResponseBody::new(body, self.silence)))
                }
            },
        };
        self.count(&sent, begun);
        sent
    }

    fn count(&self, sent: &Result<Response, Problem>, begun: Instant) {
        let upstream = self.name.as_str();
        let result = match sent {
            Ok(response) => response.status().as_str().to_owned(),
            Err(problem) => problem.code().to_owned(),
        };
        METRICS.upstream_requests.with_label_values(&[upstream, &result]).inc();
        let seconds = begun.elapsed().as_secs_f64();
        METRICS.upstream_seconds.with_label_values(&[upstream]).observe(seconds);
    }

    /// Begins to read a body, if it has at most `limit` bytes.
    pub(crate) fn read(&self, response: Response, limit: usize) -> Result<Reading, Problem> {
        let announced = response.body().size_hint().exact().unwrap_or(0);
        if announced > limit as u64 {
            return Err(Problem::TooLarge { limit });
        }
        let bytes = BytesMut::with_capacity(usize::try_from(announced).unwrap_or(0));
        Ok(Reading { response, bytes, limit })
    }

    /// Refuses other hosts that only this machine or its network knows. Those given by name are refused by [`OtherHosts`]
    /// once they are connected to; where a proxy does that, they are looked up here, as far as they are known here.
    async fn check_host(&self, url: &Url, is_proxied: bool) -> Result<(), Problem> {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let addresses = match host.parse() {
            Ok(address) => vec![address],
            Err(_) if is_proxied => known_addresses(host).await,
            Err(_) => Vec::new(),
        };
        if may_lead(self.own_host.as_deref(), &addresses).await {
            Ok(())
        } else {
            Err(Problem::PrivateAddress)
        }
    }
}

/// The way of a request that a proxy leads to its host.
struct Passage<'p> {
    /// The proxy, for people.
    proxy: &'p str,
    /// Whether the proxy sees no more than where the connection goes.
    is_tunnel: bool,
}

impl Passage<'_> {
    fn problem(&self, what: BadProxy) -> Problem {
        Problem::Proxy { proxy: self.proxy.to_owned(), what }
    }
}

/// Finds the addresses of hosts that a registry names, and refuses to lead from a public registry into this machine or
/// its network. A registry that is there itself may name its neighbours.
struct OtherHosts {
    own_host: Option<String>,
}

/// Why a host is refused.
#[derive(Debug)]
struct NotPublic;

impl core::fmt::Display for NotPublic {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("its address is not public")
    }
}

impl core::error::Error for NotPublic {}

impl Resolve for OtherHosts {
    fn resolve(&self, name: Name) -> Resolving {
        let own_host = self.own_host.clone();
        Box::pin(async move {
            let addresses: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let found: Vec<IpAddr> = addresses.iter().map(core::net::SocketAddr::ip).collect();
            if !may_lead(own_host.as_deref(), &found).await {
                return Err(NotPublic.into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// The addresses of a host, as far as they are known here.
async fn known_addresses(host: &str) -> Vec<IpAddr> {
    match timeout(LOOKUP_TIMEOUT, tokio::net::lookup_host((host, 0))).await {
        Ok(Ok(addresses)) => addresses.map(|address| address.ip()).collect(),
        Ok(Err(_)) | Err(_) => Vec::new(),
    }
}

/// Whether a registry may lead to a host with these addresses: to its neighbours, where it is inside itself, but not to the
/// services of the provider's machines, which give their credentials to whoever asks. A registry that cannot be found counts as
/// one of the internet, for it leads nowhere, or a proxy knows it; and so does one that a client has named.
async fn may_lead(own_host: Option<&str>, addresses: &[IpAddr]) -> bool {
    if addresses.iter().all(|address| is_public(*address)) {
        return true;
    }
    let Some(own_host) = own_host else { return false };
    let own = known_addresses(own_host.trim_matches(['[', ']'])).await;
    let is_inside = own.iter().any(|address| !is_public(*address));
    let has_provider = |addresses: &[IpAddr]| addresses.iter().any(|address| is_of_provider(*address));
    is_inside && (has_provider(&own) || !has_provider(addresses))
}

/// True for an address at which providers have what is for their machines alone: all of the link, which routers do not pass on,
/// and the others that are known (Azure, Alibaba Cloud, Oracle Cloud; AWS and Google Cloud by IPv6).
fn is_of_provider(address: IpAddr) -> bool {
    let v6 = match address {
        IpAddr::V4(v4) => return is_of_provider_v4(v4),
        IpAddr::V6(v6) => v6,
    };
    if let Some(v4) = embedded_v4(v6) {
        return is_of_provider_v4(v4);
    }
    match v6.segments() {
        // Translated by a prefix of the network's own (RFC 8215), and tunnelled inside of it.
        [0x64, 0xff9b, 0 | 1, _, _, _, high, low] | [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => {
            is_of_provider_v4(v4_of(high, low))
        }
        [first, second, ..] => {
            (0xfe80..0xfec0).contains(&first) || matches!((first, second), (0xfd00, 0xec2) | (0xfd20, 0xce))
        }
    }
}

fn is_of_provider_v4(address: Ipv4Addr) -> bool {
    address.is_link_local()
        || matches!(address.octets(), [168, 63, 129, 16] | [100, 100, 100, 200] | [192, 0, 0, 192])
}

/// IPv4 in other clothes, which is what it is underneath: compatible and mapped (RFC 4291), translated (RFC 2765 and RFC 6052),
/// tunnelled (RFC 3056). The loopback and the unspecified address are among the first.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => Some(v4_of(high, low)),
        _ => None,
    }
}

fn v4_of(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))
}

/// True for an address of the internet, rather than of a machine, a network or a provider's own services (IANA's
/// registries of special-purpose addresses, RFC 6890, and of the space of IPv6, RFC 4291).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let is_special = match address.octets() {
        [0 | 240.., ..] => true,
        // Shared by a provider's customers, and by benchmarks.
        [100, 64..128, ..] | [198, 18 | 19, ..] => true,
        // Protocols, among them what stands for the nearest NAT and relay; and the nearest relay of 6to4.
        [192, 0, 0, _] | [192, 88, 99, _] => true,
        _ => false,
    };
    !(is_special
        || address.is_private()
        || address.is_loopback()
        || is_of_provider_v4(address)
        || address.is_multicast()
        || address.is_documentation())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(v4) = embedded_v4(address) {
        return is_public_v4(v4);
    }
    match address.segments() {
        // Tunnelled inside of a network (RFC 5214).
        [0x2000..0x4000, _, _, _, 0 | 0x200, 0x5efe, high, low] if !is_public_v4(v4_of(high, low)) => false,
        // Protocols, Teredo and benchmarks among them, and documentation.
        [0x2001, ..0x200 | 0xdb8, ..] | [0x3fff, ..0x1000, ..] => false,
        // All that is given to networks of the internet. The rest is private, or not given to anybody.
        [first, ..] => (0x2000..0x4000).contains(&first),
    }
}

/// An error of the library, as a registry's problem, or as one of the proxy on the way to it.
fn problem(error: &reqwest::Error, passage: Option<&Passage<'_>>) -> Problem {
    /// As hyper-util's errors of a tunnel begin, whose type is not to be had through reqwest.
    const TUNNEL: &str = "tunnel error: ";
    let mut causes = Vec::new();
    let mut tunnel = None;
    let mut next = error.source();
    while let Some(cause) = next.filter(|_| causes.len() < MAX_CAUSES) {
        if cause.is::<NotPublic>() {
            return Problem::PrivateAddress;
        }
        let text = cause.to_string();
        if let Some(what) = text.strip_prefix(TUNNEL) {
            tunnel = Some(what.to_owned());
        } else if tunnel.is_none()
            && let Some(what) = bad_tls(cause)
        {
            return Problem::Tls(what);
        }
        causes.push(text);
        next = cause.source();
    }
    if error.is_timeout() {
        return Problem::Timeout;
    }
    // Not the error itself, which has the URL in it, and that may be as good as a password.
    let why = causes.pop().unwrap_or_else(|| "the connection failed".to_owned());
    match (passage, tunnel.as_deref()) {
        (Some(passage), Some("proxy authorization required")) => passage.problem(BadProxy::Credentials),
        (Some(passage), Some("unsuccessful")) => passage.problem(BadProxy::Refused),
        (Some(passage), Some(_)) => passage.problem(BadProxy::Unreachable(why)),
        (Some(passage), None) if !passage.is_tunnel && error.is_connect() => {
            passage.problem(BadProxy::Unreachable(why))
        }
        _ => Problem::Unreachable(why),
    }
}

/// What an error says of TLS, if it is one of the TLS library.
fn bad_tls(cause: &(dyn core::error::Error + 'static)) -> Option<BadTls> {
    let mut cause = cause;
    // An error of input and output has it inside, but not as its source, and so has one around that.
    while let Some(within) = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        cause = within;
    }
    Some(match cause.downcast_ref()? {
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => BadTls::NotTls,
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => BadTls::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                BadTls::NotYetValid
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                BadTls::OtherName
            }
            CertificateError::UnknownIssuer => BadTls::UnknownIssuer,
            other => BadTls::Other(other.to_string()),
        },
        other => BadTls::Other(other.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use downshift_registry::HostPattern;

    use super::*;

    #[test]
    fn public_addresses_are_told_from_those_inside() {
        let outside = "8.8.8.8 1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.1 126.255.255.255 128.0.0.0 \
                       168.63.129.15 168.63.129.17 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.1 191.255.255.255 \
                       192.0.1.1 192.0.3.0 192.88.98.255 192.88.100.0 192.167.255.255 192.169.0.0 198.17.255.255 \
                       198.20.0.1 198.51.99.255 198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255 \
                       2606:4700::1111 2001:4860::1 2001:200::1 2001:db7::1 2001:db9::1 2003::1 3fff:1000::1 3ffe::1 \
                       ::ffff:1.1.1.1 ::ffff:0:1.1.1.1 ::1.1.1.1 64:ff9b::808:808 2002:808:808::1 \
                       2606:4700::5efe:808:808";
        for address in outside.split_whitespace() {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        let inside =
            "168.63.129.16 169.254.169.254 100.100.100.200 192.0.0.192 fd00:ec2::254 fec0::1 4000::1 1::1";
        for address in inside.split(' ') {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    /// IANA's registries of special-purpose addresses (RFC 6890, as of 2025) and multicast: the first and the last address
    /// of each range, in every form of IPv6 that has an IPv4 address in it.
    #[test]
    fn special_purpose_addresses_are_inside() {
        let v4 = "0.0.0.0/8 0.0.0.0/32 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 \
                  192.0.0.0/29 192.0.0.8/32 192.0.0.9/32 192.0.0.10/32 192.0.0.170/32 192.0.0.171/32 192.0.2.0/24 \
                  192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 240.0.0.0/4 \
                  255.255.255.255/32 224.0.0.0/4 168.63.129.16/32";
        for range in v4.split_whitespace() {
            let network: ipnet::Ipv4Net = range.parse().unwrap();
            for address in [network.network(), network.broadcast()] {
                assert!(!is_public(address.into()), "{address} of {range}");
                let [a, b, c, d] = address.octets();
                let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
                for clothes in [
                    format!("::ffff:{address}"),
                    format!("::ffff:0:{address}"),
                    format!("::{address}"),
                    format!("64:ff9b::{address}"),
                    format!("64:ff9b:1::{address}"),
                    format!("2002:{high:x}:{low:x}::1"),
                    format!("2606:4700::5efe:{address}"),
                    format!("2606:4700::200:5efe:{address}"),
                ] {
                    assert!(!is_public(clothes.parse().unwrap()), "{clothes} of {range}");
                }
            }
        }
        // Reachable from everywhere: the nodes that answer for private networks, and relays of multicast.
        for range in ["192.31.196.0/24", "192.52.193.0/24", "192.175.48.0/24"] {
            assert!(is_public(range.parse::<ipnet::Ipv4Net>().unwrap().network().into()), "{range}");
        }
        let v6 = "::1/128 ::/128 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001::/32 2001:1::1/128 2001:1::2/128 \
                  2001:1::3/128 2001:2::/48 2001:3::/32 2001:4:112::/48 2001:10::/28 2001:20::/28 2001:30::/28 \
                  2001:db8::/32 3fff::/20 5f00::/16 fc00::/7 fe80::/10 ff00::/8";
        for range in v6.split_whitespace() {
            let network: ipnet::Ipv6Net = range.parse().unwrap();
            for address in [network.network(), network.broadcast()] {
                assert!(!is_public(address.into()), "{address} of {range}");
            }
        }
        assert!(is_public("2620:4f:8000::1".parse().unwrap()));
    }

    /// Asks for a URL that a registry at `own` leads to, by the proxies in `variables`: gives what goes wrong.
    async fn led_to(own: &str, url: &str, variables: &[(&str, &str)]) -> Option<Problem> {
        led_from(&Site::Base(own.parse().unwrap()), url, variables).await
    }

    async fn led_from(own: &Site, url: &str, variables: &[(&str, &str)]) -> Option<Problem> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let read = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let proxies = Proxies::new(None, read).unwrap();
        let http = Http::new(own, None, Duration::from_millis(200), proxies).unwrap();
        let (method, headers) = (Method::GET, HeaderMap::new());
        let url = url.parse().unwrap();
        http.send(Query { method, url, is_own: false, headers, authorization: None, form: None }).await.err()
    }

    /// Nothing goes out: a public registry is only pretended, and what it leads to is on this machine.
    #[tokio::test]
    async fn a_public_registry_leads_nowhere_inside() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let domain = Site::Domain(HostPattern::parse("*.example.org").unwrap());
        let base = |url: &str| Site::Base(url.parse().unwrap());
        for (own, may_ask) in
            [(base("http://8.8.8.8/"), false), (base("http://127.0.0.1/"), true), (domain, false)]
        {
            for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
                let problem = led_from(&own, &format!("http://{host}:{port}/"), &[]).await.unwrap();
                assert_eq!(problem != Problem::PrivateAddress, may_ask, "{own:?} {host}: {problem:?}");
            }
        }
    }

    /// A registry inside may have its blobs beside it, and its token service, but not at the provider's.
    #[tokio::test]
    async fn a_registry_inside_leads_not_to_what_its_provider_has_for_machines() {
        let addresses = "169.254.169.254 169.254.170.2 168.63.129.16 100.100.100.200 192.0.0.192 fe80::1 fd00:ec2::254 \
                         fd20:ce::254 ::ffff:169.254.169.254 ::a9fe:a9fe 64:ff9b::a9fe:a9fe 64:ff9b:1::a9fe:a9fe \
                         2002:a9fe:a9fe::1";
        for address in addresses.split_whitespace() {
            let provider: IpAddr = address.parse().unwrap();
            for own in ["127.0.0.1", "10.1.2.3", "[fd00::1]", "8.8.8.8", "registry.invalid"] {
                assert!(!may_lead(Some(own), &[provider]).await, "{own} to {address}");
                assert!(
                    !may_lead(Some(own), &["10.0.0.1".parse().unwrap(), provider]).await,
                    "{own} to {address}"
                );
            }
            assert!(!may_lead(None, &[provider]).await, "{address}");
            // One that is there itself has its neighbours there.
            assert!(may_lead(Some("169.254.1.2"), &[provider]).await, "{address}");
        }
        for address in ["10.0.0.1", "127.0.0.1", "192.168.0.1", "100.64.0.1", "fd00::2", "::1"] {
            assert!(may_lead(Some("10.1.2.3"), &[address.parse().unwrap()]).await, "{address}");
            assert!(!may_lead(Some("8.8.8.8"), &[address.parse().unwrap()]).await, "{address}");
        }
        let problem = led_to("http://127.0.0.1/", "http://169.254.169.254/latest/meta-data/", &[]).await;
        assert_eq!(problem, Some(Problem::PrivateAddress));
    }

    /// The proxy is on this machine and silent: whatever reaches it ends with its time.
    #[tokio::test]
    async fn a_proxy_leads_nowhere_inside_as_far_as_that_is_known_here() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = format!("http://{}", listener.local_addr().unwrap());
        let by_proxy = [("ALL_PROXY", proxy.as_str())];
        for direct in ["", "10.0.0.0/8,169.254.169.254,[fd00::1]", "*"] {
            let variables = [by_proxy[0], ("NO_PROXY", direct)];
            for host in ["10.0.0.1", "169.254.169.254", "[fd00::1]", "localhost"] {
                for scheme in ["http", "https"] {
                    let problem = led_to("http://8.8.8.8/", &format!("{scheme}://{host}/"), &variables).await;
                    assert_eq!(problem, Some(Problem::PrivateAddress), "{scheme}://{host} with `{direct}`");
                }
            }
        }
        // What only the proxy can know is its own business, as what a registry inside leads to is the operator's.
        for (own, url) in
            [("http://8.8.8.8/", "http://blobs.invalid/"), ("http://127.0.0.1/", "http://10.0.0.1/")]
        {
            assert_eq!(led_to(own, url, &by_proxy).await, Some(Problem::Timeout), "{url}");
        }
        assert!(
            !known_addresses("localhost").await.is_empty()
                && known_addresses("blobs.invalid").await.is_empty()
        );
    }
}
