//! URLs, as the library has them that asks for them.

use downshift_pull::Url;

/// A URL of the web, against a base if there is one.
pub(crate) fn resolve(base: Option<&str>, url: &str) -> Option<Url> {
    let url = match base {
        Some(base) => reqwest::Url::parse(base).ok()?.join(url),
        None => reqwest::Url::parse(url),
    };
    of(&url.ok()?)
}

/// A URL that is parsed already, if it is of the web.
pub(crate) fn of(url: &reqwest::Url) -> Option<Url> {
    let host = url.host_str().filter(|host| !host.is_empty())?.to_owned();
    Url::of_web(url.to_string(), url.origin().ascii_serialization(), host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_of_the_web() {
        let resolved = |base, url| resolve(base, url).map(|url| url.text);
        assert_eq!(resolved(Some("https://a/x"), "/y").as_deref(), Some("https://a/y"));
        assert_eq!(resolved(Some("https://a/x"), "//b/y").as_deref(), Some("https://b/y"));
        assert_eq!(resolved(None, "http://a/t?x=y").as_deref(), Some("http://a/t?x=y"));
        for nowhere in ["file:///etc/passwd", "gopher://b/", "data:,x", "unix:/run/x", "http://"] {
            assert_eq!(resolved(Some("http://a/x"), nowhere), None, "{nowhere}");
        }
        assert_eq!(resolved(None, "/token"), None);
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let origin = |url| resolve(None, url).map(|url| url.origin);
        assert_eq!(origin("https://a/x"), origin("https://A:443/y"));
        for other in ["http://a", "https://a:444", "https://a.b"] {
            assert_ne!(origin("https://a"), origin(other));
        }
    }
}
