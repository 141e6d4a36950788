//! Names here and there: under which name an upstream registry has a repository.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use crate::name::is_local_name;
use crate::{RegistryName, is_repository_name};

/// How the names of repositories become those of an upstream registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// The first components of the names that are meant, without a slash at the end; all names if it is empty.
    pub prefix: String,
    /// What stands in the place of the prefix at the upstream registry; nothing if it is empty.
    pub remote_prefix: String,
    /// Whether names of one component are below `library/` there, as at Docker Hub, so that `httpd` needs no redirect.
    pub library: bool,
    /// What stands for a slash in the names here, after the prefix: `__` has `internal/team__app` be `team/app` there, for
    /// Docker 1.6 and 1.7, which pull no names of three components. Nothing does if it is empty.
    pub slash: String,
    /// The registries that the repositories are of for clients which take this server for their mirror, beside the one
    /// that the images are had from.
    pub registries: Vec<RegistryName>,
    /// Whether the prefix ends with the host of the registry, as one of a list. Names that begin with another host are
    /// then nobody's, and no other origin is asked for them.
    pub is_by_host: bool,
}

impl Mapping {
    /// The repository's name at the upstream registry, if `name` is meant.
    #[must_use]
    pub fn remote(&self, name: &str) -> Option<String> {
        let mut rest = Cow::Borrowed(self.rest(name)?);
        if !self.slash.is_empty() && rest.contains(&self.slash) {
            rest = Cow::Owned(rest.replace(&self.slash, "/"));
        }
        let mut remote = String::new();
        if !self.remote_prefix.is_empty() {
            remote.push_str(&self.remote_prefix);
            remote.push('/');
        } else if self.library && !rest.as_bytes().contains(&b'/') {
            remote.push_str("library/");
        }
        remote.push_str(&rest);
        is_repository_name(&remote).then_some(remote)
    }

    /// The name here of the repository that is called `remote` at the upstream registry, if it is one that is meant.
    #[must_use]
    pub fn local(&self, remote: &str) -> Option<String> {
        let rest = match self.remote_prefix.as_str() {
            "" if self.library => match remote.strip_prefix("library/") {
                Some(rest) if !rest.contains('/') => rest,
                _ => remote,
            },
            "" => remote,
            prefix => remote.strip_prefix(prefix)?.strip_prefix('/')?,
        };
        let mut local = String::new();
        if !self.prefix.is_empty() {
            local.push_str(&self.prefix);
            local.push('/');
        }
        local.push_str(rest);
        // What is called otherwise there has no name here.
        let is_own = is_local_name(&local) && self.remote(&local).as_deref() == Some(remote);
        is_own.then_some(local)
    }

