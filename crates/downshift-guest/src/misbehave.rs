//! What the suite's bad guests do: see the features in `Cargo.toml`. In the real one this is nothing.

use alloc::vec::Vec;

use crate::bindings::downshift::convert::types as wit;

/// Does one bad thing, if this guest was built for that: what it says instead of an answer, if it says anything.
#[expect(unused_variables, reason = "the real guest does nothing with them")]
pub(crate) fn misbehave(request: &wit::Request, documents: &Vec<wit::Document>) -> Option<wit::Step> {
    #[cfg(feature = "loops")]
    loop {
        core::hint::black_box(());
    }
    #[cfg(feature = "grows")]
    loop {
        core::mem::forget(core::hint::black_box(alloc::vec![1_u8; 1 << 20]));
    }
    #[cfg(feature = "traps")]
    core::arch::wasm32::unreachable();
    #[cfg(feature = "asks")]
    return Some(wit::Step::Need(alloc::vec![bad::need(bad::root(request))]));
    #[cfg(feature = "floods")]
    return Some(wit::Step::Need((0..100_000).map(|number| bad::need(bad::digest(number))).collect()));
    #[cfg(feature = "lies")]
    return bad::lie(request, documents);
    #[cfg(feature = "records")]
    return Some(bad::record(request));
    #[cfg(not(any(
        feature = "asks",
        feature = "floods",
        feature = "grows",
        feature = "lies",
        feature = "loops",
        feature = "records",
        feature = "traps"
    )))]
    None
}

/// What the guests that misbehave are made of.
#[cfg(any(feature = "asks", feature = "floods", feature = "lies", feature = "records"))]
#[expect(dead_code, reason = "each of them uses a part")]
mod bad {
    use alloc::format;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;

    use super::wit;

    pub(super) fn digest(number: u32) -> String {
        format!("sha256:{number:064x}")
    }

    pub(super) fn root(request: &wit::Request) -> String {
        match &request.root {
            wit::Root::Tag(root) => root.digest.clone(),
            wit::Root::Digest(root) => root.digest.clone(),
        }
    }

    pub(super) fn need(digest: String) -> wit::Need {
        wit::Need { digest, size: None, media_type: None, kind: wit::NeedKind::Manifest }
    }

    /// The stored manifest, under the digest of something else.
    pub(super) fn lie(request: &wit::Request, documents: &Vec<wit::Document>) -> Option<wit::Step> {
        if documents.is_empty() {
            return Some(wit::Step::Need(alloc::vec![need(root(request))]));
        }
        let stored = wit::Described { form: wit::Form::Schema2, digest: root(request), size: 2 };
        Some(wit::Step::Done(wit::Draft {
            form: wit::Form::Schema2,
            body: wit::Body::Stored(root(request)),
            digest: Some(digest(1)),
            stored,
            source: None,
            platform: None,
            conversion: None,
        }))
    }

    /// A refusal that has something recorded for another repository.
    pub(super) fn record(request: &wit::Request) -> wit::Step {
        let failure = wit::Failure {
            code: "invalid-json".to_string(),
            fault: wit::Fault::Document,
            cause: "x".to_string(),
            remedy: "x".to_string(),
        };
        let record = wit::Reported {
            name: "library/other".to_string(),
            digest: digest(1),
            form: wit::Form::Schema2,
            payload: b"{}".to_vec(),
            source: root(request),
            tag: None,
            platform: None,
            time: None,
        };
        wit::Step::Refused(wit::Refusal { failure, records: alloc::vec![record] })
    }
}
