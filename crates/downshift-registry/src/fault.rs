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
    /// A document came that does not have the digest that was asked for.
    Corrupt {
        /// The digest that it should have.
        digest: Digest,
    },
    /// The caller may not have this.
    Denied,
    /// The answer is not one that a registry gives.
    Invalid(String),
    /// Something else came in the place of a document, such as a login page.
    NoDocument,
    /// A redirect or token service points to an address of this machine or its network.
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
    /// It limits requests, and this one was too many.
    TooManyRequests {
        /// After how many seconds to come again, if it says so.
        retry_after: Option<u64>,
    },
    /// The caller has to authenticate.
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
    pub const fn code(&self) -> &'static str {
        self.problem.facts().code
    }

    /// The way out, in one line.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        self.problem.facts().remedy
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
            // What it never does is no outage.
            Problem::Status(501 | 505) => false,
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
        let Facts { code, status, remedy } = self.problem.facts();
        let retry_after = match self.problem {
            Problem::TooManyRequests { retry_after } => retry_after,
            _ => None,
        };
        error::upstream(status, code, &self.to_string(), remedy, retry_after)
    }
}

/// What an error says whatever its cause is.
struct Facts {
    code: &'static str,
    /// The status for clients.
    status: u16,
    remedy: &'static str,
}

impl Problem {
    /// The stable machine code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.facts().code
    }

    /// All that an error says but for its cause: one line of each variant.
    const fn facts(&self) -> Facts {
        let (code, status, remedy) = match self {
            Self::Corrupt { .. } => ("upstream-corrupt", 502, PUSH_AGAIN),
            Self::Denied => ("upstream-denied", 403, GIVE_CREDENTIALS),
            Self::Invalid(_) => ("upstream-invalid", 502, CHECK_URL),
            Self::NoDocument => ("upstream-no-document", 502, CHECK_PROXY),
            Self::PrivateAddress => {
                ("upstream-private-address", 502, "have the upstream registry use a public address")
            }
            Self::Redirect(_) => ("upstream-redirect", 502, CHECK_URL),
            Self::Status(_) => ("upstream-status", 502, TRY_AGAIN),
            Self::Timeout => ("upstream-timeout", 504, TRY_AGAIN),
            Self::TooLarge { .. } => ("upstream-too-large", 502, PUSH_AGAIN),
            Self::TooManyRequests { .. } => (
                "upstream-too-many-requests",
                429,
                "try again later, or give this server credentials of its own",
            ),
            Self::Unauthorized(_) => ("upstream-unauthorized", 403, GIVE_CREDENTIALS),
            Self::Unreachable(_) => ("upstream-unreachable", 502, TRY_AGAIN),
        };
        Facts { code, status, remedy }
    }
}

// Remedies of several problems.
const CHECK_PROXY: &str = "check what stands before the registry, such as a login page or a proxy";
const CHECK_URL: &str = "check that the URL is that of a registry";
const GIVE_CREDENTIALS: &str = "give this server credentials that may pull the image, or check its name";
const PUSH_AGAIN: &str = "push the image again: what is stored is damaged";
const TRY_AGAIN: &str = "try again; if it fails again, check the upstream registry";

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
            Problem::Corrupt { digest } => write!(f, "sent bytes for `{digest}` that have another digest"),
            Problem::Denied => f.write_str("denies access"),
            Problem::Invalid(what) => write!(f, "sent an invalid answer: {what}"),
            Problem::NoDocument => f.write_str("sent something else in the place of a document"),
            Problem::PrivateAddress => f.write_str("points to an address that is not public"),
            Problem::Redirect(what) => write!(f, "redirects {what}"),
            Problem::Status(status) => write!(f, "answered with status `{status}`"),
            Problem::Timeout => f.write_str("did not answer in time"),
            Problem::TooLarge { limit } => write!(f, "sent a document of more than `{limit}` bytes"),
            Problem::TooManyRequests { .. } => f.write_str("received too many requests"),
            Problem::Unauthorized(_) => f.write_str("requires other credentials"),
            Problem::Unreachable(why) => write!(f, "cannot be reached: {why}"),
        }
    }
}
