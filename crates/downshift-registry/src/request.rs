//! A request, as far as it decides the response.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::ops::Range;
use core::str;

use downshift::{Capabilities, Digest, Platform, ZstdSupport};

use crate::coding::Codings;
use crate::conditions::{Conditions, Selection};
use crate::limits::MAX_HEADER_BYTES;
use crate::mirror;
use crate::registry_name::is_host;
use crate::v1_token::MAX_V1_TOKEN_BYTES;
use crate::{
    Authorization, ClientRules, Coding, Method, Reference, RegistryName, Response, Route, UserAgent,
    V1Client, accept, error, v1_token,
};

/// The headers that are read.
const HEADERS: [&str; 9] = [
    "accept",
    "accept-encoding",
    "authorization",
    "host",
    "user-agent",
    "if-none-match",
    "if-range",
    "range",
    "cookie",
];

/// Characters of a `User-Agent` that say who a client is, and tell it from others. Docker's has about 100.
const USER_AGENT_CHARS: usize = 256;

/// A request for something that may be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its method, for [`Response::for_method`].
    pub method: Method,
    /// What it asks for.
    pub route: Route,
    /// What its client understands.
    pub client: Capabilities,
    /// Who the client says it is.
    pub authorization: Option<Authorization>,
    /// The name under which the client knows this server, such as `localhost:5000`, if it is one that can stand in a
    /// URL.
    pub host: Option<String>,
    /// The registry whose mirror the client takes this server for, where its query says so.
    pub registry: Option<RegistryName>,
    /// What tells the client from others that ask the API of version 1, if it is one of those that do.
    pub v1: Option<V1Client>,
    /// The token of its client's pull by version 1, where that is what is asked for: none is looked at for anything else.
    pub v1_token: Option<String>,
    /// Whether its client reads no layer without a Content-Length.
    pub needs_length: bool,
    /// The client's address, as far as the place that got the request [knows it](Self::from_address).
    pub address: Option<String>,
    pub(crate) conditions: Conditions,
    pub(crate) codings: Codings,
    /// The beginning of its `User-Agent`.
    user_agent: String,
}

impl Request {
    /// Reads a request: its method, its path and query, and all lines of its headers, named in any case.
    ///
    /// # Errors
    /// The response, where nothing has to be looked up for it: 405 for writes, 431 past [`MAX_HEADER_BYTES`], and
    /// those of [`Route::parse`].
    pub fn read<'a>(
        method: &str,
        target: &str,
        headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Self, Response> {
        let method = match method {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            _ => return Err(error::unsupported()),
        };
        Self::of_lookup(method, target, headers).map_err(|response| response.for_method(method))
    }

    fn of_lookup<'a>(
        method: Method,
        target: &str,
        headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Self, Response> {
        let (mut bytes, mut cookies) = (0_usize, Vec::new());
        let (mut accept, mut accept_encoding) = (Vec::new(), Vec::new());
        let (mut user_agent, mut authorization, mut host) = (None, None, None);
        let mut conditions = Conditions::default();
        for (name, value) in headers {
            let Some(name) = HEADERS.into_iter().find(|header| header.eq_ignore_ascii_case(name)) else {
                continue;
            };
            if name == "cookie" {
                // Browsers have many, which are nothing to this server.
                cookies.push(value);
                continue;
            }
            bytes = bytes.saturating_add(value.len());
            if bytes > MAX_HEADER_BYTES {
                return Err(error::headers_too_large());
            }
            let text = || String::from_utf8_lossy(value);
            match name {
                "accept" => accept.push(value),
                "accept-encoding" => accept_encoding.push(value),
                "authorization" => authorization = Authorization::parse(value),
                "host" => host = Some(text().into_owned()).filter(|host| is_host(host)),
                "user-agent" => user_agent = Some(text()),
                "if-none-match" => conditions.if_none_match.push(text().into_owned()),
                "if-range" => conditions.if_range = Some(text().into_owned()),
                _ => conditions.range = Some(text().into_owned()),
            }
        }
        let route = Route::parse(target)?;
        let v1_token = if route.takes_v1_token() { v1_token(authorization.as_ref(), &cookies) } else { None };
        let query = target.split_once('?').map_or("", |(_, query)| query);
        let registry = if route.is_in_v2() { mirror::asked_for(query)? } else { None };
        let client = accept::capabilities(accept, user_agent.as_deref());
        let codings = Codings::parse(accept_encoding);
        let user_agent: String = user_agent.unwrap_or_default().chars().take(USER_AGENT_CHARS).collect();
        let facts = UserAgent::parse(&user_agent).facts();
        let (v1, needs_length) = (V1Client::of(&user_agent, facts), facts.needs_length);
        Ok(Self {
            method,
            route,
            client,
            authorization,
            host,
            registry,
            v1,
            v1_token,
            needs_length,
            address: None,
            conditions,
            codings,
            user_agent,
        })
    }

