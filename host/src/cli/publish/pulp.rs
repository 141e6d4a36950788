//! The tree as Pulp 2 publishes it for Crane, which knows three clients: who reads lists, who reads schema 2 but no lists,
//! and who names neither. Each of them is asked for, and what it gets is published for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use downshift::{Digest, Form, Limits, Platform};
use downshift_publish::Audience;
use downshift_pulp::{
    File, METADATA_BYTES, Manifest, Metadata, Publication, Unpublishable, folder_of, id_of,
};

use super::collect::{Collected, Tags};
use super::plan::{Item, Plan};
use super::source::Source;
use super::summary::Summary;
use crate::bounded;
use crate::cli::failures::{Failed as _, ImageFailure};
use crate::cli::refusal::Refusal;
use crate::digest;
use crate::error::Error;
use crate::log::notice;
use crate::origin::url;

const SCHEMA2: &str = Form::Schema2.media_type();
const LIST: &str = Form::List.media_type();

/// What Crane's clients are called here, and what they accept.
const READERS: [(&str, &[&str]); 3] =
    [("lists", &[LIST, SCHEMA2]), ("schema2", &[SCHEMA2]), ("schema1", &[])];

/// The reason why something is not published that has no place in the layout.
const NO_PLACE: &str = "pulp-layout";

/// Crane's clients.
pub(super) fn readers() -> Vec<Audience> {
    let reader = |(name, accept): (&str, &'static [&'static str])| Audience {
        name: name.to_owned(),
        known: None,
        user_agent: String::new(),
        accept,
    };
    READERS.map(reader).to_vec()
}

/// The platform of who reads no lists: metadata have a manifest for no other one.
pub(super) fn platforms() -> Vec<Platform> {
    vec![Platform::linux_amd64()]
}

/// Reads the URL of the folders of all repositories.
///
/// # Errors
/// What it must be, in words.
pub(super) fn base_url(text: &str) -> Result<String, String> {
    // The names of folders and files are written behind it.
    let is_folder = url::resolve(None, text).is_some() && !text.contains(['?', '#']);
    let url = is_folder.then(|| text.trim_end_matches('/').to_owned());
    url.ok_or_else(|| "it must be a URL such as https://pulp.example.org/pulp/docker/v2".to_owned())
}

/// Plans a tree with the folder `v2`. What there was in the `former` one stays there by its digest. What has no place in it is
/// told in the summary.
pub(super) fn plan(
    collected: &Collected,
    sources: &[Source],
    url: &str,
    former: Option<&Path>,
    summary: &mut Summary,
) -> Result<Plan, Error> {
    let mut publications = Publications { url, all: BTreeMap::new() };
    for (name, place) in &collected.repositories {
        let source = sources.get(*place);
        let is_protected = source.map_or(Ok(false), |source| source.is_protected(name))?;
        publications.of(name, is_protected);
    }
    publications.add_manifests(collected, summary);
    publications.add_tags(collected);
    for (name, digest) in collected.blobs.keys() {
        publications.of(name, false).blobs.insert(digest.clone());
    }
    if let Some(former) = former {
        publications.keep(former)?;
    }
    let mut items = BTreeMap::new();
    // A blob that several repositories have is one file.
    let mut first: BTreeMap<Digest, String> = BTreeMap::new();
    for (name, publication) in publications.all {
        let files = match publication.files() {
            Ok(files) => files,
            Err(problem) => {
                tell(summary, &name, &problem);
                continue;
            }
        };
        for (path, file) in files {
            let item = match file {
                File::Bytes(bytes) => Item::Bytes(bytes.into()),
                File::Same(other) => Item::Same(other),
                File::Blob(digest) => match collected.blobs.get(&(name.clone(), digest.clone())) {
                    None => Item::Former,
                    Some(blob) => match first.get(&digest) {
                        Some(first) => Item::Same(first.clone()),
                        None => {
                            let item = Item::of_blob(&name, &digest, blob);
                            first.insert(digest, path.clone());
                            item
                        }
                    },
                },
            };
            items.insert(path, item);
        }
    }
    Plan::of_items(items, Vec::new())
}

/// What is published of each repository, by its name.
struct Publications<'p> {
    url: &'p str,
    all: BTreeMap<String, Publication>,
}

