//! The right to a repository, or to a registry's catalog (Distribution, "Token Scope Documentation").

use alloc::string::{String, ToString};
use core::fmt;

use crate::is_local_name;

/// What a registry calls its catalog in scopes.
const CATALOG: &str = "catalog";

/// The right to do something.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// What it is a right to.
    pub resource: Resource,
    /// The repository's name, or `catalog`.
    pub name: String,
    /// What is to be done with it: `pull`, `push`, `delete`, `*`, joined by commas.
    pub actions: String,
}

/// What a right is to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// A repository.
    Repository,
    /// What there is one of at each registry: its catalog.
    Registry,
}

impl Resource {
    /// How it stands in a scope.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Repository => "repository",
            Self::Registry => "registry",
        }
    }
}

impl Scope {
    /// The right to pull from the repository `name`.
    #[must_use]
    pub fn pull(name: &str) -> Self {
        Self { resource: Resource::Repository, name: name.to_string(), actions: "pull".to_string() }
    }

    /// The right to list the repositories of a registry.
    #[must_use]
    pub fn catalog() -> Self {
        Self { resource: Resource::Registry, name: CATALOG.to_string(), actions: "*".to_string() }
    }

    /// Reads a scope; `None` if it is neither of a repository nor of a catalog.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == "registry:catalog:*" {
            return Some(Self::catalog());
        }
        let (name, actions) = text.strip_prefix("repository:")?.rsplit_once(':')?;
        let in_actions = |byte: u8| byte.is_ascii_lowercase() || matches!(byte, b',' | b'*');
        let is_scope = is_local_name(name) && actions.len() <= 64 && actions.bytes().all(in_actions);
        is_scope.then(|| Self { actions: actions.to_string(), ..Self::pull(name) })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.resource.name(), self.name, self.actions)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    #[test]
    fn scopes_of_repositories_are_read_and_written() {
        for text in [
            "repository:library/httpd:pull",
            "repository:a:pull,push",
            "repository:a:*",
            "repository:localhost:5000/a:pull",
            "registry:catalog:*",
        ] {
            assert_eq!(Scope::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "repository:a",
            "registry:other:*",
            "registry:catalog:pull",
            "repository:../a:pull",
            "repository:a:pull x",
        ] {
            assert_eq!(Scope::parse(text), None, "{text}");
        }
    }
}
