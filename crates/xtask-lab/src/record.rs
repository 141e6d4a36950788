//! `cargo xtask record`

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use downshift_cases::fixed_key::FixedKey;
use downshift_cases::images::random;
use downshift_cases::upward::Upward;
use downshift_cases::vectors::Vector;
use downshift_tests::clients::Client;
use downshift_tests::registry::Registry;

/// Records conversions of the reference: pushes random images to a registry of Distribution 2, fetches their tags as
/// an old client does, and writes the answers as vectors.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Records what Docker makes of schema 1 instead: pulls random images of it, and writes down their ids
    #[arg(long)]
    upward: bool,
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
        if self.upward {
            self.record_upward(&registry, &mut file)?;
        } else {
            self.record_downward(&registry, category, &mut file)?;
        }
        file.flush()?;
        println!("wrote {} vectors to {}", self.count, self.out.display());
        Ok(())
    }

    fn record_downward(
        &self,
        registry: &Registry,
        category: &str,
        file: &mut impl Write,
    ) -> anyhow::Result<()> {
        for index in 0..self.count {
            let random = random::image(self.seed, index);
            registry.push(random.repository, &random.tag, &random.image)?;
            let fetched = registry.fetch(random.repository, &random.tag, &[])?;
            let id = format!("{category}-{index:04}");
            writeln!(file, "{}", Vector::new(id, &random, &fetched)?.to_line())?;
        }
        Ok(())
    }

    fn record_upward(&self, registry: &Registry, file: &mut impl Write) -> anyhow::Result<()> {
        let (docker, key) = (Client::docker()?, FixedKey::read()?);
        for index in 0..self.count {
            let random = random::schema1::image(self.seed, index, &key)?;
            registry.push(random.repository, &random.tag, &random.image)?;
            let image = format!("{}/{}:{}", registry.host(), random.repository, random.tag);
            let pulled = docker.pulled_id(&image).map_err(|error| {
                let said = error.to_string().replace(registry.host(), "REGISTRY");
                said.rsplit_once(" fails: ").map_or(said.clone(), |(_, said)| said.to_owned())
            });
            writeln!(file, "{}", Upward::new(index, &random, pulled)?.to_line())?;
        }
        Ok(())
    }
}
