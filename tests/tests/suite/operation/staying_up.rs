//! Registries that are gone, and disks that are full or read-only: what can be answered is, and nothing else.

use core::time::Duration;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context, anyhow, ensure};
use downshift::Form;
use downshift_cases::images::{Image, REPOSITORY, layout, sample};
use downshift_cases::response::{Response, is_manifest, is_refused};
use downshift_tests::faults::{Fault, FaultyRegistry};
use downshift_tests::front::manifest_path;
use downshift_tests::http;
use downshift_tests::operated::{Operated, run};
use downshift_tests::patience::await_true;
use downshift_tests::program;
use downshift_tests::programs::{DOCKER_REGISTRY, E2FSCK, MKFS, case_after, case_with, locate};
use downshift_tests::registry::Registry;
use downshift_tests::server::Server;
use libtest_mimic::Trial;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tempfile::TempDir;

use crate::Named;

/// Bytes of the disk that gets full.
const DISK: &str = "8m";

/// Bytes of the disk that turns read-only.
const REPAIRABLE_BYTES: u64 = 32 * 1024 * 1024;

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |(name, run): Named<fn() -> anyhow::Result<()>>| {
        case_with([DOCKER_REGISTRY], format!("operation::staying_up::{name}"), run)
    };
    let on_disk = |(name, run): Named<fn(&Disk) -> anyhow::Result<()>>| {
        let name = format!("operation::staying_up::{name}");
        case_after([], name, Disk::mount, move |disk: Disk| run(&disk))
    };
    let alone = |programs: &[&'static str], (name, run): Named<fn() -> anyhow::Result<()>>| {
        case_with(programs, format!("operation::staying_up::{name}"), run)
    };
    let (name, run): Named<fn(&Repairable) -> anyhow::Result<()>> =
        named!(a_disk_that_turns_read_only_costs_what_cannot_be_recorded_and_nothing_else);
    vec![
        trial(named!(tags_are_told_for_a_while_when_their_registry_is_down)),
        trial(named!(a_registry_that_hangs_is_not_waited_for_long)),
        trial(named!(what_is_private_is_told_to_nobody_while_its_registry_is_down)),
        trial(named!(documents_outlive_the_server)),
        trial(named!(damaged_documents_are_fetched_again)),
        alone(&[], named!(damaged_machine_code_is_compiled_again)),
        alone(&[], named!(machine_code_of_other_versions_goes)),
        alone(&[], named!(without_a_data_folder_no_machine_code_stays)),
        trial(named!(documents_take_no_more_room_than_they_may)),
        on_disk(named!(a_full_disk_costs_what_cannot_be_recorded_and_nothing_else)),
        on_disk(named!(a_server_does_not_start_where_it_cannot_record)),
        case_after(
            [MKFS, E2FSCK],
            format!("operation::staying_up::{name}"),
            Repairable::mount,
            move |disk| run(&disk),
        ),
        alone(&["env"], named!(a_disk_that_fails_while_it_is_written_is_tried_again)),
    ]
}

/// A registry that can be made to fail, with an image in every form.
fn registry() -> anyhow::Result<(Registry, FaultyRegistry)> {
    let registry = Registry::start()?;
    for (tag, image) in sample::in_every_form() {
        registry.push(REPOSITORY, tag, &image)?;
    }
    let faulty = FaultyRegistry::start(&registry)?;
    Ok((registry, faulty))
}

fn is_schema1(response: &Response) -> anyhow::Result<String> {
    ensure!(
        response.header("content-type") == Some(Form::Schema1.media_type()),
        "it is not schema 1: {response:?}"
    );
    Ok(response.header("docker-content-digest").context("there is no digest")?.to_string())
}

