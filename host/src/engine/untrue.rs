//! Answers that cannot be true. The core gives none: a guest that does is another program, or was made one by a document.

use downshift::{Failure, Fault};

/// The failure of a request whose answer cannot be true, because of `problem`.
pub(super) fn answer(problem: &str) -> Failure {
    Failure {
        code: "guest-answer".into(),
        fault: Fault::Caller,
        cause: format!("the conversion gave an answer that cannot be true: {problem}"),
        remedy: "report it, with the manifest and its config".into(),
    }
}

/// The failure of a layer of which what comes cannot be true, because of `problem`.
pub(super) fn layer(problem: &str) -> Failure {
    Failure {
        code: "guest-answer".into(),
        fault: Fault::Caller,
        cause: format!("the unpacking of the layer came to what cannot be true: {problem}"),
        remedy: "report it, with the layer".into(),
    }
}

/// The failure of a request whose answer needs documents again and again.
pub(crate) fn endless() -> Failure {
    answer("it needs documents without end")
}
