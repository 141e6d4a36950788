//! Netlify and Cloudflare Pages: a file with headers, and nothing that chooses by a request. So there is one form of each image,
//! that of the first client which the tree is for.

use super::site::{API_VERSION, VARY};
use crate::tree::Headers;

pub(super) fn headers(headers: &Headers) -> String {
    let mut text = format!("/v2/*\n  Docker-Distribution-API-Version: {API_VERSION}\n  Vary: {VARY}\n");
    for (path, lines) in headers.iter().filter(|(path, _)| path.starts_with("/v2/")) {
        let path = if path == "/v2/index.html" { "/v2/" } else { path };
        text.push_str(path);
        text.push('\n');
        for (name, value) in lines {
            text.push_str(&format!("  {name}: {value}\n"));
        }
    }
    text
}
