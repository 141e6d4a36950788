//! The tags of a layout: which tool has written it decides how its entries are named.
//!
//! skopeo writes the tag alone as `org.opencontainers.image.ref.name`, BuildKit, rules_oci and podman the whole name of the
//! image, and containerd's `ctr` and Docker ≥ 25 have that in `io.containerd.image.name`.

use std::collections::btree_map::Entry as Slot;
use std::collections::{BTreeMap, HashSet};

use downshift::{Digest, Form};
use downshift_registry::{is_tag, repository_of_image, tag_of_image};

use super::layout::Entry;

/// The annotation that names a manifest in a layout (OCI image specification, annotations.md).
pub(super) const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// The annotation with the whole name of an image (containerd, `images/annotations.go`).
pub(super) const IMAGE_NAME: &str = "io.containerd.image.name";

/// The annotation of an entry that `sync` has copied, which says from where: only what was copied from there is removed when
/// it is gone there.
pub(super) const SOURCE: &str = "io.downshift.source";

/// The annotation of the `index.json` of a repository that `sync` has copied from where not everybody may pull it.
pub(super) const PROTECTED: &str = "io.downshift.protected";

/// The annotation with which cosign says what an entry is, and how it calls an image and an index (cosign,
/// `pkg/oci/layout/write.go`). It names neither.
const KIND: &str = "kind";
const COSIGN: &str = "dev.cosignproject.cosign/";
const COSIGN_IMAGE: &str = "image";

/// The tag of an image that is the only one, and has no name.
const ONLY: &str = "latest";

/// The tags of a layout.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tags {
    /// What each tag points to.
    pub(super) targets: BTreeMap<String, Digest>,
    /// Where `sync` has copied several by one tag, which the place that they are from gives to clients of different forms:
    /// these, with their forms. What the tag points to is the first of them.
    pub(super) variants: BTreeMap<String, Vec<(Form, Digest)>>,
    /// The manifests that clients can only pull by digest, although they refer to no other.
    pub(super) untagged: Vec<Digest>,
}

/// How good a reason is there for an entry to have a tag; the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    /// Its image has the name of this repository.
    Image,
    /// It is called by the tag alone.
    Tag,
    /// The tag is in a name.
    Name,
}

impl Tags {
    /// The tags of the entries in the layout of `repository`, each with its digest. Of several with one tag the first
    /// counts, as with skopeo, unless another one has a better reason. That they are of different forms says nothing: tools
    /// leave old entries behind, and clients would get different images. Only those that `sync` has copied from one place
    /// are what that has by the tag.
    pub(super) fn of(repository: &str, entries: &[(Entry, Digest)]) -> Self {
        let mut named: BTreeMap<String, (Reason, &Entry, &Digest)> = BTreeMap::new();
        let mut unnamed = Vec::new();
        for (entry, digest) in entries {
            let Some((tag, reason)) = tag_of(repository, entry) else {
                unnamed.push((entry, digest));
                continue;
            };
            match named.entry(tag) {
                Slot::Vacant(slot) => {
                    slot.insert((reason, entry, digest));
                }
                Slot::Occupied(mut slot) if reason < slot.get().0 => {
                    slot.insert((reason, entry, digest));
                }
                Slot::Occupied(_) => {}
            }
        }
        let mut variants: BTreeMap<String, Vec<(Form, Digest)>> = BTreeMap::new();
        for (entry, digest) in entries.iter().filter(|(entry, _)| entry.annotation(SOURCE).is_some()) {
            let Some((tag, reason)) = tag_of(repository, entry) else { continue };
            let Some(form) = entry.media_type.as_deref().and_then(Form::from_media_type) else { continue };
            let is_beside = named.get(&tag).is_some_and(|(of_target, target, _)| {
                *of_target == reason && target.annotation(SOURCE) == entry.annotation(SOURCE)
            });
            let of_tag = variants.entry(tag).or_default();
            if is_beside && of_tag.iter().all(|(own, _)| *own != form) {
                of_tag.push((form, digest.clone()));
            }
        }
        variants.retain(|_, of_tag| of_tag.len() > 1);
        let target = |(tag, (_, _, digest)): (String, (_, _, &Digest))| (tag, digest.clone());
        let mut targets: BTreeMap<_, _> = named.into_iter().map(target).collect();
        let mut seen: HashSet<&Digest> = targets.values().collect();
        let mut untagged = Vec::new();
        for (entry, digest) in unnamed {
            // Signatures and the like are found by what they refer to.
            if (is_image(entry) || entries.len() == 1) && seen.insert(digest) {
                untagged.push(digest.clone());
            }
        }
        let is_nameless = !entries.iter().any(|(entry, _)| is_called_by_digest(entry));
        if targets.is_empty() && untagged.len() == 1 && is_nameless {
            targets.extend(untagged.pop().map(|digest| (ONLY.to_owned(), digest)));
        }
        Self { targets, variants, untagged }
    }
}

