//! What to publish: each image is asked for as each client on each platform does, and everything that the answers name.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

use bytes::Bytes;
use downshift::{Digest, EMPTY_LAYER, Limits, Platform};
use downshift_publish::{Audience, V1_CLIENT, V1Ids, reported_headers};
use downshift_registry::{Problem, Reference, V1Images, is_tag};
use futures_util::StreamExt;
use futures_util::stream::iter;
use serde::Deserialize;

use super::source::{Answer, Source, Trouble};
use super::summary::{Summary, V1Summary};
use crate::cli::contents::Contents;
use crate::cli::failures::{Failed as _, Failures, ImageFailure};
use crate::cli::pages::Pages;
use crate::cli::reference::{Image, drop_duplicates};
use crate::cli::refusal::Refusal;
use crate::digest;
use crate::error::Error;
use crate::log::notice;

/// Repositories and tags that one publication may have.
const MAX_NAMES: usize = 1_000_000;

/// Pages of a list.
const MAX_PAGES: usize = 100_000;

/// Manifests that one answer may lead to.
const MAX_MANIFESTS: usize = 10_000;

/// The reason of a refusal of what is not an image.
const ARTIFACT: &str = "artifact";

/// What is wanted of the sources.
pub(super) struct Wanted<'w> {
    pub(super) audiences: &'w [Audience],
    /// Who pulls by version 1, if it is wanted for them as well.
    pub(super) v1: Option<&'w Audience>,
    pub(super) platforms: &'w [Platform],
    pub(super) images: &'w [Image],
    pub(super) repositories: &'w [String],
    pub(super) jobs: usize,
}

/// What a tag stands for, for each client on each platform.
pub(super) type Answers = Vec<Vec<Option<Digest>>>;

/// What version 1 has of a tag, on each platform.
type V1Answers = Vec<Option<V1Images>>;

/// What there is for clients that pull by version 1.
#[derive(Default)]
pub(super) struct V1Collected {
    /// The id of each tag's image on each platform, by repository and tag.
    pub(super) tags: BTreeMap<(String, String), Vec<Option<String>>>,
    pub(super) ids: V1Ids,
    /// How many bytes their layers have, where that is known.
    pub(super) sizes: BTreeMap<Digest, u64>,
}

/// Everything that is to be published.
#[derive(Default)]
pub(super) struct Collected {
    /// By repository and digest.
    pub(super) manifests: BTreeMap<(String, Digest), Manifest>,
    /// By repository and tag.
    pub(super) tags: BTreeMap<(String, String), Answers>,
    /// By repository and digest.
    pub(super) blobs: BTreeMap<(String, Digest), Blob>,
    pub(super) v1: V1Collected,
    v1_answers: BTreeMap<(String, String), V1Answers>,
    failures: Failures<ImageFailure>,
    /// Which source each repository is from.
    pub(super) repositories: BTreeMap<String, usize>,
    images: usize,
    /// Whether nothing was missing that may be there another time.
    pub(super) is_whole: bool,
    /// Whether there is a repository of which nobody knows what it has.
    pub(super) is_unread: bool,
}

/// A manifest.
pub(super) struct Manifest {
    pub(super) body: Bytes,
    pub(super) media_type: String,
    /// The headers that are the same for whoever gets it.
    pub(super) headers: Vec<(String, String)>,
}

/// A blob, and how to get it.
pub(super) struct Blob {
    pub(super) source: usize,
    pub(super) user_agent: String,
    /// Its size, if a manifest says it.
    pub(super) size: Option<u64>,
}

/// What came of one image.
#[derive(Default)]
struct Outcome {
    answers: Answers,
    v1: V1Answers,
    manifests: Vec<(Digest, Manifest)>,
    blobs: Vec<(Digest, Blob)>,
    failures: Vec<ImageFailure>,
    is_broken: bool,
    lacks_key: bool,
}