fn tags_are_told_for_a_while_when_their_registry_is_down() -> anyhow::Result<()> {
    let (_registry, faulty) = registry()?;
    let arguments =
        ["--upstream", &faulty.url(), "--tag-ttl", "0", "--stale-for", "12", "--upstream-timeout", "5"];
    let mut server = Operated::start(&arguments)?;
    let digest = is_schema1(&server.manifest("schema2", &[])?)?;
    for fault in [Fault::Close, Fault::Status(503, Vec::new()), Fault::Status(429, Vec::new())] {
        faulty.set("/", fault);
        ensure!(is_schema1(&server.manifest("schema2", &[])?)? == digest, "it is something else");
    }
    ensure!(server.figure("downshift_stale_tags_total")? > 0.0, "it is not counted");
    server.await_log("is given as it was")?;
    // A denial is no outage, though a server that was stopped for seconds may take the first one for silence.
    faulty.set("/", Fault::Status(403, Vec::new()));
    await_true("the denial", || Ok(server.manifest("schema2", &[])?.status == 403))?;
    is_refused(&server.manifest("schema2", &[])?, 403, "upstream-denied")?;
    // And after it nothing is told any more, whatever becomes of the registry.
    faulty.set("/", Fault::Close);
    is_refused(&server.manifest("schema2", &[])?, 502, "upstream-unreachable").context("after a denial")?;
    server = server.restarted()?;
    is_refused(&server.manifest("schema2", &[])?, 502, "upstream-unreachable").context("after a restart")?;
    // What was never asked for is not known.
    is_refused(&server.manifest("oci", &[])?, 502, "upstream-unreachable")?;
    faulty.clear();
    ensure!(is_schema1(&server.manifest("schema2", &[])?)? == digest, "it is something else after a denial");
    faulty.set("/", Fault::Close);
    server = server.restarted()?;
    ensure!(is_schema1(&server.manifest("schema2", &[])?)? == digest, "it is something else after a restart");
    await_true("the end of what is told", || Ok(server.manifest("schema2", &[])?.status == 502))?;
    ensure!(is_schema1(&server.manifest(&digest, &[])?)? == digest, "what was reported is gone");
    faulty.clear();
    ensure!(is_schema1(&server.manifest("schema2", &[])?)? == digest, "it is no better afterwards");
    Ok(())
}

fn a_registry_that_hangs_is_not_waited_for_long() -> anyhow::Result<()> {
    let (_registry, faulty) = registry()?;
    let server =
        Operated::start(&["--upstream", &faulty.url(), "--tag-ttl", "1", "--upstream-timeout", "3600"])?;
    let digest = is_schema1(&server.manifest("schema2", &[])?)?;
    faulty.set("/", Fault::Hang);
    thread::sleep(Duration::from_millis(1100));
    ensure!(is_schema1(&server.manifest("schema2", &[])?)? == digest, "it is something else");
    Ok(())
}

fn what_is_private_is_told_to_nobody_while_its_registry_is_down() -> anyhow::Result<()> {
    let registry = Registry::start_with_password("somebody", "secret")?;
    registry.push(REPOSITORY, "latest", &sample::schema2())?;
    let faulty = FaultyRegistry::start(&registry)?;
    let arguments = ["--upstream", &faulty.url(), "--auth", "upstream", "--tag-ttl", "0"];
    let server = Operated::start(&arguments)?;
    let good = [("Authorization", "Basic c29tZWJvZHk6c2VjcmV0")];
    is_schema1(&server.manifest("latest", &good)?)?;
    let digest = is_schema1(&server.manifest("latest", &good)?)?;
    faulty.set("/", Fault::Close);
    for (reference, other) in [("latest", "Basic c29tZWJvZHk6b3RoZXI="), (&*digest, "Basic Ojo=")] {
        is_refused(&server.manifest(reference, &[("Authorization", other)])?, 502, "upstream-unreachable")?;
        is_refused(&server.manifest(reference, &[])?, 502, "upstream-unreachable")?;
    }
    // Whoever was let in, and is turned away now, is told nothing either: not of the tag, not by digest, not when the
    // registry is down next.
    faulty.clear();
    for reference in ["latest", &digest] {
        ensure!(is_schema1(&server.manifest(reference, &good)?)? == digest, "it is something else");
    }
    let demand = ("WWW-Authenticate", "Basic realm=\"test\"".to_string());
    faulty.set("/", Fault::Status(401, vec![demand]));
    await_true("the denial", || Ok(server.manifest("latest", &good)?.status == 401))?;
    let refused = server.manifest(&digest, &good)?;
    ensure!(refused.status == 401, "it is given by digest: {refused:?}");
    faulty.set("/", Fault::Close);
    for reference in ["latest", &digest] {
        is_refused(&server.manifest(reference, &good)?, 502, "upstream-unreachable")?;
    }
    Ok(())
}

/// Every file below the folder of documents.
fn documents(server: &Operated) -> anyhow::Result<Vec<PathBuf>> {
    files(server.path("data/documents").into())
}

/// The files in a folder and in those below it.
fn files(folder: PathBuf) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    Ok(files)
}

