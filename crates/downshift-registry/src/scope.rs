//! The right to a repository (Distribution, "Token Scope Documentation").

use alloc::string::{String, ToString};
use core::fmt;

use crate::is_repository_name;

/// The right to pull from a repository, or to do more with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The repository's name.
    pub name: String,
    /// What is to be done with it: `pull`, `push`, `delete`, `*`, joined by commas.
    pub actions: String,
}

impl Scope {
    /// The right to pull from the repository `name`.
    #[must_use]
    pub fn pull(name: &str) -> Self {
        Self { name: name.to_string(), actions: "pull".to_string() }
    }

    /// Reads a scope; `None` if it is not of a repository.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, actions) = text.strip_prefix("repository:")?.rsplit_once(':')?;
        let in_actions = |byte: u8| byte.is_ascii_lowercase() || matches!(byte, b',' | b'*');
        let is_scope = is_repository_name(name) && actions.len() <= 64 && actions.bytes().all(in_actions);
        is_scope.then(|| Self { name: name.to_string(), actions: actions.to_string() })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "repository:{}:{}", self.name, self.actions)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    #[test]
    fn scopes_of_repositories_are_read_and_written() {
        for text in ["repository:library/httpd:pull", "repository:a:pull,push", "repository:a:*"] {
            assert_eq!(Scope::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "repository:a", "registry:catalog:*", "repository:../a:pull", "repository:a:pull x"]
        {
            assert_eq!(Scope::parse(text), None, "{text}");
        }
    }
}
