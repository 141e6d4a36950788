//! Who may pull: everybody, the users of a file, or everybody who may pull from an upstream registry.

mod callers;
mod failed_logins;
mod htpasswd;
mod login_checks;
mod pass_through;
mod realm;

use core::net::IpAddr;

use downshift_registry::{Request, Response, Route, error as http};

pub(crate) use self::htpasswd::Htpasswd;
use self::login_checks::NotChecked;
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
    /// On whose behalf to answer a request of `client`, if it is to be answered.
    ///
    /// Where an upstream registry decides, it does so when it is asked for what the request is about.
    ///
    /// # Errors
    /// The response: 401 without a user's name and password, 429 and 503 where too many logins are waiting.
    pub(crate) async fn admit(&self, request: &Request, client: IpAddr) -> Result<Caller, Response> {
        match self {
            Self::Open => Ok(Caller::Server),
            // Load balancers look there.
            _ if matches!(request.route, Route::Root) => Ok(Caller::Server),
            Self::PassThrough(_) => Ok(Caller::Client(request.authorization.clone())),
            Self::Htpasswd(htpasswd) => {
                let admits = match &request.authorization {
                    Some(authorization) => htpasswd.admits(authorization, client).await,
                    None => Ok(false),
                };
                match admits {
                    Ok(true) => Ok(Caller::Server),
                    Ok(false) => Err(http::unauthorized(&basic(), request.route.scope().as_ref())),
                    Err(NotChecked::ClientBusy) => Err(http::too_many_logins()),
                    Err(NotChecked::AllBusy) => Err(http::busy()),
                }
            }
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