fn documents_outlive_the_server() -> anyhow::Result<()> {
    let (_registry, faulty) = registry()?;
    let server = Operated::start(&["--upstream", &faulty.url()])?;
    let stored = sample::oci().manifest;
    is_schema1(&server.manifest("oci", &[])?)?;
    for file in documents(&server)? {
        let mode = fs::metadata(&file)?.permissions().mode() & 0o777;
        ensure!(mode == 0o600, "`{}` has the mode {mode:o}", file.display());
    }
    let server = server.restarted()?;
    faulty.set("/", Fault::Close);
    let accept = [("Accept", Form::Oci.media_type())];
    is_manifest(&server.manifest(stored.digest().as_str(), &accept)?, Form::Oci, &stored.digest())?;
    is_manifest(&server.manifest("oci", &accept)?, Form::Oci, &stored.digest())?;
    // Another conversion than before, of the same documents.
    let schema2 = server.manifest("oci", &[("Accept", Form::Schema2.media_type())])?;
    ensure!(schema2.status == 200, "{schema2:?}");
    ensure!(
        server.figure("downshift_cache_lookups_total{cache=\"disk\",result=\"hit\"}")? > 0.0,
        "nothing was read"
    );
    Ok(())
}

fn damaged_documents_are_fetched_again() -> anyhow::Result<()> {
    let (_registry, faulty) = registry()?;
    let server = Operated::start(&["--upstream", &faulty.url()])?;
    let digest = is_schema1(&server.manifest("oci", &[])?)?;
    let stored = sample::oci().manifest.digest();
    let files = documents(&server)?;
    ensure!(files.len() >= 3, "there are no documents: {files:?}");
    for file in &files {
        fs::write(file, "damaged")?;
    }
    let server = server.restarted()?;
    ensure!(is_schema1(&server.manifest("oci", &[])?)? == digest, "it is something else");
    let accept = [("Accept", Form::Oci.media_type())];
    is_manifest(&server.manifest(stored.as_str(), &accept)?, Form::Oci, &stored)
}

fn damaged_machine_code_is_compiled_again() -> anyhow::Result<()> {
    let server = Operated::start_with(&images(), &["--engine", "wasm"])?;
    let digest = is_schema1(&server.manifest("tag0", &[])?)?;
    let folder = PathBuf::from(server.path("data/compiled"));
    let compiled = files(folder.clone())?;
    ensure!(compiled.iter().any(|file| fs::metadata(file).is_ok_and(|file| file.len() > 0)), "{compiled:?}");
    for file in &compiled {
        fs::write(file, "damaged")?;
    }
    let server = server.restarted()?;
    ensure!(is_schema1(&server.manifest("tag0", &[])?)? == digest, "it is something else");
    let stopped = server.stopped()?;
    fs::remove_dir_all(&folder)?;
    fs::write(&folder, "no folder")?;
    let server = stopped.started()?;
    is_schema1(&server.manifest("tag1", &[])?)?;
    Ok(())
}

fn machine_code_of_other_versions_goes() -> anyhow::Result<()> {
    let server = Operated::start_with(&images(), &["--engine", "wasm"])?;
    let all = PathBuf::from(server.path("data/compiled"));
    let stopped = server.stopped()?;
    let [own] = folders(&all)?.try_into().map_err(|found| anyhow!("there are other folders: {found:?}"))?;
    fs::rename(&own, all.join("another"))?;
    let server = stopped.started()?;
    is_schema1(&server.manifest("tag0", &[])?)?;
    ensure!(folders(&all)? == [own], "another version's is still there");
    Ok(())
}

fn folders(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
}

fn without_a_data_folder_no_machine_code_stays() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let [store, temporary] = ["store", "tmp"].map(|name| folder.path().join(name));
    layout::write(&store.join(REPOSITORY), &images())?;
    fs::create_dir(&temporary)?;
    let mut command = Command::new(program::path()?);
    command.args(["serve", "--listen", "127.0.0.1:0", "--engine", "wasm", "--store"]).arg(&store);
    let server = Server::start(command.env("TMPDIR", &temporary))?;
    let response = http::send(server.address(), "GET", &manifest_path("tag0"), &[])?;
    is_schema1(&response)?;
    ensure!(folders(&temporary)?.is_empty(), "something is left: {:?}", folders(&temporary)?);
    Ok(())
}

