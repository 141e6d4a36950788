//! What can go wrong with an upstream registry.

use alloc::string::{String, ToString};
use core::fmt;

use downshift::Digest;

use crate::{Demand, Response, error};

/// Why an upstream registry did not give what was asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The host that was asked.
    pub host: String,
    /// What went wrong.
    pub problem: Problem,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// A document came whose digest is another one than it should have.
    Corrupt {
        /// The digest that it should have.
        digest: Digest,
    },
    /// Whoever asked may not have this.
    Denied,
    /// What came is no answer of a registry.
    Invalid(String),
    /// A redirect or token service leads to an address that only this machine or its network knows.
    PrivateAddress,
    /// A redirect leads from HTTPS to HTTP, or there are too many of them.
    Redirect(BadRedirect),
    /// The answer is an error.
    Status(u16),
    /// It did not answer in time.
    Timeout,
    /// More bytes came than a document may have.
    TooLarge {
        /// How many bytes it may have.
        limit: usize,
    },
    /// Too much was asked of it.
    TooManyRequests {
        /// After how many seconds to come again, if it says so.
        retry_after: Option<u64>,
    },
    /// Whoever asked has to say who it is.
    Unauthorized(Demand),
    /// There was no connection, or it broke.
    Unreachable(String),
}

/// What is wrong with a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRedirect {
    /// There are too many of them.
    Circle,
    /// It leads from HTTPS to HTTP.
    Downgrade,
    /// It names no URL that can be asked.
    Nowhere,
}

impl Fault {
    /// The stable machine code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self.problem {
            Problem::Corrupt { .. } => "upstream-corrupt",
            Problem::Denied => "upstream-denied",
            Problem::Invalid(_) => "upstream-invalid",
            Problem::PrivateAddress => "upstream-private-address",
            Problem::Redirect(_) => "upstream-redirect",
            Problem::Status(_) => "upstream-status",
            Problem::Timeout => "upstream-timeout",
            Problem::TooLarge { .. } => "upstream-too-large",
            Problem::TooManyRequests { .. } => "upstream-too-many-requests",
            Problem::Unauthorized(_) => "upstream-unauthorized",
            Problem::Unreachable(_) => "upstream-unreachable",
        }
    }

    /// What can be done about it, in one line.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self.problem {
            Problem::Denied | Problem::Unauthorized(_) => {
                "give this server credentials that may pull it, or check the name"
            }
            Problem::TooManyRequests { .. } => "try again later, or give this server credentials of its own",
            Problem::PrivateAddress => {
                "have the upstream registry name an address that it may send others to"
            }
            Problem::Corrupt { .. } | Problem::TooLarge { .. } => {
                "push the image again: what is stored is damaged"
            }
            Problem::Invalid(_) | Problem::Redirect(_) => "check that the URL is that of a registry",
            Problem::Status(_) | Problem::Timeout | Problem::Unreachable(_) => {
                "try again; if it stays so, check the upstream registry"
            }
        }
    }

    /// Whether the next attempt may well succeed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self.problem {
            Problem::Corrupt { .. } | Problem::Unreachable(_) => true,
            Problem::Status(status) => matches!(status, 500 | 502 | 503 | 504),
            _ => false,
        }
    }

    /// Whether the registry is down or too busy, and so says nothing about what was asked.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        match self.problem {
            Problem::Timeout | Problem::TooManyRequests { .. } | Problem::Unreachable(_) => true,
            Problem::Status(status) => status >= 500,
            _ => false,
        }
    }

    /// Whether it is about who asked, and so says nothing to others.
    #[must_use]
    pub fn is_about_caller(&self) -> bool {
        matches!(self.problem, Problem::Denied | Problem::Unauthorized(_))
    }

    /// The error for clients.
    #[must_use]
    pub fn response(&self) -> Response {
        let (status, retry_after) = match &self.problem {
            Problem::Denied | Problem::Unauthorized(_) => (403, None),
            Problem::TooManyRequests { retry_after } => (429, *retry_after),
            Problem::Timeout => (504, None),
            _ => (502, None),
        };
        error::upstream(status, self.code(), &self.to_string(), self.remedy(), retry_after)
    }
}

impl fmt::Display for BadRedirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Circle => "in a circle",
            Self::Downgrade => "from HTTPS to HTTP",
            Self::Nowhere => "to nowhere",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the upstream registry `{}` ", self.host)?;
        match &self.problem {
            Problem::Corrupt { digest } => write!(f, "gave for `{digest}` bytes of another digest"),
            Problem::Denied => f.write_str("denies the access"),
            Problem::Invalid(what) => write!(f, "gave no valid answer: {what}"),
            Problem::PrivateAddress => f.write_str("leads to an address that is not public"),
            Problem::Redirect(what) => write!(f, "redirects {what}"),
            Problem::Status(status) => write!(f, "answered with status `{status}`"),
            Problem::Timeout => f.write_str("did not answer in time"),
            Problem::TooLarge { limit } => write!(f, "gave a document of more than `{limit}` bytes"),
            Problem::TooManyRequests { .. } => f.write_str("was asked too often"),
            Problem::Unauthorized(_) => f.write_str("wants other credentials"),
            Problem::Unreachable(why) => write!(f, "cannot be reached: {why}"),
        }
    }
}
