//! Programs of the system that some tests need.

use std::env;
use std::path::PathBuf;

use libtest_mimic::{Completion, Failed, Trial};

/// Debian's package and program with Distribution 2.8, the reference.
pub const DOCKER_REGISTRY: &str = "docker-registry";
/// A web server that serves files.
pub const NGINX: &str = "nginx";
/// Another one.
pub const APACHE: &str = "apache2";
/// Another one.
pub const CADDY: &str = "caddy";
/// Another one, of Debian's packages lighttpd and lighttpd-mod-magnet.
pub const LIGHTTPD: &str = "lighttpd";
/// A client that asks a web server as often as it can.
pub const WRK: &str = "wrk";
/// Another, which asks for heads, too.
pub const HEY: &str = "hey";
/// What counts a program's instructions.
pub const VALGRIND: &str = "valgrind";
/// What compresses layers.
pub const ZSTD: &str = "zstd";
/// A client of web servers.
pub const CURL: &str = "curl";
/// A client of registries that speaks every form of manifest.
pub const SKOPEO: &str = "skopeo";

/// A client that works without a daemon.
pub const PODMAN: &str = "podman";
/// Docker's command line.
pub const DOCKER: &str = "docker";
/// Docker's daemon, of Debian's package docker.io.
pub const DOCKERD: &str = "dockerd";

/// What Docker keeps images with, of Debian's package containerd.
pub const CONTAINERD: &str = "containerd";
/// Its command line.
pub const CTR: &str = "ctr";

/// A client of TLS.
pub const OPENSSL: &str = "openssl";
/// A proxy.
pub const HAPROXY: &str = "haproxy";
/// A proxy towards the internet.
pub const TINYPROXY: &str = "tinyproxy";
/// What reads Prometheus' figures, of Debian's package prometheus.
pub const PROMTOOL: &str = "promtool";
/// What reads units, of Debian's package systemd.
pub const SYSTEMD_ANALYZE: &str = "systemd-analyze";

/// What takes out of a program what is for debuggers, of Debian's package binutils.
pub const STRIP: &str = "strip";

/// What makes file systems, of Debian's package e2fsprogs.
pub const MKFS: &str = "mkfs.ext4";
/// What repairs them.
pub const E2FSCK: &str = "e2fsck";

/// What takes JSON apart in scripts.
pub const JQ: &str = "jq";

/// What compresses as layers were compressed once.
pub const BZIP2: &str = "bzip2";
/// Another one.
pub const XZ: &str = "xz";

/// What runs Python.
pub const PYTHON: &str = "python3";
/// What installs packages for it, of Debian's package python3-pip.
pub const PIP: &str = "pip3";

/// What runs JavaScript outside of browsers.
pub const NODE: &str = "node";
/// What packs and installs packages for it.
pub const NPM: &str = "npm";
/// A browser.
pub const CHROMIUM: &str = "chromium";
/// A browser, of Debian's package firefox-esr.
pub const FIREFOX: &str = "firefox-esr";

/// A test of the suite.
pub fn case(name: impl Into<String>, run: impl FnOnce() -> anyhow::Result<()> + Send + 'static) -> Trial {
    Trial::test(name, move || run().map_err(|error| failed(&error)))
}

/// A test that needs `programs`.
///
/// Where one is missing the test is ignored, saying so; under `CI=true` it fails, so that nothing stays untested for
/// want of an installation.
pub fn case_with(
    programs: impl Into<Vec<&'static str>>,
    name: impl Into<String>,
    run: impl FnOnce() -> anyhow::Result<()> + Send + 'static,
) -> Trial {
    ignorable(programs, name, || run().map(|()| Completion::Completed))
}

/// A test that needs `programs`, and something that is started with them first.
///
/// Where that does not start the test is ignored, saying why: not every place where tests run gives the right to mount.
pub fn case_after<T: 'static>(
    programs: impl Into<Vec<&'static str>>,
    name: impl Into<String>,
    start: fn() -> anyhow::Result<T>,
    run: impl FnOnce(T) -> anyhow::Result<()> + Send + 'static,
) -> Trial {
    ignorable(programs, name, move || match start() {
        Ok(started) => run(started).map(|()| Completion::Completed),
        Err(error) => Ok(Completion::ignored_with(format!("{error:#}"))),
    })
}

/// Where `program` is: in one of the folders in `PATH`, or in that of the system's servers, which need not be there.
#[must_use]
pub fn locate(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join(program)).find(|path| path.is_file())
}

fn ignorable(
    programs: impl Into<Vec<&'static str>>,
    name: impl Into<String>,
    run: impl FnOnce() -> anyhow::Result<Completion> + Send + 'static,
) -> Trial {
    let programs = programs.into();
    Trial::ignorable_test(name, move || match programs.iter().find(|program| locate(program).is_none()) {
        None => run().map_err(|error| failed(&error)),
        Some(missing) if is_ci() => Err(format!("`{missing}` is not installed, and this is CI").into()),
        Some(missing) => Ok(Completion::ignored_with(format!("`{missing}` is not installed"))),
    })
}

fn is_ci() -> bool {
    env::var("CI").is_ok_and(|value| value == "true")
}

fn failed(error: &anyhow::Error) -> Failed {
    format!("{error:#}").into()
}
