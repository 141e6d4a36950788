//! The files of version 1 of the API, for Docker before 1.6.
//!
//! They are in a folder of another name than the paths that engines ask for. So a web server that cannot tell clients apart has
//! none of them: version 1 has no digests, and an engine that could pull by version 2 must not end up there after a failure.

use std::collections::BTreeMap;

use downshift::{Digest, Limits, Platform};
use downshift_json::Json;
use downshift_registry::{V1Images, is_v1_id, known_clients};

use crate::audience::Audience;

/// The variant of clients that pull by version 1; on other platforms than the first, `@` and the platform follow. It has no tags
/// for version 2: what these engines do not find there they pull by version 1.
pub const V1: &str = "v1";

/// For Apache: how many bytes the layer of each image has.
pub const V1_SIZES: &str = "v1.txt";

/// The folder.
pub(crate) const FOLDER: &str = "v1-api";

/// What they are called where they are told of.
pub const V1_CLIENT: &str = "docker-1.5";

/// Who pulls by version 1.
#[must_use]
pub fn v1_audience() -> Option<Audience> {
    let known = known_clients().find(|known| known.pulls_by_v1)?;
    Some(Audience::of(V1.to_owned(), known, (1, 5)))
}

/// The variants of these clients on each platform.
#[must_use]
pub fn v1_variants(platforms: &[Platform]) -> Vec<String> {
    v1_audience().map_or_else(Vec::new, |audience| audience.names_on(platforms))
}

/// Whether this is the variant of clients that pull by version 1.
pub(crate) fn is_v1(variant: &str) -> bool {
    variant.strip_prefix(V1).is_some_and(|rest| rest.is_empty() || rest.starts_with('@'))
}

/// `/v1/_ping`.
#[must_use]
pub fn v1_ping_path() -> String {
    format!("{FOLDER}/_ping")
}

/// `/v1/repositories/NAME/images`.
#[must_use]
pub fn v1_images_path(variant: &str, name: &str) -> String {
    format!("{FOLDER}/{variant}/{name}/images")
}

/// `/v1/repositories/NAME/tags`.
#[must_use]
pub fn v1_tags_path(variant: &str, name: &str) -> String {
    format!("{FOLDER}/{variant}/{name}/tags")
}

/// `/v1/images/ID`, which is a link, and where it leads to from there.
#[must_use]
pub fn v1_image_link(id: &str, size: Option<u64>) -> (String, String) {
    (format!("{FOLDER}/images/{id}"), format!("../objects/{}", object_name(id, size)))
}

/// The folder with the files of an image. Its name says how many bytes the layer has.
#[must_use]
pub fn v1_object_path(id: &str, size: Option<u64>) -> String {
    format!("{FOLDER}/objects/{}", object_name(id, size))
}

fn object_name(id: &str, size: Option<u64>) -> String {
    size.map_or_else(|| format!("{id}.unknown"), |size| format!("{id}.{size}"))
}

/// The id of the image whose file is at a path through its link, and what of it that is.
#[must_use]
pub fn v1_image_of(path: &str) -> Option<(&str, &str)> {
    let (id, part) = path.strip_prefix(FOLDER)?.strip_prefix("/images/")?.split_once('/')?;
    (is_v1_id(id) && matches!(part, "ancestry" | "json" | "layer")).then_some((id, part))
}

/// Images by their ids.
///
/// The paths of images name no repository, and the ids of images that were pushed as schema 1 are what their pusher has written.
/// So an id stands for one layer on top of one image, whoever says so first.
#[derive(Debug, Default)]
pub struct V1Ids(BTreeMap<String, Told>);

/// What is told of an id.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    json: String,
    layer: Digest,
    parent: Option<String>,
    has_tag: bool,
}

impl V1Ids {
    /// Takes the images of a tag, if they go together with those that are there.
    ///
    /// # Errors
    /// Why they do not.
    pub fn add(&mut self, images: &V1Images, limits: &Limits) -> Result<(), String> {
        let all = images.all();
        let mut added: BTreeMap<&str, Told> = BTreeMap::new();
        for (at, image) in all.iter().enumerate() {
            let parent = all.get(at.saturating_add(1)).map(|parent| parent.id.clone());
            let id = image.id.as_str();
            if !is_chained(&image.json, id, parent.as_deref(), limits) {
                return Err(format!("the image `{id}` does not name the one below it as its parent"));
            }
            let told =
                Told { json: image.json.clone(), layer: image.layer.clone(), parent, has_tag: at == 0 };
            let known = added.get(id).or_else(|| self.0.get(id));
            if known.is_some_and(|known| !known.agrees_with(&told)) {
                return Err(format!(
                    "another image has the id `{id}` as well, and version 1 of the registry API has no other name for them"
                ));
            }
            added.entry(id).or_insert(told);
        }
        for (id, told) in added {
            let known = self.0.entry(id.to_owned()).or_insert_with(|| told.clone());
            known.has_tag |= told.has_tag;
        }
        Ok(())
    }

