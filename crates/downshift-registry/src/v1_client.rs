//! Clients that ask the API of version 1: after a failure, or for whatever they pull.

use alloc::string::String;

use crate::client_table::{ClientFacts, PrintedErrors};

/// A client that asks the API of version 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct V1Client {
    /// The beginning of its `User-Agent`.
    pub user_agent: String,
    /// Whether it prints nothing else.
    pub prints_v1_only: bool,
    /// Whether it pulls by that, as Docker before 1.6 does, and does not ask it after a failure alone.
    pub pulls_by_v1: bool,
}

impl V1Client {
    /// The client with this `User-Agent`, of which these `facts` are known, if it is one.
    pub(crate) fn of(user_agent: &str, facts: ClientFacts<'_>) -> Option<Self> {
        let pulls_by_v1 = facts.pulls_by_v1;
        let prints_v1_only = facts.errors == PrintedErrors::None || pulls_by_v1;
        let asks = facts.errors != PrintedErrors::All || pulls_by_v1;
        asks.then(|| Self { user_agent: user_agent.into(), prints_v1_only, pulls_by_v1 })
    }
}
