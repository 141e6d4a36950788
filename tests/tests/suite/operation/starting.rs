//! The start of a server: where it listens, and what it warns of.

use core::net::{Ipv6Addr, SocketAddr};
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, ensure};
use downshift_cases::images::{REPOSITORY, layout, sample};
use downshift_tests::http;
use downshift_tests::operated::run;
use downshift_tests::program;
use downshift_tests::programs::case;
use downshift_tests::server::{Server, free_address};
use libtest_mimic::Trial;
use tempfile::TempDir;

use crate::Named;

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |(name, run): Named<fn(&TempDir) -> anyhow::Result<()>>| {
        case(format!("operation::starting::{name}"), move || run(&tempfile::tempdir()?))
    };
    vec![
        trial(named!(it_listens_on_every_address_and_on_those_of_a_name)),
        trial(named!(addresses_that_are_none_are_told_with_how_to_write_one)),
        trial(named!(secrets_that_are_open_to_others_are_warned_of)),
    ]
}

/// A server in front of a store in `folder`, which listens on `address` by the settings `toml`.
fn serve(folder: &Path, address: SocketAddr, toml: &str) -> anyhow::Result<Server> {
    layout::write(&folder.join("store").join(REPOSITORY), &[("latest", sample::schema2())])?;
    let file = folder.join("downshift.toml");
    fs::write(&file, format!("store = \"store\"\ndata = \"data\"\nengine = \"native\"\n{toml}"))?;
    Server::start_at(address, program::command()?.arg("serve").arg("--config").arg(&file))
}

fn it_listens_on_every_address_and_on_those_of_a_name(folder: &TempDir) -> anyhow::Result<()> {
    let has_ipv6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    for host in ["", "localhost"] {
        let (address, admin) = (free_address()?, free_address()?);
        let toml =
            format!("listen = \"{host}:{}\"\nadmin-listen = \"{host}:{}\"\n", address.port(), admin.port());
        let server = serve(folder.path(), address, &toml)?;
        for (address, path) in [(address, "/v2/"), (admin, "/healthz")] {
            let answered = http::send(address, "GET", path, &[])?;
            ensure!(answered.status == 200, "{host}: {answered:?}");
            // The name may have no IPv6 address.
            if has_ipv6 && host.is_empty() {
                let address = SocketAddr::from((Ipv6Addr::LOCALHOST, address.port()));
                ensure!(http::send(address, "GET", path, &[])?.status == 200, "{address} is not listened on");
            }
        }
        server.stop()?;
    }
    Ok(())
}

fn addresses_that_are_none_are_told_with_how_to_write_one(folder: &TempDir) -> anyhow::Result<()> {
    for (address, expected) in [
        ("5000", "`5000` is not an address to listen on: write HOST:PORT"),
        ("::1:5000", "`::1:5000` is not an address to listen on"),
        ("none.invalid:5000", "cannot listen on `none.invalid:5000`: "),
    ] {
        for option in ["--listen", "--admin-listen"] {
            let store = folder.path().display().to_string();
            let mut command = program::command()?;
            command.args(["serve", "--engine", "native", "--store", &store, option, address]);
            if option == "--admin-listen" {
                command.args(["--listen", "127.0.0.1:0"]);
            }
            let output = command.output()?;
            let said = String::from_utf8(output.stderr)?;
            ensure!(!output.status.success() && said.contains(expected), "{option} {address}: {said}");
        }
    }
    let file = folder.path().join("downshift.toml");
    fs::write(&file, "store = \"store\"\nlisten = \"localhost\"\n")?;
    let output = program::command()?.args(["serve", "--config"]).arg(&file).output()?;
    let said = String::from_utf8(output.stderr)?;
    ensure!(said.contains("line 2: `localhost` is not an address to listen on"), "{said}");
    Ok(())
}

fn secrets_that_are_open_to_others_are_warned_of(folder: &TempDir) -> anyhow::Result<()> {
    let keys = folder.path().join("keys");
    fs::create_dir(&keys)?;
    let key = keys.join("key.json");
    let made = program::command()?.args(["key", "new", "--output"]).arg(&key).output()?;
    ensure!(made.status.success(), "there is no key: {made:?}");
    let data = folder.path().join("data");
    let start = |modes: [u32; 3]| -> anyhow::Result<String> {
        fs::create_dir_all(&data)?;
        for (path, mode) in [&data, &keys, &key].into_iter().zip(modes) {
            fs::set_permissions(path, Permissions::from_mode(mode))?;
        }
        let address = free_address()?;
        let toml = format!("listen = \"{address}\"\nkey = \"keys/key.json\"\n");
        serve(folder.path(), address, &toml)?.last_words()
    };
    let said = start([0o700, 0o755, 0o600])?;
    ensure!(!said.contains("open to others"), "what is closed is warned of: {said}");
    let said = start([0o750, 0o777, 0o666])?;
    for command in [
        format!("chmod 700 {}", data.display()),
        format!("chmod go-w {}", keys.display()),
        format!("chmod 600 {}", key.display()),
    ] {
        ensure!(said.contains(&format!("run `{command}`")), "`{command}` is missing: {said}");
        let (program, arguments) = command.split_once(' ').context("it has no arguments")?;
        run(std::process::Command::new(program).args(arguments.split(' ')))?;
    }
    let mended = [&data, &keys, &key].map(|path| fs::metadata(path).map(|data| data.permissions().mode()));
    let mended = mended.into_iter().map(|mode| Ok(mode? & 0o777)).collect::<anyhow::Result<Vec<_>>>()?;
    let said = start([mended[0], mended[1], mended[2]])?;
    ensure!(!said.contains("open to others"), "the commands mend nothing: {said}");
    Ok(())
}
