//! Which proxy leads to which host: by the settings, or by the variables that curl and Go's programs read.

use core::net::IpAddr;

use downshift_registry::Credentials;
use ipnet::IpNet;
use reqwest::Url;

/// What a proxy in the settings is where the variables do not count.
const NONE: &str = "none";

/// How a proxy is written, for errors: never what was written, which may have a password in it.
pub(crate) const FORM: &str = "http://HOST:PORT";

/// The proxies towards a registry and the hosts that it names.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Proxies {
    /// For URLs of plain HTTP.
    http: Option<Proxy>,
    /// For URLs of HTTPS.
    https: Option<Proxy>,
    /// The hosts that are asked without.
    direct: Vec<DirectHost>,
}

/// A proxy. It has a password in it, and no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Proxy {
    /// Its URL, with the user and the password, as the library wants it that asks it.
    url: Url,
    /// Its URL for people, without them.
    shown: String,
}

/// An entry of `NO_PROXY`.
#[derive(Clone, PartialEq, Eq)]
struct DirectHost {
    name: HostName,
    /// The only port that is meant, if one is named.
    port: Option<u16>,
}

#[derive(Clone, PartialEq, Eq)]
enum HostName {
    Any,
    Network(IpNet),
    /// A domain, and all below it.
    Domain(String),
}

impl Proxies {
    /// The proxies by the variables, which `read` reads. With `own`, that proxy takes the place of those in the variables;
    /// `NO_PROXY` counts all the same, as for curl.
    ///
    /// # Errors
    /// The name of a variable that is no proxy's URL.
    pub(crate) fn new(
        own: Option<OwnProxy>,
        read: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, &'static str> {
        // Go's programs look for capitals first, curl last: whoever sets both sets the same.
        let variable = |capitals: &'static str, small: &str| {
            [capitals, small].into_iter().find_map(|name| read(name).filter(|value| !value.trim().is_empty()))
        };
        let direct = variable("NO_PROXY", "no_proxy").unwrap_or_default();
        let direct = direct.split([',', ' ']).filter_map(DirectHost::parse).collect();
        let (http, https) = match own {
            Some(OwnProxy::None) => (None, None),
            Some(OwnProxy::Proxy(proxy)) => (Some(proxy.clone()), Some(proxy)),
            None => {
                let proxy = |capitals, small| match variable(capitals, small) {
                    None => Ok(None),
                    Some(url) => Proxy::with_credentials(url.trim()).map(Some).ok_or(capitals),
                };
                let all = || proxy("ALL_PROXY", "all_proxy");
                let http = proxy("HTTP_PROXY", "http_proxy")?;
                let https = proxy("HTTPS_PROXY", "https_proxy")?;
                (
                    http.map_or_else(all, |http| Ok(Some(http)))?,
                    https.map_or_else(all, |https| Ok(Some(https)))?,
                )
            }
        };
        Ok(Self { http, https, direct })
    }

    /// Whether no proxy is set.
    pub(crate) fn is_empty(&self) -> bool {
        self.http.is_none() && self.https.is_none()
    }

    /// The proxy that leads to the host of `url`, if one does. None ever leads to this machine itself.
    pub(crate) fn to(&self, url: &Url) -> Option<&Proxy> {
        let proxy = match url.scheme() {
            "https" => self.https.as_ref(),
            _ => self.http.as_ref(),
        }?;
        let host = url.host_str()?.trim_matches(['[', ']']).trim_end_matches('.');
        let address = host.parse().ok().map(|address: IpAddr| address.to_canonical());
        let is_this_machine = match address {
            Some(address) => address.is_loopback(),
            None => is_within(host, "localhost"),
        };
        let is_direct = is_this_machine
            || self.direct.iter().any(|direct| direct.has(host, address, url.port_or_known_default()));
        (!is_direct).then_some(proxy)
    }
}

/// A proxy, as the settings of a registry have it.
pub(crate) enum OwnProxy {
    /// None, whatever the variables say.
    None,
    /// This one.
    Proxy(Proxy),
}