/// Whether an entry's name has its digest in the place of a tag.
fn is_called_by_digest(entry: &Entry) -> bool {
    entry
        .annotation(REF_NAME)
        .and_then(|name| name.split_once('@'))
        .is_some_and(|(_, digest)| Digest::parse(digest).is_ok())
}

/// Whether an entry may be an image, and not a signature or the like.
fn is_image(entry: &Entry) -> bool {
    let of_cosign = entry.annotation(KIND).and_then(|kind| kind.strip_prefix(COSIGN));
    entry.artifact_type.is_none() && of_cosign.is_none_or(|kind| kind.starts_with(COSIGN_IMAGE))
}

/// The tag that an entry has, and why.
pub(super) fn tag_of(repository: &str, entry: &Entry) -> Option<(String, Reason)> {
    let (ref_name, image) = (entry.annotation(REF_NAME), entry.annotation(IMAGE_NAME));
    let is_own = |name: &str| {
        let host = repository_of_image(name).strip_suffix(repository);
        host.is_some_and(|host| host.is_empty() || host.ends_with('/'))
    };
    // A name of one word is a tag.
    let (tag, name, reason) = match (ref_name.filter(|tag| is_tag(tag)), ref_name.and_then(tag_of_image)) {
        (Some(tag), _) => (tag, image, Reason::Tag),
        (None, Some(tag)) => (tag, ref_name, Reason::Name),
        (None, None) => (image.and_then(tag_of_image)?, image, Reason::Name),
    };
    Some((tag.to_owned(), if name.is_some_and(is_own) { Reason::Image } else { reason }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A layout of `team/app` with these annotations: the tags, with the numbers of their entries, and the numbers of
    /// what has none.
    fn tags(annotations: &[&[(&str, &str)]]) -> (Vec<(String, usize)>, Vec<usize>) {
        let digest = |number: usize| Digest::of(&[u8::try_from(number).unwrap()]);
        let entry = |(number, annotations): (usize, &&[(&str, &str)])| {
            let owned = |&(key, value): &(&str, &str)| (key.to_owned(), value.to_owned());
            let is_artifact = annotations.iter().any(|(key, _)| *key == "artifact");
            let entry = Entry {
                media_type: None,
                artifact_type: is_artifact.then(|| "text/plain".to_owned()),
                digest: digest(number).to_string(),
                annotations: Some(annotations.iter().map(owned).collect()),
            };
            (entry, digest(number))
        };
        let entries: Vec<_> = annotations.iter().enumerate().map(entry).collect();
        let number = |wanted: &Digest| (0..entries.len()).find(|&at| digest(at) == *wanted).unwrap();
        let Tags { targets, untagged, .. } = Tags::of("team/app", &entries);
        let targets = targets.iter().map(|(tag, target)| (tag.clone(), number(target))).collect();
        (targets, untagged.iter().map(number).collect())
    }

    fn named(tags: &[(&str, usize)]) -> Vec<(String, usize)> {
        tags.iter().map(|&(tag, at)| (tag.to_owned(), at)).collect()
    }

    #[test]
    fn every_tool_names_the_tag_in_its_own_way() {
        for annotations in [
            &[(REF_NAME, "1.0")][..],
            &[(REF_NAME, "app:1.0")],
            &[(REF_NAME, "docker.io/library/app:1.0")],
            &[(REF_NAME, "registry.example.org:5000/team/app:1.0")],
            &[(REF_NAME, "1.0"), (IMAGE_NAME, "docker.io/library/app:1.0")],
            &[(REF_NAME, "1.0"), (IMAGE_NAME, "docker.io/library/app:2.0")],
            &[(IMAGE_NAME, "docker.io/library/app:1.0")],
            &[(REF_NAME, "not a name"), (IMAGE_NAME, "app:1.0")],
        ] {
            assert_eq!(tags(&[annotations]), (named(&[("1.0", 0)]), vec![]), "{annotations:?}");
        }
        assert_eq!(tags(&[&[(REF_NAME, "example.org/app")]]).0, named(&[("latest", 0)]));
    }

    #[test]
    fn what_is_alone_and_has_no_name_is_the_latest() {
        assert_eq!(tags(&[&[]]), (named(&[("latest", 0)]), vec![]));
        assert_eq!(tags(&[&[("artifact", "")]]), (named(&[("latest", 0)]), vec![]));
        // Beside its signatures, too.
        assert_eq!(tags(&[&[("artifact", "")], &[]]), (named(&[("latest", 1)]), vec![]));
        let cosign = |kind| [("kind", kind)];
        let (image, signatures) =
            (cosign("dev.cosignproject.cosign/image"), cosign("dev.cosignproject.cosign/sigs"));
        assert_eq!(tags(&[&image, &signatures]), (named(&[("latest", 0)]), vec![]));
        assert_eq!(tags(&[&[], &[]]), (vec![], vec![0, 1]));
        assert_eq!(tags(&[&[(REF_NAME, "1.0")], &[]]), (named(&[("1.0", 0)]), vec![1]));
        assert_eq!(tags(&[&[(REF_NAME, "1.0")], &[("artifact", "")]]), (named(&[("1.0", 0)]), vec![]));
        let digest = format!("app@{}", Digest::of(b""));
        assert_eq!(tags(&[&[(REF_NAME, "1.0")], &[(REF_NAME, &digest)]]).1, [1]);
        // It has a name, which is not a tag.
        assert_eq!(tags(&[&[(REF_NAME, &digest)]]), (vec![], vec![0]));
    }

    #[test]
    fn of_several_the_repository_s_own_counts_then_the_plain_tag_then_the_first() {
        let other = |tag| [(REF_NAME, tag), (IMAGE_NAME, "docker.io/team/other:1.0")];
        let own = [(REF_NAME, "1.0"), (IMAGE_NAME, "docker.io/team/app:1.0")];
        assert_eq!(tags(&[&other("1.0"), &own]).0, named(&[("1.0", 1)]));
        assert_eq!(tags(&[&[(REF_NAME, "x/y:1.0")], &[(REF_NAME, "1.0")]]).0, named(&[("1.0", 1)]));
        assert_eq!(tags(&[&[(REF_NAME, "1.0")], &[(REF_NAME, "1.0")]]).0, named(&[("1.0", 0)]));
    }

    #[test]
    fn only_what_sync_has_copied_from_one_place_is_for_different_clients() {
        let variants = |entries: &[(Form, &str, Option<&str>)]| {
            let entry = |(number, (form, name, source)): (usize, &(Form, &str, Option<&str>))| {
                let digest = Digest::of(&[u8::try_from(number).unwrap()]);
                let source = source.map(|source| (SOURCE.to_owned(), source.to_owned()));
                let name = (REF_NAME.to_owned(), (*name).to_owned());
                let entry = Entry {
                    media_type: Some(form.media_type().to_owned()),
                    artifact_type: None,
                    digest: digest.to_string(),
                    annotations: Some([name].into_iter().chain(source).collect()),
                };
                (entry, digest)
            };
            let entries: Vec<_> = entries.iter().enumerate().map(entry).collect();
            let Tags { targets, variants, .. } = Tags::of("team/app", &entries);
            let of_tag = variants.get("1.0").cloned().unwrap_or_default();
            let first = of_tag.first().map(|(_, digest)| digest);
            assert!(first.is_none_or(|digest| targets.get("1.0") == Some(digest)));
            of_tag.iter().map(|(form, _)| *form).collect::<Vec<_>>()
        };
        let (here, there) = (Some("file:///pulp/app"), Some("https://a/app"));
        let (list, schema2, schema1) = (Form::List, Form::Schema2, Form::Schema1);
        let all = [(list, "1.0", here), (schema2, "1.0", here), (schema1, "1.0", here)];
        assert_eq!(variants(&all), [list, schema2, schema1]);
        // Of a form there is one, and of one form there is nothing to choose.
        assert_eq!(
            variants(&[(list, "1.0", here), (list, "1.0", here), (schema1, "1.0", here)]),
            [list, schema1]
        );
        for other in [
            [(schema2, "1.0", None), (Form::Oci, "1.0", None)],
            [(schema2, "1.0", here), (schema1, "1.0", None)],
            [(schema2, "1.0", here), (schema1, "1.0", there)],
            [(schema2, "1.0", None), (schema1, "1.0", here)],
            [(schema2, "1.0", here), (schema1, "2.0", here)],
            [(schema2, "1.0", here), (schema1, "other:1.0", here)],
            [(schema2, "1.0", here), (schema2, "1.0", here)],
            [(schema2, "1.0", here), (Form::Other, "1.0", here)],
        ] {
            assert_eq!(variants(&other), [], "{other:?}");
        }
    }
}
