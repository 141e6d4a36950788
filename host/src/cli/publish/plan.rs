//! What the tree is to be: each of its paths, and what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bytes::Bytes;
use downshift::{Digest, Form, Platform, is_manifest_type};
use downshift_publish::server::{self, Site};
use downshift_publish::{
    HEADERS, Headers, Rules, TAGS_MAP, V1_SIZES, VARIANTS_MAP, Variant, base_path, blob_path, catalog_path,
    client_link, extension, is_by_digest, manifest_path, object_path, plain_tag_path, tag_link, tags_path,
    v1_image_link, v1_image_of, v1_images_path, v1_object_path, v1_ping_path, v1_tags_path, v1_variants,
};
use downshift_registry::{Body, Page, Response, V1Image, response, v1_images};
use ring::digest::{Context, SHA256};

use super::collect::{Blob, Catalog, Collected, V1Collected, Wanted};
use crate::bounded;
use crate::digest::sha256;
use crate::error::Error;

/// Bytes of a list of repositories.
const MAX_CATALOG_BYTES: u64 = 512 * 1024 * 1024;

/// Bytes of the headers of all paths.
const MAX_HEADERS_BYTES: u64 = 4 * 1024 * 1024 * 1024;

/// The header with how many bytes a layer of version 1 has.
const V1_SIZE: &str = "x-docker-size";

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

impl Item {
    /// A blob of a repository.
    pub(super) fn of_blob(repository: &str, digest: &Digest, blob: &Blob) -> Self {
        let Blob { source, user_agent, size } = blob;
        let (repository, digest) = (repository.to_owned(), digest.clone());
        Self::Blob { repository, digest, source: *source, user_agent: user_agent.clone(), size: *size }
    }
}

impl Plan {
    pub(super) fn of_items(items: BTreeMap<String, Item>, variants: Vec<Variant>) -> Result<Self, Error> {
        let id = id_of(&items)?;
        Ok(Self { items, variants, id })
    }
}

/// The repositories in a tree.
pub(super) fn repositories(tree: &Path) -> Result<Vec<String>, Error> {
    let path = tree.join("v2/_catalog");
    if !path.exists() {
        return Ok(Vec::new());
    }
    let bytes = bounded::read_file(&path, MAX_CATALOG_BYTES)?;
    let catalog: Catalog =
        serde_json::from_slice(&bytes).map_err(|error| Error::unusable(&path, error.to_string()))?;
    Ok(catalog.repositories)
}

/// Plans a tree. What there was in the `former` one stays there by its digest.
pub(super) fn of(collected: &Collected, wanted: &Wanted<'_>, former: Option<&Path>) -> Result<Plan, Error> {
    // What is equal for all tags is the same variant.
    let answers = |audience: usize, platform: usize| {
        let answer = |answers: &super::collect::Answers| answers.get(audience)?.get(platform)?.clone();
        collected.tags.values().map(answer).collect::<Vec<_>>()
    };
    let Wanted { audiences, platforms, v1, .. } = *wanted;
    let (rules, places) = Rules::derive(audiences, v1, platforms, answers);
    let mut planning = Planning {
        items: BTreeMap::new(),
        headers: Headers::new(),
        blobs: BTreeMap::new(),
        has_v1: v1.is_some(),
    };
    planning.add_manifests(collected);
    planning.add_blobs(collected);
    planning.add_tags(collected, &rules, &places);
    planning.add_lists(collected);
    planning.add_v1(&collected.v1, platforms);
    if let Some(former) = former {
        planning.keep(former)?;
    }
    planning.add_v1_sizes();
    planning.add_settings(&rules);
    planning.check()?;
    Plan::of_items(planning.items, rules.variants)
}