impl OwnProxy {
    /// Reads a URL, or that there is no proxy. A user and a password have settings of their own, for URLs are shown.
    pub(crate) fn parse(text: &str, credentials: Option<&Credentials>) -> Option<Self> {
        if text == NONE {
            return credentials.is_none().then_some(Self::None);
        }
        let mut proxy = Proxy::with_credentials(text).filter(|proxy| !proxy.has_credentials())?;
        if let Some(Credentials { username, password }) = credentials {
            proxy.url.set_username(username).ok()?;
            proxy.url.set_password(Some(password.as_str())).ok()?;
        }
        Some(Self::Proxy(proxy))
    }
}

impl Proxy {
    /// Reads a URL, which may have a user and a password in it. Without a scheme it is HTTP.
    fn with_credentials(text: &str) -> Option<Self> {
        let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let url = Url::parse(&with_scheme).ok()?;
        let is_of_a_proxy = matches!(url.scheme(), "http" | "https")
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none();
        if !is_of_a_proxy {
            return None;
        }
        let mut shown = url.clone();
        shown.set_username("").ok()?;
        shown.set_password(None).ok()?;
        Some(Self { url, shown: shown.as_str().trim_end_matches('/').to_owned() })
    }

    fn has_credentials(&self) -> bool {
        !self.url.username().is_empty() || self.url.password().is_some()
    }

    /// Its URL, for people: without a user and a password.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// Its URL with the user and the password, for the library that asks it.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }
}

impl DirectHost {
    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self { name: HostName::Any, port: None });
        }
        let whole = network(text).map(|network| Self { name: HostName::Network(network), port: None });
        if whole.is_some() {
            return whole;
        }
        let with_port = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let (host, port) = match with_port {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        };
        let name = match network(host.trim_matches(['[', ']'])) {
            Some(network) => HostName::Network(network),
            // With and without the dot or asterisk it is the domain and all below it, as curl has it.
            None => HostName::Domain(host.trim_start_matches('*').trim_matches('.').to_owned()),
        };
        (name != HostName::Domain(String::new())).then_some(Self { name, port })
    }

    fn has(&self, host: &str, address: Option<IpAddr>, port: Option<u16>) -> bool {
        let is_host = match &self.name {
            HostName::Any => true,
            HostName::Network(network) => address.is_some_and(|address| network.contains(&address)),
            HostName::Domain(domain) => address.is_none() && is_within(host, domain),
        };
        is_host && (self.port.is_none() || self.port == port)
    }
}

/// A network, or an address, which is one of its own.
fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(|address| address.to_canonical().into()))
}

