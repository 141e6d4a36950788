//! `downshift publish`

mod collect;
mod plan;
mod pulp;
mod source;
mod summary;
mod tree;

use core::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, ValueEnum};
use downshift::{PlainLayers, Platform, Policy};
use downshift_publish::{Audience, MAX_CLIENTS, Named, v1_audience};
use toml::{Table, Value};

use self::collect::{Collected, Wanted};
use self::source::Source;
use self::summary::Summary;
use self::tree::Tree;
use super::output::{json, print, write_document};
use super::reference::{Image, Platforms, repository};
use super::runtime::runtime;
use super::verdict::Verdict;
use crate::data::{DataFolder, keys};
use crate::engine::EngineName;
use crate::error::Error;
use crate::origin::pulp::PulpTree;
use crate::settings::{SOURCES, Settings, file};

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Layout {
    /// For any web server.
    Web,
    /// For Crane.
    Pulp,
}

/// Write images into a folder that any web server can serve as a registry
///
/// Each image is asked for as each client does, and what that gets is written as files: the manifests in every form that is
/// needed, the configs and layers that they name, lists of tags, and ready settings for nginx, Apache httpd, Caddy, lighttpd, S3
/// with CloudFront, R2, Netlify and Cloudflare Pages. Clients pull from OUT/current, which is switched when everything is there.
/// It can be done again at any time: what is there already stays as it is.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Publish {
    /// The folder to write into
    #[arg(value_name = "OUT")]
    out: PathBuf,
    /// Where the images are: a folder of OCI image layouts, the folder `docker` that Pulp 2 has published, or a registry, such
    /// as docker.io or http://localhost:5000; can be repeated
    #[arg(
        long,
        value_name = "STORE|PULP|UPSTREAM",
        value_delimiter = ',',
        required_unless_present = "config"
    )]
    from: Vec<String>,
    /// A folder that symbolic links in these folders may lead into, such as Pulp's content; can be repeated
    #[arg(long, value_name = "DIR", value_delimiter = ',')]
    store_links: Vec<PathBuf>,
    /// A settings file of a server, for its images, key, policy and clients
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What to write: files for any web server (web), or what Pulp 2 publishes for Crane, with metadata of version 4 and
    /// the manifests for who reads lists, schema 2 and schema 1 (pulp)
    #[arg(long, value_name = "web|pulp", value_enum, hide_possible_values = true, default_value = "web")]
    layout: Layout,
    /// With --layout pulp, the URL of OUT/current/v2/web, to which Crane sends clients
    #[arg(long, value_name = "URL", required_if_eq("layout", "pulp"), value_parser = pulp::base_url)]
    url: Option<String>,
    /// The clients that it is for: a product with or without a version, such as docker-1.9, docker-20.10, containerd-2, podman,
    /// skopeo and crane, or oci, schema2 and schema1 for whoever names these forms; can be repeated
    ///
    /// The first is the one for web servers that cannot choose.
    #[arg(long = "for", value_name = "CLIENT", value_delimiter = ',', value_parser = Named::parse,
          default_value_if("layout", "pulp", None::<&str>),
          default_values = ["oci", "schema2", "schema1", "docker", "buildkit", "containerd", "podman", "skopeo", "crane"])]
    clients: Vec<Named>,
    /// Also write the files of version 1 of the API, by which Docker before 1.6 pulls
    ///
    /// Web servers give them to nobody else, for whoever pulls by them checks no digests. Netlify and Cloudflare Pages cannot
    /// tell clients apart, and have none of them.
    #[arg(long)]
    v1: bool,
    /// The platforms of clients that get the manifest of one; the first is for clients that do not say theirs
    #[arg(long, value_name = "OS/ARCH[/VARIANT],...", default_value = "linux/amd64", value_parser = platforms)]
    platforms: Platforms,
    /// Only this image, NAME[:TAG][@DIGEST]; can be repeated [default: all of every repository]
    #[arg(long, value_name = "REF", value_parser = Image::parse)]
    image: Vec<Image>,
    /// Only this repository, with every tag; can be repeated
    #[arg(long, value_name = "REPOSITORY", value_parser = repository)]
    all: Vec<String>,
    /// The private key to sign with: P-256, as JWK or in PEM; `downshift key new` makes one [default: the one in the data
    /// folder, which is created if there is none]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// A folder of its own to keep the signing key in, what is known of layers, and documents of registries; without it every run
    /// reads each layer anew that somebody cannot unpack
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// What to do with images that Distribution converts with a loss: refuse them (strict) or convert them as it does
    /// (reference)
    #[arg(long, value_name = "strict|reference")]
    policy: Option<Policy>,
    /// A refusal of the strict policy to lift, by its code; can be repeated
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    allow: Vec<String>,
    /// Who gets layers unpacked that are compressed with zstd: nobody (never), clients that cannot read it (old), or every
    /// client (always)
    #[arg(long, value_name = "never|old|always")]
    plain_layers: Option<PlainLayers>,
    /// Drop what was published before and has no tag any more; without it, what was published stays there by its digest
    #[arg(long)]
    prune: bool,
    /// Copy layers, where they would be hard links to the files of a store
    #[arg(long)]
    copy: bool,
    /// How many requests to have under way
    #[arg(long, value_name = "N", default_value = "4")]
    jobs: NonZeroUsize,
    /// Where manifests are parsed and converted: in a sandbox with limits on memory and time (wasm), or in this
    /// process, which is faster (native)
    #[arg(long, value_name = "wasm|native", value_enum, hide_possible_values = true)]
    engine: Option<EngineName>,
    /// Write the summary as JSON, for programs
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  A folder of images, for engines of every age, served by nginx:
  downshift publish /srv/registry --from images --data /var/lib/downshift-publish

  One image of a registry, for RHEL 7 and Debian 12:
  downshift publish /srv/registry --from docker.io --image library/httpd:2.4 --for docker-1.13,docker-20.10

  For a Crane that is there already, with data_dir = /srv/pulp/current/v2/app:
  downshift publish /srv/pulp --from images --layout pulp --url https://pulp.example.org/pulp/docker/v2

