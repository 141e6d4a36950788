//! Clients that ask the API of version 1 after a failure.

use alloc::string::String;

use crate::client_table::{ClientFacts, PrintedErrors};

/// A client that asks the API of version 1 after a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct V1Client {
    /// The beginning of its `User-Agent`.
    pub user_agent: String,
    /// Whether it prints nothing else.
    pub prints_v1_only: bool,
}

impl V1Client {
    /// The client with this `User-Agent`, of which these `facts` are known, if it is one.
    pub(crate) fn of(user_agent: &str, facts: ClientFacts<'_>) -> Option<Self> {
        let prints_v1_only = facts.errors == PrintedErrors::None;
        (facts.errors != PrintedErrors::All).then(|| Self { user_agent: user_agent.into(), prints_v1_only })
    }
}
