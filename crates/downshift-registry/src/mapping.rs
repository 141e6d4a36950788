//! Names here and there: under which name an upstream registry has a repository.

use alloc::string::{String, ToString};

use crate::is_repository_name;

/// How the names of repositories become those of an upstream registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// The first components of the names that are meant, without a slash at the end; all names if it is empty.
    pub prefix: String,
    /// What stands in the place of the prefix at the upstream registry; nothing if it is empty.
    pub remote_prefix: String,
    /// Whether names of one component are below `library/` there, as at Docker Hub, so that `httpd` needs no redirect.
    pub library: bool,
}

impl Mapping {
    /// The repository's name at the upstream registry, if `name` is meant.
    #[must_use]
    pub fn remote(&self, name: &str) -> Option<String> {
        let rest = match self.prefix.as_str() {
            "" => name,
            prefix => name.strip_prefix(prefix)?.strip_prefix('/')?,
        };
        let mut remote = String::new();
        if !self.remote_prefix.is_empty() {
            remote.push_str(&self.remote_prefix);
            remote.push('/');
        } else if self.library && !rest.as_bytes().contains(&b'/') {
            remote.push_str("library/");
        }
        remote.push_str(rest);
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
        let is_own = is_repository_name(&local) && self.remote(&local).as_deref() == Some(remote);
        is_own.then_some(local)
    }

    /// Whether both prefixes can begin the name of a repository.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        [&self.prefix, &self.remote_prefix]
            .iter()
            .all(|prefix| prefix.is_empty() || is_repository_name(prefix))
    }

    /// Which of several mappings `name` is meant by: the one with the longest prefix.
    pub fn choose<'m, T>(
        name: &str,
        mappings: impl IntoIterator<Item = (&'m Self, T)>,
    ) -> Option<(String, T)> {
        let meant = mappings.into_iter().filter_map(|(mapping, value)| {
            let remote = mapping.remote(name)?;
            Some((mapping.prefix.len(), (remote, value)))
        });
        meant.max_by_key(|(length, _)| *length).map(|(_, chosen)| chosen)
    }
}

/// Whether a host is Docker Hub's, which has the repositories of one component below `library/`.
#[must_use]
pub fn is_docker_hub(host: &str) -> bool {
    ["docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"].contains(&host)
}

/// The host that a registry is asked at: Docker Hub's is another one than its name says.
#[must_use]
pub fn registry_host(host: &str) -> String {
    (if is_docker_hub(host) { "registry-1.docker.io" } else { host }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(prefix: &str, remote_prefix: &str, library: bool) -> Mapping {
        Mapping { prefix: prefix.into(), remote_prefix: remote_prefix.into(), library }
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
    fn the_longest_prefix_is_meant() {
        let mappings = [mapping("", "", false), mapping("a", "", false), mapping("a/b", "", false)];
        let choose = |name| Mapping::choose(name, mappings.iter().zip(0..));
        assert_eq!(choose("x"), Some(("x".into(), 0)));
        assert_eq!(choose("a/x"), Some(("x".into(), 1)));
        assert_eq!(choose("a/b/x"), Some(("x".into(), 2)));
        assert_eq!(choose("a"), Some(("a".into(), 0)));
    }

    #[test]
    fn docker_hub_has_many_names() {
        assert_eq!(registry_host("docker.io"), "registry-1.docker.io");
        assert_eq!(registry_host("quay.io"), "quay.io");
        assert!(is_docker_hub("index.docker.io") && !is_docker_hub("docker.io.example.org"));
    }
}
