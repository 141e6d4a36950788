//! `downshift sync`

mod blobs;
mod contents;
mod flights;
mod mirror;
mod progress;
mod repositories;
mod selection;
mod source;
mod summary;
mod trees;
mod trouble;

use core::num::NonZeroUsize;
use core::time::Duration;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use toml::{Table, Value};

use self::mirror::{Mirror, Rules};
use self::selection::Selection;
use self::source::Source;
use super::options::UpstreamArgs;
use super::output::{json, print, write_document};
use super::runtime::runtime;
use super::verdict::Verdict;
use crate::bounded;
use crate::engine::EngineName;
use crate::error::Error;
use crate::origin::pulp::Protected;
use crate::origin::registry::{Delivery, UpstreamConfig};
use crate::settings::{SOURCES, Settings, file, names};
use downshift::PlainLayers;

/// Copy repositories of registries, or of Pulp 2, into a folder of images, and keep them in step
///
/// The folder is one that `downshift serve --store` serves, also while it is written: a repository changes at once, when all that
/// it takes is there. Every manifest, config and layer is copied to the byte, with what refers to it; a layer that the folder
/// has already is not fetched again, and an interrupted download is resumed.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Sync {
    /// What to copy: NAME[:TAG[,TAG...]], by default with every tag, or NAME@DIGEST; * and ? stand for any characters, and **
    /// in NAME for slashes as well
    #[arg(value_name = "REF", value_parser = Selection::parse)]
    images: Vec<Selection>,
    /// A file with more of these, one on each line, or `-` for standard input
    #[arg(long, value_name = "FILE")]
    images_from: Option<PathBuf>,
    /// Every repository that the registries list
    #[arg(long)]
    all: bool,
    /// What not to copy, in the same form; can be repeated
    #[arg(long, value_name = "REF", value_parser = Selection::parse)]
    exclude: Vec<Selection>,
    /// The folder of images [default: `store` of the settings file]
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// A settings file like that of `downshift serve`; only its upstream registries or what it says of Pulp, its limits, its
    /// `key` and its `store` are used
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// An upstream registry, such as docker.io or http://localhost:5000
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    #[command(flatten)]
    of_upstream: UpstreamArgs,
    /// The folder `docker` that Pulp 2 has published for Crane, or `v2` in it: all that it has by each tag is copied
    #[arg(long, value_name = "DIR", conflicts_with = "upstream")]
    pulp: Option<PathBuf>,
    /// Leave out the repositories that are protected in Pulp (hide), or copy them as well (serve): who may pull them is then
    /// for the server to say that serves the folder
    /// [default: hide]
    #[arg(long, value_name = names::<Protected>(), value_enum, hide_possible_values = true)]
    pulp_protected: Option<Protected>,
    /// A folder that symbolic links in Pulp's may lead into, such as its content; can be repeated
    #[arg(long, value_name = "DIR", value_delimiter = ',')]
    store_links: Vec<PathBuf>,
    /// Remove tags that the registry does not have any more, and in time what nothing refers to; never all tags of a repository
    #[arg(long)]
    delete: bool,
    /// Remove all tags of a repository as well, where its registry says that there are none, or no such repository
    #[arg(long, requires = "delete")]
    delete_repositories: bool,
    /// For how many seconds a blob stays that nothing refers to any more: pulls may be under way
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400, requires = "delete")]
    keep_unreferenced: u64,
    /// Leave out what refers to the images, such as signatures
    #[arg(long)]
    no_referrers: bool,
    /// Read every blob that is there already, and fetch those that are damaged
    #[arg(long)]
    verify: bool,
    /// Only say what would be done
    #[arg(long, conflicts_with = "verify")]
    dry_run: bool,
    /// How many requests to have under way
    #[arg(long, value_name = "N", default_value = "4", value_parser = jobs)]
    jobs: NonZeroUsize,
    /// How long to wait for each answer, while the registry says that it is to be asked later
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    patience: u64,
    /// Write the summary as JSON, for programs
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  A mirror of some images, which is served:
  downshift sync --upstream docker.io --store images library/httpd:2.4*,latest library/debian:12
  downshift serve --store images

  All that a registry has, without what it has lost:
  downshift sync --upstream https://registry.example.org --store images --all --delete

  Everything that Pulp 2 has published for Crane:
  downshift sync --pulp /var/lib/pulp/published/docker --store-links /var/lib/pulp/content --store images --all

  What is to be copied in a file, and the registries in another one:
  downshift sync --config sync.toml --images-from images.txt

The exit status is 1 if something could not be copied, and 2 if nothing more can be: the disk is full, say, or another sync
writes into the same folder.";

/// As many requests as may be under way: a registry has other clients.
const MAX_JOBS: usize = 64;

/// Bytes of a file of references.
const MAX_LIST_BYTES: u64 = 16 * 1024 * 1024;

