//! What the tree is to be: each of its paths, and what is there.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use downshift::{Digest, Form, Platform, is_manifest_type};
use downshift_publish::server::{self, Site};
use downshift_publish::{
    Audience, HEADERS, Headers, Rules, TAGS_MAP, VARIANTS_MAP, Variant, base_path, blob_path, catalog_path,
    client_link, extension, is_by_digest, manifest_path, object_path, plain_tag_path, tag_link, tags_path,
};
use downshift_registry::{Body, Page, Response, response};
use ring::digest::{Context, SHA256};

use super::collect::Collected;
use crate::bounded;
use crate::digest::sha256;
use crate::error::Error;

/// Bytes of the headers of all paths.
const MAX_HEADERS_BYTES: u64 = 4 * 1024 * 1024 * 1024;

/// What the tree is to be.
pub(super) struct Plan {
    pub(super) items: BTreeMap<String, Item>,
    pub(super) variants: Vec<Variant>,
    /// The name of the tree: the same for the same content.
    pub(super) id: String,
}

/// What is at a path.
pub(super) enum Item {
    /// A file with these bytes.
    Bytes(Bytes),
    /// The same file as at another path, which has bytes or is a blob.
    Same(String),
    /// A symbolic link.
    Link(String),
    /// A blob.
    Blob { repository: String, digest: Digest, source: usize, user_agent: String, size: Option<u64> },
    /// What was published before.
    Former,
}

/// Plans a tree. What there was in the `former` one stays there by its digest.
pub(super) fn of(
    collected: &Collected,
    audiences: &[Audience],
    platforms: &[Platform],
    former: Option<&Path>,
) -> Result<Plan, Error> {
    // What is equal for all tags is the same variant.
    let answers = |audience: usize, platform: usize| {
        let answer = |answers: &super::collect::Answers| answers.get(audience)?.get(platform)?.clone();
        collected.tags.values().map(answer).collect::<Vec<_>>()
    };
    let (rules, places) = Rules::derive(audiences, platforms, answers);
    let mut planning = Planning { items: BTreeMap::new(), headers: Headers::new() };
    planning.add_manifests(collected);
    planning.add_blobs(collected);
    planning.add_tags(collected, &rules, &places);
    planning.add_lists(collected);
    if let Some(former) = former {
        planning.keep(former)?;
    }
    planning.add_settings(&rules);
    planning.check()?;
    let id = planning.id()?;
    Ok(Plan { items: planning.items, variants: rules.variants, id })
}

struct Planning {
    items: BTreeMap<String, Item>,
    headers: Headers,
}

impl Planning {
    fn add_manifests(&mut self, collected: &Collected) {
        for ((name, digest), manifest) in &collected.manifests {
            let (folder, file) = object_path(name, digest, &manifest.media_type);
            let object = format!("{folder}/{file}");
            self.items.insert(object.clone(), Item::Bytes(manifest.body.clone()));
            let path = manifest_path(name, digest);
            let mut headers = manifest.headers.clone();
            for (name, value) in &mut headers {
                // One that was asked for by its tag is as good by its digest.
                if name == "cache-control" {
                    server::BY_DIGEST.clone_into(value);
                }
            }
            self.add(path, Item::Same(object), headers);
        }
    }

    fn add_blobs(&mut self, collected: &Collected) {
        let mut first: BTreeMap<&Digest, String> = BTreeMap::new();
        for ((name, digest), blob) in &collected.blobs {
            let path = blob_path(name, digest);
            let item = match first.get(digest) {
                Some(first) => Item::Same(first.clone()),
                None => Item::Blob {
                    repository: name.clone(),
                    digest: digest.clone(),
                    source: blob.source,
                    user_agent: blob.user_agent.clone(),
                    size: blob.size,
                },
            };
            first.entry(digest).or_insert_with(|| path.clone());
            let headers = [
                ("content-type", "application/octet-stream"),
                ("docker-content-digest", digest.as_str()),
                ("cache-control", server::BLOB),
            ];
            self.add(path, item, headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec());
        }
    }

    fn add_tags(&mut self, collected: &Collected, rules: &Rules, places: &[Vec<usize>]) {
        let mut map = String::new();
        for ((name, tag), answers) in &collected.tags {
            let mut done = vec![false; rules.variants.len()];
            let mut plain = None;
            for (audience, of_audience) in places.iter().enumerate() {
                for (platform, place) in of_audience.iter().enumerate() {
                    let digest = answers.get(audience).and_then(|answers| answers.get(platform)?.as_ref());
                    let (Some(digest), Some(variant), Some(done)) =
                        (digest, rules.variants.get(*place), done.get_mut(*place))
                    else {
                        continue;
                    };
                    if core::mem::replace(done, true) {
                        continue;
                    }
                    let Some(manifest) = collected.manifests.get(&(name.clone(), digest.clone())) else {
                        continue;
                    };
                    plain = plain.or(Some((digest, manifest)));
                    let (link, target) = tag_link(&variant.name, name, tag, digest);
                    map.push_str(&format!(
                        "{}/{name}:{tag} {digest}.{}\n",
                        variant.name,
                        extension(&manifest.media_type)
                    ));
                    self.add(link, Item::Link(target), by_tag(&manifest.headers));
                }
            }
            // For who cannot choose: what the first client that can pull it gets.
            if let Some((digest, manifest)) = plain {
                let (folder, file) = object_path(name, digest, &manifest.media_type);
                let item = Item::Same(format!("{folder}/{file}"));
                self.add(plain_tag_path(name, tag), item, by_tag(&manifest.headers));
            }
        }
        self.items.insert(TAGS_MAP.to_owned(), Item::Bytes(map.into()));
        let mut map = String::new();
        for variant in &rules.variants {
            for client in &variant.clients {
                map.push_str(&format!("{client} {}\n", variant.name));
                if *client != variant.name {
                    let (link, target) = client_link(client, &variant.name);
                    self.items.insert(link, Item::Link(target));
                }
            }
        }
        self.items.insert(VARIANTS_MAP.to_owned(), Item::Bytes(map.into()));
    }

