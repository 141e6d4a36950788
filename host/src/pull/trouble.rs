//! Errors of this server, as a pull is told of them.

use downshift_pull::Trouble;

use crate::error::Error;
use crate::log;

/// What a pull is told of an error, which is logged where it is not for clients.
pub(super) fn trouble(error: &Error) -> Trouble {
    match error {
        Error::Busy => Trouble::Busy,
        Error::Missing { digest } => Trouble::Missing(digest.clone()),
        error => match error.document_failure() {
            Some(failure) => Trouble::Document(failure),
            None => {
                log::error(error);
                if error.is_of_records() { Trouble::NotRecorded } else { Trouble::Internal }
            }
        },
    }
}
