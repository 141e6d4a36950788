//! The table of clients: what is known of them that no `Accept` header says.
//!
//! `Accept` decides about forms; a row counts only for what that has no word for, and for forms that a client names and
//! refuses, or asks for by digest without having named them.

use downshift::{Form, ZstdSupport};

/// What is known of the clients of one product, in some of its versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientFacts<'a> {
    /// Forms that it does not read, whether it names them or not.
    pub(crate) unreadable: &'a [Form],
    /// In which manifests it reads layers that are compressed with zstd, where that is known.
    pub(crate) zstd: Option<ZstdSupport>,
    /// Whether it pulls no layer that comes without a Content-Length.
    pub(crate) needs_length: bool,
    /// Which errors it prints.
    pub(crate) errors: PrintedErrors,
    /// Whether it pulls by the API of version 1, and by version 2 only what TarSum digests name.
    pub(crate) pulls_by_v1: bool,
}

/// Which errors of version 2 a client prints. After the others it asks the API of version 1, and prints what that says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PrintedErrors {
    /// None.
    None,
    /// Those with a status below 500, but for a manifest and a layer that are unknown.
    Client,
    /// All but that a manifest is unknown.
    ButUnknown,
    /// All.
    All,
}

/// A product's versions from those of the row before it up to, and without, `before`.
struct Row {
    product: &'static str,
    before: Version,
    facts: ClientFacts<'static>,
}

/// Versions of a product that are all alike, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownClients {
    /// What the first product of their `User-Agent` is called; see also [`is_called`](Self::is_called).
    pub product: &'static str,
    /// Whether they are other programs with containerd's library in them, whose version ends as [`OF_LIBRARY`] says.
    pub is_library: bool,
    /// The first version, by its first two numbers.
    pub from: (u32, u32),
    /// The first version that is not one of them; none if they are the newest.
    pub before: Option<(u32, u32)>,
    /// Whether they pull by the API of version 1, and by version 2 only what TarSum digests name.
    pub pulls_by_v1: bool,
}

/// All clients of which something is known: the rows of a product together, the older before the newer.
pub fn known_clients() -> impl Iterator<Item = KnownClients> {
    let mut from = (0, 0);
    TABLE.iter().map(move |row| {
        let is_library = row.product == LIBRARY;
        let product = if is_library { "containerd" } else { row.product };
        let before = (row.before != NEWEST).then_some((row.before.0, row.before.1));
        let pulls_by_v1 = row.facts.pulls_by_v1;
        let clients = KnownClients { product, is_library, from, before, pulls_by_v1 };
        from = before.unwrap_or_default();
        clients
    })
}

impl KnownClients {
    /// Whether a client of which the first product is called so is one of them, with these two numbers in its version.
    #[must_use]
    pub fn is_called(&self, product: &str, version: (u32, u32)) -> bool {
        !self.is_library
            && canonical(product) == self.product
            && version >= self.from
            && self.before.is_none_or(|before| version < before)
    }
}

/// The first two numbers of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub(crate) u32, pub(crate) u32);

/// Later than any release. A version that cannot be read counts as this: it is of a build that nobody has released yet.
pub(crate) const NEWEST: Version = Version(u32::MAX, u32::MAX);

const UNKNOWN: ClientFacts<'static> = ClientFacts {
    unreadable: &[],
    zstd: None,
    needs_length: false,
    errors: PrintedErrors::All,
    pulls_by_v1: false,
};

/// containerd's library in another program.
const LIBRARY: &str = "containerd's library";
/// How the version ends that a program with containerd's library in it names. containerd itself has its own there.
pub const OF_LIBRARY: &str = "+unknown";

const SCHEMA1: &[Form] = &[Form::Schema1, Form::Schema1Unsigned];
const OCI: &[Form] = &[Form::Oci, Form::Index];
const ALL_BUT_SCHEMA1: &[Form] = &[Form::Schema2, Form::List, Form::Oci, Form::Index];