fn documents_take_no_more_room_than_they_may() -> anyhow::Result<()> {
    const CAPACITY: u64 = 64 * 1024;
    let registry = Registry::start()?;
    let names: Vec<_> = (0..20).map(|number| format!("library/sample{number}")).collect();
    for name in &names {
        registry.push(name, "latest", &sample::schema2())?;
    }
    let server =
        Operated::start(&["--upstream", registry.url(), "--documents-bytes", &CAPACITY.to_string()])?;
    for name in &names {
        let target = format!("/v2/{name}/manifests/latest");
        let response = http::send(server.address(), "GET", &target, &[])?;
        ensure!(response.status == 200, "{response:?}");
    }
    await_true("the sweep", || {
        Ok(server.figure("downshift_cache_bytes{cache=\"disk\"}")? <= CAPACITY as f64)
    })?;
    let mut bytes = 0;
    for file in documents(&server)? {
        bytes += fs::metadata(file)?.len();
    }
    ensure!(bytes <= CAPACITY, "they take `{bytes}` bytes");
    ensure!(server.figure("downshift_documents_swept_total")? > 0.0, "it is not counted");
    Ok(())
}

/// A small disk, in memory.
pub(crate) struct Disk(TempDir);

impl Disk {
    pub(crate) fn mount() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let options = format!("size={DISK},mode=0700");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder.path()))?;
        Ok(Self(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn remount(&self, options: &str) -> anyhow::Result<()> {
        run(Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(self.path())).map(drop)
    }

    /// Writes until there is no room.
    fn fill(&self) -> anyhow::Result<()> {
        let full = fs::write(self.path().join("rest"), vec![7; 64 * 1024 * 1024]);
        ensure!(full.is_err(), "the disk is larger than it should be");
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Also while somebody has it open: there is nothing else to do about errors here.
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).output();
    }
}

/// A file system in a file, which the kernel makes read-only when it finds an error in it, whatever is open there.
struct Repairable(TempDir);

impl Repairable {
    fn mount() -> anyhow::Result<Self> {
        let disk = Self(tempfile::tempdir()?);
        fs::create_dir(disk.path())?;
        File::create(disk.image())?.set_len(REPAIRABLE_BYTES)?;
        let mkfs = locate(MKFS).context("it is not installed")?;
        run(Command::new(mkfs).args(["-q", "-F", "-t", "ext4"]).arg(disk.image()))?;
        disk.attach()?;
        Ok(disk)
    }

    fn image(&self) -> PathBuf {
        self.0.path().join("image")
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("disk")
    }

    fn attach(&self) -> anyhow::Result<()> {
        let options = ["-t", "ext4", "-o", "loop,errors=remount-ro"];
        run(Command::new("mount").args(options).args([self.image(), self.path()])).map(drop)
    }

    /// Has the kernel find an error.
    fn damage(&self) -> anyhow::Result<()> {
        let device = run(Command::new("findmnt").args(["-n", "-o", "SOURCE"]).arg(self.path()))?;
        let device = String::from_utf8(device)?;
        let name = device.trim().rsplit('/').next().unwrap_or_default();
        fs::write(format!("/sys/fs/ext4/{name}/trigger_fs_error"), "test")?;
        let written = fs::write(self.path().join("rest"), "");
        ensure!(
            written.is_err_and(|error| error.kind() == ErrorKind::ReadOnlyFilesystem),
            "it can be written"
        );
        Ok(())
    }

    /// As an operator does it, who has stopped what uses it.
    fn repair(&self) -> anyhow::Result<()> {
        run(Command::new("umount").arg(self.path()))?;
        let e2fsck = locate(E2FSCK).context("it is not installed")?;
        let checked = Command::new(e2fsck).args(["-f", "-y"]).arg(self.image()).output()?;
        // 1 says that there were errors, and that there are none any more.
        ensure!(matches!(checked.status.code(), Some(0 | 1)), "it cannot be repaired: {checked:?}");
        self.attach()
    }
}

impl Drop for Repairable {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).output();
    }
}

/// Images under many tags, each of which is another schema 1.
const IMAGES: [&str; 4] = ["tag0", "tag1", "tag2", "tag3"];

fn images() -> Vec<(&'static str, Image)> {
    let tagged = IMAGES.map(|tag| (tag, sample::schema2()));
    tagged.into_iter().chain([("oci", sample::oci())]).collect()
}

fn a_full_disk_costs_what_cannot_be_recorded_and_nothing_else(disk: &Disk) -> anyhow::Result<()> {
    let data = disk.path().join("data").display().to_string();
    let server = Operated::start_with(&images(), &["--data", &data])?;
    without_writing(
        server,
        |_| disk.fill(),
        |server| {
            fs::remove_file(disk.path().join("rest"))?;
            Ok(server)
        },
    )
}

fn a_disk_that_turns_read_only_costs_what_cannot_be_recorded_and_nothing_else(
    disk: &Repairable,
) -> anyhow::Result<()> {
    let data = disk.path().join("data").display().to_string();
    let server = Operated::start_with(&images(), &["--data", &data])?;
    let repair = |server: Operated| {
        let stopped = server.stopped()?;
        disk.repair()?;
        stopped.started()
    };
    without_writing(server, |_| disk.damage(), repair)
}

