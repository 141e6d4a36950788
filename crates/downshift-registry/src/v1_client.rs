//! Clients that ask the API of version 1 after a failure.

use alloc::string::String;

use crate::UserAgent;

/// Bytes of a `User-Agent` that tell one client from another. Docker's has about 100.
const USER_AGENT_BYTES: usize = 256;

/// A client that asks the API of version 1 after a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct V1Client {
    /// The beginning of its `User-Agent`.
    pub user_agent: String,
    /// Whether it prints nothing else.
    pub prints_v1_only: bool,
}

impl V1Client {
    /// The client with this `User-Agent`, if it is one.
    pub(crate) fn of(user_agent: &str) -> Option<Self> {
        let parsed = UserAgent::parse(user_agent);
        let prints_v1_only = parsed.prints_v1_only();
        let cut = |text: &str| text.chars().take(USER_AGENT_BYTES).collect();
        parsed.asks_v1().then(|| Self { user_agent: cut(user_agent), prints_v1_only })
    }
}
