//! nginx, with the settings of a test.

use core::net::SocketAddr;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use tempfile::TempDir;

use crate::programs::{NGINX, locate};
use crate::server::Server;

/// nginx, for as long as this value lives.
#[derive(Debug)]
pub struct Nginx {
    // Dropped in this order: the process ends before its folder goes.
    _server: Server,
    _folder: TempDir,
}

impl Nginx {
    /// Starts nginx. What `http` writes into the block of that name, for files below the folder that it is given, has a
    /// server listen on `address`.
    ///
    /// # Errors
    /// If nginx is not installed, or does not start.
    pub fn start(
        address: SocketAddr,
        http: impl FnOnce(PathBuf) -> anyhow::Result<String>,
    ) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let folder = directory.path().display();
        let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|name| format!("{name}_temp_path {folder}/{name};\n"))
            .collect();
        let http = http(directory.path().to_path_buf())?;
        // One process, so that none is left when it is ended.
        let text = format!(
            "daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{paths}{http}}}\n"
        );
        let path = directory.path().join("nginx.conf");
        fs::write(&path, text)?;
        let program = locate(NGINX).context("it is not installed")?;
        let server = Server::start_at(address, Command::new(program).arg("-c").arg(&path))?;
        Ok(Self { _server: server, _folder: directory })
    }
}