    /// Each id with its JSON, its layer, and the ids from it downwards.
    pub fn images(&self) -> impl Iterator<Item = (&str, &str, &Digest, Vec<&str>)> {
        self.0.iter().map(|(id, told)| {
            let above = |id: &&str| self.0.get(*id).and_then(|told| told.parent.as_deref());
            let chain = core::iter::successors(Some(id.as_str()), above);
            // An id has one parent, and none is below itself.
            (id.as_str(), told.json.as_str(), &told.layer, chain.collect())
        })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Told {
    /// Whether both are the same image. The id of one that was made here says its layers and not its history: below the images
    /// that have tags that may be another, and engines keep whichever they have.
    fn agrees_with(&self, other: &Self) -> bool {
        let is_same = (&self.layer, &self.parent) == (&other.layer, &other.parent);
        is_same && (self.json == other.json || !self.has_tag && !other.has_tag)
    }
}

/// Whether an image says what its place says, as Go reads it.
fn is_chained(json: &str, id: &str, parent: Option<&str>, limits: &Limits) -> bool {
    let Ok(json) = Json::parse("v1Compatibility", json.as_bytes(), limits) else { return false };
    let field = |name| json.root().field(name).and_then(|value| value.as_text());
    let own = field("parent");
    field("id").as_deref() == Some(id) && own.as_deref().filter(|own| !own.is_empty()) == parent
}

#[cfg(test)]
mod tests {
    use downshift_json::{Object, array};

    use super::*;

    fn id(char: char) -> String {
        String::from(char).repeat(64)
    }

    /// Images with these ids and layers, the newest first, each with another text.
    fn images(entries: &[(char, &str)], text: &str) -> V1Images {
        let json = |at: usize| {
            let mut object = Object::new();
            object.text("id", &id(entries[at].0)).text("comment", text);
            object.optional_text("parent", entries.get(at + 1).map(|(parent, _)| id(*parent)).as_deref());
            object.finish()
        };
        let all: Vec<String> = (0..entries.len()).map(json).collect();
        read(&all.iter().zip(entries).map(|(json, (_, layer))| (json.as_str(), *layer)).collect::<Vec<_>>())
    }

    fn read(entries: &[(&str, &str)]) -> V1Images {
        let layer = |(_, layer): &(&str, &str)| {
            Object::new().text("blobSum", Digest::of(layer.as_bytes()).as_str()).finish()
        };
        let entry = |(json, _): &(&str, &str)| Object::new().text("v1Compatibility", json).finish();
        let mut manifest = Object::new();
        manifest.number("schemaVersion", 1).text("name", "a").text("tag", "b").text("architecture", "amd64");
        manifest.json("fsLayers", &array(entries.iter().map(layer)));
        let manifest = manifest.json("history", &array(entries.iter().map(entry))).finish();
        V1Images::read(manifest.as_bytes(), &Limits::default()).unwrap()
    }

    fn add(ids: &mut V1Ids, images: &V1Images) -> Result<(), String> {
        ids.add(images, &Limits::default())
    }

    #[test]
    fn an_id_is_one_layer_on_one_image() {
        let mut ids = V1Ids::default();
        add(&mut ids, &images(&[('b', "top"), ('a', "base")], "")).unwrap();
        // The history of what is below may be another, as where two images were built on one.
        add(&mut ids, &images(&[('c', "other"), ('a', "base")], "built again")).unwrap();
        add(&mut ids, &images(&[('b', "top"), ('a', "base")], "")).unwrap();
        let before = ids.len();
        for (entries, text) in [
            // Another layer, and another image below.
            (&[('d', "top"), ('a', "bad")][..], ""),
            (&[('d', "top"), ('b', "top")], ""),
            // The same layers, run in another way.
            (&[('b', "top"), ('a', "base")], "bad"),
            (&[('d', "new"), ('b', "top"), ('a', "base")], "bad"),
            (&[('a', "base")], "bad"),
            (&[('d', "new"), ('d', "new")], ""),
        ] {
            let refused = add(&mut ids, &images(entries, text));
            assert!(refused.is_err_and(|cause| cause.starts_with("another image has the id")), "{entries:?}");
            assert_eq!(ids.len(), before, "{entries:?}");
        }
        let chains: Vec<_> =
            ids.images().map(|(own, _, _, chain)| (own.to_owned(), chain.concat())).collect();
        let [a, b, c] = ['a', 'b', 'c'].map(id);
        let expected = [(a.clone(), a.clone()), (b.clone(), b + &a), (c.clone(), c + &a)];
        assert_eq!(chains, expected);
    }

    #[test]
    fn an_image_names_what_is_below_it() {
        let [a, b] = ['a', 'b'].map(id);
        let base = format!(r#"{{"id":"{a}"}}"#);
        let mut ids = V1Ids::default();
        for top in [
            format!(r#"{{"id":"{b}"}}"#),
            format!(r#"{{"id":"{b}","parent":"{b}"}}"#),
            // Go takes the last one, in any case.
            format!(r#"{{"id":"{b}","parent":"{a}","Parent":"{b}"}}"#),
            format!(r#"{{"id":"{b}","ID":"{a}","parent":"{a}"}}"#),
        ] {
            let refused = add(&mut ids, &read(&[(&top, "top"), (&base, "base")]));
            assert!(refused.is_err_and(|cause| cause.contains("does not name the one below it")), "{top}");
        }
        let lowest = format!(r#"{{"id":"{a}","parent":""}}"#);
        add(&mut ids, &read(&[(&lowest, "base")])).unwrap();
        assert!(!ids.is_empty());
    }

    #[test]
    fn paths_through_links_are_those_of_images() {
        let a = id('a');
        let (link, target) = v1_image_link(&a, Some(7));
        assert_eq!((link, target), (format!("v1-api/images/{a}"), format!("../objects/{a}.7")));
        assert_eq!(v1_object_path(&a, None), format!("v1-api/objects/{a}.unknown"));
        let path = format!("v1-api/images/{a}/json");
        assert_eq!(v1_image_of(&path), Some((a.as_str(), "json")));
        for path in [format!("v1-api/images/{a}/../json"), "v1-api/images/../json".to_owned(), v1_ping_path()]
        {
            assert_eq!(v1_image_of(&path), None, "{path}");
        }
        assert!(is_v1("v1") && is_v1("v1@linux-arm64") && !is_v1("v10") && !is_v1("docker-1.9"));
    }
}