impl Sync {
    pub(super) fn run(self) -> Result<Verdict, Error> {
        let (settings, store) = self.settings()?;
        let selections = self.selections()?;
        let invalid = |problem: &str| Error::InvalidSettings { problem: problem.to_owned() };
        if selections.is_empty() {
            return Err(invalid("nothing is to be copied: name repositories, or use --all"));
        }
        let runtime = runtime()?;
        let begun = Instant::now();
        let rules = Rules {
            is_dry_run: self.dry_run,
            deletes: self.delete,
            deletes_repositories: self.delete_repositories,
            kept_for: Duration::from_secs(self.keep_unreferenced),
            has_referrers: !self.no_referrers,
            verifies: self.verify,
            jobs: self.jobs.get(),
            exclude: self.exclude.clone(),
        };
        let patience = Duration::from_secs(self.patience);
        let mut summary = runtime.block_on(async {
            let source = Source::new(settings, self.jobs.get(), patience)?;
            let mirror = Mirror::open(source, store, rules)?;
            mirror.run(&selections).await
        })?;
        summary.seconds = begun.elapsed().as_secs_f64();
        if self.json {
            write_document(None, &json(&summary)?)?;
        } else {
            print(summary.lines())?;
        }
        Ok(summary.failures.is_empty().into())
    }

    fn selections(&self) -> Result<Vec<Selection>, Error> {
        let mut selections = self.images.clone();
        if let Some(path) = &self.images_from {
            let read = match path.to_str() {
                Some("-") => bounded::read(io::stdin().lock(), MAX_LIST_BYTES),
                _ => File::open(path).and_then(|file| bounded::read(file, MAX_LIST_BYTES)),
            };
            let bytes = read.map_err(|error| Error::unreadable(path, error))?;
            let bytes = bytes.ok_or_else(|| Error::too_large(path, MAX_LIST_BYTES))?;
            let text = String::from_utf8(bytes).map_err(|error| Error::unusable(path, error))?;
            let list = Selection::parse_list(&text).map_err(|problem| Error::unusable(path, problem))?;
            selections.extend(list);
        }
        if self.all {
            selections.push(Selection::everything());
        }
        Ok(selections)
    }

    /// What registries there are and how they are asked, and where the store is.
    fn settings(&self) -> Result<(Settings, PathBuf), Error> {
        let mut table = match &self.config {
            Some(path) => file::read(path)?,
            None => Table::new(),
        };
        // Where a server has its images from is where these are put.
        let of_file = table.remove("store").and_then(|store| store.as_str().map(PathBuf::from));
        let invalid = |problem: String| Error::InvalidSettings { problem };
        // What is said here is in the place of what the file says, of whichever kind that is.
        if self.upstream.is_some() || self.pulp.is_some() {
            for origin in SOURCES {
                table.remove(origin);
            }
        }
        if let Some(folder) = &self.pulp {
            let folder = folder.to_str().ok_or_else(|| invalid("`--pulp` is not UTF-8".to_owned()))?;
            table.insert("pulp".to_owned(), Value::String(folder.to_owned()));
        }
        if let Some(url) = &self.upstream {
            let upstream = Value::try_from(self.of_upstream.described(url.clone()));
            let upstream = upstream.map_err(|error| invalid(error.to_string()))?;
            table.insert("upstream".to_owned(), Value::Array(vec![upstream]));
        }
        if !SOURCES.into_iter().any(|origin| table.contains_key(origin)) {
            let problem =
                "there is no registry to copy from: set --upstream or --pulp, or one of these in --config";
            return Err(invalid(problem.to_owned()));
        }
        let of_table = Settings::of_table(table)?;
        let Settings { upstream, pulp, pulp_protected, mut store_links, key, limit, .. } = of_table;
        store_links.extend(self.store_links.iter().cloned());
        let store = self.store.clone().or(of_file);
        let store = store.ok_or_else(|| invalid("there is no folder to copy to: set --store".into()))?;
        let copied = |upstream| UpstreamConfig { blobs: Delivery::Stream, ..upstream };
        let settings = Settings {
            upstream: upstream.into_iter().map(copied).collect(),
            pulp,
            pulp_protected: self.pulp_protected.unwrap_or(pulp_protected),
            store_links,
            key,
            limit,
            // What is told is what is so now, and as it is stored.
            stale_for: 0,
            plain_layers: PlainLayers::Never,
            engine: EngineName::Native,
            ..Settings::default()
        };
        Ok((settings, store))
    }
}

fn jobs(text: &str) -> Result<NonZeroUsize, String> {
    let jobs = text.parse().ok().filter(|jobs: &NonZeroUsize| jobs.get() <= MAX_JOBS);
    jobs.ok_or_else(|| format!("it must be a number from 1 to {MAX_JOBS}"))
}
