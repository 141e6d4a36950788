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