    fn add_lists(&mut self, collected: &Collected) {
        let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, _) in collected.manifests.keys() {
            names.entry(name).or_default();
        }
        for (name, tag) in collected.tags.keys() {
            names.entry(name).or_default().push(tag);
        }
        let page = Page::default();
        for (name, tags) in &names {
            self.add_response(tags_path(name), response::tags(name, &page, tags.iter().copied()));
        }
        self.add_response(catalog_path(), response::catalog(names.keys().copied(), None));
        self.add_response(base_path(), response::base());
    }

    fn add_response(&mut self, path: String, response: Response) {
        let Body::Bytes(bytes) = response.body else { return };
        let headers = response.headers.into_iter().filter(|(name, _)| *name != "content-length");
        self.add(path, Item::Bytes(bytes), headers.map(|(name, value)| (name.to_owned(), value)).collect());
    }

    /// Keeps what was published before and is there by its digest.
    fn keep(&mut self, former: &Path) -> Result<(), Error> {
        let path = former.join(HEADERS);
        if !path.exists() {
            return Ok(());
        }
        let bytes = bounded::read_file(&path, MAX_HEADERS_BYTES)?;
        let unusable =
            |error: serde_json::Error| Error::Unusable { path: path.clone(), problem: error.to_string() };
        let headers: BTreeMap<String, BTreeMap<String, String>> =
            serde_json::from_slice(&bytes).map_err(unusable)?;
        for (path, headers) in headers {
            let Some(path) = path.strip_prefix('/').filter(|path| is_by_digest(path)) else { continue };
            let is_safe = path.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
            if !is_safe || self.items.contains_key(path) {
                continue;
            }
            let kept = path.strip_prefix("v2/").and_then(|rest| rest.rsplit_once("/manifests/"));
            if let Some((name, digest)) = kept
                && let Ok(digest) = Digest::parse(digest)
                && let Some(media_type) = headers.get("content-type")
            {
                let (folder, file) = object_path(name, &digest, media_type);
                self.items.insert(format!("{folder}/{file}"), Item::Former);
            }
            self.add(path.to_owned(), Item::Former, headers.into_iter().collect());
        }
        Ok(())
    }

    fn add_settings(&mut self, rules: &Rules) {
        let mut other_types: Vec<String> = Vec::new();
        let manifests = self.headers.iter().filter(|(path, _)| path.contains("/manifests/"));
        for (name, media_type) in manifests.flat_map(|(_, headers)| headers) {
            let is_known =
                Form::from_media_type(media_type).is_some() || media_type == Form::Other.media_type();
            // What was published before has its types in a file, where anything may stand.
            let is_other = name == "content-type" && !is_known && is_manifest_type(media_type);
            if is_other && !other_types.contains(media_type) {
                other_types.push(media_type.clone());
            }
        }
        other_types.sort();
        let site = Site { rules, other_types, headers: &self.headers };
        let files = server::files(&site).into_iter().map(|(path, text)| (path, Item::Bytes(text.into())));
        self.items.extend(files);
    }

    fn add(&mut self, path: String, item: Item, headers: Vec<(String, String)>) {
        self.headers.insert(format!("/{path}"), headers);
        self.items.insert(path, item);
    }

    /// Whether each path can be: none is a file and a folder.
    fn check(&self) -> Result<(), Error> {
        for path in self.items.keys() {
            let above = path.match_indices('/').filter_map(|(at, _)| path.get(..at));
            if let Some(both) = above.into_iter().find(|above| self.items.contains_key(*above)) {
                let problem = format!(
                    "`{both}` would have to be a file and a folder: the names of two repositories do not go together in a \
                     folder; publish one of them into another"
                );
                return Err(Error::InvalidSettings { problem });
            }
        }
        Ok(())
    }

    /// What the tree is called.
    fn id(&self) -> Result<String, Error> {
        let mut hash = Context::new(&SHA256);
        for (path, item) in &self.items {
            hash.update(path.as_bytes());
            hash.update(b"\0");
            match item {
                Item::Bytes(bytes) => hash.update(ring::digest::digest(&SHA256, bytes).as_ref()),
                Item::Link(target) => hash.update(target.as_bytes()),
                // The path says the digest, or what has the same path is listed itself.
                Item::Same(_) | Item::Blob { .. } | Item::Former => {}
            }
            hash.update(b"\n");
        }
        let digest = sha256(hash)?;
        Ok(digest.hex().chars().take(16).collect())
    }
}

/// The headers of a manifest by its tag.
fn by_tag(headers: &[(String, String)]) -> Vec<(String, String)> {
    let of = |(name, value): &(String, String)| {
        let value = if name == "cache-control" { server::BY_TAG } else { value };
        (name.clone(), value.to_owned())
    };
    headers.iter().map(of).collect()
}
