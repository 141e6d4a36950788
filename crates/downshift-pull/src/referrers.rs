//! Referrers in a layout: which manifests name which as their `subject` (OCI distribution specification 1.1, "Listing
//! Referrers").
//!
//! A layout has no list of them. So its manifests are read once for each reading of its index, and what they refer to is
//! kept. Tools that know no referrers API leave an index under the referrers tag instead, which is looked at as well.

use alloc::borrow::{Cow, ToOwned as _};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;
use downshift::answer::Need;
use downshift::{Digest, Failure as Explanation, Fault, Form, Limits};
use downshift_json::{Json, Kind, Object, Value as JsonValue, array};
use downshift_registry::{Reference, ReferrersQuery, is_tag};

use crate::effect::{Done, Effect, Event, unexpected};
use crate::failure::{Failure, Reason};
use crate::settings::{Scope, Settings};
use crate::shell::Shell;
use crate::trouble::Trouble;
use crate::value::{DOCUMENT_LIFETIME, Key, ListValue, Referrer, Referrers, ReferrersValue, Value};

/// How many manifests of a layout are read for what they refer to.
const MAX_MANIFESTS: usize = 10_000;

/// Bytes of the manifests that are read for it.
const MAX_READ_BYTES: usize = 256 * 1024 * 1024;

/// Bytes of the descriptors that are kept for a layout: room for some 20,000.
const MAX_KEPT_BYTES: usize = 8 * 1024 * 1024;

/// Bytes of the descriptors on a page: what clients read of an index, which is as much as they read of a manifest.
const PAGE_BYTES: usize = 4 * 1024 * 1024 - 4096;

/// The referrers that a stored repository has for a manifest. There are none of what is not there, which is no error: a
/// registry with a referrers API must not answer 404 (OCI distribution specification 1.1, "Listing Referrers").
pub(crate) async fn of_layout(
    settings: &Settings,
    shell: &Shell,
    scope: &Scope,
    digest: &Digest,
    query: &str,
) -> Result<ListValue, Failure> {
    let layout = Layout { settings, shell, scope };
    let query = ReferrersQuery::parse(query);
    let Some((_, reading)) = layout.resolve(Reference::Digest(digest.clone())).await? else {
        return Ok(page(&[], &query, shell.now()));
    };
    let known = layout.referrers(reading).await?;
    let by_subject = match &*known {
        Referrers::Complete(by_subject) => by_subject,
        Referrers::TooMany { limit, most } => return Err(Failure::refused(too_many(limit, *most))),
    };
    let mut referrers: Vec<Cow<'_, Referrer>> =
        by_subject.get(digest).into_iter().flatten().map(Cow::Borrowed).collect();
    let tagged = layout.tagged(digest).await?;
    let own: BTreeSet<&Digest> =
        by_subject.get(digest).into_iter().flatten().map(|own| &own.digest).collect();
    referrers.extend(tagged.into_iter().filter(|tagged| !own.contains(&tagged.digest)).map(Cow::Owned));
    Ok(page(&referrers, &query, shell.now()))
}

/// The list of them where there are none.
pub(crate) fn none(query: &str, now: u64) -> ListValue {
    page(&[], &ReferrersQuery::parse(query), now)
}

/// A stored repository.
struct Layout<'p> {
    settings: &'p Settings,
    shell: &'p Shell,
    scope: &'p Scope,
}