    /// Whether one of these `rules` is about its client.
    #[must_use]
    pub fn is_ruled_by(&self, rules: &ClientRules) -> bool {
        let UserAgent { product, version, .. } = UserAgent::parse(&self.user_agent);
        rules.are_about(product, version)
    }

    /// The same request of a client of which `rules` say what it reads, the first before the others, and the table of clients
    /// only what they do not say.
    #[must_use]
    pub fn with_client_rules<'r>(&self, rules: impl IntoIterator<Item = &'r ClientRules>) -> Self {
        let agent = UserAgent::parse(&self.user_agent);
        let facts = agent.facts_by(rules);
        let client = agent.describe_as(facts, self.client.clone().of_unknown_product());
        let v1 = V1Client::of(&self.user_agent, facts);
        Self { client, v1, needs_length: facts.needs_length, ..self.clone() }
    }

    /// The same request, of a client with this address.
    #[must_use]
    pub fn from_address(self, address: Option<String>) -> Self {
        Self { address, ..self }
    }

    /// The same request, over a connection where nothing tells the end of a body from a break but its length: HTTP/1.0. What is
    /// coded has no length that is known before.
    #[must_use]
    pub fn without_codings(self) -> Self {
        Self { codings: Codings::default(), ..self }
    }

    /// The same for a repository that is called `name` here, and no registry that is named beside it.
    #[must_use]
    pub fn for_repository(&self, name: &str) -> Self {
        Self { route: self.route.of_repository(name), registry: None, ..self.clone() }
    }

    /// The same of an engine that pulls by version 1, on `platform` where it does not say its own: it reads what the first that
    /// pulled by version 2 read, and gets nothing that is coded on its way.
    #[must_use]
    pub fn of_v1_engine(&self, platform: &Platform) -> Self {
        let platform = self.client.platform().unwrap_or(platform).clone();
        let client = Capabilities::default().with_platform(platform).with_schema1_engine();
        Self { client: client.with_zstd(ZstdSupport::None), codings: Codings::default(), ..self.clone() }
    }

    /// The same for a tag.
    #[must_use]
    pub fn for_tag(&self, name: &str, tag: &str) -> Self {
        let reference = Reference::Tag(tag.to_string());
        Self { route: Route::Manifest { name: name.to_string(), reference }, ..self.clone() }
    }

    /// The same for a layer.
    #[must_use]
    pub fn for_layer(&self, name: &str, digest: &Digest) -> Self {
        let route = match digest.as_str() {
            Digest::EMPTY_LAYER => Route::EmptyLayer,
            _ => Route::Blob { name: name.to_string(), digest: digest.clone() },
        };
        Self { route, ..self.clone() }
    }

    /// The same, for what there is to say of it and nothing of its body.
    #[must_use]
    pub fn for_head(&self) -> Self {
        Self { method: Method::Head, conditions: Conditions::default(), ..self.clone() }
    }

    /// The one `Range` that the client asks for of the blob with `digest`, to be passed on as it is; `None` where the
    /// whole is asked for, or several ranges or what is none.
    #[must_use]
    pub fn range(&self, digest: &Digest) -> Option<&str> {
        self.conditions.one_range(digest).filter(|_| self.method == Method::Get)
    }

    /// Whether the client asks for several ranges of the blob with `digest`.
    #[must_use]
    pub fn has_several_ranges(&self, digest: &Digest) -> bool {
        self.method == Method::Get
            && self.conditions.has_range(digest)
            && self.conditions.one_range(digest).is_none()
    }

    /// The first byte of the blob with `digest`, of `size` bytes, that the client asks for; none where it asks for no bytes.
    #[must_use]
    pub fn first_byte(&self, digest: &Digest, size: u64) -> Option<u64> {
        if self.method != Method::Get || self.has(digest) {
            return None;
        }
        match self.conditions.select(digest, size) {
            Selection::Whole => Some(0),
            Selection::Part(part) => Some(part.start),
            // Each is a copy of its own.
            Selection::Parts(parts) => parts.iter().map(|part| part.start).max(),
            Selection::Unsatisfiable => None,
        }
    }

    /// Whether this asks for that `part` of a blob of `size` bytes, and not for the whole or for another part.
    #[must_use]
    pub fn asks_for(&self, part: &Range<u64>, size: u64) -> bool {
        let Route::Blob { digest, .. } = &self.route else { return false };
        self.method == Method::Get
            && matches!(self.conditions.select(digest, size), Selection::Part(asked) if asked == *part)
    }

    /// The coding, of these, that the client takes for the blob with `digest`. HEAD and a part are always of the plain bytes:
    /// containerd counts plain bytes where it resumes, and coded ones where it splits a body with a length.
    #[must_use]
    pub fn coding(&self, digest: &Digest, codings: &[Coding]) -> Option<Coding> {
        let is_whole = self.method == Method::Get && !self.conditions.has_range(digest);
        // Docker 1.6 and 1.7 ask for gzip, and fail without a length.
        let is_possible = is_whole && !self.needs_length;
        codings.iter().copied().find(|coding| is_possible && self.codings.has(*coding))
    }

    /// Whether the client has the representation with this digest already.
    #[must_use]
    pub fn has(&self, digest: &Digest) -> bool {
        self.conditions.has(digest)
    }
}

