//! `downshift setup`

use clap::{Args, Subcommand};
use downshift_registry::{DOCKER_HUB, registry_host};
use reqwest::Url;
use serde_json::json;
use toml::Value;

use super::output::{json as to_json, write_document};
use super::verdict::Verdict;
use crate::error::Error;
use crate::log;

/// What containerd takes for every registry that has no folder of its own.
const EVERY_REGISTRY: &str = "_default";

/// Print the settings of a client that is to pull through a server
///
/// The settings go to standard output, and where to put them, and what else there is to do, to standard error. Clients go
/// on to the registry itself where the server does not answer.
#[derive(Subcommand)]
#[command(after_help = EXAMPLES)]
pub(super) enum Setup {
    /// containerd, and with it Kubernetes and nerdctl: a hosts.toml for a registry
    Containerd(Containerd),
    /// Docker: a daemon.json for the images of Docker Hub
    Docker(Docker),
    /// podman, buildah, skopeo and CRI-O: a registries.conf for one registry or several
    Podman(Podman),
}

const EXAMPLES: &str = "\
Examples:
  downshift setup containerd https://downshift.example.org --registry ghcr.io
  downshift setup docker http://downshift.example.org:5000 > /etc/docker/daemon.json
  downshift setup podman https://downshift.example.org --registry docker.io --registry ghcr.io --ca /etc/ssl/own-ca.pem";

#[derive(Args)]
pub(super) struct Containerd {
    #[command(flatten)]
    front: Front,
    /// The registry whose images come through the server, or `_default` for every one; with a PREFIX if the server has
    /// that in front of their names, and else by the parameter `ns` that containerd adds
    #[arg(long, value_name = "HOST[=PREFIX]", default_value = DOCKER_HUB, value_parser = registry)]
    registry: Mirrored,
}

#[derive(Args)]
pub(super) struct Docker {
    #[command(flatten)]
    front: Front,
}

#[derive(Args)]
pub(super) struct Podman {
    #[command(flatten)]
    front: Front,
    /// A registry whose images come through the server; with the PREFIX that the server has in front of their names, which
    /// is HOST where there are several
    #[arg(long, value_name = "HOST[=PREFIX]", default_value = DOCKER_HUB, value_parser = registry)]
    registry: Vec<Mirrored>,
}

#[derive(Args)]
struct Front {
    /// The URL under which the client reaches the server
    #[arg(value_parser = front_url)]
    url: Url,
    /// The file on the client with the certificate of the authority that has issued the server's, if the client does not
    /// trust it already
    #[arg(long, value_name = "FILE")]
    ca: Option<String>,
}

/// A registry whose images come through the server.
#[derive(Clone)]
struct Mirrored {
    host: String,
    /// What the server has in front of their names, if that is said.
    prefix: Option<String>,
}

/// Settings for a client.
struct Printed {
    document: Vec<u8>,
    /// Where to put them, and what else there is to do.
    notes: Vec<String>,
}

impl Setup {
    pub(super) fn run(self) -> Result<Verdict, Error> {
        let Printed { document, notes } = match self {
            Self::Containerd(containerd) => containerd.printed(),
            Self::Docker(docker) => docker.printed()?,
            Self::Podman(podman) => podman.printed(),
        };
        write_document(None, &document)?;
        notes.into_iter().for_each(log::notice);
        Ok(Verdict::Yes)
    }
}

impl Containerd {
    fn printed(&self) -> Printed {
        let Mirrored { host, prefix } = &self.registry;
        let mut text = String::new();
        if host != EVERY_REGISTRY {
            text.push_str(&format!("server = {}\n\n", quoted(&format!("https://{}", registry_host(host)))));
        }
        let front = self.front.base();
        // Where the path is not the one of the API alone, containerd has to be told that it is whole.
        let (at, overrides) = match prefix {
            Some(prefix) => (format!("{front}/v2/{prefix}"), "override_path = true\n"),
            None => (front, ""),
        };
        text.push_str(&format!(
            "[host.{}]\ncapabilities = [\"pull\", \"resolve\"]\n{overrides}",
            quoted(&at)
        ));
        if let Some(ca) = self.front.ca() {
            text.push_str(&format!("ca = {}\n", quoted(ca)));
        }
        let path = format!("/etc/containerd/certs.d/{host}/hosts.toml");
        let notes = vec![
            format!("write it to {path}; it counts at once"),
            "/etc/containerd/config.toml has to name the folder, as `config_path = \"/etc/containerd/certs.d\"` in \
             [plugins.\"io.containerd.grpc.v1.cri\".registry], from containerd 2 on in \
             [plugins.\"io.containerd.cri.v1.images\".registry]; ctr takes it with --hosts-dir"
                .to_owned(),
        ];
        Printed { document: format!("# {path}\n{text}").into_bytes(), notes }
    }
}