/// The rows of a product stand together, the older before the newer.
const TABLE: [Row; 21] = [
    // Docker 1.5 asks version 2 first, wants TarSum digests there, and pulls by version 1 once that has failed, whatever it was
    // (measured with 1.5.0); earlier ones ask version 1 alone. They are older than zstd.
    Row {
        facts: ClientFacts { zstd: Some(ZstdSupport::None), pulls_by_v1: true, ..UNKNOWN },
        ..docker(1, 6)
    },
    // Measured with 1.6.2 and 1.7.1: by a schema 2 digest they fail, and of errors they print the answer of `/v1/` alone.
    // Without a Content-Length they read nothing of a layer (`registry/session_v2.go`).
    Row { facts: ClientFacts { needs_length: true, ..schema1_engine(PrintedErrors::None) }, ..docker(1, 8) },
    // Measured with 1.8.3 and 1.9.1: "unsupported schema version 2". They ask `/v1/` after a status of 500 or more, an
    // unknown manifest and an unknown layer (`graph/pull.go` goes on to the next endpoint).
    Row { facts: schema1_engine(PrintedErrors::Client), ..docker(1, 10) },
    // Measured with 1.10.3, 1.13.1 and 18.03.1: of an OCI manifest they say "missing signature key". Up to 17 they ask
    // `/v1/` where a manifest is unknown (`distribution/errors.go`, `continueOnError`; measured with 1.10.3 and 1.13.1).
    Row { facts: ClientFacts { errors: PrintedErrors::ButUnknown, ..older_than_oci() }, ..docker(18, 0) },
    row("docker", Version(18, 6), OCI, Some(ZstdSupport::None)),
    // Measured with 20.10.24: "archive/tar: invalid tar header". zstd came with 23.0 (moby 6014c1e).
    row("docker", Version(23, 0), &[], Some(ZstdSupport::None)),
    // It finds out how a layer is compressed from its first bytes, whatever its media type (moby, pkg/archive).
    row("docker", Version(26, 0), &[], Some(ZstdSupport::All)),
    // Schema 1 is off by default in 26.0 (moby #47459), whose engines go on naming it, and gone in 28.2 (moby #50036;
    // measured with 28.2 and 29).
    row("docker", NEWEST, SCHEMA1, Some(ZstdSupport::All)),
    // A fork of Docker 17.12 to 20.10, with the same limits and no zstd in any release (balena-engine #469, closed).
    row("balena-engine", Version(18, 6), OCI, Some(ZstdSupport::None)),
    row("balena-engine", NEWEST, &[], Some(ZstdSupport::None)),
    // zstd came with containerd 1.5; 1.6.20 reads it in schema 2 as well (measured).
    row("containerd", Version(1, 5), &[], Some(ZstdSupport::None)),
    row("containerd", Version(2, 0), &[], Some(ZstdSupport::All)),
    // Schema 1 is off by default in 2.0 and gone in 2.1 (measured with 2.4).
    row("containerd", NEWEST, SCHEMA1, Some(ZstdSupport::All)),
    // BuildKit in Docker 20.10 (`DOCKER_BUILDKIT=1 docker build`) says `containerd/1.6.20+unknown` and dies on zstd as its daemon
    // does (measured with Debian's); upstream's builds have the library of 1.4. It asks by HEAD, then by that digest.
    row(LIBRARY, Version(1, 7), &[], Some(ZstdSupport::None)),
    row(LIBRARY, Version(2, 0), &[], Some(ZstdSupport::All)),
    row(LIBRARY, NEWEST, SCHEMA1, Some(ZstdSupport::All)),
    // containers/image in podman, buildah and CRI-O: "unsupported docker v2s2 media type" of zstd in schema 2 (measured
    // with 5.23.1; container-libs #293, September 2025).
    row("containers", Version(5, 38), &[], Some(ZstdSupport::Oci)),
    row("containers", NEWEST, &[], Some(ZstdSupport::All)),
    // The same library under another name (measured with 1.9.3, and with 1.22, which reads them).
    row("skopeo", Version(1, 21), &[], Some(ZstdSupport::Oci)),
    row("skopeo", NEWEST, &[], Some(ZstdSupport::All)),
    // crane names both forms of schema 1 and refuses them: "unsupported MediaType" (measured with 0.21.9).
    row("crane", NEWEST, SCHEMA1, Some(ZstdSupport::All)),
];

