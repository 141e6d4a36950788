//! The clients that there are, by age. Their headers were recorded, or are in the sources of each version; the suite
//! holds them against the table of outcomes.

use downshift::Form::{self, Index, List, Oci, Schema1, Schema1Unsigned, Schema2};

/// A client, as its requests look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client<'c> {
    /// Its name for programs, such as `docker-18.06-to-20.10`.
    pub id: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// Its `User-Agent`; empty where it sends none.
    pub user_agent: &'c str,
    /// The lines of its `Accept` header.
    pub accept: &'c [&'c str],
    /// The forms that it can use.
    pub understands: &'c [Form],
}

impl Client<'_> {
    /// The headers of its requests.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let user_agent = Some(("User-Agent", self.user_agent)).filter(|(_, value)| !value.is_empty());
        user_agent.into_iter().chain(self.accept.iter().map(|line| ("Accept", *line)))
    }

    /// Whether it reads layers that are compressed with zstd, as far as is known.
    pub(super) fn reads_zstd(&self) -> bool {
        let headers = self.headers().map(|(name, value)| (name, value.as_bytes()));
        let request = downshift_registry::Request::read("GET", "/v2/", headers);
        request.is_ok_and(|request| request.client.reads_zstd())
    }
}

const EVERY: &[Form] = &[Schema1, Schema1Unsigned, Schema2, List, Oci, Index];
/// From 18.06 to 28.1.
const DOCKER_18_06: &[&str] = &[
    Schema2.media_type(),
    List.media_type(),
    Index.media_type(),
    Oci.media_type(),
    Schema1.media_type(),
    "application/json",
];
const CONTAINERD: &str = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, */*";

/// The clients whose requests are known, the oldest first: the rows of the matrix.
#[must_use]
pub fn clients() -> &'static [Client<'static>] {
    &CLIENTS
}

const CLIENTS: [Client<'static>; 11] = [
    Client {
        id: "docker-1.6-to-1.9",
        name: "Docker 1.6 to 1.9",
        user_agent: "docker/1.9.1 go/go1.4.3 git-commit/a34a1d5 kernel/3.16.0 os/linux arch/amd64",
        accept: &[],
        understands: &[Schema1],
    },
    Client {
        id: "docker-1.10-to-18.05",
        name: "Docker 1.10 to 18.05",
        user_agent: r"docker/1.13.1 go/go1.7.5 git-commit/092cba3 kernel/3.10.0 os/linux arch/amd64 UpstreamClient(Docker-Client/1.13.1 \(linux\))",
        accept: &[List.media_type(), Schema1.media_type(), "application/json", Schema2.media_type()],
        understands: &[Schema1, Schema2, List],
    },
    Client {
        id: "docker-18.06-to-20.10",
        name: "Docker 18.06 to 20.10",
        user_agent: r"docker/20.10.24 go/go1.19.8 git-commit/5d6db84 kernel/6.1.0 os/linux arch/amd64 UpstreamClient(Docker-Client/20.10.24 \(linux\))",
        accept: DOCKER_18_06,
        understands: &[Schema1, Schema2, List, Oci, Index],
    },
    Client {
        id: "docker-23-to-25",
        name: "Docker 23 to 25",
        user_agent: r"docker/25.0.5 go/go1.21.8 git-commit/e63daec kernel/6.1.0 os/linux arch/amd64 UpstreamClient(Docker-Client/25.0.5 \(linux\))",
        accept: DOCKER_18_06,
        understands: &[Schema1, Schema2, List, Oci, Index],
    },
    Client {
        id: "docker-26-to-28",
        name: "Docker 26 to 28.1",
        user_agent: r"docker/27.5.1 go/go1.22.11 git-commit/4c9b3b0 kernel/6.1.0 os/linux arch/amd64 UpstreamClient(Docker-Client/27.5.1 \(linux\))",
        accept: DOCKER_18_06,
        // Schema 1 can be switched on.
        understands: &[Schema2, List, Oci, Index],
    },
    Client {
        id: "docker-with-containerd-store",
        name: "Docker with containerd's store",
        user_agent: "docker/28.2.2 go/go1.24.3 git-commit/45873be kernel/6.1.0 os/linux arch/arm64 containerd-client/2.1.1 storage-driver/overlayfs",
        accept: &[CONTAINERD],
        understands: &[Schema2, List, Oci, Index],
    },
    Client {
        id: "containerd",
        name: "containerd",
        user_agent: "containerd/1.7.20",
        accept: &[CONTAINERD],
        // Up to 2.0, schema 1 can be switched on.
        understands: &[Schema2, List, Oci, Index],
    },
    Client {
        id: "containerd-after-head",
        name: "containerd, its second request",
        user_agent: "containerd/1.7.20",
        accept: &["application/vnd.docker.distribution.manifest.v2+json, */*"],
        understands: &[Schema2, List, Oci, Index],
    },
    Client {
        id: "podman-and-skopeo",
        name: "podman and skopeo",
        user_agent: "containers/5.23.1 (github.com/containers/image)",
        accept: &[
            Oci.media_type(),
            Schema2.media_type(),
            Schema1.media_type(),
            Schema1Unsigned.media_type(),
            List.media_type(),
            Index.media_type(),
        ],
        understands: EVERY,
    },
    Client { id: "curl", name: "curl", user_agent: "curl/7.88.1", accept: &["*/*"], understands: EVERY },
    Client {
        id: "browser",
        name: "A browser",
        user_agent: "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
        accept: &["text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8"],
        understands: EVERY,
    },
];
