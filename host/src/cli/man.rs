//! `downshift man`

use std::fs;
use std::path::{Path, PathBuf};

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
        write_pages(folder, &command, "downshift")?;
        Ok(Verdict::Yes)
    }
}

/// Writes the page of a command, and those of its own commands, which it refers to.
fn write_pages(folder: &Path, command: &Command, name: &str) -> Result<(), Error> {
    write_document(Some(&folder.join(format!("{name}.1"))), &page(command, name)?)?;
    let is_for_people = |command: &&Command| command.get_name() != "help" && !command.is_hide_set();
    for command in command.get_subcommands().filter(is_for_people) {
        write_pages(folder, command, &format!("{name}-{}", command.get_name()))?;
    }
    Ok(())
}

fn page(command: &Command, name: &str) -> Result<Vec<u8>, Error> {
    let command = command.clone().name(name.to_owned()).version(env!("CARGO_PKG_VERSION"));
    let mut page = Vec::new();
    Page::new(command).render(&mut page).map_err(|error| Error::unwritable("-".as_ref(), error))?;
    Ok(page)
}