impl Collected {
    /// Asks the sources.
    pub(super) async fn of(sources: &[Source], wanted: &Wanted<'_>) -> Result<Self, Error> {
        let mut all = Self { is_whole: true, ..Self::default() };
        for (place, source) in sources.iter().enumerate() {
            let images = all.images_of(place, source, sources.len() > 1, wanted).await?;
            all.images += images.len();
            let one = |image| async move { (image, Asking { source, place, image, wanted }.ask().await) };
            let mut outcomes = iter(&images).map(one).buffered(wanted.jobs);
            while let Some((image, outcome)) = outcomes.next().await {
                all.take(image, outcome)?;
            }
        }
        if wanted.images.len() + wanted.repositories.len() > 0 {
            all.miss_what_no_source_has(wanted);
        }
        // A disk that is not mounted is an empty folder.
        if all.images == 0 {
            if all.failures.count() == 0 {
                let refusal = Refusal {
                    reason: "no-images".to_owned(),
                    cause: "there is no image in any of the sources".to_owned(),
                    remedy: "check that they are the right ones, and are there".to_owned(),
                };
                all.fail(ImageFailure::of("_catalog", refusal), false);
            }
            all.is_whole = false;
        }
        all.settle_v1(wanted);
        all.measure_v1(sources, wanted.jobs).await;
        Ok(all)
    }

    /// The images of a source that are wanted.
    async fn images_of(
        &mut self,
        place: usize,
        source: &Source,
        has_others: bool,
        wanted: &Wanted<'_>,
    ) -> Result<Vec<Image>, Error> {
        let mut images: Vec<Image> = Vec::new();
        for image in wanted.images {
            // Of several sources one has it.
            let list = format!("/v2/{}/tags/list", image.name);
            if !has_others || source.get(&list, &[]).await.is_ok() {
                images.push(image.clone());
            }
        }
        let mut repositories: Vec<String> = wanted.repositories.to_vec();
        if wanted.images.is_empty() && repositories.is_empty() {
            match list(source, "/v2/_catalog", |page: Catalog| page.repositories).await {
                Ok(names) => repositories = names,
                Err(trouble) => self.fail(ImageFailure::of("_catalog", trouble.refusal), true),
            }
            // What cannot be used is not listed, and is not to be missed in silence.
            for (name, error) in source.unusable()? {
                self.is_unread = true;
                self.fail(ImageFailure::of(&name, Refusal::of_error(&error)), false);
            }
        }
        for name in &repositories {
            match list(source, &format!("/v2/{name}/tags/list"), |page: Tags| page.tags.unwrap_or_default())
                .await
            {
                Ok(tags) => {
                    let tags = tags.into_iter().filter(|tag| is_tag(tag));
                    images.extend(tags.map(|tag| Image::tagged(name, tag)));
                }
                Err(trouble) if trouble.status == 404 && !wanted.repositories.is_empty() => {}
                Err(trouble) => {
                    let is_passing = trouble.is_passing();
                    self.is_unread = true;
                    self.fail(ImageFailure::of(name, trouble.refusal), is_passing);
                }
            }
        }
        drop_duplicates(&mut images);
        for image in &images {
            let other = *self.repositories.entry(image.name.clone()).or_insert(place);
            if other != place {
                let problem = format!("the repository `{}` is in two of the sources", image.name);
                return Err(Error::InvalidSettings { problem });
            }
        }
        Ok(images)
    }

    fn take(&mut self, image: &Image, outcome: Outcome) -> Result<(), Error> {
        let Outcome { answers, v1, manifests, blobs, failures, is_broken, lacks_key } = outcome;
        if lacks_key {
            let problem = format!(
                "`{}` is signed for clients that read schema 1 alone, and no key is named: name one with --key, which \
                 `downshift key new` makes",
                image.text
            );
            return Err(Error::InvalidSettings { problem });
        }
        for failure in failures {
            self.fail(failure, false);
        }
        self.is_whole &= !is_broken;
        let name = &image.name;
        for (digest, manifest) in manifests {
            self.manifests.entry((name.clone(), digest)).or_insert(manifest);
        }
        for (digest, blob) in blobs {
            let size = blob.size;
            let known = self.blobs.entry((name.clone(), digest)).or_insert(blob);
            known.size = known.size.or(size);
        }
        if let Reference::Tag(tag) = &image.reference
            && v1.iter().any(Option::is_some)
        {
            self.v1_answers.insert((name.clone(), tag.clone()), v1);
        }
        if let Reference::Tag(tag) = &image.reference
            && answers.iter().flatten().any(Option::is_some)
        {
            self.tags.insert((name.clone(), tag.clone()), answers);
        }
        Ok(())
    }