The exit status is 1 if a client cannot get an image (the summary says which), or if nothing could be published.";

/// For how long an answer may take that has to wait for layers of gigabytes.
const PATIENCE_SECONDS: u64 = 24 * 60 * 60;

impl Publish {
    pub(super) fn run(self) -> Result<Verdict, Error> {
        let Platforms::These(platforms) = self.platforms.clone() else { return Ok(Verdict::No) };
        let audiences = match self.layout {
            Layout::Web => self.audiences()?,
            Layout::Pulp => pulp::readers(),
        };
        self.check(&platforms)?;
        let runtime = runtime()?;
        let _within = runtime.enter();
        let tree = Tree::open(&self.out)?;
        let sources = self.sources(&platforms)?;
        let summary = runtime.block_on(self.publish(&tree, &sources, &audiences, &platforms))?;
        if self.json {
            write_document(None, &json(&summary)?)?;
        } else {
            print(summary.lines())?;
        }
        Ok(summary.failures.is_empty().into())
    }

    async fn publish(
        &self,
        tree: &Tree,
        sources: &[Source],
        audiences: &[Audience],
        platforms: &[Platform],
    ) -> Result<Summary, Error> {
        let begun = Instant::now();
        let v1 = v1_audience().filter(|_| self.v1);
        let wanted = Wanted {
            audiences,
            v1: v1.as_ref(),
            platforms,
            images: &self.image,
            repositories: &self.all,
            jobs: self.jobs.get(),
        };
        let collected = Collected::of(sources, &wanted).await?;
        let mut summary = collected.summary(self.v1);
        // What cannot be read now was published before, and clients pull it: another tree would have no tag of it.
        let loses = collected.is_unread
            && tree.current().map_or(Ok(false), |current| self.loses(&current, &collected))?;
        if collected.is_whole && !loses {
            let former = tree.current().filter(|_| !self.prune);
            let plan = match &self.url {
                None => plan::of(&collected, &wanted, former.as_deref())?,
                Some(url) => pulp::plan(&collected, sources, url, former.as_deref(), &mut summary)?,
            };
            summary.variants = plan.variants.clone();
            let written = tree.publish(&plan, sources, self.copy, self.jobs.get(), &mut summary).await?;
            (summary.published, summary.changed) = (written.is_some(), written.unwrap_or_default());
        }
        summary.seconds = begun.elapsed().as_secs_f64();
        Ok(summary)
    }

    /// Whether a repository that is published already is not among those that were collected.
    fn loses(&self, current: &Path, collected: &Collected) -> Result<bool, Error> {
        let published = match self.layout {
            Layout::Web => plan::repositories(current)?,
            Layout::Pulp => pulp::repositories(current)?,
        };
        Ok(published.iter().any(|name| !collected.repositories.contains_key(name)))
    }

