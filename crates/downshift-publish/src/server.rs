//! The settings of web servers. Each is written for all trees of the same clients: nothing in it names an image, so that a web
//! server reads them again only when there are other clients.

mod apache;
mod caddy;
mod edge;
mod lighttpd;
mod netlify;
mod nginx;
mod site;

use std::collections::BTreeMap;

use self::site::Problem;
pub use self::site::{BLOB, BY_DIGEST, BY_TAG, Site};
use crate::tree::{NETLIFY_HEADERS, headers_json};

/// All files with settings, by their paths in the tree.
#[must_use]
pub fn files(site: &Site<'_>) -> BTreeMap<String, String> {
    let mut files = BTreeMap::from([
        ("headers.json".to_owned(), headers_json(site.headers)),
        ("rules.json".to_owned(), site.rules_json()),
        ("nginx/maps.conf".to_owned(), nginx::maps(site)),
        ("nginx/server.conf".to_owned(), nginx::server(site)),
        ("apache/downshift.conf".to_owned(), apache::settings(site)),
        ("caddy/downshift.caddy".to_owned(), caddy::settings(site)),
        ("lighttpd/downshift.conf".to_owned(), lighttpd::settings(site)),
        ("lighttpd/downshift.lua".to_owned(), lighttpd::script(site)),
        ("cloudfront/function.js".to_owned(), edge::cloudfront(site)),
        ("cloudfront/upload.sh".to_owned(), edge::upload().to_owned()),
        ("cloudflare/worker.mjs".to_owned(), edge::worker(site)),
        (NETLIFY_HEADERS.to_owned(), netlify::headers(site.headers)),
    ]);
    for problem in Problem::ALL {
        files.insert(problem.file().to_owned(), problem.body());
    }
    files
}

#[cfg(test)]
mod tests {
    use downshift::Platform;

    use super::*;
    use crate::audience::Named;
    use crate::{Headers, Rules, v1_audience};

    fn files_for(v1: bool) -> BTreeMap<String, String> {
        let Named(audiences) = Named::parse("docker").unwrap();
        let v1 = v1_audience().filter(|_| v1);
        let platforms = [Platform::linux_amd64(), Platform::new("linux", "arm64")];
        let (rules, _) = Rules::derive(&audiences, v1.as_ref(), &platforms, |audience, _| audience);
        let header = || vec![("content-type".to_owned(), "application/json".to_owned())];
        let headers: Headers =
            ["/v2/a/tags/list", "/v1-api/v1/a/tags"].map(|path| (path.to_owned(), header())).into();
        files(&Site { rules: &rules, other_types: Vec::new(), headers: &headers })
    }

    #[test]
    fn version_1_is_in_the_settings_that_can_tell_clients_apart_if_it_is_wanted() {
        let (with, without) = (files_for(true), files_for(false));
        for path in [
            "nginx/server.conf",
            "apache/downshift.conf",
            "caddy/downshift.caddy",
            "lighttpd/downshift.lua",
            "cloudfront/function.js",
            "cloudflare/worker.mjs",
        ] {
            assert!(with[path].contains("v1-api/"), "{path}");
            assert!(!without[path].contains("v1-api/"), "{path}");
        }
        assert!(with["rules.json"].contains("\"v1@linux-arm64\"") && !without["rules.json"].contains("\"v1"));
        assert_eq!(with[NETLIFY_HEADERS], without[NETLIFY_HEADERS]);
        assert!(!with[NETLIFY_HEADERS].contains("v1-api"));
    }
}
