//! Errors, as the package throws them.

use alloc::boxed::Box;

use downshift::{Error, Failure};
use wasm_bindgen::JsValue;

use crate::json;

/// An error on its way to JavaScript: JSON with `code`, `fault`, `cause` and `remedy`, of which the package makes an
/// `Error`.
///
/// In a box, for it travels through every function here, and nobody waits for an error.
pub struct JsError(Box<Failure>);

impl JsError {
    /// An argument that is not what the documentation says.
    #[cfg(feature = "convert")]
    #[inline(never)]
    pub(crate) fn invalid(name: &str) -> Self {
        let failure = Failure {
            code: "invalid-argument".into(),
            fault: downshift::Fault::Caller,
            cause: ["`", name, "` is missing or of another kind"].concat(),
            remedy: "see the package's types".into(),
        };
        failure.into()
    }
}

impl From<Error> for JsError {
    #[inline(never)]
    fn from(error: Error) -> Self {
        Failure::from(error).into()
    }
}

impl From<Box<Error>> for JsError {
    #[inline(never)]
    fn from(error: Box<Error>) -> Self {
        Failure::from(error).into()
    }
}

impl From<Failure> for JsError {
    fn from(failure: Failure) -> Self {
        Self(Box::new(failure))
    }
}

#[cfg(feature = "pull")]
impl From<Box<Failure>> for JsError {
    fn from(failure: Box<Failure>) -> Self {
        Self(failure)
    }
}

impl From<JsError> for JsValue {
    #[inline(never)]
    fn from(JsError(failure): JsError) -> Self {
        Self::from_str(&json::failure(&failure))
    }
}
