//! `downshift man`

use std::fs;
use std::path::PathBuf;

use clap::{Args, Command};
use clap_mangen::Man as Page;

use super::output::write_document;
use super::verdict::Verdict;
use crate::error::Error;

/// Write the manual: the page of this program to standard output, or all pages into a folder
#[derive(Args)]
pub(super) struct Man {
    /// The folder, which is created if there is none; it gets a page for each command as well
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

impl Man {
    pub(super) fn run(&self, mut command: Command) -> Result<Verdict, Error> {
        command.build();
        let Some(folder) = &self.folder else {
            write_document(None, &page(&command, "downshift")?)?;
            return Ok(Verdict::Yes);
        };
        fs::create_dir_all(folder).map_err(|error| Error::unwritable(folder, error))?;
        let write = |name: &str, command: &Command| {
            write_document(Some(&folder.join(format!("{name}.1"))), &page(command, name)?)
        };
        write("downshift", &command)?;
        let is_for_people = |command: &&Command| command.get_name() != "help" && !command.is_hide_set();
        for command in command.get_subcommands().filter(is_for_people) {
            write(&format!("downshift-{}", command.get_name()), command)?;
        }
        Ok(Verdict::Yes)
    }
}

fn page(command: &Command, name: &str) -> Result<Vec<u8>, Error> {
    let command = command.clone().name(name.to_owned()).version(env!("CARGO_PKG_VERSION"));
    let mut page = Vec::new();
    Page::new(command).render(&mut page).map_err(|error| Error::unwritable("-".as_ref(), error))?;
    Ok(page)
}