    fn fail(&mut self, failure: ImageFailure, is_passing: bool) {
        notice(failure.line());
        self.failures.add(failure);
        self.is_whole &= !is_passing;
    }

    /// Finds out which images go together in the paths of version 1, which name no repository.
    fn settle_v1(&mut self, wanted: &Wanted<'_>) {
        let all = core::mem::take(&mut self.v1_answers);
        for ((name, tag), answers) in &all {
            // Docker asks for `library/NAME` where the name has one part, for the tags alone (docker 1.5,
            // `registry/session.go`, `GetRemoteTags`).
            let library = format!("library/{name}");
            let next = all.range((library.clone(), String::new())..).next();
            let is_hidden = !name.contains('/') && next.is_some_and(|((other, _), _)| *other == library);
            let mut of_tag = Vec::new();
            for (images, platform) in answers.iter().zip(wanted.platforms) {
                let added = match images {
                    Some(_) if is_hidden => Err(format!(
                        "Docker before 1.6 takes the tags of `{library}`, which is there, for those of `{name}`"
                    )),
                    Some(images) => {
                        self.v1.ids.add(images, &Limits::default()).map(|()| Some(images.id().to_owned()))
                    }
                    None => Ok(None),
                };
                let id = added.unwrap_or_else(|cause| {
                    let refusal = Refusal {
                        reason: "v1-images".to_owned(),
                        cause,
                        remedy: "publish it into another folder for Docker before 1.6".to_owned(),
                    };
                    let failure = ImageFailure::of(&format!("{name}:{tag}"), refusal);
                    self.fail(of_client(failure, V1_CLIENT, Some(platform)), false);
                    None
                });
                of_tag.push(id);
            }
            if of_tag.iter().any(Option::is_some) {
                self.v1.tags.insert((name.clone(), tag.clone()), of_tag);
            }
        }
    }

    /// Finds out how many bytes the layers of version 1 have: engines resume an interrupted download by that.
    async fn measure_v1(&mut self, sources: &[Source], jobs: usize) {
        let layers: BTreeSet<&Digest> = self.v1.ids.images().map(|(_, _, layer, _)| layer).collect();
        let mut said: BTreeMap<Digest, (Option<u64>, String, &Blob)> = BTreeMap::new();
        for ((name, digest), blob) in self.blobs.iter().filter(|((_, digest), _)| layers.contains(digest)) {
            let known = (digest.as_str() == Digest::EMPTY_LAYER).then_some(EMPTY_LAYER.len() as u64);
            let size = known.or(blob.size);
            let path = || format!("/v2/{name}/blobs/{digest}");
            let said = said.entry(digest.clone()).or_insert_with(|| (size, path(), blob));
            // No manifest is believed about the layers of another repository.
            said.0 = said.0.filter(|_| said.0 == size);
        }
        let one = |(digest, (size, path, blob)): (Digest, (Option<u64>, String, &Blob))| {
            let (source, user_agent) = (sources.get(blob.source), blob.user_agent.clone());
            async move {
                match (size, source) {
                    (None, Some(source)) => (digest, source.size(&path, &user_agent).await),
                    _ => (digest, Ok(size)),
                }
            }
        };
        let mut sizes = iter(said).map(one).buffered(jobs);
        while let Some((digest, size)) = sizes.next().await {
            match size {
                Ok(Some(size)) => {
                    self.v1.sizes.insert(digest, size);
                }
                Ok(None) => {}
                // What is wrong with it for good is told where it is to be written.
                Err(trouble) => self.is_whole &= !trouble.is_passing(),
            }
        }
    }

    /// Says which of what was named is nowhere.
    fn miss_what_no_source_has(&mut self, wanted: &Wanted<'_>) {
        for name in wanted.images.iter().map(|image| &image.name).chain(wanted.repositories) {
            if !self.repositories.contains_key(name) {
                let problem = Problem::Invalid(format!("`{name}` is in none of the sources"));
                self.fail(ImageFailure::of(name, problem.into()), false);
            }
        }
    }

    pub(super) fn summary(&self, has_v1: bool) -> Summary {
        let mut summary = Summary { images: self.images, tags: self.tags.len(), ..Summary::default() };
        summary.v1 = has_v1.then(|| V1Summary { tags: self.v1.tags.len(), images: self.v1.ids.len() });
        for manifest in self.manifests.values() {
            *summary.manifests.entry(manifest.media_type.clone()).or_default() += 1;
        }
        summary.failures = self.failures.clone();
        summary
    }
}