impl Layout<'_> {
    /// What a reference stands for, and which reading says so.
    async fn resolve(&self, reference: Reference) -> Result<Option<(Digest, u64)>, Failure> {
        match self.shell.ask(Effect::Resolve { scope: self.scope.clone(), reference }).await {
            Done::Resolved(resolved) => Ok(resolved?.map(|stored| (stored.digest, stored.reading))),
            other => Err(unexpected(&other)),
        }
    }

    /// All referrers that the manifests themselves speak of.
    async fn referrers(&self, reading: u64) -> Result<Arc<Referrers>, Failure> {
        let key = Key::Referrers { scope: self.scope.clone(), reading };
        if let Done::Known(Value::Referrers(ReferrersValue(known))) =
            self.shell.ask(Effect::Load(key.clone())).await
        {
            return Ok(known);
        }
        let roots = match self.shell.ask(Effect::Manifests(self.scope.clone())).await {
            Done::Manifests(roots) => roots?.unwrap_or_default(),
            other => return Err(unexpected(&other)),
        };
        let referrers = Arc::new(self.read(roots).await?);
        let value = Value::Referrers(ReferrersValue(Arc::clone(&referrers)));
        self.shell.ask(Effect::Keep { key, value, lifetime: DOCUMENT_LIFETIME }).await;
        Ok(referrers)
    }

    /// Reads the manifests of the layout, and what they reach.
    async fn read(&self, roots: Vec<Digest>) -> Result<Referrers, Failure> {
        let mut by_subject: BTreeMap<Digest, Vec<Referrer>> = BTreeMap::new();
        let mut seen: BTreeSet<Digest> = BTreeSet::new();
        let mut next: VecDeque<Digest> = VecDeque::new();
        for root in roots {
            if seen.insert(root.clone()) {
                next.push_back(root);
            }
        }
        let (mut read_bytes, mut kept_bytes) = (0_usize, 0_usize);
        while let Some(digest) = next.pop_front() {
            if seen.len() > MAX_MANIFESTS {
                return Ok(Referrers::TooMany { limit: "manifests", most: MAX_MANIFESTS });
            }
            let Some(bytes) = self.document(&digest).await? else { continue };
            read_bytes = read_bytes.saturating_add(bytes.len());
            if read_bytes > MAX_READ_BYTES {
                return Ok(Referrers::TooMany { limit: "bytes of manifests", most: MAX_READ_BYTES });
            }
            let Some(json) = parsed(&bytes, &self.settings.limits) else { continue };
            let manifest = json.root();
            for child in children(manifest) {
                if seen.len() <= MAX_MANIFESTS && seen.insert(child.clone()) {
                    next.push_back(child);
                }
            }
            let Some(subject) = manifest.member("subject").and_then(digest_of) else { continue };
            let referrer = referrer(digest, manifest, bytes.len());
            kept_bytes = kept_bytes.saturating_add(referrer.bytes());
            if kept_bytes > MAX_KEPT_BYTES {
                return Ok(Referrers::TooMany { limit: "bytes of descriptors", most: MAX_KEPT_BYTES });
            }
            by_subject.entry(subject).or_default().push(referrer);
        }
        Ok(Referrers::Complete(by_subject))
    }

    /// A manifest, if it is there and can be read. Another one that is broken does not hide the rest.
    async fn document(&self, digest: &Digest) -> Result<Option<Bytes>, Failure> {
        let needs = [Need::manifest(digest)].into();
        match self.shell.ask(Effect::Documents { scope: self.scope.clone(), needs }).await {
            Done::Documents(Ok(documents)) => Ok(documents.into_iter().find_map(|(_, bytes)| bytes)),
            Done::Documents(Err(Trouble::Document(explanation))) => {
                self.shell.tell(Event::Failure(explanation));
                Ok(None)
            }
            Done::Documents(Err(Trouble::Missing(_))) => Ok(None),
            Done::Documents(Err(trouble)) => Err(Reason::Shell(trouble).into()),
            other => Err(unexpected(&other)),
        }
    }

    /// The referrers in the index that a tool has put under the referrers tag of a manifest, in its own words.
    async fn tagged(&self, subject: &Digest) -> Result<Vec<Referrer>, Failure> {
        let Some(tag) = referrers_tag(subject) else { return Ok(Vec::new()) };
        let Some((index, _)) = self.resolve(Reference::Tag(tag)).await? else { return Ok(Vec::new()) };
        let Some(bytes) = self.document(&index).await? else { return Ok(Vec::new()) };
        let Some(json) = parsed(&bytes, &self.settings.limits) else { return Ok(Vec::new()) };
        let Some(entries) = json.root().member("manifests") else { return Ok(Vec::new()) };
        let mut seen = BTreeSet::new();
        let is_new = |referrer: &Referrer| seen.insert(referrer.digest.clone());
        Ok(elements(entries).filter_map(listed).filter(is_new).collect())
    }
}

/// The tag under which clients look where there is no referrers API (OCI distribution specification 1.1, "Referrers Tag
/// Schema"): the digest, cut to what fits into a tag.
fn referrers_tag(subject: &Digest) -> Option<String> {
    let hex = subject.hex().get(..64)?;
    let tag = [subject.algorithm(), "-", hex].concat();
    is_tag(&tag).then_some(tag)
}

/// An object, as it is in a document; twice the same member is left to whoever pulls it.
fn parsed<'b>(bytes: &'b [u8], limits: &Limits) -> Option<Json<'b>> {
    let json = Json::parse("manifest", bytes, limits).ok()?;
    (json.root().kind() == Kind::Object).then_some(json)
}

