//! `downshift warm`

mod blobs;
mod front;
mod manifests;
mod progress;
mod summary;
mod tags;

use core::num::NonZeroUsize;
use core::time::Duration;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use downshift_inspect::Client;
use downshift_registry::Credentials;
use reqwest::Url;

use self::blobs::Depth;
use self::front::Front;
use self::manifests::Wanted;
use self::progress::Progress;
use self::summary::Summary;
use super::failures::ImageFailure;
use super::output::{json, print, write_document};
use super::reference::{self, Image, Platforms};
use super::runtime::runtime;
use super::setup::front_url;
use super::verdict::Verdict;
use crate::error::Error;
use crate::origin::registry::{Authorities, credentials};

/// Have a running server get images ready, before clients pull them
///
/// The server is asked for each image as clients do, once for each of them: it converts what they cannot read, learns what it has
/// to know of layers for that, records what it reports, and fills its caches. What comes is checked and thrown away. It can be
/// done again at any time; what is warm already costs little.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Warm {
    /// Images, by the names that they have at the server: NAME[:TAG][@DIGEST]
    #[arg(value_name = "REF", required_unless_present = "all", value_parser = Image::parse)]
    images: Vec<Image>,
    /// Every tag of a repository; can be repeated
    #[arg(long, value_name = "REPOSITORY", value_parser = reference::repository)]
    all: Vec<String>,
    /// The URL of the server
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:5000", value_parser = front_url)]
    server: Url,
    /// A client to ask as; can be repeated
    // The first has dropped schema 1, and the second cannot unpack zstd: for one of them at least the server has work to do,
    // if there is any.
    #[arg(long = "for", value_name = "CLIENT", value_delimiter = ',', default_values = ["containerd", "docker-18.06-to-20.10"],
          value_parser = reference::client())]
    clients: Vec<Client<'static>>,
    /// The platforms of clients, or `all` that the image has
    #[arg(long, value_name = "all|OS/ARCH[/VARIANT],...", default_value = "linux/amd64", value_parser = Platforms::parse)]
    platforms: Platforms,
    /// Ask whether blobs are there, without reading them
    #[arg(long)]
    no_blobs: bool,
    /// How many requests to have under way
    #[arg(long, value_name = "N", default_value = "4", value_parser = jobs)]
    jobs: NonZeroUsize,
    /// How long to wait for each answer, while the server says that it needs more time
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    patience: u64,
    /// A file with certificates in PEM to trust beside the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The user to log in as
    #[arg(long, value_name = "NAME", requires = "password_file")]
    username: Option<String>,
    /// A file with the user's password on its first line
    #[arg(long, value_name = "FILE", requires = "username")]
    password_file: Option<PathBuf>,
    /// Write the summary as JSON, for programs
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  Before the nodes of a cluster are upgraded:
  downshift warm --server https://downshift.example.org --all team/app \\
    --for containerd --platforms all

  One image, for the clients that a server has most to do for:
  downshift warm library/httpd:2.4 ghcr.io/owner/app:v1

The exit status is 1 if something was refused, and 2 if the server cannot be reached.";

/// As many requests as may be under way: more would only wait for each other at the server.
const MAX_JOBS: usize = 256;

impl Warm {
    pub(super) fn run(self) -> Result<Verdict, Error> {
        let credentials = match (&self.username, &self.password_file) {
            (Some(username), Some(file)) => {
                Some(Credentials { username: username.clone(), password: credentials::password(file)? })
            }
            _ => None,
        };
        let ca = self.ca.clone().map(Authorities::read).transpose()?;
        let patience = Duration::from_secs(self.patience);
        let front = Front::new(self.server.clone(), ca.as_ref(), credentials, patience)?;
        let summary = runtime()?.block_on(self.warm(&front))?;
        if self.json {
            write_document(None, &json(&summary)?)?;
        } else {
            print(summary.lines())?;
        }
        Ok(summary.failures.is_empty().into())
    }

    async fn warm(&self, front: &Front) -> Result<Summary, Error> {
        let begun = Instant::now();
        front.check().await?;
        let mut summary = Summary::default();
        let mut images: Vec<Image> = self.images.iter().map(|image| image.at(front.authority())).collect();
        for repository in &self.all {
            match tags::list(front, repository).await {
                Ok(tags) => images.extend(tags.into_iter().map(|tag| Image::tagged(repository, tag))),
                Err(refusal) => summary.failures.add(ImageFailure::of(repository, refusal)),
            }
        }
        reference::drop_duplicates(&mut images);
        summary.images = images.len();
        let jobs = self.jobs.get();
        let wanted = Wanted { clients: &self.clients, platforms: &self.platforms };
        let mut progress = Progress::new();
        let blobs = manifests::warm(front, &images, &wanted, jobs, &mut summary, &mut progress).await;
        let depth = if self.no_blobs { Depth::Head } else { Depth::Bytes };
        blobs::warm(front, blobs, depth, jobs, &mut summary, &mut progress).await;
        progress.finish();
        summary.seconds = begun.elapsed().as_secs_f64();
        Ok(summary)
    }
}

fn jobs(text: &str) -> Result<NonZeroUsize, String> {
    let jobs = text.parse().ok().filter(|jobs: &NonZeroUsize| jobs.get() <= MAX_JOBS);
    jobs.ok_or_else(|| format!("it must be a number from 1 to {MAX_JOBS}"))
}