/// The failure of one client, and on one platform if the client says that.
fn of_client(failure: ImageFailure, client: &str, platform: Option<&Platform>) -> ImageFailure {
    let platform = platform.map(ToString::to_string);
    ImageFailure { client: Some(client.to_owned()), platform, ..failure }
}

struct Asking<'a> {
    source: &'a Source,
    place: usize,
    image: &'a Image,
    wanted: &'a Wanted<'a>,
}

impl Asking<'_> {
    async fn ask(&self) -> Outcome {
        let mut outcome = Outcome::default();
        let mut seen = HashSet::new();
        for audience in self.wanted.audiences {
            let mut answers = Vec::new();
            for (at, platform) in self.wanted.platforms.iter().enumerate() {
                if at > 0 && !audience.says_platform() {
                    answers.extend(answers.first().cloned());
                    continue;
                }
                answers.push(self.ask_as(audience, platform, &mut seen, &mut outcome).await);
            }
            outcome.answers.push(answers);
        }
        if let Some(v1) = self.wanted.v1
            && matches!(self.image.reference, Reference::Tag(_))
        {
            for platform in self.wanted.platforms {
                let images = self.ask_for_v1(v1, platform, &mut outcome).await;
                outcome.v1.push(images);
            }
        }
        outcome
    }

    /// Asks for what version 1 has of the image: that is made of the manifest which these clients would get by version 2.
    async fn ask_for_v1(
        &self,
        audience: &Audience,
        platform: &Platform,
        outcome: &mut Outcome,
    ) -> Option<V1Images> {
        let headers: Vec<_> = audience.headers(platform).collect();
        let answer = match self.manifest(&self.image.reference, &headers).await {
            Ok((_, answer)) => answer,
            Err(trouble) => {
                self.refuse(trouble, V1_CLIENT, platform, true, outcome);
                return None;
            }
        };
        let images = match V1Images::read(&answer.body, &Limits::default()) {
            Ok(images) => images,
            Err(failure) => {
                let failure = *failure;
                let refusal = Refusal {
                    reason: failure.code.into_owned(),
                    cause: failure.cause,
                    remedy: failure.remedy.into_owned(),
                };
                self.refuse(Trouble { refusal, status: 404 }, V1_CLIENT, platform, true, outcome);
                return None;
            }
        };
        let user_agent = audience.user_agent_on(platform);
        outcome.blobs.extend(images.all().iter().map(|image| {
            let blob = Blob { source: self.place, user_agent: user_agent.clone(), size: None };
            (image.layer.clone(), blob)
        }));
        notice(format_args!("{} for {V1_CLIENT}: image {}", self.image.text, images.id()));
        Some(images)
    }

    /// Takes down why a client does not get the image.
    fn refuse(
        &self,
        trouble: Trouble,
        client: &str,
        platform: &Platform,
        says_platform: bool,
        outcome: &mut Outcome,
    ) {
        let is_passing = trouble.is_passing();
        let failure = ImageFailure::of(&self.image.text, trouble.refusal);
        let failure = of_client(failure, client, says_platform.then_some(platform));
        // What is not an image is for those alone who take it as it is.
        if failure.refusal.reason == ARTIFACT {
            notice(format_args!("{}: left out, it is not an image", failure.what()));
            return;
        }
        outcome.is_broken |= is_passing;
        outcome.failures.push(failure);
    }

    /// Asks as a client; gives the digest that this gets.
    async fn ask_as(
        &self,
        audience: &Audience,
        platform: &Platform,
        seen: &mut HashSet<Digest>,
        outcome: &mut Outcome,
    ) -> Option<Digest> {
        let headers: Vec<_> = audience.headers(platform).collect();
        let mut answered = None;
        let mut queue = VecDeque::from([self.image.reference.clone()]);
        while let Some(reference) = queue.pop_front() {
            let is_child = answered.is_some();
            let (digest, answer) = match self.manifest(&reference, &headers).await {
                Ok(answer) => answer,
                // Not everybody has all images that an index lists.
                Err(trouble) if is_child && trouble.status == 404 => continue,
                Err(trouble) => {
                    self.refuse(trouble, &audience.name, platform, audience.says_platform(), outcome);
                    continue;
                }
            };
            answered = answered.or_else(|| Some(digest.clone()));
            if !seen.insert(digest.clone()) {
                continue;
            }
            if seen.len() > MAX_MANIFESTS {
                let problem = Problem::Invalid(format!("it leads to more than `{MAX_MANIFESTS}` manifests"));
                outcome.failures.push(ImageFailure::of(&self.image.text, problem.into()));
                break;
            }
            let contents = match Contents::read(&answer.body, &Limits::default()) {
                Ok(contents) => contents,
                Err(error) => {
                    let refusal = Problem::Invalid(error.to_string()).into();
                    outcome.failures.push(ImageFailure::of(&self.image.text, refusal));
                    continue;
                }
            };
            let is_signed =
                answer.is_signed || contents.form.is_schema1() && self.source.signs_stored(&self.image.name);
            outcome.lacks_key |= is_signed && !self.source.has_key();
            let entries = contents.index.iter().flat_map(|index| &index.entries);
            queue.extend(entries.map(|entry| Reference::Digest(entry.digest.clone())));
            let user_agent = audience.user_agent_on(platform);
            outcome.blobs.extend(contents.blobs.into_iter().map(|(digest, size)| {
                (digest, Blob { source: self.place, user_agent: user_agent.clone(), size })
            }));
            let media_type = header(&answer.headers, "content-type").unwrap_or_default().to_owned();
            let headers = reported_headers(&answer.headers);
            outcome.manifests.push((digest, Manifest { body: answer.body, media_type, headers }));
        }
        if let Some(digest) = &answered {
            notice(format_args!("{} for {}: {digest}", self.image.text, audience.name));
        }
        answered
    }

    async fn manifest(
        &self,
        reference: &Reference,
        headers: &[(&'static str, String)],
    ) -> Result<(Digest, Answer), Trouble> {
        let last = match reference {
            Reference::Tag(tag) => tag.as_str(),
            Reference::Digest(digest) => digest.as_str(),
        };
        let answer = self.source.get(&format!("/v2/{}/manifests/{last}", self.image.name), headers).await?;
        let said = header(&answer.headers, "docker-content-digest").map(Digest::parse).transpose();
        let said = said.ok().flatten();
        let digest = match (reference, said) {
            (Reference::Digest(digest), _) => digest.clone(),
            (Reference::Tag(_), Some(said)) => said,
            (Reference::Tag(_), None) => Digest::of(&answer.body),
        };
        if digest::check(&digest, &answer.body, &Limits::default()).is_err() {
            return Err(Problem::Corrupt { digest }.into());
        }
        Ok((digest, answer))
    }
}

fn header<'h>(headers: &'h [(&'static str, String)], name: &str) -> Option<&'h str> {
    headers.iter().find(|(own, _)| *own == name).map(|(_, value)| value.as_str())
}

/// The list of repositories, as it is published as well.
#[derive(Deserialize)]
pub(super) struct Catalog {
    pub(super) repositories: Vec<String>,
}

/// The list of a repository's tags.
#[derive(Deserialize)]
pub(super) struct Tags {
    pub(super) tags: Option<Vec<String>>,
}

/// A list, page by page.
async fn list<P: for<'a> Deserialize<'a>>(
    source: &Source,
    path: &str,
    names: impl Fn(P) -> Vec<String>,
) -> Result<Vec<String>, Trouble> {
    let mut all = Vec::new();
    let mut pages = Pages::new(path, MAX_PAGES);
    let unusable = |problem: &str| Problem::Invalid(format!("the list `{path}` cannot be used: {problem}"));
    while let Some(at) = pages.next().map_err(|endless| unusable(&endless.to_string()))? {
        let answer = source.get(&at, &[]).await?;
        let page = serde_json::from_slice(&answer.body);
        all.extend(names(page.map_err(|_| Problem::Invalid(format!("`{path}` is not a list")))?));
        if all.len() > MAX_NAMES {
            return Err(unusable(&format!("it has more than `{MAX_NAMES}` names")).into());
        }
        pages.go_on(header(&answer.headers, "link"));
    }
    Ok(all)
}