    /// Whether the options go with the layout.
    fn check(&self, platforms: &[Platform]) -> Result<(), Error> {
        let problem = match self.layout {
            Layout::Web if self.url.is_some() => "`--url` goes with `--layout pulp` alone",
            Layout::Pulp if !self.clients.is_empty() => {
                "`--for` does not go with `--layout pulp`: Crane's clients are those that read lists, schema 2 and schema 1"
            }
            Layout::Pulp if self.v1 => {
                "`--v1` does not go with `--layout pulp`, which has version 2 of the API alone"
            }
            Layout::Pulp if platforms != pulp::platforms() => {
                "`--platforms` does not go with `--layout pulp`: who reads no lists gets linux/amd64 from Crane"
            }
            _ => return Ok(()),
        };
        Err(Error::InvalidSettings { problem: problem.to_owned() })
    }

    /// The clients, each once.
    fn audiences(&self) -> Result<Vec<Audience>, Error> {
        let mut audiences: Vec<Audience> = Vec::new();
        for audience in self.clients.iter().flat_map(|Named(all)| all) {
            // They get nothing else.
            if audience.known.is_some_and(|known| known.pulls_by_v1) {
                if !self.v1 {
                    let problem =
                        format!("`{}` pulls by version 1 of the API alone: add --v1", audience.name);
                    return Err(Error::InvalidSettings { problem });
                }
                continue;
            }
            let is_same = |other: &Audience| match (&other.known, &audience.known) {
                (None, None) => other.name == audience.name,
                (one, other) => one == other,
            };
            if !audiences.iter().any(is_same) {
                audiences.push(audience.clone());
            }
        }
        if audiences.len() > MAX_CLIENTS {
            let problem = format!("`--for` names more than `{MAX_CLIENTS}` clients");
            return Err(Error::InvalidSettings { problem });
        }
        Ok(audiences)
    }

    fn sources(&self, platforms: &[Platform]) -> Result<Vec<Source>, Error> {
        let base = match &self.config {
            Some(path) => file::read(path)?,
            None => Table::new(),
        };
        if let Some(data) = &self.data {
            let _folder = DataFolder::open(data)?;
            keys::read_or_make(data)?;
        }
        if self.from.is_empty() {
            return Ok(vec![self.source(Settings::of_table(base)?, platforms, 0)?]);
        }
        let of = |(place, from): (usize, &String)| {
            let mut table = base.clone();
            for origin in SOURCES {
                table.remove(origin);
            }
            if is_folder(from) {
                let origin = if PulpTree::is_likely(Path::new(from)) { "pulp" } else { "store" };
                table.insert(origin.to_owned(), Value::String(from.clone()));
            } else {
                let url = Value::String(from.clone());
                let upstream = Table::from_iter([("url".to_owned(), url)]);
                table.insert("upstream".to_owned(), Value::Array(vec![Value::Table(upstream)]));
            }
            self.source(Settings::of_table(table)?, platforms, place)
        };
        self.from.iter().enumerate().map(of).collect()
    }

    fn source(&self, mut settings: Settings, platforms: &[Platform], place: usize) -> Result<Source, Error> {
        let data = settings.data.take();
        settings.store_links.extend(self.store_links.iter().cloned());
        let own = self.data.as_ref().or(data.as_ref()).map(|data| keys::path_in(data));
        settings.key = self.key.clone().or(settings.key).or(own.filter(|key| key.exists()));
        // Each source has a folder of its own, as each server has.
        settings.data = self.data.as_ref().map(|data| data.join(format!("source-{place}")));
        settings.policy = self.policy.unwrap_or(settings.policy);
        settings.allow.extend(self.allow.iter().cloned());
        settings.plain_layers = self.plain_layers.unwrap_or(settings.plain_layers);
        settings.engine = self.engine.unwrap_or(settings.engine);
        if let Some(platform) = platforms.first() {
            settings.platform = platform.clone();
        }
        settings.facts_wait = PATIENCE_SECONDS;
        settings.stale_for = 0;
        Source::open(settings)
    }
}

/// Whether what is named is a folder and not a registry.
fn is_folder(from: &str) -> bool {
    !from.contains("://") && (from.starts_with(['/', '.']) || Path::new(from).is_dir())
}

fn platforms(text: &str) -> Result<Platforms, String> {
    match Platforms::parse(text)? {
        Platforms::All => Err("name them, the first for clients that do not say theirs".to_owned()),
        these => Ok(these),
    }
}
