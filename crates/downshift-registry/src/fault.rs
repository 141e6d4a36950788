//! What can go wrong with an upstream registry.

use alloc::string::{String, ToString};
use core::fmt;

use downshift::Digest;

use crate::{Demand, Response, error};

/// Why an upstream registry did not give what was asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The host that was asked, with its port unless that is the usual one.
    pub host: String,
    /// What went wrong.
    pub problem: Problem,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// A blob broke off before its end, again and again.
    BrokeOff {
        /// The blob's digest.
        digest: Digest,
    },
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
    /// A layer came without its length, and its client reads none like that.
    NoLength,
    /// A redirect or token service points to an address of this machine or its network.
    PrivateAddress,
    /// The proxy on the way to it failed, or refused.
    Proxy {
        /// The proxy's URL, without a user and a password.
        proxy: String,
        /// What is wrong with it.
        what: BadProxy,
    },
    /// A redirect leads from HTTPS to HTTP, or there are too many of them.
    Redirect(BadRedirect),
    /// The answer is an error.
    Status(u16),
    /// It did not answer in time.
    Timeout,
    /// There was a connection, and no TLS on it.
    Tls(BadTls),
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

/// What is wrong with a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadProxy {
    /// It does not know the user or the password, or was given none (status 407).
    Credentials,
    /// It answered, and made no connection to the host.
    Refused,
    /// There was no connection to it, or it broke.
    Unreachable(String),
}

/// What is wrong with TLS towards a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadTls {
    /// The certificate's time is over.
    Expired,
    /// The certificate's time has not come.
    NotYetValid,
    /// The host does not speak TLS, as one that speaks plain HTTP.
    NotTls,
    /// The certificate is made out to other names.
    OtherName,
    /// Nobody who is trusted has issued the certificate.
    UnknownIssuer,
    /// Anything else, in the words of the TLS library.
    Other(String),
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
            Problem::Proxy { what: BadProxy::Refused | BadProxy::Unreachable(_), .. } => true,
            Problem::Status(status) => matches!(status, 500 | 502 | 503 | 504),
            _ => false,
        }
    }

    /// Whether the registry is down or too busy, and so says nothing about what was asked.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        match self.problem {
            Problem::Proxy { .. }
            | Problem::Timeout
            | Problem::Tls(_)
            | Problem::TooManyRequests { .. }
            | Problem::Unreachable(_) => true,
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
            Self::BrokeOff { .. } => ("upstream-broke-off", 502, TRY_AGAIN),
            Self::Corrupt { .. } => ("upstream-corrupt", 502, CHECK_STORAGE),
            Self::Denied => ("upstream-denied", 403, GIVE_CREDENTIALS),
            Self::Invalid(_) => ("upstream-invalid", 502, CHECK_URL),
            Self::NoDocument => ("upstream-no-document", 502, CHECK_PROXY),
            Self::NoLength => ("upstream-no-length", 502, USE_A_NEWER_ENGINE),
            Self::PrivateAddress => {
                ("upstream-private-address", 502, "have the upstream registry use a public address")
            }
            Self::Proxy { what, .. } => ("upstream-proxy", 502, what.remedy()),
            Self::Redirect(_) => ("upstream-redirect", 502, CHECK_URL),
            Self::Status(_) => ("upstream-status", 502, TRY_AGAIN),
            Self::Timeout => ("upstream-timeout", 504, TRY_AGAIN),
            Self::Tls(what) => ("upstream-unreachable", 502, what.remedy()),
            Self::TooLarge { .. } => ("upstream-too-large", 502, RAISE_THE_LIMIT),
            Self::TooManyRequests { .. } => (
                "upstream-too-many-requests",
                429,
                "try again later, or have this server log in to the registry with an account of its own",
            ),
            Self::Unauthorized(_) => ("upstream-unauthorized", 403, GIVE_CREDENTIALS),
            Self::Unreachable(_) => ("upstream-unreachable", 502, TRY_AGAIN),
        };
        Facts { code, status, remedy }
    }
}

// Remedies of several problems.
const CHECK_PROXY: &str = "check whether a login page or a proxy answers in front of the registry";
const CHECK_STORAGE: &str = "try again; if it fails again, the registry stores or sends damaged data: ask its operator, or \
                             push the image again";
const CHECK_URL: &str = "check this server's settings: the URL must be that of a registry";
const GIVE_CREDENTIALS: &str =
    "check the name of the image; if it is right, give this server credentials with pull access";
const RAISE_THE_LIMIT: &str = "if you trust the registry, raise this server's limit `document-bytes`; no client needs documents this large";
const USE_A_NEWER_ENGINE: &str =
    "pull it with Docker 1.8 or later, or have the registry send layers with a Content-Length";
const TRY_AGAIN: &str = "try again; if it fails again, ask the operator of this registry";

impl BadProxy {
    const fn remedy(&self) -> &'static str {
        match self {
            Self::Credentials => "give this server a user name and a password that the proxy takes",
            Self::Refused => {
                "have the proxy allow connections to this host and port, or name the host in this server's NO_PROXY"
            }
            Self::Unreachable(_) => "check that the proxy runs, and this server's proxy settings",
        }
    }
}

impl BadTls {
    const fn remedy(&self) -> &'static str {
        match self {
            Self::Expired => "have the certificate renewed, or check this server's clock",
            Self::NotYetValid => "check this server's clock",
            Self::NotTls => {
                "check the port; if only plain HTTP is spoken there, use http:// in this server's settings"
            }
            Self::OtherName => {
                "ask for the registry by a name in its certificate, or have one issued for this name"
            }
            Self::UnknownIssuer => {
                "give this server the certificate of the authority that issued it (`ca`, or --upstream-ca)"
            }
            Self::Other(_) => {
                "ask the operator of this registry: its TLS settings do not match this server's"
            }
        }
    }
}