impl Docker {
    fn printed(&self) -> Result<Printed, Error> {
        let (front, authority) = (self.front.base(), self.front.authority());
        let settings = if self.front.is_plain() {
            json!({ "registry-mirrors": [front], "insecure-registries": [authority] })
        } else {
            json!({ "registry-mirrors": [front] })
        };
        let mut notes = vec![
            "write it to /etc/docker/daemon.json, or add it to what is there, and restart Docker".to_owned(),
            format!(
                "Docker has mirrors of Docker Hub only, whose images the server must have without a prefix; pull those of \
                 other registries as {authority}/NAME"
            ),
        ];
        notes.extend(self.front.certificate_note("/etc/docker/certs.d"));
        Ok(Printed { document: to_json(&settings)?, notes })
    }
}

impl Podman {
    fn printed(&self) -> Printed {
        const PATH: &str = "/etc/containers/registries.conf.d/50-downshift.conf";
        let mut text = format!("# {PATH}\n");
        let is_one = self.registry.len() == 1;
        for Mirrored { host, prefix } in &self.registry {
            let prefix = match prefix {
                Some(prefix) => prefix.as_str(),
                None if is_one => "",
                None => host,
            };
            let location = [&self.front.authority(), prefix].join("/");
            let (host, location) = (quoted(host), quoted(location.trim_end_matches('/')));
            text.push_str(&format!(
                "\n[[registry]]\nprefix = {host}\nlocation = {host}\n\n[[registry.mirror]]\nlocation = {location}\n"
            ));
            if self.front.is_plain() {
                text.push_str("insecure = true\n");
            }
        }
        let mut notes = vec![format!("write it to {PATH}; it counts at once")];
        notes.extend(self.front.certificate_note("/etc/containers/certs.d"));
        Printed { document: text.into_bytes(), notes }
    }
}

impl Front {
    /// Its URL, without a slash at the end.
    fn base(&self) -> String {
        self.url.as_str().trim_end_matches('/').to_owned()
    }

    /// Its host and port, as they begin the name of an image.
    fn authority(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    fn is_plain(&self) -> bool {
        self.url.scheme() == "http"
    }

    /// The file with the authority's certificate, which without TLS nobody looks at.
    fn ca(&self) -> Option<&str> {
        self.ca.as_deref().filter(|_| !self.is_plain())
    }

    /// Where a client looks for that, which has a folder for each registry below `folder`.
    fn certificate_note(&self, folder: &str) -> Option<String> {
        let ca = self.ca()?;
        Some(format!("copy {ca} to {folder}/{}/ca.crt", self.authority()))
    }
}

/// Text in TOML.
fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

/// Parses the URL of a server, which has no path.
pub(super) fn front_url(text: &str) -> Result<Url, String> {
    let is_front = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.path() == "/"
            && (url.query(), url.fragment(), url.password()) == (None, None, None)
            && url.username().is_empty()
    };
    let url = Url::parse(text).ok().filter(is_front);
    url.ok_or_else(|| "it must be of the form https://HOST or http://HOST:PORT".to_owned())
}