    /// What follows the prefix in `name`, if that begins with it.
    #[must_use]
    pub fn rest<'n>(&self, name: &'n str) -> Option<&'n str> {
        Self::rest_after(&self.prefix, name)
    }

    /// What follows some first components in `name`, if that begins with them.
    #[must_use]
    pub fn rest_after<'n>(prefix: &str, name: &'n str) -> Option<&'n str> {
        if prefix.is_empty() { Some(name) } else { name.strip_prefix(prefix)?.strip_prefix('/') }
    }

    /// Whether both prefixes can begin the name of a repository, and what stands for a slash can be inside of one.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let is_prefix = |prefix: &str| is_local_name(&[prefix, "/x"].concat());
        (self.prefix.is_empty() || is_prefix(&self.prefix))
            && (self.remote_prefix.is_empty() || is_repository_name(&self.remote_prefix))
            && !self.slash.contains('/')
            && is_repository_name(&["x", &self.slash, "x"].concat())
            && !self.slash.contains(|char: char| char.is_ascii_alphanumeric())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{is_docker_hub, registry_host};

    fn mapping(prefix: &str, remote_prefix: &str, library: bool) -> Mapping {
        Mapping { prefix: prefix.into(), remote_prefix: remote_prefix.into(), library, ..Mapping::default() }
    }

    #[test]
    fn something_else_may_stand_for_a_slash() {
        let mapping = Mapping { slash: "__".into(), ..mapping("internal", "", false) };
        for (name, remote) in [
            ("internal/team__app", "team/app"),
            ("internal/team__sub__app", "team/sub/app"),
            ("internal/team/app", "team/app"),
            ("internal/team_app", "team_app"),
        ] {
            assert_eq!(mapping.remote(name).as_deref(), Some(remote), "{name}");
        }
        // The prefix is what it is.
        assert_eq!(mapping.remote("internal__team__app"), None);
        let hub = Mapping { slash: "--".into(), ..self::mapping("", "", true) };
        assert_eq!(hub.remote("bitnami--redis").as_deref(), Some("bitnami/redis"));
        assert_eq!(hub.remote("httpd").as_deref(), Some("library/httpd"));
        let is_valid = |slash: &str| Mapping { slash: slash.into(), ..Mapping::default() }.is_valid();
        for slash in ["", "__", "_", ".", "-", "---"] {
            assert!(is_valid(slash), "{slash}");
        }
        for slash in ["/", "___", "..", "a", "-a-", ":", " ", "%"] {
            assert!(!is_valid(slash), "{slash}");
        }
    }

    #[test]
    fn a_prefix_may_be_a_registry_with_its_port() {
        let registry = mapping("localhost:5000", "", false);
        assert!(registry.is_valid());
        assert_eq!(registry.remote("localhost:5000/app").as_deref(), Some("app"));
        for prefix in ["a:", "a:b", "a//b", "A", ":5", "a:5:5"] {
            assert!(!mapping(prefix, "", false).is_valid(), "{prefix}");
        }
        assert!(!mapping("", "localhost:5000", false).is_valid());
    }

    #[test]
    fn prefixes_are_whole_components() {
        let hub = mapping("hub", "", true);
        assert_eq!(hub.remote("hub/httpd").as_deref(), Some("library/httpd"));
        assert_eq!(hub.remote("hub/bitnami/redis").as_deref(), Some("bitnami/redis"));
        for name in ["hub", "hubs/httpd", "httpd", "a/hub/httpd"] {
            assert_eq!(hub.remote(name), None, "{name}");
        }
        assert_eq!(mapping("", "mirror/hub", true).remote("httpd").as_deref(), Some("mirror/hub/httpd"));
        assert_eq!(mapping("", "", false).remote("httpd").as_deref(), Some("httpd"));
        assert_eq!(mapping("", "a", false).remote(&"b".repeat(255)), None);
    }

    #[test]
    fn names_there_have_one_name_here() {
        let hub = mapping("hub", "", true);
        assert_eq!(hub.local("library/httpd").as_deref(), Some("hub/httpd"));
        assert_eq!(hub.local("bitnami/redis").as_deref(), Some("hub/bitnami/redis"));
        assert_eq!(hub.local("library/a/b").as_deref(), Some("hub/library/a/b"));
        // It is asked for as `library/httpd`.
        assert_eq!(hub.local("httpd"), None);
        let mirror = mapping("", "mirror/hub", true);
        assert_eq!(mirror.local("mirror/hub/httpd").as_deref(), Some("httpd"));
        for other in ["mirror/hub", "mirror/hubs/httpd", "httpd", "mirror/hub/../x", ""] {
            assert_eq!(mirror.local(other), None, "{other}");
        }
        assert_eq!(mapping("a", "", false).local(&"b".repeat(254)), None);
    }

    #[test]
    fn docker_hub_has_many_names() {
        assert_eq!(registry_host("docker.io"), "registry-1.docker.io");
        assert_eq!(registry_host("quay.io"), "quay.io");
        assert!(is_docker_hub("index.docker.io") && !is_docker_hub("docker.io.example.org"));
    }
}