const fn row(
    product: &'static str,
    before: Version,
    unreadable: &'static [Form],
    zstd: Option<ZstdSupport>,
) -> Row {
    Row { product, before, facts: ClientFacts { unreadable, zstd, ..UNKNOWN } }
}

/// A row of Docker's versions before this one, of which nothing is said yet.
const fn docker(major: u32, minor: u32) -> Row {
    Row { product: "docker", before: Version(major, minor), facts: UNKNOWN }
}

/// What is known of engines of the schema 1 era.
const fn schema1_engine(errors: PrintedErrors) -> ClientFacts<'static> {
    ClientFacts { unreadable: ALL_BUT_SCHEMA1, zstd: Some(ZstdSupport::None), errors, ..UNKNOWN }
}

/// What is known of engines that read Docker's forms and no OCI.
const fn older_than_oci() -> ClientFacts<'static> {
    ClientFacts { unreadable: OCI, zstd: Some(ZstdSupport::None), ..UNKNOWN }
}

/// What is known of a `product` in this `version`.
pub(crate) fn facts(product: &str, version: &str) -> ClientFacts<'static> {
    let product = match canonical(product) {
        "containerd" if version.ends_with(OF_LIBRARY) => LIBRARY,
        product => product,
    };
    let version = Version::parse(version);
    let is_it = |row: &&Row| row.product == product && (version < row.before || row.before == NEWEST);
    TABLE.iter().find(is_it).map_or(UNKNOWN, |row| row.facts)
}

/// A product by the name that its rows have.
pub(crate) fn canonical(product: &str) -> &str {
    match product {
        // What crane, ko and others are made of, by its name.
        "go-containerregistry" => "crane",
        _ if product.starts_with("balena") => "balena-engine",
        _ => product,
    }
}

