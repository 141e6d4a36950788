//! The page for browsers, which this program has in itself: the manifest inspector.

use std::sync::LazyLock;

use downshift::Digest;
use downshift_registry::{Body, PAGE_PATH, Response};
use hyper::HeaderMap;
use hyper::header::{ACCEPT_ENCODING, HeaderName, IF_NONE_MATCH};

/// A file of the page, as `cargo xtask build` made it: its path, its bytes, and the same compressed, or nothing.
type Built = (&'static str, &'static [u8], &'static [u8]);

/// All of them, which the build script has found.
const FILES: &[Built] = include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// What every response has beside its file.
///
/// The page works on documents that nobody else is to see, and on such that strangers have written. So the browser is
/// told to let it talk to this server and to nobody else, to run no script that is not a file of the page, and to turn
/// no text into markup.
const HEADERS: &[(&str, &str)] = &[
    ("content-security-policy", POLICY),
    // A type is what it says: a manifest that was fetched is never taken for a page or a script.
    ("x-content-type-options", "nosniff"),
    // Links that lead away do not say from where.
    ("referrer-policy", "no-referrer"),
    // No other page gets hold of this one's window, or of its files.
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    // All that the page needs of the machine is to copy text.
    (
        "permissions-policy",
        "camera=(), clipboard-write=(self), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// `'wasm-unsafe-eval'` is what browsers ask for before they compile WebAssembly; it allows no `eval`.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
                      img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// A file with its entity tags: the page's files change with the program, and browsers ask whether they did.
struct File {
    path: &'static str,
    plain: Coded,
    compressed: Coded,
}

/// A file in one of its codings, each of which has a tag of its own (RFC 9110, 8.8.3.3).
struct Coded {
    bytes: &'static [u8],
    tag: String,
}

static PAGE: LazyLock<Vec<File>> = LazyLock::new(|| FILES.iter().map(File::of).collect());

/// Answers a request for what is at `path`, below [`PAGE_PATH`].
pub(crate) fn answer(path: &str, request: &HeaderMap) -> Response {
    let Some(path) = path.strip_prefix('/') else {
        let location = ("location", format!("{PAGE_PATH}/"));
        return response(301, vec![location], "text/plain; charset=utf-8", b"");
    };
    let path = if path.is_empty() { "index.html" } else { path };
    let Some(file) = PAGE.iter().find(|file| file.path == path) else {
        return response(
            404,
            Vec::new(),
            "text/plain; charset=utf-8",
            b"the page has no such file in this build\n",
        );
    };
    let is_compressed = !file.compressed.bytes.is_empty() && accepts_gzip(request);
    let Coded { bytes, tag } = if is_compressed { &file.compressed } else { &file.plain };
    let mut headers = vec![
        ("cache-control", "no-cache".to_owned()),
        ("etag", tag.clone()),
        ("vary", "Accept-Encoding".to_owned()),
    ];
    if values(request, &IF_NONE_MATCH).any(|value| value.trim_start_matches("W/") == tag || value == "*") {
        return Response { status: 304, headers: with_common(headers), body: Body::Bytes(Vec::new().into()) };
    }
    if is_compressed {
        headers.push(("content-encoding", "gzip".to_owned()));
    }
    response(200, headers, media_type(path), bytes)
}

impl File {
    fn of(&(path, plain, compressed): &Built) -> Self {
        Self { path, plain: Coded::of(plain), compressed: Coded::of(compressed) }
    }
}

impl Coded {
    fn of(bytes: &'static [u8]) -> Self {
        Self { bytes, tag: format!("\"{}\"", Digest::of(bytes)) }
    }
}

fn response(
    status: u16,
    headers: Vec<(&'static str, String)>,
    media_type: &str,
    bytes: &'static [u8],
) -> Response {
    let mut headers = with_common(headers);
    headers.push(("content-type", media_type.to_owned()));
    headers.push(("content-length", bytes.len().to_string()));
    Response { status, headers, body: Body::Bytes(bytes.into()) }
}

fn with_common(headers: Vec<(&'static str, String)>) -> Vec<(&'static str, String)> {
    let common = HEADERS.iter().map(|&(name, value)| (name, value.to_owned()));
    headers.into_iter().chain(common).collect()
}

/// The type of a file, without which browsers run no module and stream no WebAssembly.
fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("wasm") => "application/wasm",
        _ => "application/octet-stream",
    }
}

/// Whether a client takes gzip (RFC 9110, 12.5.3): all browsers name it, without a weight.
fn accepts_gzip(request: &HeaderMap) -> bool {
    values(request, &ACCEPT_ENCODING).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let is_refused = weight.trim().strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0));
        matches!(name.trim(), "gzip" | "*") && !is_refused
    })
}

/// The members of a header that is a list.
fn values<'a>(request: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = request.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}
