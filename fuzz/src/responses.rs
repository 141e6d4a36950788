//! What has to hold for every response, whatever was asked.

use downshift_registry::{Body, Challenge, Response};
use serde_json::Value;

/// Every header that this program sends.
pub const HEADERS: [&str; 30] = [
    "accept-ranges",
    "allow",
    "cache-control",
    "connection",
    "content-length",
    "content-range",
    "content-type",
    "date",
    "docker-content-digest",
    "docker-distribution-api-version",
    "downshift-source-digest",
    "downshift-source-signature",
    "etag",
    "link",
    "location",
    "oci-filters-applied",
    "retry-after",
    "set-cookie",
    "vary",
    "www-authenticate",
    "x-content-type-options",
    "x-docker-registry-standalone",
    "x-docker-registry-version",
    "x-docker-size",
    "x-docker-token",
    // Not yet, but harmless.
    "age",
    "server",
    "strict-transport-security",
    "transfer-encoding",
    "x-request-id",
];

/// Those that the page has beside them.
pub const PAGE_HEADERS: [&str; 6] = [
    "content-encoding",
    "content-security-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "permissions-policy",
    "referrer-policy",
];

/// Checks a response as it leaves the registry.
pub fn is_sound(response: &Response) {
    let Response { status, headers, body } = response;
    assert!((200..600).contains(status));
    let mut names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "a header is there twice: {headers:?}");
    for (name, value) in headers {
        assert!(HEADERS.contains(name), "`{name}` is no header of ours");
        assert!(is_value(value), "`{name}` has a value that cannot be sent: {value:?}");
    }
    let header = |name: &str| headers.iter().find(|(own, _)| *own == name).map(|(_, value)| value.as_str());
    let Body::Bytes(bytes) = body else { return };
    if !bytes.is_empty() {
        assert_eq!(header("content-length"), Some(bytes.len().to_string().as_str()));
        assert!(header("content-type").is_some());
    }
    if *status >= 400
        && header("content-type") == Some("application/json; charset=utf-8")
        && !bytes.is_empty()
    {
        is_error(bytes);
    }
    if let Some(challenge) = header("www-authenticate") {
        assert_eq!(Challenge::parse_all([challenge.as_bytes()]).len(), 1, "{challenge}");
    }
}

/// Checks the body of an error: JSON with one entry, of which clients print the message.
pub fn is_error(body: &[u8]) {
    let body: Value = serde_json::from_slice(body).expect("an error is JSON");
    let errors = body["errors"].as_array().expect("there are errors");
    assert_eq!(errors.len(), 1);
    assert!(
        errors[0]["code"]
            .as_str()
            .is_some_and(|code| code.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'))
    );
    assert!(errors[0]["message"].as_str().is_some_and(|message| !message.is_empty()));
}

/// Whether a header can have this value (RFC 9110, 5.5).
pub fn is_value(value: &str) -> bool {
    value.trim() == value && value.chars().all(|char| !char.is_control())
}
