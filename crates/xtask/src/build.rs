//! `cargo xtask build`

use clap::{Args, ValueEnum};
use xtask::program::{self, Build};
use xtask::{js, page};

/// Builds the program `downshift`, and before it what it has in itself: the guest component that it runs in a sandbox,
/// and the page for browsers; or something else.
#[derive(Args)]
pub(crate) struct Arguments {
    #[arg(value_enum, default_value_t)]
    what: What,
    /// The program with optimisations, into target/release, and with the page that is shipped; everything else has them
    /// always
    #[arg(long)]
    release: bool,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum What {
    /// The program
    #[default]
    Program,
    /// The package for JavaScript
    Js,
    /// The worker for Cloudflare
    Worker,
    /// The page for browsers: a folder, and in it the page as one file
    Page,
}

impl Arguments {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let built = match self.what {
            What::Program if self.release => program::build(Build::Release)?,
            What::Program => program::build(Build::Plain)?,
            What::Js => js::package()?,
            What::Worker => js::build()?.worker,
            What::Page => page::shipped()?,
        };
        println!("built {}", built.display());
        Ok(())
    }
}