fn a_server_does_not_start_where_it_cannot_record(disk: &Disk) -> anyhow::Result<()> {
    let data = disk.path().join("data").display().to_string();
    let server = Operated::start_with(&images(), &["--data", &data])?;
    let digest = is_schema1(&server.manifest("tag0", &[])?)?;
    let stopped = server.stopped()?;
    disk.remount("ro")?;
    let refused = stopped.started().err().context("it starts")?;
    ensure!(format!("{refused:#}").contains("Read-only file system"), "it does not say why: {refused:#}");
    disk.remount(&format!("rw,size={DISK}"))?;
    let server = stopped.started()?;
    ensure!(is_schema1(&server.manifest(&digest, &[])?)? == digest, "what was reported is lost");
    Ok(())
}

/// A limit on the size of files, which the program meets in the middle of a transaction.
fn a_disk_that_fails_while_it_is_written_is_tried_again() -> anyhow::Result<()> {
    let server = Operated::start_under(&["env", "--ignore-signal=XFSZ"], &images())?;
    let limit = |server: &Operated, current| -> anyhow::Result<()> {
        let pid = Pid::from_raw(server.server().pid().cast_signed());
        prlimit(pid, Resource::Fsize, Rlimit { current, maximum: None })?;
        Ok(())
    };
    without_writing(
        server,
        |server| limit(server, Some(0)),
        |server| {
            limit(&server, None)?;
            Ok(server)
        },
    )
}

/// Pulls before, while and after the data folder of a server cannot be written.
fn without_writing(
    server: Operated,
    begin: impl FnOnce(&Operated) -> anyhow::Result<()>,
    end: impl FnOnce(Operated) -> anyhow::Result<Operated>,
) -> anyhow::Result<()> {
    let before = is_schema1(&server.manifest("tag0", &[])?)?;
    begin(&server)?;
    // What is recorded is given, and what needs no record.
    ensure!(is_schema1(&server.manifest("tag0", &[])?)? == before, "it is something else");
    ensure!(is_schema1(&server.manifest(&before, &[])?)? == before, "what was reported cannot be pulled");
    let accept = [("Accept", Form::Oci.media_type())];
    is_manifest(&server.manifest("oci", &accept)?, Form::Oci, &sample::oci().manifest.digest())?;
    // A digest that cannot be recorded is not reported.
    let mut is_refused_once = false;
    for tag in &IMAGES[1..] {
        let response = server.manifest(tag, &[])?;
        if response.status == 200 {
            // There was room left in the file.
            let digest = is_schema1(&response)?;
            ensure!(
                is_schema1(&server.manifest(&digest, &[])?)? == digest,
                "what is reported cannot be pulled"
            );
            continue;
        }
        is_refused(&response, 503, "not-recorded")?;
        ensure!(response.header("retry-after").is_some(), "it does not say when to come again: {response:?}");
        ensure!(response.header("docker-content-digest").is_none(), "a digest is reported: {response:?}");
        is_refused_once = true;
    }
    ensure!(is_refused_once, "everything could be recorded");
    // And that costs nothing of what is recorded.
    for _ in 0..2 {
        for reference in [&*before, "tag0"] {
            let given = server.manifest(reference, &[])?;
            ensure!(
                given.status == 200,
                "`{reference}` is lost after a refusal: {given:?}, {:#?}",
                server.server().log()
            );
            ensure!(is_schema1(&given)? == before, "it is something else");
        }
        is_refused(&server.manifest(IMAGES[3], &[])?, 503, "not-recorded")?;
    }
    server.await_log("unusable-records")?;
    let ready = server.admin("GET", "/readyz")?;
    ensure!(ready.status == 503, "it is ready: {ready:?}");
    ensure!(server.figure("downshift_records_failed_total")? > 0.0, "it is not counted");

    let server = end(server)?;
    for tag in IMAGES {
        let digest =
            is_schema1(&server.manifest(tag, &[])?).context("after the disk can be written again")?;
        ensure!(is_schema1(&server.manifest(&digest, &[])?)? == digest, "what is reported cannot be pulled");
    }
    ensure!(server.admin("GET", "/readyz")?.status == 200, "it is not ready again");
    let server = server.restarted()?;
    ensure!(is_schema1(&server.manifest(&before, &[])?)? == before, "what was reported is lost");
    Ok(())
}