fn elements(value: JsonValue<'_>) -> impl Iterator<Item = JsonValue<'_>> {
    let is_array = value.kind() == Kind::Array;
    is_array.then(|| value.elements()).into_iter().flatten()
}

fn children(manifest: JsonValue<'_>) -> impl Iterator<Item = Digest> + '_ {
    manifest.member("manifests").into_iter().flat_map(elements).filter_map(digest_of)
}

/// The digest in a descriptor.
fn digest_of(descriptor: JsonValue<'_>) -> Option<Digest> {
    Digest::parse(&text(descriptor, "digest")?).ok()
}

fn text<'j>(object: JsonValue<'j>, name: &str) -> Option<Cow<'j, str>> {
    if object.kind() != Kind::Object {
        return None;
    }
    object.member(name)?.as_text()
}

/// What there is to tell of a manifest that has a subject.
fn referrer(digest: Digest, manifest: JsonValue<'_>, size: usize) -> Referrer {
    let is_index = manifest.member("manifests").is_some();
    let form = if is_index { Form::Index } else { Form::Oci };
    let media_type = text(manifest, "mediaType").unwrap_or(Cow::Borrowed(form.media_type()));
    // Where a manifest does not say it, its config does; an index has none.
    let own = text(manifest, "artifactType").filter(|own| !own.is_empty());
    let of_config = || text(manifest.member("config").filter(|_| !is_index)?, "mediaType");
    let artifact_type = own.or_else(of_config);
    described(digest, &media_type, size as u64, artifact_type, manifest)
}

/// A referrer that an index lists.
fn listed(entry: JsonValue<'_>) -> Option<Referrer> {
    let (digest, size) = (digest_of(entry)?, entry.member("size")?.as_u64()?);
    let media_type = text(entry, "mediaType")?;
    let artifact_type = text(entry, "artifactType").filter(|own| !own.is_empty());
    Some(described(digest, &media_type, size, artifact_type, entry))
}

fn described(
    digest: Digest,
    media_type: &str,
    size: u64,
    artifact_type: Option<Cow<'_, str>>,
    annotated: JsonValue<'_>,
) -> Referrer {
    let mut descriptor = Object::new();
    descriptor.text("mediaType", media_type).text("digest", digest.as_str()).number("size", size);
    if let Some(artifact_type) = &artifact_type {
        descriptor.text("artifactType", artifact_type);
    }
    if let Some(annotations) = annotated.member("annotations").filter(|own| own.kind() == Kind::Object) {
        let mut object = Object::new();
        for (key, value) in annotations.members() {
            if let Some(value) = value.as_text() {
                object.text(&key.text(), &value);
            }
        }
        descriptor.json("annotations", &object.finish());
    }
    let artifact_type = artifact_type.map(Cow::into_owned);
    Referrer { digest, artifact_type, descriptor: descriptor.finish() }
}

/// The page of the referrers that a query asks for.
fn page(referrers: &[Cow<'_, Referrer>], query: &ReferrersQuery, now: u64) -> ListValue {
    let is_meant = |referrer: &&Cow<'_, Referrer>| match &query.artifact_type {
        Some(wanted) => referrer.artifact_type.as_ref() == Some(wanted),
        None => true,
    };
    let begins_after = |last: &String| {
        let at = referrers.iter().position(|referrer| referrer.digest.as_str() == last);
        at.map_or(0, |at| at.saturating_add(1))
    };
    let begin = query.last.as_ref().map_or(0, begins_after);
    let (mut descriptors, mut bytes, mut next) = (Vec::new(), 0_usize, None);
    let mut last = None;
    for referrer in referrers.iter().skip(begin).filter(is_meant) {
        bytes = bytes.saturating_add(referrer.descriptor.len()).saturating_add(1);
        if let Some(last) = last
            && bytes > PAGE_BYTES
        {
            next = Some(query.after(last));
            break;
        }
        descriptors.push(referrer.descriptor.clone());
        last = Some(&referrer.digest);
    }
    let mut index = Object::new();
    index.number("schemaVersion", 2).text("mediaType", Form::Index.media_type());
    let bytes = index.json("manifests", &array(descriptors)).finish().into_bytes().into();
    let filters = query.artifact_type.as_ref().map(|_| "artifactType".to_owned());
    ListValue { bytes, next, filters, at: now }
}

/// That a layout has more than is read of it.
fn too_many(limit: &str, most: usize) -> Explanation {
    Explanation {
        code: Cow::Borrowed("layout-referrers"),
        fault: Fault::Limit,
        cause: format!("the repository has more than `{most}` {limit}, so that nobody looks for referrers"),
        remedy: Cow::Borrowed("split the repository, or remove manifests that nobody needs"),
    }
}
