//! Who may pull: everybody, the users of a file, or whoever an upstream registry lets.

mod callers;
mod htpasswd;
mod pass_through;
mod realm;

use downshift_registry::{Request, Response, Route, error as http};

pub(crate) use self::htpasswd::Htpasswd;
pub(crate) use self::pass_through::PassThrough;
use self::realm::basic;
use crate::error::Error;
use crate::upstream::Caller;

/// Who may pull.
pub(crate) enum Access {
    /// Everybody.
    Open,
    /// The users of a file.
    Htpasswd(Htpasswd),
    /// Whoever an upstream registry lets.
    PassThrough(PassThrough),
}

impl Access {
    /// On whose behalf to answer a request, if it is to be answered.
    ///
    /// Where an upstream registry decides, it does so when it is asked for what the request is about.
    pub(crate) async fn admit(&self, request: &Request) -> Result<Caller, Response> {
        match self {
            Self::Open => Ok(Caller::Server),
            // Load balancers look there.
            _ if matches!(request.route, Route::Root) => Ok(Caller::Server),
            Self::PassThrough(_) => Ok(Caller::Client(request.authorization.clone())),
            Self::Htpasswd(htpasswd) => match &request.authorization {
                Some(authorization) if htpasswd.admits(authorization).await => Ok(Caller::Server),
                _ => Err(http::unauthorized(&basic(), request.route.scope().as_ref())),
            },
        }
    }

    /// True if the answer to a request is for its caller only: somebody had to be let in for it.
    pub(crate) fn is_private(&self, request: &Request) -> bool {
        !matches!(self, Self::Open) && !matches!(request.route, Route::Root)
    }

    /// The error for a client that an upstream registry did not let, if that is what `error` is about.
    pub(crate) fn refusal(&self, request: &Request, error: &Error) -> Option<Response> {
        match self {
            Self::PassThrough(pass_through) => pass_through.refusal(request, error),
            _ => None,
        }
    }
}
