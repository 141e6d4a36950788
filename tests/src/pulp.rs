//! A folder as Pulp 2 publishes it for Crane: metadata in `app`, and in `web` links to its content, which is elsewhere.
//! Both are links themselves, to what was published last (`pulp_docker/plugins/distributors`).

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::Context;
use downshift::{Digest, Form};
use downshift_cases::images::{Image, Manifest, REPOSITORY, digest_of};
use serde_json::{Value, json};

/// What Pulp has published, and its content.
#[derive(Debug)]
pub struct Pulp {
    folder: PathBuf,
}

/// What is published of a repository.
#[derive(Clone, Debug)]
pub struct Published<'p> {
    /// Its id in Pulp.
    pub id: &'p str,
    /// Its name for clients.
    pub name: &'p str,
    /// The version of its metadata.
    pub version: u64,
    /// Whether it is protected.
    pub protected: bool,
    /// Which publication of it this is.
    pub timestamp: &'p str,
    /// Its tags, each with the images that it has.
    pub tags: &'p [(&'p str, Vec<Image>)],
    /// By a tag the manifest that Crane gives to who reads no lists, and its schema.
    pub amd64: &'p [(&'p str, Digest, u64)],
}

impl Default for Published<'_> {
    fn default() -> Self {
        Self {
            id: "sample",
            name: REPOSITORY,
            version: 4,
            protected: false,
            timestamp: "1480000000.1",
            tags: &[],
            amd64: &[],
        }
    }
}

