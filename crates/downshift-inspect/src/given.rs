//! Documents as they are given.

use alloc::string::String;

use downshift::Error;

/// A document that is given: a manifest, a config, or a response with one of these as its body.
#[derive(Clone, Debug, Default)]
pub struct Given<'g> {
    /// The exact bytes.
    pub bytes: &'g [u8],
    /// A name to show.
    pub label: Option<String>,
    /// The digest that it is expected to have.
    pub expected: Option<String>,
}

impl<'g> Given<'g> {
    /// A document of which nothing more is known.
    #[must_use]
    pub fn of(bytes: &'g [u8]) -> Self {
        Self { bytes, label: None, expected: None }
    }
}

/// Refuses what passes a limit.
pub(crate) fn limit(name: &'static str, limit: usize, actual: usize) -> Result<(), Error> {
    if actual > limit { Err(Error::LimitExceeded { name, limit, actual }) } else { Ok(()) }
}
