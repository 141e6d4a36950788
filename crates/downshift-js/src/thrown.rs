//! Errors, as the package throws them.

use alloc::string::ToString as _;

use downshift::{Error, Failure};
use serde_json::json;
use wasm_bindgen::JsValue;

/// An error on its way to JavaScript: JSON with `code`, `fault`, `cause` and `remedy`, of which the package makes an
/// `Error`.
pub struct Thrown(Failure);

impl Thrown {
    /// An argument that is not what the documentation says.
    #[cfg(feature = "convert")]
    pub(crate) fn invalid(name: &str) -> Self {
        Self(Failure {
            code: "invalid-argument".into(),
            fault: downshift::Fault::Caller,
            cause: ["`", name, "` is missing or of another kind"].concat(),
            remedy: "see the package's types".into(),
        })
    }
}

impl From<Error> for Thrown {
    fn from(error: Error) -> Self {
        Self(error.into())
    }
}

impl From<Failure> for Thrown {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl From<Thrown> for JsValue {
    fn from(Thrown(failure): Thrown) -> Self {
        let Failure { code, fault, cause, remedy } = failure;
        let fault = crate::json::fault(fault);
        let error = json!({ "code": code, "fault": fault, "cause": cause, "remedy": remedy });
        Self::from_str(&error.to_string())
    }
}
