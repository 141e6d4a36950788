//! Keys for signed Docker schema 1 manifests.
#![forbid(unsafe_code)]

mod error;
mod key;

pub use error::KeyError;
pub use key::PrivateKey;