/// The token of a pull by version 1: where the client says credentials with everything, it comes as a cookie alone.
fn v1_token(authorization: Option<&Authorization>, cookies: &[&[u8]]) -> Option<String> {
    let said = authorization.and_then(|value| v1_token::in_authorization(value.as_str()));
    let mut cookies = cookies.iter().filter_map(|value| str::from_utf8(value).ok());
    let token = said.or_else(|| cookies.find_map(v1_token::in_cookies))?;
    (token.len() <= MAX_V1_TOKEN_BYTES).then(|| token.to_string())
}

#[cfg(test)]
mod tests {
    use alloc::borrow::ToOwned as _;
    use alloc::format;
    use alloc::string::ToString as _;

    use downshift::{Form, Platform, ZstdSupport};

    use super::*;

    fn read(method: &str, target: &str, headers: &[(&str, &str)]) -> Result<Request, Response> {
        Request::read(method, target, headers.iter().map(|&(name, value)| (name, value.as_bytes())))
    }

    #[test]
    fn headers_are_read_in_any_case_and_over_all_lines() {
        let headers = [
            ("ACCEPT", "application/vnd.oci.image.manifest.v1+json;q=0.5"),
            ("host", "localhost:5000"),
            ("Accept-encoding", "gzip"),
            ("authorization", "Basic QTpC"),
            ("accept", "*/*"),
            ("User-agent", "docker/1.9.1 os/linux arch/arm64"),
            ("If-None-Match", "\"a\""),
            ("if-none-match", "\"b\""),
            ("range", "bytes=0-1"),
            ("If-Range", "\"c\""),
        ];
        let client = Capabilities::default().with_form(Form::Oci, 500).with_any();
        let client = client.with_platform(Platform::new("linux", "arm64"));
        let client = client.with_schema1_engine().with_zstd(ZstdSupport::None);
        let conditions = Conditions {
            if_none_match: ["\"a\"".into(), "\"b\"".into()].into(),
            if_range: Some("\"c\"".into()),
            range: Some("bytes=0-1".into()),
        };
        let expected = Request {
            method: Method::Head,
            route: Route::Base,
            client,
            authorization: Authorization::parse(b"Basic QTpC"),
            host: Some("localhost:5000".into()),
            registry: None,
            v1: Some(V1Client {
                user_agent: "docker/1.9.1 os/linux arch/arm64".into(),
                prints_v1_only: false,
                pulls_by_v1: false,
            }),
            v1_token: None,
            needs_length: false,
            address: None,
            conditions,
            codings: Codings::parse([&b"gzip"[..]]),
            user_agent: "docker/1.9.1 os/linux arch/arm64".into(),
        };
        assert_eq!(read("HEAD", "/v2/", &headers), Ok(expected));
    }

