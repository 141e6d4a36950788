//! Paths: what a request asks for.

use alloc::string::{String, ToString};

use downshift::Digest;

use crate::name::is_local_name;
use crate::query::{percent_decoded, query_value, without};
use crate::registry_name::NAMESPACE;
use crate::{Reference, Response, Scope, error, is_repository_name};

/// The path under which clients get tokens that an upstream registry's token service has issued.
pub const TOKEN_PATH: &str = "/_downshift/token";

/// The path of the list of repositories (Distribution, "Listing Repositories").
pub(crate) const CATALOG_PATH: &str = "/v2/_catalog";

/// The path of a server's page for browsers: no registry has it.
pub const PAGE_PATH: &str = "/_downshift";

/// What a path and its query ask for. Names, tags and digests in it keep to their grammar, so none can lead out of
/// a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// `/`: [`response::root`](crate::response::root).
    Root,
    /// `/v2/`, which says that there is a registry: [`response::base`](crate::response::base).
    Base,
    /// `/v2/NAME/manifests/REFERENCE`: [`response::manifest`](crate::response::manifest).
    Manifest {
        /// The repository's name.
        name: String,
        /// The tag or digest.
        reference: Reference,
    },
    /// `/v2/NAME/blobs/DIGEST`: [`response::blob`](crate::response::blob).
    Blob {
        /// The repository's name.
        name: String,
        /// The blob's digest.
        digest: Digest,
    },
    /// `/v2/NAME/blobs/` and [`Digest::EMPTY_LAYER`], which every repository has:
    /// [`response::empty_layer`](crate::response::empty_layer).
    EmptyLayer,
    /// `/v2/NAME/tags/list`: [`response::tags`](crate::response::tags).
    Tags {
        /// The repository's name.
        name: String,
        /// Which of the tags.
        page: Page,
        /// The query as it came, for an upstream registry with pages of its own kind; without the registry that it names.
        query: String,
    },
    /// `/v2/_catalog`: [`response::catalog`](crate::response::catalog).
    Catalog {
        /// Which of the repositories, where the client has made the query.
        page: Page,
        /// The query as it came.
        query: String,
    },
    /// `/v2/NAME/referrers/DIGEST`: [`error::no_referrers`] where there is nobody to ask.
    Referrers {
        /// The repository's name.
        name: String,
        /// The digest of the manifest that is referred to.
        digest: Digest,
        /// The query as it came, without the registry that it names.
        query: String,
    },
    /// [`TOKEN_PATH`](crate::TOKEN_PATH): a token of an upstream registry's token service.
    Token {
        /// The query as it came, for [`TokenRequest::parse`](crate::TokenRequest::parse).
        query: String,
    },
    /// `/v1/repositories/NAME/images`, where Docker ≤ 17 tries again after a failure: [`v1::answer`](crate::v1::answer).
    V1Images {
        /// The repository's name.
        name: String,
    },
    /// `/v1/_ping`: whether there is a registry of version 1.
    V1Ping,
    /// `/v1/repositories/NAME/tags`: the tags of a repository, in version 1.
    V1Tags {
        /// The repository's name.
        name: String,
    },
    /// `/v1/images/ID/…`: an image, in version 1.
    V1Image {
        /// Its id, 64 hexadecimal digits.
        id: String,
        /// What of it.
        part: V1Part,
    },
    /// Any other `/v1/…`: [`response::no_v1`](crate::response::no_v1).
    V1,
    /// [`PAGE_PATH`](crate::PAGE_PATH) and all below it: files of the page for browsers, where there is one, else
    /// [`error::unknown_path`].
    Page {
        /// What comes after `PAGE_PATH`: nothing, or a path that begins with `/`.
        path: String,
    },
    /// Anything else: [`error::unknown_path`].
    Unknown,
}

/// What of an image version 1 is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum V1Part {
    /// `ancestry`: its id, and those of the images below it.
    Ancestry,
    /// `json`: what there is to say of it.
    Json,
    /// `layer`: its layer.
    Layer,
}

/// Which part of a list of tags or repositories is asked for (OCI distribution specification 1.1, "Listing Tags").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// How many of them at the most; all without it.
    pub n: Option<usize>,
    /// The one after which the page begins, whether it is there or not.
    pub last: Option<String>,
}