struct Planning {
    items: BTreeMap<String, Item>,
    headers: Headers,
    /// The path of each blob's file.
    blobs: BTreeMap<Digest, String>,
    /// Whether there is something for clients that pull by version 1.
    has_v1: bool,
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
        for ((name, digest), blob) in &collected.blobs {
            let path = blob_path(name, digest);
            let item = match self.blobs.get(digest) {
                Some(first) => Item::Same(first.clone()),
                None => Item::of_blob(name, digest, blob),
            };
            self.blobs.entry(digest.clone()).or_insert_with(|| path.clone());
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

    /// Adds what clients find that pull by version 1.
    fn add_v1(&mut self, collected: &V1Collected, platforms: &[Platform]) {
        if !self.has_v1 {
            return;
        }
        self.add_response(v1_ping_path(), v1_images::ping());
        for (at, variant) in v1_variants(platforms).iter().enumerate() {
            let mut names: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
            for ((name, tag), ids) in &collected.tags {
                if let Some(Some(id)) = ids.get(at) {
                    names.entry(name).or_default().insert(tag, id);
                }
            }
            for (name, tags) in names {
                let ids: BTreeSet<&str> = tags.values().copied().collect();
                self.add_response(v1_images_path(variant, name), v1_images::open_images(ids));
                let tags = v1_images::tags(tags.into_iter().map(|(tag, id)| (tag, id.to_owned())));
                // Where Docker looks for the tags of a name of one part.
                if !name.contains('/') {
                    let library = format!("library/{name}");
                    self.add_response(v1_tags_path(variant, &library), tags.clone());
                }
                self.add_response(v1_tags_path(variant, name), tags);
            }
        }
        for (id, json, layer, chain) in collected.ids.images() {
            let size = collected.sizes.get(layer).copied();
            let image = V1Image { id: id.to_owned(), json: json.to_owned(), layer: layer.clone() };
            self.add_v1_image(id, "json", size, v1_images::image(&image, size));
            self.add_v1_image(id, "ancestry", size, v1_images::ancestry(chain));
            // A blob that is there for other reasons: it has a file of its own in one place.
            let path = format!("{}/layer", v1_object_path(id, size));
            let Some(blob) = self.blobs.get(layer).cloned() else { continue };
            self.items.insert(path, Item::Same(blob));
            let headers = [("content-type", "application/octet-stream"), ("cache-control", "no-store")];
            let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
            self.add_v1_link(id, "layer", size, headers);
        }
    }

    fn add_v1_image(&mut self, id: &str, part: &str, size: Option<u64>, response: Response) {
        let Body::Bytes(bytes) = response.body else { return };
        self.items.insert(format!("{}/{part}", v1_object_path(id, size)), Item::Bytes(bytes));
        self.add_v1_link(id, part, size, file_headers(response.headers));
    }

    fn add_v1_link(&mut self, id: &str, part: &str, size: Option<u64>, headers: Vec<(String, String)>) {
        let (link, target) = v1_image_link(id, size);
        self.headers.insert(format!("/{link}/{part}"), headers);
        self.items.insert(link, Item::Link(target));
    }

    /// Keeps an image of version 1, for pulls that have begun.
    fn keep_v1(&mut self, former: &BTreeMap<String, BTreeMap<String, String>>) {
        let images = former.iter().filter_map(|(path, headers)| {
            let (id, part) = v1_image_of(path.strip_prefix('/')?)?;
            (part == "json").then_some((path, id, headers))
        });
        for (path, id, headers) in images {
            let size = headers.get(V1_SIZE).and_then(|size| size.parse().ok());
            if self.items.contains_key(&v1_image_link(id, size).0) {
                continue;
            }
            for part in ["ancestry", "json", "layer"] {
                let Some(headers) = former.get(&path.replace("/json", &format!("/{part}"))) else { continue };
                self.items.insert(format!("{}/{part}", v1_object_path(id, size)), Item::Former);
                self.add_v1_link(id, part, size, headers.clone().into_iter().collect());
            }
        }
    }

    /// For Apache: how many bytes the layer of each image has.
    fn add_v1_sizes(&mut self) {
        if !self.has_v1 {
            return;
        }
        let mut map = String::new();
        for (path, headers) in &self.headers {
            let image = path.strip_prefix('/').and_then(v1_image_of);
            let size = headers
                .iter()
                .find(|(name, _)| name == V1_SIZE)
                .and_then(|(_, size)| size.parse::<u64>().ok());
            if let (Some((id, _)), Some(size)) = (image, size) {
                map.push_str(&format!("{id} {size}\n"));
            }
        }
        self.items.insert(V1_SIZES.to_owned(), Item::Bytes(map.into()));
    }

    fn add_response(&mut self, path: String, response: Response) {
        let Body::Bytes(bytes) = response.body else { return };
        self.add(path, Item::Bytes(bytes), file_headers(response.headers));
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
        if self.has_v1 {
            self.keep_v1(&headers);
        }
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
}

/// What a tree is called.
fn id_of(items: &BTreeMap<String, Item>) -> Result<String, Error> {
    let mut hash = Context::new(&SHA256);
    for (path, item) in items {
        hash.update(path.as_bytes());
        hash.update(b"\0");
        match item {
            Item::Bytes(bytes) => hash.update(ring::digest::digest(&SHA256, bytes).as_ref()),
            Item::Link(target) | Item::Same(target) => hash.update(target.as_bytes()),
            // The path says the digest, or what has the same path is listed itself.
            Item::Blob { .. } | Item::Former => {}
        }
        hash.update(b"\n");
    }
    let digest = sha256(hash)?;
    Ok(digest.hex().chars().take(16).collect())
}

/// The headers of a response that are said of a file.
fn file_headers(headers: Vec<(&'static str, String)>) -> Vec<(String, String)> {
    let headers = headers.into_iter().filter(|(name, _)| *name != "content-length");
    headers.map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The headers of a manifest by its tag.
fn by_tag(headers: &[(String, String)]) -> Vec<(String, String)> {
    let of = |(name, value): &(String, String)| {
        let value = if name == "cache-control" { server::BY_TAG } else { value };
        (name.clone(), value.to_owned())
    };
    headers.iter().map(of).collect()
}