    #[test]
    fn the_token_of_a_pull_by_version_1_is_read_where_it_is_of_use() {
        let token = |target: &str, headers: &[(&str, &str)]| {
            read("GET", target, headers).map(|request| request.v1_token).map_err(|response| response.status)
        };
        let some = |token: &str| Ok(Some(token.to_owned()));
        let (said, kept) = (("Authorization", "Token a|b"), ("Cookie", "x=y; downshift-v1=c|d"));
        let tags = "/v1/repositories/a/tags";
        assert_eq!(token(tags, &[said]), some("a|b"));
        assert_eq!(token(tags, &[kept]), some("c|d"));
        assert_eq!(token(tags, &[kept, said]), some("a|b"));
        assert_eq!(token(tags, &[kept, ("Authorization", "Basic Og==")]), some("c|d"));
        assert_eq!(token(tags, &[("Cookie", "x=y"), kept]), some("c|d"));
        assert_eq!(token(tags, &[]), Ok(None));
        for target in ["/v2/a/manifests/latest", "/v1/repositories/a/images", "/v1/_ping", "/"] {
            assert_eq!(token(target, &[said, kept]), Ok(None), "{target}");
        }
        // One that is too long is none, and cookies of others do not matter.
        let (long, many) = ("a".repeat(MAX_V1_TOKEN_BYTES + 1), "a=b; ".repeat(10_000));
        assert_eq!(token(tags, &[("Authorization", &["Token ", &long].concat())]), Ok(None));
        assert_eq!(token(tags, &[("Cookie", &many), said]), some("a|b"));
    }

    #[test]
    fn an_engine_of_version_1_reads_what_the_first_of_version_2_read() {
        let client = |user_agent: &str| {
            let request = read("GET", "/v2/a/manifests/latest", &[("User-Agent", user_agent)]).ok()?;
            Some(request.of_v1_engine(&Platform::new("linux", "s390x")).client)
        };
        let newer = read("GET", "/v2/", &[("User-Agent", "docker/1.9.1 os/linux arch/arm")]).ok();
        assert_eq!(client("docker/1.5.0 os/linux arch/arm"), newer.map(|request| request.client));
        let platform = client("docker/1.5.0").and_then(|client| client.platform().cloned());
        assert_eq!(platform, Some(Platform::new("linux", "s390x")));
    }

    #[test]
    fn hosts_that_are_none_are_passed_over() {
        let host = |host| read("GET", "/v2/", &[("host", host)]).map(|request| request.host);
        for name in ["example.org", "[::1]:5000", "10.0.0.1:80"] {
            assert_eq!(host(name), Ok(Some(name.into())));
        }
        for name in ["", "a/b", "a\"b", "a b", "user@a", &"a".repeat(256)] {
            assert_eq!(host(name), Ok(None), "{name}");
        }
    }

    #[test]
    fn the_query_says_whose_mirror_is_asked() {
        let registry = |target: &str| {
            let read = read("GET", target, &[]).map_err(|response| response.status);
            read.map(|request| request.registry.map(|name| name.to_string()))
        };
        let digest = Digest::of(b"");
        for path in [
            "/v2/a/manifests/latest".to_owned(),
            format!("/v2/a/blobs/{digest}"),
            format!("/v2/a/blobs/{}", Digest::EMPTY_LAYER),
            format!("/v2/a/referrers/{digest}"),
            "/v2/a/tags/list".to_owned(),
            "/v2/".to_owned(),
            "/v2/_catalog".to_owned(),
        ] {
            assert_eq!(registry(&format!("{path}?ns=ghcr.io")), Ok(Some("ghcr.io".to_owned())), "{path}");
            assert_eq!(registry(&format!("{path}?ns=a.org&ns=b.org")), Err(400), "{path}");
        }
        assert_eq!(registry("/_downshift/token?ns=ghcr.io&ns=quay.io"), Ok(None));
        let tags =
            read("GET", "/v2/a/tags/list?ns=ghcr.io&n=1", &[]).map(|request| request.for_repository("b/a"));
        assert_eq!(tags, read("GET", "/v2/b/a/tags/list?n=1", &[]));
    }