impl Pulp {
    /// One that has published nothing yet.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn new(folder: &Path) -> anyhow::Result<Self> {
        let pulp = Self { folder: folder.to_path_buf() };
        for protocol in ["v1", "v2"] {
            for name in ["app", "web", "master"] {
                fs::create_dir_all(pulp.published().join(protocol).join(name))?;
            }
        }
        fs::create_dir_all(pulp.content())?;
        Ok(pulp)
    }

    /// The folder that it has published.
    #[must_use]
    pub fn published(&self) -> PathBuf {
        self.folder.join("published/docker")
    }

    /// The folder with its content.
    #[must_use]
    pub fn content(&self) -> PathBuf {
        self.folder.join("content")
    }

    /// The file of a repository's metadata, by the protocol and its id.
    #[must_use]
    pub fn metadata(&self, protocol: &str, id: &str) -> PathBuf {
        self.published().join(protocol).join("app").join(format!("{id}.json"))
    }

    /// Publishes a repository with manifests, in the place of what was published of it before.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn publish(&self, publication: &Published<'_>) -> anyhow::Result<()> {
        let Published { id, name, version, tags, amd64, .. } = publication;
        let master = self.published().join("v2/master").join(id).join(publication.timestamp);
        let web = master.join("web");
        let (mut schema2, mut lists) = (Vec::new(), Vec::new());
        for (tag, images) in *tags {
            for image in images {
                for manifest in image.children.iter().chain([&image.manifest]) {
                    let digest = digest_of(manifest.form, &manifest.bytes)?;
                    let is_root = manifest.bytes == image.manifest.bytes;
                    let names = [Some(digest.to_string()), is_root.then(|| (*tag).to_string())];
                    for name in names.into_iter().flatten() {
                        self.link(
                            &digest,
                            &manifest.bytes,
                            &web.join(folder_of(manifest, *version)).join(&name),
                        )?;
                        match manifest.form {
                            Form::Schema2 => schema2.push(name),
                            Form::List => lists.push(name),
                            _ => {}
                        }
                    }
                }
                for blob in image.configs.iter().chain(&image.layers) {
                    let digest = Digest::of(blob);
                    self.link(&digest, blob, &web.join("blobs").join(digest.as_str()))?;
                }
            }
        }
        let names: Vec<_> = tags.iter().map(|(tag, _)| tag).collect();
        write(&web.join("tags/list"), &json!({ "name": name, "tags": names }).to_string())?;
        let mut metadata = self.common(publication, "v2");
        if *version >= 3 {
            metadata["schema2_data"] = json!(schema2);
        }
        if *version >= 4 {
            metadata["manifest_list_data"] = json!(lists);
            let tags =
                amd64.iter().map(|(tag, digest, schema)| ((*tag).to_string(), json!([digest, schema])));
            metadata["manifest_list_amd64_tags"] = Value::Object(tags.collect());
        }
        self.put(&master, "v2", id, &metadata)
    }

    /// Publishes the images of the V1 protocol that a chain of schema 1 has, with a tag.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn publish_images(
        &self,
        publication: &Published<'_>,
        tag: &str,
        schema1: &[u8],
        layers: &[Vec<u8>],
    ) -> anyhow::Result<()> {
        let master = self.published().join("v1/master").join(publication.id).join(publication.timestamp);
        let schema1: Value = serde_json::from_slice(schema1)?;
        let (history, sums) = (&schema1["history"], &schema1["fsLayers"]);
        let texts: Vec<_> = history.as_array().context("there is no history")?.iter().collect();
        let texts: Option<Vec<_>> = texts.iter().map(|entry| entry["v1Compatibility"].as_str()).collect();
        let texts = texts.context("the history has no texts")?;
        let ids: Vec<String> = texts
            .iter()
            .map(|text| Ok(serde_json::from_str::<Value>(text)?["id"].as_str().context("no id")?.to_string()))
            .collect::<anyhow::Result<_>>()?;
        for (at, (id, text)) in ids.iter().zip(&texts).enumerate() {
            let sum = sums[at]["blobSum"].as_str().context("a layer has no digest")?;
            let layer = layers.iter().find(|layer| Digest::of(layer).as_str() == sum);
            let layer = layer.map_or(&downshift::EMPTY_LAYER[..], Vec::as_slice);
            let folder = master.join("web").join(id);
            let ancestry = serde_json::to_vec(&ids[at..])?;
            for (name, bytes) in [("json", text.as_bytes()), ("ancestry", &ancestry), ("layer", layer)] {
                self.link(&Digest::of(bytes), bytes, &folder.join(name))?;
            }
        }
        let mut metadata = self.common(publication, "v1");
        metadata["images"] = ids.iter().map(|id| json!({ "id": id })).collect();
        metadata["tags"] = json!({ tag: ids.first() });
        self.put(&master, "v1", publication.id, &metadata)
    }

    fn common(&self, publication: &Published<'_>, protocol: &str) -> Value {
        let Published { id, name, version, protected, .. } = publication;
        json!({
            "type": "pulp-docker-redirect",
            "version": version,
            "repository": id,
            "repo-registry-id": name,
            "url": format!("https://pulp.example/pulp/docker/{protocol}/{id}/"),
            "protected": protected,
        })
    }

    fn put(&self, master: &Path, protocol: &str, id: &str, metadata: &Value) -> anyhow::Result<()> {
        let file = format!("{id}.json");
        write(&master.join(&file), &metadata.to_string())?;
        for (link, to) in [(format!("app/{file}"), file.as_str()), (format!("web/{id}"), "web")] {
            let link = self.published().join(protocol).join(link);
            let new = link.with_extension("new");
            symlink(master.join(to), &new)?;
            fs::rename(new, link)?;
        }
        Ok(())
    }

    /// Has a file in the content, and a link to it where it is published.
    fn link(&self, digest: &Digest, bytes: &[u8], at: &Path) -> anyhow::Result<()> {
        let (first, rest) = digest.hex().split_at(2);
        let file = self.content().join("units").join(first).join(rest).join(Digest::of(bytes).as_str());
        if !file.exists() {
            fs::create_dir_all(file.parent().context("it is in a folder")?)?;
            fs::write(&file, bytes)?;
        }
        fs::create_dir_all(at.parent().context("it is in a folder")?)?;
        if !at.is_symlink() {
            symlink(file, at)?;
        }
        Ok(())
    }
}

/// Where manifests of a form are.
fn folder_of(manifest: &Manifest, version: u64) -> &'static str {
    match manifest.form {
        _ if version == 2 => "manifests",
        Form::List | Form::Index => "manifests/list",
        Form::Schema2 | Form::Oci => "manifests/2",
        _ => "manifests/1",
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::create_dir_all(path.parent().context("it is in a folder")?)?;
    fs::write(path, text).with_context(|| format!("`{}` cannot be written", path.display()))
}
