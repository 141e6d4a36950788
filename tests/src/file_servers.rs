//! Web servers that serve a folder which `downshift publish` has written, with the settings that it has written for them.

use core::net::SocketAddr;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use tempfile::TempDir;

use crate::nginx::Nginx;
use crate::programs::{APACHE, CADDY, LIGHTTPD, NGINX, locate};
use crate::server::{Server, free_address};

/// A web server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileServer {
    /// nginx.
    Nginx,
    /// Apache httpd.
    Apache,
    /// Caddy.
    Caddy,
    /// lighttpd.
    Lighttpd,
}

/// One that runs, for as long as this value lives.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    // Dropped in this order: the process ends before its folder goes.
    _process: Process,
    _folder: Option<TempDir>,
}

#[derive(Debug)]
enum Process {
    Nginx { _nginx: Nginx },
    Other { _server: Server },
}

impl FileServer {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Nginx, Self::Apache, Self::Caddy, Self::Lighttpd];

    /// Its name in the names of tests.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Apache => "apache",
            Self::Caddy => "caddy",
            Self::Lighttpd => "lighttpd",
        }
    }

    /// The program that it is.
    #[must_use]
    pub fn program(self) -> &'static str {
        match self {
            Self::Nginx => NGINX,
            Self::Apache => APACHE,
            Self::Caddy => CADDY,
            Self::Lighttpd => LIGHTTPD,
        }
    }

    /// Serves what is published in `out`, which has to be readable for everybody.
    ///
    /// # Errors
    /// If it is not installed, or does not start.
    pub fn serve(self, out: &Path) -> anyhow::Result<Running> {
        let address = free_address()?;
        let tree = out.join("current").display().to_string();
        if self == Self::Nginx {
            let nginx = Nginx::start(address, |_| {
                Ok(format!(
                    "include {tree}/nginx/maps.conf;\nserver {{\nlisten {address};\nset $downshift_tree {tree};\n\
                     include {tree}/nginx/server.conf;\n}}\n"
                ))
            })?;
            return Ok(Running { address, _process: Process::Nginx { _nginx: nginx }, _folder: None });
        }
        let folder = tempfile::tempdir()?;
        let own = folder.path().display().to_string();
        let settings = match self {
            Self::Apache => apache(&tree, &own, address),
            Self::Caddy => format!(
                "{{\n\tadmin off\n}}\nhttp://:{} {{\n\tbind 127.0.0.1\n\troot * {tree}\n\timport {tree}/caddy/downshift.caddy\n}}\n",
                address.port()
            ),
            _ => format!(
                "server.document-root = \"{own}\"\nserver.bind = \"127.0.0.1\"\nserver.port = {}\n\
                 var.downshift-tree = \"{tree}\"\ninclude \"{tree}/lighttpd/downshift.conf\"\n",
                address.port()
            ),
        };
        let file = folder.path().join("settings");
        fs::write(&file, settings)?;
        let mut command = Command::new(locate(self.program()).context("it is not installed")?);
        match self {
            Self::Apache => command.arg("-f").arg(&file).arg("-DFOREGROUND"),
            Self::Caddy => {
                let folders = ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"].map(|name| (name, folder.path()));
                command.envs(folders).args(["run", "--adapter", "caddyfile", "--config"]).arg(&file)
            }
            _ => command.arg("-D").arg("-f").arg(&file),
        };
        // With all that it starts itself it is ended as a group.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let server = Server::start_at(address, &mut command)?;
        Ok(Running { address, _process: Process::Other { _server: server }, _folder: Some(folder) })
    }
}

impl Running {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn apache(tree: &str, own: &str, address: SocketAddr) -> String {
    let modules: String = ["mpm_event", "authz_core", "headers", "mime", "rewrite", "setenvif"]
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
        .concat();
    format!(
        "ServerRoot {own}\nDefaultRuntimeDir {own}\nPidFile {own}/pid\nErrorLog /dev/stderr\nServerName localhost\n\
         Listen {address}\nUser www-data\nGroup www-data\n{modules}TypesConfig /dev/null\n\
         <VirtualHost *:{}>\nDefine DOWNSHIFT_TREE {tree}\nInclude {tree}/apache/downshift.conf\n</VirtualHost>\n",
        address.port()
    )
}