impl Version {
    /// Reads `1.9.1`, `v0.21.10` and `18.06.3-ce`.
    pub(crate) fn parse(text: &str) -> Self {
        let mut numbers = text.strip_prefix('v').unwrap_or(text).split(|char: char| !char.is_ascii_digit());
        let mut number = || numbers.next()?.parse().ok();
        match (number(), number()) {
            // Builds of a branch call themselves `0.0.0-dev`.
            (Some(0), Some(0)) | (None, _) | (_, None) => NEWEST,
            (Some(major), Some(minor)) => Self(major, minor),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_of_a_product_stand_together_in_the_order_of_its_versions() {
        for pair in TABLE.windows(2) {
            let [older, newer] = pair else { continue };
            let is_last = older.before == NEWEST;
            assert_eq!(older.product != newer.product, is_last, "{} {:?}", older.product, older.before);
            assert!(is_last || older.before < newer.before, "{} {:?}", older.product, older.before);
            let is_alone = TABLE.iter().filter(|row| row.product == older.product && row.before == NEWEST);
            assert_eq!(is_alone.count(), 1, "{}", older.product);
        }
    }

    #[test]
    fn the_versions_of_a_product_are_one_after_the_other() {
        let of = |product, version| {
            known_clients()
                .find(|known| known.is_called(product, version))
                .map(|known| (known.from, known.before))
        };
        assert_eq!(of("docker", (1, 5)), Some(((0, 0), Some((1, 6)))));
        assert_eq!(of("docker", (1, 9)), Some(((1, 8), Some((1, 10)))));
        assert_eq!(of("docker", (29, 0)), Some(((26, 0), None)));
        assert_eq!(of("containerd", (1, 4)), Some(((0, 0), Some((1, 5)))));
        assert_eq!(of("go-containerregistry", (0, 20)), Some(((0, 0), None)));
        assert_eq!(of("curl", (7, 88)), None);
        assert_eq!(known_clients().filter(|known| known.is_library).count(), 3);
        let by_v1 = known_clients().filter(|known| known.pulls_by_v1);
        let by_v1 = by_v1.map(|known| (known.product, known.from, known.before));
        assert!(by_v1.eq([("docker", (0, 0), Some((1, 6)))]));
    }

    #[test]
    fn a_version_that_cannot_be_read_is_the_newest() {
        for version in ["", "dev", "master-4f3e2d1", "0.0.0-dev", "28", "x.1", "99999999999.0"] {
            assert_eq!(facts("docker", version), facts("docker", "99.0"), "{version}");
        }
        for (version, other) in [("v1.4.3", "1.4.0"), ("1.4.13+unknown", "1.4.0"), ("1.6.20~ds1", "1.7.0")] {
            assert_eq!(facts("containerd", version), facts("containerd", other), "{version}");
        }
    }

    #[test]
    fn zstd_is_read_since_a_version() {
        use ZstdSupport::{All, None as Never, Oci};
        for (product, version, zstd) in [
            ("docker", "1.5.0", Some(Never)),
            ("docker", "1.9.1", Some(Never)),
            ("docker", "17.05.0-ce", Some(Never)),
            ("docker", "20.10.24+dfsg1", Some(Never)),
            ("docker", "23.0.0", Some(All)),
            ("docker", "29.0.1", Some(All)),
            ("balena-engine", "20.10.43", Some(Never)),
            ("balena", "17.12.0-dev", Some(Never)),
            ("containerd", "1.4.13", Some(Never)),
            ("containerd", "1.5.0", Some(All)),
            ("containerd", "1.6.20~ds1", Some(All)),
            ("containerd", "1.6.20+unknown", Some(Never)),
            ("containerd", "1.7.2+unknown", Some(All)),
            ("containerd", "2.4.0-beta", Some(All)),
            ("containers", "5.23.1", Some(Oci)),
            ("containers", "5.38.0", Some(All)),
            ("curl", "7.88.1", None),
            ("oras", "1.3.3", None),
        ] {
            assert_eq!(facts(product, version).zstd, zstd, "{product} {version}");
        }
    }

    #[test]
    fn errors_and_layers_are_what_engines_of_their_days_read() {
        use PrintedErrors::{All, ButUnknown, Client, None};
        for (product, version, errors, needs_length) in [
            ("docker", "1.5.0", All, false),
            ("docker", "1.6.2", None, true),
            ("docker", "1.7.1-el6", None, true),
            ("docker", "1.8.3", Client, false),
            ("docker", "1.9.1", Client, false),
            ("docker", "1.10.3", ButUnknown, false),
            ("docker", "17.05.0-ce", ButUnknown, false),
            ("docker", "18.03.1-ce", All, false),
            ("docker", "dev", All, false),
            ("containerd", "1.7.1", All, false),
            ("curl", "1.7.1", All, false),
        ] {
            let facts = facts(product, version);
            assert_eq!((facts.errors, facts.needs_length), (errors, needs_length), "{product} {version}");
        }
    }

    #[test]
    fn docker_before_1_6_pulls_by_version_1() {
        for version in ["0.6.3", "1.0.0", "1.5.0", "1.5.0-dev", "v1.4.1"] {
            assert!(facts("docker", version).pulls_by_v1, "{version}");
        }
        for (product, version) in
            [("docker", "1.6.0"), ("docker", "dev"), ("docker", ""), ("docker", "29.0.1"), ("curl", "1.5.0")]
        {
            assert!(!facts(product, version).pulls_by_v1, "{product} {version}");
        }
    }

    #[test]
    fn forms_are_read_between_two_versions() {
        for (product, version, unreadable) in [
            ("docker", "1.5.0", &[][..]),
            ("docker", "1.6.0", ALL_BUT_SCHEMA1),
            ("docker", "1.9-dev", ALL_BUT_SCHEMA1),
            ("docker", "1.10.3", OCI),
            ("docker", "18.05.0-ce", OCI),
            ("docker", "18.06.0-ce", &[]),
            ("docker", "25.0.5", &[]),
            ("docker", "26.0.0", SCHEMA1),
            ("docker", "28.1.1", SCHEMA1),
            ("docker", "28.2.2", SCHEMA1),
            ("balena-engine", "17.13.5", OCI),
            ("balena-engine", "19.03.13-dev", &[]),
            ("containerd", "1.7.20", &[]),
            ("containerd", "2.0.0", SCHEMA1),
            ("crane", "v0.21.10", SCHEMA1),
            ("go-containerregistry", "v0.20.2", SCHEMA1),
            ("regclient", "regctl", &[]),
        ] {
            assert_eq!(facts(product, version).unreadable, unreadable, "{product} {version}");
        }
    }
}