    #[test]
    fn a_part_is_asked_for_if_it_is_the_very_one() {
        let target = format!("/v2/a/blobs/{}", Digest::of(b""));
        let asks = |method, headers: &[_], part: Range<u64>, size| {
            read(method, &target, headers).is_ok_and(|request| request.asks_for(&part, size))
        };
        for (range, part) in
            [("bytes=2-4", 2..5), ("bytes=2-", 2..10), ("bytes=-3", 7..10), ("bytes=8-99", 8..10)]
        {
            let headers = [("range", range)];
            assert!(asks("GET", &headers, part.clone(), 10), "{range}");
            assert!(!asks("GET", &headers, part.start..part.end - 1, 10), "less of {range}");
            assert!(!asks("GET", &headers, part.start - 1..part.end, 10), "more of {range}");
            assert!(!asks("HEAD", &headers, part.clone(), 10), "HEAD of {range}");
            let other = [("range", range), ("if-range", "\"sha256:x\"")];
            assert!(!asks("GET", &other, part, 10), "{range} of something else");
        }
        assert!(!asks("GET", &[("range", "bytes=-3")], 7..10, 11), "the size is another");
        for headers in [&[] as &[_], &[("range", "bytes=0-1,3-4")], &[("range", "lines=0-9")]] {
            assert!(!asks("GET", headers, 0..10, 10), "the whole is no part: {headers:?}");
        }
    }

    #[test]
    fn only_the_whole_of_a_blob_is_coded() {
        let digest = Digest::of(b"");
        let target = format!("/v2/a/blobs/{digest}");
        let all = [Coding::Zstd, Coding::Gzip];
        let coding = |method, headers: &[(&str, &str)]| {
            let headers = [&[("accept-encoding", "gzip, zstd")], headers].concat();
            read(method, &target, &headers).map(|request| request.coding(&digest, &all))
        };
        assert_eq!(coding("GET", &[]), Ok(Some(Coding::Zstd)));
        assert_eq!(coding("HEAD", &[]), Ok(None));
        assert_eq!(coding("GET", &[("range", "bytes=0-")]), Ok(None));
        // What the client has begins in another representation, or in another blob: it gets the whole.
        let other = ["\"", digest.as_str(), "+zstd\""].concat();
        assert_eq!(coding("GET", &[("range", "bytes=5-"), ("if-range", &other)]), Ok(Some(Coding::Zstd)));
        // Docker 1.6 wants a length.
        assert_eq!(coding("GET", &[("user-agent", "docker/1.6.2 go/go1.4.1 os/linux arch/amd64")]), Ok(None));
        let request = read("GET", &target, &[("accept-encoding", "gzip")]);
        assert_eq!(request.map(|request| request.without_codings().coding(&digest, &all)), Ok(None));
        let request = read("GET", &target, &[("accept-encoding", "zstd")]);
        assert_eq!(request.map(|request| request.coding(&digest, &[Coding::Gzip])), Ok(None));
    }

    #[test]
    fn writes_are_refused_wherever_they_go() {
        for (method, target) in [
            ("POST", "/v2/library/httpd/blobs/uploads/"),
            ("PATCH", "/v2/library/httpd/blobs/uploads/1"),
            ("PUT", "/v2/library/httpd/manifests/latest"),
            ("DELETE", "/v2/library/httpd/manifests/latest"),
            ("get", "/v2/"),
        ] {
            assert_eq!(read(method, target, &[]), Err(error::unsupported()), "{method} {target}");
        }
    }

    #[test]
    fn headers_past_the_limit_are_refused() {
        let half = "x".repeat(MAX_HEADER_BYTES / 2);
        assert!(read("GET", "/v2/", &[("accept", &half), ("cookie", &half), ("user-agent", &half)]).is_ok());
        let passes = [("accept", &*half), ("range", "x"), ("user-agent", &half)];
        assert_eq!(read("GET", "/v2/", &passes), Err(error::headers_too_large()));
    }

    #[test]
    fn errors_of_head_have_no_body() {
        let expected = error::name_invalid("A").for_method(Method::Head);
        assert_eq!(read("HEAD", "/v2/A/tags/list", &[]), Err(expected));
    }
}
