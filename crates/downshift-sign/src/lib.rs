//! Keys, signers and verifiers for signed Docker schema 1 manifests.
//!
//! The core says which bytes to sign; whoever holds the key signs them. Here that is a [`PrivateKey`] on P-256 with
//! a signer: [`P256Signer`], whose signatures are the same wherever the same key signs the same bytes; `GraviolaSigner`
//! (with the feature `graviola`), which makes the same ones in a third of the time; or `RingSigner` (with the feature
//! `ring`), which never signs alike twice. [`verify`] says of each signature of a document if it holds.
//!
//! ```
//! use downshift_sign::{P256Signer, PrivateKey, Signer};
//!
//! let key = PrivateKey::generate()?;
//! let signer = P256Signer::new(&key);
//! let signature = signer.sign(b"eyJmb3JtYXRMZW5ndGgiOjEyfQ.ew")?;
//! assert_eq!(signature.key.kid(), key.public_key().kid());
//! # Ok::<(), downshift_sign::KeyError>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod error;
mod key;
mod mac;
mod problem;
mod public_key;
mod signer;
mod values;
mod verify;

pub use error::KeyError;
pub use key::PrivateKey;
pub use problem::{Problem, VERIFIED_SIGNATURES};
#[cfg(feature = "graviola")]
pub use signer::GraviolaSigner;
#[cfg(feature = "ring")]
pub use signer::RingSigner;
pub use signer::{P256Signer, Signer};
pub use verify::{Verdict, Verification, read_signatures, unsupported_key, verify, verify_with};