impl Route {
    /// Reads the path and query of a request, such as `/v2/library/httpd/tags/list?n=10`.
    ///
    /// Percent-encoding is undone once, before the path is taken apart, as Go's servers do it; what is no longer in
    /// the grammar then is refused.
    ///
    /// # Errors
    /// The response, where the path itself decides it: the redirect from `/v2`, and errors for names, digests and
    /// numbers that are none, and for references that no manifest can have.
    pub fn parse(target: &str) -> Result<Self, Response> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let Some(path) = percent_decoded(path) else { return Ok(Self::Unknown) };
        match path.as_str() {
            "/" => Ok(Self::Root),
            "/v2" => Err(Response::moved("/v2/")),
            "/v2/" => Ok(Self::Base),
            CATALOG_PATH => Ok(Self::Catalog { page: Page::parse(query)?, query: without(query, NAMESPACE) }),
            TOKEN_PATH => Ok(Self::Token { query: query.to_string() }),
            path if path.starts_with("/v1/") => Ok(Self::of_v1(path)),
            path => match path.strip_prefix("/v2/") {
                Some(path) => Self::within_v2(path, query),
                None => Ok(Self::outside_of_v2(path)),
            },
        }
    }

    /// The name of the repository that a request is about, if it is about one.
    #[must_use]
    pub fn repository(&self) -> Option<&str> {
        match self {
            Self::Manifest { name, .. }
            | Self::Blob { name, .. }
            | Self::Tags { name, .. }
            | Self::Referrers { name, .. } => Some(name),
            _ => None,
        }
    }

    /// The right that a request needs, where it is about a repository, or about all of them.
    #[must_use]
    pub fn scope(&self) -> Option<Scope> {
        match self {
            Self::Catalog { .. } => Some(Scope::catalog()),
            _ => self.repository().map(Scope::pull),
        }
    }

    /// Whether it is a path of version 1 that needs the token of its client's pull.
    pub(crate) fn takes_v1_token(&self) -> bool {
        matches!(self, Self::V1Tags { .. } | Self::V1Image { .. })
    }

    /// Whether it is a path of the V2 API.
    pub(crate) fn is_in_v2(&self) -> bool {
        matches!(self, Self::Base | Self::EmptyLayer | Self::Catalog { .. }) || self.repository().is_some()
    }

    /// The same of the repository `name`, if it is about one.
    pub(crate) fn of_repository(&self, name: &str) -> Self {
        let mut route = self.clone();
        if let Self::Manifest { name: own, .. }
        | Self::Blob { name: own, .. }
        | Self::Tags { name: own, .. }
        | Self::Referrers { name: own, .. } = &mut route
        {
            *own = name.to_string();
        }
        route
    }

    fn of_v1(path: &str) -> Self {
        if path == "/v1/_ping" {
            return Self::V1Ping;
        }
        if let Some((id, part)) = path.strip_prefix("/v1/images/").and_then(|path| path.split_once('/')) {
            let part = match part {
                "ancestry" => V1Part::Ancestry,
                "json" => V1Part::Json,
                "layer" => V1Part::Layer,
                _ => return Self::V1,
            };
            return if is_v1_id(id) { Self::V1Image { id: id.to_string(), part } } else { Self::V1 };
        }
        let of_repository = path.strip_prefix("/v1/repositories/").and_then(|path| path.rsplit_once('/'));
        match of_repository.filter(|(name, _)| is_repository_name(name)) {
            Some((name, "images")) => Self::V1Images { name: name.to_string() },
            Some((name, "tags")) => Self::V1Tags { name: name.to_string() },
            _ => Self::V1,
        }
    }

    fn outside_of_v2(path: &str) -> Self {
        match path.strip_prefix(PAGE_PATH).filter(|path| path.is_empty() || path.starts_with('/')) {
            Some(path) => Self::Page { path: path.to_string() },
            None => Self::Unknown,
        }
    }

    fn within_v2(path: &str, query: &str) -> Result<Self, Response> {
        // From the right, for a name may have `manifests` or `tags` among its components.
        let mut parts = path.rsplitn(3, '/');
        let (Some(last), Some(kind), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
            return Ok(Self::Unknown);
        };
        match (kind, last) {
            ("manifests", reference) => {
                let name = repository_name(name)?;
                match Reference::parse(reference) {
                    Some(reference) => Ok(Self::Manifest { name, reference }),
                    // As in Distribution, what is no digest is a tag, and here one that cannot be.
                    None => Err(error::manifest_unknown(&name, &Reference::Tag(reference.to_string()))),
                }
            }
            ("blobs", digest) => {
                let (name, digest) = (repository_name(name)?, parsed_digest(digest)?);
                let empty = digest.as_str() == Digest::EMPTY_LAYER;
                Ok(if empty { Self::EmptyLayer } else { Self::Blob { name, digest } })
            }
            ("referrers", digest) => {
                let (name, digest) = (repository_name(name)?, parsed_digest(digest)?);
                Ok(Self::Referrers { name, digest, query: without(query, NAMESPACE) })
            }
            ("tags", "list") => {
                let (name, page) = (repository_name(name)?, Page::parse(query)?);
                Ok(Self::Tags { name, page, query: without(query, NAMESPACE) })
            }
            _ => Ok(Self::Unknown),
        }
    }
}

