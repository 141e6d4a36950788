//! The manifests: each image is asked for as each client on each platform does.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use downshift::document::Index;
use downshift::{Digest, Form, Limits, Platform};
use downshift_inspect::Client;
use downshift_registry::{Problem, Reference, UserAgent, every_type};
use futures_util::StreamExt;
use futures_util::stream::iter;
use reqwest::Method;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::super::contents::Contents;
use super::super::failures::ImageFailure;
use super::super::reference::{Image, Platforms};
use super::super::refusal::Refusal;
use super::front::{Front, Question};
use super::progress::Progress;
use super::summary::Summary;
use crate::digest;

/// How deep indexes may be in each other.
const MAX_DEPTH: usize = 4;

/// Manifests that one question may lead to: more than any index of images has.
const MAX_MANIFESTS: usize = 1000;

/// The header in which a registry says which manifest it gives.
const CONTENT_DIGEST: &str = "docker-content-digest";

/// Who wants the images.
pub(super) struct Wanted<'w> {
    pub(super) clients: &'w [Client<'static>],
    pub(super) platforms: &'w Platforms,
}

/// The blobs of all manifests, by digest.
pub(super) type Blobs = BTreeMap<Digest, Blob>;

/// A blob, as the manifests name it.
pub(super) struct Blob {
    /// Its size, if one of them says it.
    pub(super) size: Option<u64>,
    /// Whose it is: an image for each repository.
    pub(super) owners: HashMap<String, Owner>,
}

/// What has named a blob first in its repository.
#[derive(Clone)]
pub(super) struct Owner {
    pub(super) image: String,
    pub(super) client: &'static str,
    pub(super) user_agent: String,
}

/// Everything that a client says in the same words.
struct Task<'t> {
    image: &'t Image,
    client: Client<'static>,
    user_agent: String,
    platforms: Vec<Platform>,
}

/// What came of a task.
struct Outcome {
    owner: Owner,
    name: String,
    manifests: Vec<(Form, Digest)>,
    blobs: Vec<(Digest, Option<u64>)>,
    failures: Vec<ImageFailure>,
}

/// Asks for all images; gives the blobs that they lead to.
pub(super) async fn warm<'i>(
    front: &Front,
    images: &'i [Image],
    wanted: &Wanted<'_>,
    jobs: usize,
    summary: &mut Summary,
    progress: &mut Progress,
) -> Blobs {
    let mut tasks: Vec<Task<'i>> = Vec::new();
    progress.begin_images(images.len());
    // In their order, so that what is said of them is in the order in which they were named.
    let plan = |image: &'i Image| async move { (image, tasks_of(front, image, wanted).await) };
    let mut planned = iter(images).map(plan).buffered(jobs);
    while let Some((image, planned)) = planned.next().await {
        match planned {
            Ok(of_image) => tasks.extend(of_image),
            Err(refusal) => {
                let failure = ImageFailure::of(&image.text, refusal);
                progress.failed(&failure);
                summary.failures.add(failure);
            }
        }
        progress.advance(1);
    }
    progress.begin_manifests(tasks.len());
    let mut blobs = Blobs::new();
    let mut outcomes = iter(&tasks).map(|task| task.carry_out(front)).buffer_unordered(jobs);
    while let Some(outcome) = outcomes.next().await {
        let Outcome { owner, name, manifests, blobs: named, failures } = outcome;
        for (form, digest) in manifests {
            progress.got_manifest(&owner.image, owner.client, form, &digest);
            summary.add_manifest(form);
        }
        for failure in failures {
            progress.failed(&failure);
            summary.failures.add(failure);
        }
        for (digest, size) in named {
            let blob = blobs.entry(digest).or_insert_with(|| Blob { size: None, owners: HashMap::new() });
            blob.size = blob.size.or(size);
            blob.owners.entry(name.clone()).or_insert_with(|| owner.clone());
        }
        progress.advance(1);
    }
    blobs
}

/// What to ask for of an image.
async fn tasks_of<'t>(
    front: &Front,
    image: &'t Image,
    wanted: &Wanted<'_>,
) -> Result<Vec<Task<'t>>, Refusal> {
    let platforms = match wanted.platforms {
        Platforms::These(platforms) => platforms.clone(),
        Platforms::All => stored_platforms(front, image).await?,
    };
    let mut tasks: Vec<Task<'t>> = Vec::new();
    for client in wanted.clients {
        let first = tasks.len();
        for platform in &platforms {
            let user_agent = UserAgent::on_platform(client.user_agent, platform);
            let same = tasks.iter_mut().skip(first).find(|task| task.user_agent == user_agent);
            match same {
                Some(task) => task.platforms.push(platform.clone()),
                None => {
                    let platforms = vec![platform.clone()];
                    tasks.push(Task { image, client: *client, user_agent, platforms });
                }
            }
        }
    }
    Ok(tasks)
}