fn registry(text: &str) -> Result<Mirrored, String> {
    let (host, prefix) = match text.split_once('=') {
        Some((host, prefix)) => (host, Some(prefix.trim_matches('/'))),
        None => (text, None),
    };
    let is_host = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:_[]".contains(&byte))
    };
    let is_prefix = |text: &str| text.split('/').all(is_host);
    if !is_host(host) || !prefix.is_none_or(is_prefix) {
        return Err(
            "it must be the host of a registry, such as ghcr.io or registry.example.org:5000".to_owned()
        );
    }
    Ok(Mirrored { host: host.to_owned(), prefix: prefix.map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use toml::Table;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(subcommand)]
        setup: Setup,
    }

    fn printed(arguments: &str) -> (String, String) {
        let cli = Cli::try_parse_from(["setup"].into_iter().chain(arguments.split(' ')));
        let Printed { document, notes } = match cli.unwrap_or_else(|error| panic!("{error}")).setup {
            Setup::Containerd(containerd) => containerd.printed(),
            Setup::Docker(docker) => docker.printed().unwrap(),
            Setup::Podman(podman) => podman.printed(),
        };
        (String::from_utf8(document).unwrap(), notes.join("\n"))
    }

    #[test]
    fn containerd_gets_a_hosts_toml() {
        for (arguments, expected) in [
            (
                "containerd https://front.test",
                "# /etc/containerd/certs.d/docker.io/hosts.toml\nserver = \"https://registry-1.docker.io\"\n\n\
                 [host.\"https://front.test\"]\ncapabilities = [\"pull\", \"resolve\"]\n",
            ),
            (
                "containerd https://front.test:5000/ --registry ghcr.io --ca /etc/ssl/own.pem",
                "# /etc/containerd/certs.d/ghcr.io/hosts.toml\nserver = \"https://ghcr.io\"\n\n\
                 [host.\"https://front.test:5000\"]\ncapabilities = [\"pull\", \"resolve\"]\nca = \"/etc/ssl/own.pem\"\n",
            ),
            (
                "containerd http://10.0.0.1:5000 --registry quay.io=hub/quay",
                "# /etc/containerd/certs.d/quay.io/hosts.toml\nserver = \"https://quay.io\"\n\n\
                 [host.\"http://10.0.0.1:5000/v2/hub/quay\"]\ncapabilities = [\"pull\", \"resolve\"]\n\
                 override_path = true\n",
            ),
            (
                "containerd http://[::1]:5000 --registry _default",
                "# /etc/containerd/certs.d/_default/hosts.toml\n[host.\"http://[::1]:5000\"]\n\
                 capabilities = [\"pull\", \"resolve\"]\n",
            ),
        ] {
            let (document, notes) = printed(arguments);
            assert_eq!(document, expected);
            let table: Table = document.parse().unwrap();
            assert_eq!(table["host"].as_table().map(Table::len), Some(1), "{document}");
            assert!(notes.contains("config_path"), "{notes}");
        }
    }

    #[test]
    fn docker_gets_a_daemon_json() {
        let (document, notes) = printed("docker http://front.test:5000");
        let expected = "{\n  \"insecure-registries\": [\n    \"front.test:5000\"\n  ],\n  \"registry-mirrors\": [\n    \
                        \"http://front.test:5000\"\n  ]\n}\n";
        assert_eq!(document, expected);
        assert!(notes.contains("/etc/docker/daemon.json"), "{notes}");
        let (document, notes) = printed("docker https://front.test:5000 --ca own.pem");
        let settings: serde_json::Value = serde_json::from_str(&document).unwrap();
        assert_eq!(settings, json!({ "registry-mirrors": ["https://front.test:5000"] }));
        assert!(notes.contains("copy own.pem to /etc/docker/certs.d/front.test:5000/ca.crt"), "{notes}");
    }

    #[test]
    fn podman_gets_a_registries_conf() {
        let (document, notes) = printed("podman http://front.test:5000");
        let expected = "# /etc/containers/registries.conf.d/50-downshift.conf\n\n\
                        [[registry]]\nprefix = \"docker.io\"\nlocation = \"docker.io\"\n\n\
                        [[registry.mirror]]\nlocation = \"front.test:5000\"\ninsecure = true\n";
        assert_eq!(document, expected);
        assert!(!notes.contains("certs.d"), "{notes}");
        let (document, notes) =
            printed("podman https://front.test --registry docker.io=hub --registry ghcr.io --ca own.pem");
        let expected = "# /etc/containers/registries.conf.d/50-downshift.conf\n\n\
                        [[registry]]\nprefix = \"docker.io\"\nlocation = \"docker.io\"\n\n\
                        [[registry.mirror]]\nlocation = \"front.test/hub\"\n\n\
                        [[registry]]\nprefix = \"ghcr.io\"\nlocation = \"ghcr.io\"\n\n\
                        [[registry.mirror]]\nlocation = \"front.test/ghcr.io\"\n";
        assert_eq!(document, expected);
        let table: Table = document.parse().unwrap();
        assert_eq!(table["registry"].as_array().map(Vec::len), Some(2));
        assert!(notes.contains("copy own.pem to /etc/containers/certs.d/front.test/ca.crt"), "{notes}");
    }

    #[test]
    fn what_is_no_server_and_no_registry_is_refused() {
        for arguments in [
            "docker front.test:5000",
            "docker https://front.test/path",
            "docker https://user:pw@front.test",
            "docker ftp://front.test",
            "podman https://front.test --registry a/b",
            "podman https://front.test --registry a\"b",
            "podman https://front.test --registry a=b//c",
            "containerd https://front.test --registry =b",
        ] {
            let parsed = Cli::try_parse_from(["setup"].into_iter().chain(arguments.split(' ')));
            assert!(parsed.is_err(), "{arguments}");
        }
    }
}