impl Page {
    fn parse(query: &str) -> Result<Self, Response> {
        let n = match query_value(query, "n") {
            Some(n) => {
                let number = n.parse::<u64>().ok().and_then(|number| number.try_into().ok());
                Some(number.ok_or_else(|| error::pagination_number_invalid(&n))?)
            }
            None => None,
        };
        Ok(Self { n, last: query_value(query, "last") })
    }
}

/// Whether `id` is the id of an image in version 1 (docker 1.5, `utils.ValidateID`, and what all of them are).
#[must_use]
pub fn is_v1_id(id: &str) -> bool {
    id.len() == 64 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn repository_name(name: &str) -> Result<String, Response> {
    if is_local_name(name) { Ok(name.to_string()) } else { Err(error::name_invalid(name)) }
}

fn parsed_digest(text: &str) -> Result<Digest, Response> {
    Digest::parse(text).map_err(|_| error::digest_invalid(text))
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    /// 64 hexadecimal digits.
    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    /// The route, or the status of the response instead.
    fn parse(target: &str) -> Result<Route, u16> {
        Route::parse(target).map_err(|response| response.status)
    }

    fn manifest(name: &str, tag: &str) -> Result<Route, u16> {
        Ok(Route::Manifest { name: name.to_string(), reference: Reference::Tag(tag.to_string()) })
    }

    #[test]
    fn every_endpoint_has_its_route() {
        let (name, digest) = ("library/httpd".to_string(), Digest::of(b""));
        assert_eq!(parse("/"), Ok(Route::Root));
        assert_eq!(parse("/v2"), Err(301));
        assert_eq!(parse("/v2/"), Ok(Route::Base));
        assert_eq!(parse("/v2/?x=y"), Ok(Route::Base));
        assert_eq!(
            parse("/v1/repositories/library/httpd/images"),
            Ok(Route::V1Images { name: name.clone() })
        );
        assert_eq!(parse("/v1/_ping"), Ok(Route::V1Ping));
        assert_eq!(parse("/v1/repositories/library/httpd/tags"), Ok(Route::V1Tags { name: name.clone() }));
        for (text, part) in [("ancestry", V1Part::Ancestry), ("json", V1Part::Json), ("layer", V1Part::Layer)]
        {
            let image = Route::V1Image { id: HEX.to_string(), part };
            assert_eq!(parse(&format!("/v1/images/{HEX}/{text}")), Ok(image));
        }
        let upper = HEX.to_uppercase();
        for target in [
            "/v1/",
            "/v1/_ping/",
            "/v1/repositories/A/images",
            "/v1/repositories//images",
            "/v1/repositories/a/tags/latest",
            "/v1/images/x/json",
            &format!("/v1/images/{upper}/json"),
            &format!("/v1/images/{HEX}/checksum"),
            &format!("/v1/images/{HEX}/json/"),
        ] {
            assert_eq!(parse(target), Ok(Route::V1), "{target}");
        }
        assert_eq!(parse(&format!("/v2/a/blobs/{}", Digest::EMPTY_LAYER)), Ok(Route::EmptyLayer));
        let page = Page { n: Some(2), last: Some("a/b".to_string()) };
        let catalog = Route::Catalog { page, query: "n=2&last=a%2Fb".to_string() };
        assert_eq!(parse("/v2/_catalog?n=2&last=a%2Fb"), Ok(catalog));
        assert_eq!(parse("/v2/_catalog?n=x"), Err(400));
        let blob = Route::Blob { name: name.clone(), digest: digest.clone() };
        assert_eq!(parse(&format!("/v2/library/httpd/blobs/{digest}")), Ok(blob));
        let query = "artifactType=a%2Fb".to_string();
        let referrers = Route::Referrers { name: name.clone(), digest: digest.clone(), query };
        let target = format!("/v2/library/httpd/referrers/{digest}?artifactType=a%2Fb");
        assert_eq!(parse(&target), Ok(referrers));
        assert_eq!(parse("/_downshift/token?x=y"), Ok(Route::Token { query: "x=y".to_string() }));
        for path in ["", "/", "/js/main.js", "/../x"] {
            assert_eq!(parse(&format!("/_downshift{path}?x")), Ok(Route::Page { path: path.to_string() }));
        }
        let by_digest = Route::Manifest { name, reference: Reference::Digest(digest.clone()) };
        assert_eq!(parse(&format!("/v2/library/httpd/manifests/{digest}")), Ok(by_digest));
    }

    #[test]
    fn names_may_have_the_words_of_the_api_as_components() {
        assert_eq!(parse("/v2/a/manifests/latest"), manifest("a", "latest"));
        assert_eq!(parse("/v2/a/tags/list/manifests/list"), manifest("a/tags/list", "list"));
        assert_eq!(parse("/v2/manifests/manifests/manifests"), manifest("manifests", "manifests"));
    }

    #[test]
    fn percent_encoding_is_undone_once() {
        assert_eq!(parse("/v2/library%2fhttpd/manifests/%6Catest"), manifest("library/httpd", "latest"));
        assert_eq!(parse("/v2/%2561/manifests/latest"), Err(400));
    }

    #[test]
    fn a_registry_with_a_port_may_begin_a_name() {
        for target in ["/v2/localhost:5000/app/manifests/latest", "/v2/localhost%3a5000/app/manifests/latest"]
        {
            assert_eq!(parse(target), manifest("localhost:5000/app", "latest"), "{target}");
        }
        for name in [
            "localhost:5000",
            "app:5000",
            "a/b:5",
            "a:/b",
            ":5/b",
            "a:b/c",
            "a:123456/b",
            "a:5:5/b",
            "[::1]:5/b",
        ] {
            assert_eq!(parse(&format!("/v2/{name}/manifests/latest")), Err(400), "{name}");
        }
    }

    #[test]
    fn pages_of_tags_are_read_from_the_query() {
        for (query, n, last) in [
            ("", None, None),
            ("?n=2", Some(2), None),
            ("?last=1.0&n=0", Some(0), Some("1.0")),
            ("?last=a%2Bb&x&n=7&n=8", Some(7), Some("a+b")),
        ] {
            let page = Page { n, last: last.map(ToString::to_string) };
            let query_as_it_came = query.trim_start_matches('?').to_string();
            let expected = Route::Tags { name: "a".to_string(), page, query: query_as_it_came };
            assert_eq!(parse(&format!("/v2/a/tags/list{query}")), Ok(expected), "{query}");
        }
        for n in ["", "-1", "two", "99999999999999999999"] {
            assert_eq!(parse(&format!("/v2/a/tags/list?n={n}")), Err(400), "{n}");
        }
    }

    #[test]
    fn paths_outside_the_api_are_unknown() {
        let targets = "* /v2x /v3/ /_downshiftx /v2// /v2/_catalog/ /v2/a/_catalog /v2/a/tags/ /v2/a/tags/list/ /v2/manifests/latest \
                       /v2/a/blobs/uploads/ /v2/a/blobs/..%2f.. /v2/a/%zz/b /v2/a/manifests/%ff \
                       /v2/a/manifests/%2 /%2e%2e/etc/passwd";
        for target in targets.split(' ') {
            assert_eq!(parse(target), Ok(Route::Unknown), "{target}");
        }
        assert_eq!(parse(""), Ok(Route::Unknown));
    }

    #[test]
    fn hostile_names_digests_and_references_are_refused() {
        let invalid = "/v2/../manifests/latest /v2/a/%2e%2e/b/manifests/latest /v2/a%00/manifests/latest \
                       /v2//manifests/latest /v2/Library/httpd/tags/list /v2/a/blobs/latest \
                       /v2/a/referrers/sha256:0";
        for target in invalid.split(' ') {
            assert_eq!(parse(target), Err(400), "{target}");
        }
        let upper = HEX.to_uppercase();
        for reference in
            ["", "..", "-x", "a%2520", &format!("md5:{HEX}"), &format!("sha256:{upper}"), "sha256:0"]
        {
            assert_eq!(parse(&format!("/v2/a/manifests/{reference}")), Err(404), "{reference}");
        }
    }
}