/// The platforms that an image is stored for; of one that does not say it, what a client without a platform gets.
async fn stored_platforms(front: &Front, image: &Image) -> Result<Vec<Platform>, Refusal> {
    let headers = every_type().map(|media_type| (header::ACCEPT, media_type));
    let (_, contents) = get(front, &image.name, &image.reference, headers).await?;
    let mut platforms: Vec<Platform> = Vec::new();
    let index = contents.index.as_ref();
    for platform in index.into_iter().flat_map(Index::images).filter_map(|entry| entry.plain_platform()) {
        if !platforms.contains(platform) {
            platforms.push(platform.clone());
        }
    }
    if platforms.is_empty() {
        platforms.push(Platform::default());
    }
    Ok(platforms)
}

impl Task<'_> {
    async fn carry_out(&self, front: &Front) -> Outcome {
        let owner = Owner {
            image: self.image.text.clone(),
            client: self.client.id,
            user_agent: self.user_agent.clone(),
        };
        let mut outcome = Outcome {
            owner,
            name: self.image.name.clone(),
            manifests: Vec::new(),
            blobs: Vec::new(),
            failures: Vec::new(),
        };
        let mut seen = HashSet::new();
        let mut queue = VecDeque::from([(self.image.reference.clone(), self.platforms.clone(), 0)]);
        while let Some((reference, platforms, depth)) = queue.pop_front() {
            let (digest, contents) = match self.get(front, &reference).await {
                Ok(manifest) => manifest,
                Err(refusal) => {
                    outcome.failures.push(self.failure(&platforms, refusal));
                    continue;
                }
            };
            outcome.manifests.push((contents.form, digest));
            outcome.blobs.extend(contents.blobs);
            let Some(index) = contents.index else { continue };
            for platform in platforms {
                let Some(entry) = index.image_for(&platform) else {
                    let refusal = no_image_for(&index, &platform);
                    outcome.failures.push(self.failure(&[platform], refusal));
                    continue;
                };
                let is_new = seen.insert(entry.digest.clone());
                if is_new && depth < MAX_DEPTH && seen.len() < MAX_MANIFESTS {
                    queue.push_back((Reference::Digest(entry.digest.clone()), vec![platform], depth + 1));
                }
            }
        }
        outcome
    }

    async fn get(&self, front: &Front, reference: &Reference) -> Result<(Digest, Contents), Refusal> {
        let user_agent = Some(self.user_agent.as_str()).filter(|user_agent| !user_agent.is_empty());
        let user_agent = user_agent.into_iter().map(|user_agent| (header::USER_AGENT, user_agent));
        let accept = self.client.accept.iter().map(|line| (header::ACCEPT, *line));
        get(front, &self.image.name, reference, user_agent.chain(accept)).await
    }

    fn failure(&self, platforms: &[Platform], refusal: Refusal) -> ImageFailure {
        let platforms: Vec<String> = platforms.iter().map(ToString::to_string).collect();
        ImageFailure {
            client: Some(self.client.id.to_owned()),
            platform: Some(platforms.join(", ")),
            ..ImageFailure::of(&self.image.text, refusal)
        }
    }
}

/// A platform that an index has nothing for.
fn no_image_for(index: &Index, platform: &Platform) -> Refusal {
    Refusal {
        reason: "platform-not-found".to_owned(),
        cause: format!("the image is not there for `{platform}`, but for {}", index.platforms()),
        remedy: "leave this platform out, or push the image for it".to_owned(),
    }
}

/// A manifest, checked against its digest.
async fn get<'h>(
    front: &Front,
    name: &str,
    reference: &Reference,
    headers: impl Iterator<Item = (HeaderName, &'h str)>,
) -> Result<(Digest, Contents), Refusal> {
    let invalid = |error: &dyn ToString| Refusal::from(Problem::Invalid(error.to_string()));
    let mut lines = HeaderMap::new();
    for (name, value) in headers {
        lines.append(name, HeaderValue::from_str(value).map_err(|error| invalid(&error))?);
    }
    let last = match reference {
        Reference::Tag(tag) => tag.as_str(),
        Reference::Digest(digest) => digest.as_str(),
    };
    let path = format!("v2/{name}/manifests/{last}");
    let response =
        front.ask(&Question { method: Method::GET, path, headers: lines, repository: name }).await?;
    let said = response.headers().get(CONTENT_DIGEST).and_then(|value| value.to_str().ok());
    let said = said.map(Digest::parse).transpose().map_err(|error| invalid(&error))?;
    let limits = Limits::default();
    let bytes = front.read(response, limits.document_bytes).await?;
    let expected = match reference {
        Reference::Digest(digest) => Some(digest.clone()),
        Reference::Tag(_) => said,
    };
    let digest = expected.unwrap_or_else(|| Digest::of(&bytes));
    if digest::check(&digest, &bytes, &limits).is_err() {
        return Err(Problem::Corrupt { digest }.into());
    }
    let contents = Contents::read(&bytes, &limits).map_err(|error| invalid(&error))?;
    Ok((digest, contents))
}
