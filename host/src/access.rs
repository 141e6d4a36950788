//! Who may pull: everybody, the users of a file, or whoever an upstream registry lets.

mod htpasswd;
mod pass_through;

use core::time::Duration;

use downshift_registry::{Authorization, Demand, Request, Response, Route, error as http};
use ring::hmac::{self, HMAC_SHA256};
use ring::rand::SystemRandom;

pub(crate) use self::htpasswd::Htpasswd;
pub(crate) use self::pass_through::PassThrough;
use crate::error::Error;
use crate::upstream::Caller;

/// How long it is remembered that somebody may pull: as long as the oldest clients use a token, and no longer, so that
/// a right that was taken away is gone then.
const REMEMBERED: Duration = Duration::from_secs(60);

/// How much of that is remembered.
const MAX_REMEMBERED: u64 = 100_000;

/// What is told to people who have to log in.
const REALM: &str = "downshift";

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

    /// The error for a client that an upstream registry did not let, if that is what `error` is about.
    pub(crate) fn refusal(&self, request: &Request, error: &Error) -> Option<Response> {
        match self {
            Self::PassThrough(pass_through) => pass_through.refusal(request, error),
            _ => None,
        }
    }
}

/// Asks for a name and password.
fn basic() -> Demand {
    Demand::Basic { realm: REALM.to_owned() }
}

/// Makes of what a client says of itself something that can be remembered: nobody who sees it can say the same.
struct Hasher(hmac::Key);

impl Hasher {
    fn new() -> Result<Self, Error> {
        let key = hmac::Key::generate(HMAC_SHA256, &SystemRandom::new());
        key.map(Self).map_err(|_| Error::from(downshift_sign::KeyError::NoRandomness))
    }

    fn hash(&self, authorization: Option<&Authorization>) -> [u8; 32] {
        let mut hash = [0; 32];
        if let Some(authorization) = authorization {
            hash.copy_from_slice(hmac::sign(&self.0, authorization.as_str().as_bytes()).as_ref());
        }
        hash
    }
}