impl fmt::Display for BadProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credentials => f.write_str("requires a user name and password, or different ones"),
            Self::Refused => f.write_str("made no connection to it"),
            Self::Unreachable(why) => write!(f, "cannot be reached: {why}"),
        }
    }
}

impl fmt::Display for BadTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired => f.write_str("has a certificate that has expired"),
            Self::NotYetValid => f.write_str("has a certificate that is not valid yet"),
            Self::NotTls => f.write_str("does not speak TLS: it may speak plain HTTP"),
            Self::OtherName => f.write_str("has a certificate for other names"),
            Self::UnknownIssuer => f.write_str("has a certificate from an authority that is not trusted"),
            Self::Other(why) => write!(f, "cannot be asked over TLS: {why}"),
        }
    }
}

impl fmt::Display for BadRedirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Circle => "in a loop",
            Self::Downgrade => "from HTTPS to HTTP",
            Self::Nowhere => "to an address that is not a URL of the web",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the upstream registry `{}` {}", self.host, self.problem)
    }
}

/// What the host did, as it follows its name in a sentence.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BrokeOff { digest } => {
                write!(
                    f,
                    "broke off in the middle of the blob `{digest}`, each time it was asked for the rest"
                )
            }
            Self::Corrupt { digest } => write!(f, "sent bytes for `{digest}` that have another digest"),
            Self::Denied => f.write_str("denies access"),
            Self::Invalid(what) => write!(f, "sent an invalid answer: {what}"),
            Self::NoDocument => f.write_str("sent something other than a manifest or config"),
            Self::NoLength => f.write_str("sent a layer without its length, which this client needs"),
            Self::PrivateAddress => f.write_str("points to an address that is not public"),
            Self::Proxy { proxy, what } => write!(f, "cannot be asked: the proxy `{proxy}` {what}"),
            Self::Redirect(what) => write!(f, "redirects {what}"),
            Self::Status(status) => write!(f, "answered with status `{status}`"),
            Self::Timeout => f.write_str("did not answer in time"),
            Self::Tls(what) => what.fmt(f),
            Self::TooLarge { limit } => write!(f, "sent a document of more than `{limit}` bytes"),
            Self::TooManyRequests { .. } => f.write_str("received too many requests"),
            Self::Unauthorized(_) => f.write_str("requires other credentials"),
            Self::Unreachable(why) => write!(f, "cannot be reached: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    fn told(problem: Problem) -> String {
        let fault = Fault { host: "registry.example.org:5000".to_string(), problem };
        format!("{}: {fault}; {}", fault.code(), fault.remedy())
    }

    #[test]
    fn faults_name_who_is_asked_and_who_can_mend_them() {
        let proxy = |what| Problem::Proxy { proxy: "http://proxy:3128".to_string(), what };
        for (problem, expected) in [
            (
                Problem::Status(500),
                "upstream-status: the upstream registry `registry.example.org:5000` answered with status `500`; try \
                 again; if it fails again, ask the operator of this registry",
            ),
            (
                Problem::Tls(BadTls::NotTls),
                "upstream-unreachable: the upstream registry `registry.example.org:5000` does not speak TLS: it may \
                 speak plain HTTP; check the port; if only plain HTTP is spoken there, use http:// in this server's \
                 settings",
            ),
            (
                Problem::Tls(BadTls::Expired),
                "upstream-unreachable: the upstream registry `registry.example.org:5000` has a certificate that has \
                 expired; have the certificate renewed, or check this server's clock",
            ),
            (
                proxy(BadProxy::Refused),
                "upstream-proxy: the upstream registry `registry.example.org:5000` cannot be asked: the proxy \
                 `http://proxy:3128` made no connection to it; have the proxy allow connections to this host and port, \
                 or name the host in this server's NO_PROXY",
            ),
        ] {
            assert_eq!(told(problem), expected);
        }
    }

    #[test]
    fn only_what_is_stored_is_to_be_pushed_again() {
        for problem in [
            Problem::Denied,
            Problem::Invalid("x".to_string()),
            Problem::NoLength,
            Problem::PrivateAddress,
            Problem::Proxy { proxy: "a".to_string(), what: BadProxy::Credentials },
            Problem::Redirect(BadRedirect::Circle),
            Problem::Status(404),
            Problem::Timeout,
            Problem::Tls(BadTls::UnknownIssuer),
            Problem::TooLarge { limit: 1 },
            Problem::TooManyRequests { retry_after: None },
            Problem::Unreachable("x".to_string()),
        ] {
            let told = told(problem);
            assert!(!told.contains("push"), "{told}");
        }
        assert!(told(Problem::Corrupt { digest: Digest::of(b"") }).contains("push the image again"));
    }

    #[test]
    fn a_proxy_or_tls_that_fails_says_nothing_of_what_was_asked() {
        let fault = |problem| Fault { host: "a".to_string(), problem };
        let proxy = |what| fault(Problem::Proxy { proxy: "b".to_string(), what });
        let (password, refused) = (proxy(BadProxy::Credentials), proxy(BadProxy::Refused));
        let expired = fault(Problem::Tls(BadTls::Expired));
        for fault in [&password, &refused, &expired] {
            assert!(fault.is_outage() && !fault.is_about_caller(), "{fault}");
        }
        // Asking again helps where something may have come up meanwhile, and not against a setting.
        assert!(refused.is_transient() && !password.is_transient() && !expired.is_transient());
    }
}