/// Whether `host` is `domain`, or below it.
fn is_within(host: &str, domain: &str) -> bool {
    let Some(start) = host.len().checked_sub(domain.len()) else { return false };
    let Some((above, end)) = host.split_at_checked(start) else { return false };
    end.eq_ignore_ascii_case(domain) && (above.is_empty() || above.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Proxies {
        let read = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        Proxies::new(None, read).unwrap_or_else(|name| panic!("{name}"))
    }

    fn to<'p>(proxies: &'p Proxies, url: &str) -> Option<&'p str> {
        proxies.to(&url.parse().unwrap()).map(Proxy::shown)
    }

    #[test]
    fn variables_count_as_for_curl_and_go() {
        let both = proxies(&[("HTTP_PROXY", "http://a:1"), ("https_proxy", "b:2"), ("http_proxy", "c")]);
        assert_eq!(to(&both, "http://example.org"), Some("http://a:1"));
        assert_eq!(to(&both, "https://example.org"), Some("http://b:2"));
        let all = proxies(&[("ALL_PROXY", "https://a"), ("HTTP_PROXY", ""), ("http_proxy", "b")]);
        assert_eq!(to(&all, "https://example.org"), Some("https://a"));
        assert_eq!(to(&all, "http://example.org"), Some("http://b"));
        let one = proxies(&[("HTTPS_PROXY", "http://a")]);
        assert_eq!(to(&one, "http://example.org"), None);
        assert!(proxies(&[("NO_PROXY", "*"), ("HTTP_PROXY", " ")]).is_empty());
    }

    #[test]
    fn this_machine_is_never_asked_through_a_proxy() {
        let proxies = proxies(&[("ALL_PROXY", "http://proxy")]);
        for host in
            ["localhost", "LOCALHOST:5000", "a.localhost", "localhost.", "127.0.0.1", "127.9.9.9:1", "[::1]"]
        {
            assert_eq!(to(&proxies, &format!("http://{host}/")), None, "{host}");
        }
        assert_eq!(to(&proxies, "http://[::ffff:127.0.0.1]/"), None);
        for host in ["notlocalhost", "localhost.example.org", "128.0.0.1", "0.0.0.0"] {
            assert_eq!(to(&proxies, &format!("http://{host}/")), Some("http://proxy"), "{host}");
        }
    }

    #[test]
    fn direct_hosts_are_names_domains_networks_and_ports() {
        let direct = "example.org, .corp.test,*.star.test 10.0.0.0/8,192.0.2.1,[2001:db8::1]:8080,2001:db8:1::/48,\
                      port.test:5000,,.";
        let proxies = proxies(&[("ALL_PROXY", "http://proxy"), ("no_proxy", direct)]);
        for host in [
            "example.org",
            "EXAMPLE.org:5000",
            "a.example.org",
            "corp.test",
            "a.corp.test",
            "a.star.test",
            "10.1.2.3",
            "192.0.2.1:5000",
            "[2001:db8::1]:8080",
            "[2001:db8:1::9]",
            "[::ffff:10.1.2.3]",
            "port.test:5000",
        ] {
            assert_eq!(to(&proxies, &format!("https://{host}/")), None, "{host}");
        }
        for host in ["notexample.org", "org", "11.0.0.0", "192.0.2.2", "[2001:db8::1]", "port.test", "a.b"] {
            assert_eq!(to(&proxies, &format!("https://{host}/")), Some("http://proxy"), "{host}");
        }
    }

    #[test]
    fn what_is_no_proxy_is_told_without_its_password() {
        for value in ["socks5://user:hunter2@a", "http://user:hunter2@", "http://a/path", "http://a?b", "://"]
        {
            let read = |name: &str| (name == "HTTPS_PROXY").then(|| value.to_owned());
            assert_eq!(Proxies::new(None, read).err(), Some("HTTPS_PROXY"), "{value}");
            assert!(OwnProxy::parse(value, None).is_none(), "{value}");
        }
        assert!(OwnProxy::parse("http://user:hunter2@a", None).is_none());
    }

    #[test]
    fn a_user_and_a_password_are_for_the_library_only() {
        let read = |name: &str| (name == "HTTP_PROXY").then(|| "http://us%40er:p%3Aw@a:1".to_owned());
        let proxies = Proxies::new(None, read).unwrap_or_default();
        let proxy = proxies.to(&"http://b".parse().unwrap()).unwrap();
        assert_eq!((proxy.shown(), proxy.url().as_str()), ("http://a:1", "http://us%40er:p%3Aw@a:1/"));
        let credentials = Credentials { username: "a@b".to_owned(), password: "p:w/".to_owned().into() };
        let Some(OwnProxy::Proxy(proxy)) = OwnProxy::parse("https://a", Some(&credentials)) else {
            panic!("it is not read")
        };
        assert_eq!((proxy.shown(), proxy.url().as_str()), ("https://a", "https://a%40b:p%3Aw%2F@a/"));
    }

    #[test]
    fn a_proxy_of_its_own_takes_the_place_of_the_variables() {
        let read = |name: &str| match name {
            "HTTPS_PROXY" => Some("http://a".to_owned()),
            "NO_PROXY" => Some("direct.test".to_owned()),
            _ => None,
        };
        let own = Proxies::new(OwnProxy::parse("b:3128", None), read).unwrap_or_default();
        for url in ["http://example.org", "https://example.org"] {
            assert_eq!(to(&own, url), Some("http://b:3128"));
        }
        assert_eq!(to(&own, "https://direct.test"), None);
        assert!(Proxies::new(OwnProxy::parse("none", None), read).unwrap_or_default().is_empty());
    }
}
