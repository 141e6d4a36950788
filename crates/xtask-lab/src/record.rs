//! `cargo xtask record`

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use downshift_cases::images::random;
use downshift_cases::vectors::Vector;
use downshift_tests::registry::Registry;

/// Records conversions of the reference: pushes random images to a registry of Distribution 2, fetches their tags as
/// an old client does, and writes the answers as vectors.
#[derive(Args)]
pub(crate) struct Arguments {
    /// A registry that is running; without one, docker-registry is started
    #[arg(long, value_name = "URL")]
    registry: Option<String>,
    /// The file to write, a line for each image; it must not be there yet
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// How many images
    #[arg(long, value_name = "N", default_value_t = 50)]
    count: u64,
    /// Which images: the same seed gives the same ones
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

impl Arguments {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let category = self.out.file_stem().and_then(|stem| stem.to_str()).context("the file has no name")?;
        let file = File::create_new(&self.out)
            .with_context(|| format!("`{}` cannot be made", self.out.display()))?;
        let mut file = BufWriter::new(file);
        let registry = match &self.registry {
            Some(url) => Registry::at(url),
            None => Registry::start()?,
        };
        for index in 0..self.count {
            let random = random::image(self.seed, index);
            registry.push(random.repository, &random.tag, &random.image)?;
            let fetched = registry.fetch(random.repository, &random.tag, &[])?;
            let id = format!("{category}-{index:04}");
            writeln!(file, "{}", Vector::new(id, &random, &fetched)?.to_line())?;
        }
        file.flush()?;
        println!("wrote {} vectors to {}", self.count, self.out.display());
        Ok(())
    }
}