impl Publications<'_> {
    fn of(&mut self, name: &str, is_protected: bool) -> &mut Publication {
        let base = self.url;
        self.all.entry(name.to_owned()).or_insert_with(|| {
            let id = id_of(name);
            Publication {
                url: format!("{base}/{id}/"),
                id,
                name: name.to_owned(),
                is_protected,
                tags: BTreeMap::new(),
                manifests: BTreeMap::new(),
                blobs: BTreeSet::new(),
            }
        })
    }

    fn add_manifests(&mut self, collected: &Collected, summary: &mut Summary) {
        for ((name, digest), manifest) in &collected.manifests {
            let form = Form::from_media_type(&manifest.media_type).unwrap_or(Form::Other);
            // By its digest it is what it is, also for who reads no such form.
            if folder_of(form).is_none() {
                let problem = Unpublishable::Form { digest: digest.clone(), form };
                tell(summary, name, &problem);
                continue;
            }
            let manifest = Manifest { form, bytes: manifest.body.to_vec() };
            self.of(name, false).manifests.insert(digest.clone(), manifest);
        }
    }

    fn add_tags(&mut self, collected: &Collected) {
        for ((name, tag), answers) in &collected.tags {
            let publication = self.of(name, false);
            let (mut folders, mut own) = (Vec::new(), BTreeSet::new());
            for digest in answers.iter().flatten().flatten() {
                let manifest = publication.manifests.get(digest);
                let folder = manifest.and_then(|manifest| folder_of(manifest.form));
                // A tag that has moved between two requests is what the first one of a form got.
                if let Some(folder) = folder.filter(|folder| !folders.contains(folder)) {
                    folders.push(folder);
                    own.insert(digest.clone());
                }
            }
            if !own.is_empty() {
                publication.tags.insert(tag.clone(), own);
            }
        }
    }

    /// Keeps what was published before and is there by its digest. The metadata have to say which form it has, for Crane looks
    /// nowhere else.
    fn keep(&mut self, former: &Path) -> Result<(), Error> {
        for Metadata { name, folder, is_protected, .. } in metadata(former)? {
            let web = former.join("v2/web").join(folder);
            let publication = self.of(&name, is_protected);
            for form in [Form::List, Form::Schema2, Form::Schema1] {
                let Some(folder) = folder_of(form) else { continue };
                let folder = web.join("manifests").join(folder);
                for digest in digests(&folder)? {
                    if publication.manifests.contains_key(&digest) {
                        continue;
                    }
                    let limits = Limits::default();
                    let bytes =
                        bounded::read_file(&folder.join(digest.as_str()), limits.document_bytes as u64)?;
                    if digest::check(&digest, &bytes, &limits).is_ok() {
                        publication.manifests.insert(digest, Manifest { form, bytes });
                    }
                }
            }
            publication.blobs.extend(digests(&web.join("blobs"))?);
        }
        Ok(())
    }
}

/// The repositories in a tree that have a tag.
pub(super) fn repositories(tree: &Path) -> Result<Vec<String>, Error> {
    let mut repositories = Vec::new();
    for Metadata { name, folder, .. } in metadata(tree)? {
        let path = tree.join("v2/web").join(folder).join("tags/list");
        let list: Tags = serde_json::from_slice(&bounded::read_file(&path, METADATA_BYTES)?)
            .map_err(|error| Error::unusable(&path, error.to_string()))?;
        if list.tags.is_some_and(|tags| !tags.is_empty()) {
            repositories.push(name);
        }
    }
    Ok(repositories)
}

/// What is said of the repositories in a tree.
fn metadata(tree: &Path) -> Result<Vec<Metadata>, Error> {
    let app = tree.join("v2/app");
    let mut all = Vec::new();
    for file in names(&app)?.into_iter().filter(|name| name.ends_with(".json")) {
        let path = app.join(file);
        if !path.is_file() {
            continue;
        }
        let bytes = bounded::read_file(&path, METADATA_BYTES)?;
        let unusable = |unusable: downshift_pulp::Unusable| Error::unusable(&path, unusable.problem);
        all.push(Metadata::parse(&bytes).map_err(unusable)?);
    }
    Ok(all)
}

/// Says what is not published.
fn tell(summary: &mut Summary, name: &str, problem: &Unpublishable) {
    let remedy = match problem {
        Unpublishable::Form { .. } => {
            "publish it into another folder with --layout web, where every form has its place"
        }
        _ => "store it under another name, or publish it into another folder with --layout web",
    };
    let refusal =
        Refusal { reason: NO_PLACE.to_owned(), cause: problem.to_string(), remedy: remedy.to_owned() };
    let failure = ImageFailure::of(name, refusal);
    notice(format_args!("{}: failed: {}", failure.what(), failure.refusal.cause));
    summary.failures.add(failure);
}

/// The digests that files in a folder are named after.
fn digests(folder: &Path) -> Result<Vec<Digest>, Error> {
    Ok(names(folder)?.iter().filter_map(|name| Digest::parse(name).ok()).collect())
}

/// The names in a folder, if there is one.
fn names(folder: &Path) -> Result<Vec<String>, Error> {
    let unreadable = |error| Error::unreadable(folder, error);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(unreadable)?,
    };
    let name = |entry: std::io::Result<fs::DirEntry>| entry.map(|entry| entry.file_name().into_string().ok());
    entries.filter_map(|entry| name(entry).transpose()).collect::<Result<_, _>>().map_err(unreadable)
}
