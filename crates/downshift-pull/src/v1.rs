//! The API of version 1, for Docker before 1.6, which has no other.
//!
//! An image of it is an entry of the schema 1 manifest that Docker 1.6 to 1.9 get: so it is made of whatever is stored, by the
//! same conversion, with the same records, and is kept under the same key. Nothing but its paths is different. They do not name
//! the repository, so that a [token](V1Token) does.
//!
//! These engines check no digest of what they get by it. So nobody else is given images by it: an engine that a refusal of
//! version 2 has sent here is told that refusal.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use downshift::{Digest, EMPTY_LAYER, Form};
use downshift_registry::{
    AnswerKey, Meaning, PullFailure, Reference, Response, Route, V1Images, V1Mode, V1Part, V1Token, error,
    is_code, response, v1, v1_images,
};

use crate::blob::Blob;
use crate::caller::Caller;
use crate::effect::{Done, Effect, Reply, unexpected};
use crate::failure::Failure;
use crate::front::Front;
use crate::repository::Repository;
use crate::settings::{Access, Settings};
use crate::value::{Key, Value};

/// How many tags of a repository an engine is told that has not said which one it wants: each has to be converted for that.
pub const MAX_V1_TAGS: usize = 64;

/// For how long a pull may go on with what it was told at its beginning: large images take their time on slow lines.
pub const V1_PULL_LIFETIME: Duration = Duration::from_secs(6 * 3600);

/// How many tags of a repository an engine may pull at a time and be told each.
const MAX_WANTED: usize = 8;

/// For how long it is remembered which tags an engine wanted: it asks again at once.
const WANTED_LIFETIME: Duration = Duration::from_secs(300);

/// What is pulled where nobody says another tag.
const USUAL_TAG: &str = "latest";

const CAUSE: &str = "Docker before 1.6 pulls by version 1 of the registry API";
const ALTERNATIVE: &str = "pull with Docker 1.6 or later, or have the operator of this server ";

/// What an engine that pulls by version 1 gets.
enum Service {
    /// Images.
    Images,
    /// Why there are none for it, and what to do.
    Refusal { why: &'static str, remedy: &'static str },
    /// What everybody gets.
    Nothing,
}

impl Settings {
    /// Whether there is an API of version 1 for engines that pull by it.
    fn v1_service(&self) -> Service {
        let refusal = |why, remedy| Service::Refusal { why, remedy };
        match self.v1 {
            V1Mode::Off => Service::Nothing,
            V1Mode::Explain => refusal(", which is not served here", "set `v1` to `on`"),
            V1Mode::On if matches!(self.access, Access::Upstream { .. }) => refusal(
                ", in which no registry can be asked who may pull",
                "let in users of its own, or everybody",
            ),
            V1Mode::On if !self.is_key_lasting => {
                refusal(", which takes a signing key that lasts", "set `SIGNING_KEY`")
            }
            V1Mode::On => Service::Images,
        }
    }
}

impl Front {
    /// Whether the client is an engine that pulls by version 1 of the API.
    pub(crate) fn pulls_by_v1(&self) -> bool {
        self.request.v1.as_ref().is_some_and(|client| client.pulls_by_v1)
    }

    fn v1_service(&self) -> Service {
        if self.pulls_by_v1() { self.settings.v1_service() } else { Service::Nothing }
    }

    /// Whether the request is one of version 1 that gets what it asks for.
    pub(crate) fn is_v1_pull(&self) -> bool {
        let is_of_v1 = matches!(
            self.request.route,
            Route::V1Images { .. } | Route::V1Tags { .. } | Route::V1Image { .. }
        );
        is_of_v1 && matches!(self.v1_service(), Service::Images)
    }

    /// `/v1/_ping`, for everybody but engines that ask version 1 after failures: some do not say there who they are.
    pub(crate) fn v1_ping(&self) -> Response {
        let asks_after_failures = self.request.v1.as_ref().is_some_and(|client| !client.pulls_by_v1);
        match self.settings.v1_service() {
            Service::Images if !asks_after_failures => v1_images::ping(),
            _ => response::no_v1(),
        }
    }

    /// What an engine that pulls by version 1 gets in the place of a manifest by its tag: after an error it asks there, and it
    /// is remembered for what.
    pub(crate) async fn instead_of_manifest(&self, name: &str, tag: &str) -> Option<Response> {
        match self.v1_service() {
            Service::Nothing => None,
            Service::Refusal { why, remedy } => Some(no_v1_pulls(why, remedy)),
            Service::Images => {
                let mut wanted = self.wanted(name).await;
                wanted.retain(|other| other != tag);
                wanted.insert(0, tag.to_owned());
                wanted.truncate(MAX_WANTED);
                let (key, value) = (self.wanted_key(name)?, Value::WantedTags(wanted));
                self.shell.ask(Effect::Keep { key, value, lifetime: WANTED_LIFETIME }).await;
                Some(error::manifest_unknown(name, &Reference::Tag(tag.to_owned())))
            }
        }
    }

    fn wanted_key(&self, name: &str) -> Option<Key> {
        Some(Key::WantedTags { client: self.v1_client()?, name: name.to_owned() })
    }

    /// The tags that the client has wanted lately, the last one first: it may pull several at a time.
    async fn wanted(&self, name: &str) -> Vec<String> {
        let Some(key) = self.wanted_key(name) else { return Vec::new() };
        match self.shell.ask(Effect::Load(key)).await {
            Done::Known(Value::WantedTags(tags)) => tags,
            _ => Vec::new(),
        }
    }

    /// `/v1/repositories/NAME/images`.
    pub(crate) async fn v1_repository(&self, name: &str, caller: &Caller) -> Reply {
        match self.v1_service() {
            Service::Images => {}
            Service::Refusal { why, remedy } => {
                return self.v1_refusal(name, USUAL_TAG, &no_v1_pulls(why, remedy)).into();
            }
            Service::Nothing => return self.last_failure(name).await.into(),
        }
        let wanted = self.wanted(name).await;
        match self.v1_pull(name, &wanted, caller).await {
            Ok(reply) => reply,
            Err(failure) => {
                let tag = wanted.first().map_or(USUAL_TAG, String::as_str);
                let refused = self.v1_failed(name, tag, failure, caller).await;
                self.v1_refusal(name, tag, &refused).into()
            }
        }
    }

    /// The images of the tags that are wanted, or of the first ones, and the token for them.
    async fn v1_pull(&self, name: &str, wanted: &[String], caller: &Caller) -> Result<Reply, Failure> {
        let Some(repository) = self.repository(name) else { return Ok(v1_images::unknown().into()) };
        let mut tags = wanted.to_vec();
        if tags.is_empty() {
            let Some(list) = repository.tags("", caller).await? else {
                return Ok(v1_images::unknown().into());
            };
            tags = first_tags(list.into_tags());
        }
        let lifetime = u64::try_from(V1_PULL_LIFETIME.as_millis()).unwrap_or(u64::MAX);
        let platform = self.request.client.platform().unwrap_or(&self.settings.platform).clone();
        let until = self.shell.now().saturating_add(lifetime);
        let mut token = V1Token { name: name.to_owned(), platform, until, tags: Vec::new() };
        let (mut ids, mut failed, mut forms) = (Vec::new(), None, None);
        for tag in tags {
            let reference = Reference::Tag(tag.clone());
            let made = async {
                let Some(resolved) = repository.resolve(&reference, &self.request.client, caller).await?
                else {
                    return Ok(None);
                };
                let (images, stored) =
                    self.v1_images(&repository, name, &tag, &resolved.digest, caller).await?;
                if wanted.first() == Some(&tag) {
                    // What is wrong with a layer is printed here, and nowhere later.
                    let front = self.with_request(Arc::new(self.request.for_head()));
                    front.read_before_checked(&repository, name, images.layers(), caller).await?;
                }
                Ok(Some((resolved.digest, images.id().to_owned(), stored)))
            };
            match made.await {
                Ok(Some((digest, id, stored))) if token.has_room(&tag, &digest) => {
                    token.tags.push((tag, digest));
                    ids.push(id);
                    forms = forms.or(Some((stored, Form::Schema1)));
                }
                Ok(_) => {}
                // It is this one that does not come, or one of several of which others may be wanted.
                Err(failure) if wanted.first() == Some(&tag) => return Err(failure),
                Err(failure) => failed = failed.or(Some(failure)),
            }
        }
        match failed {
            Some(failure) if ids.is_empty() => Err(failure),
            _ if ids.is_empty() => Ok(v1_images::unknown().into()),
            _ => {
                ids.sort_unstable();
                ids.dedup();
                let code = self.code(&token.text()).await?;
                let response = v1_images::images(ids.iter().map(String::as_str), &token, &code);
                Ok(Reply { response, forms })
            }
        }
    }

    /// `/v1/repositories/NAME/tags`: those of the token. Docker asks for `library/NAME` where the name has one part, in this
    /// place alone (docker 1.5, `registry/session.go`, `GetRemoteTags`).
    pub(crate) async fn v1_tags(&self, name: &str, caller: &Caller) -> Response {
        let Some(token) = self
            .v1_token()
            .await
            .filter(|token| token.name == name || name.strip_prefix("library/") == Some(&token.name))
        else {
            return v1_images::plain(&error::v1_token_invalid());
        };
        let (mut tags, mut failed) = (Vec::new(), None);
        for (tag, digest) in &token.tags {
            match self.v1_images_of(&token, tag, digest, caller).await {
                Ok(images) => tags.push((tag.as_str(), images.id().to_owned())),
                Err(response) => failed = failed.or(Some(response)),
            }
        }
        failed.filter(|_| tags.is_empty()).unwrap_or_else(|| v1_images::tags(tags))
    }

    /// `/v1/images/ID/ancestry` and `/v1/images/ID/json`.
    pub(crate) async fn v1_image(&self, id: &str, part: V1Part, caller: &Caller) -> Response {
        let (name, images) = match self.v1_find(id, caller).await {
            Ok(found) => found,
            Err(response) => return response,
        };
        let Some((image, all)) = images.with_id(id) else { return v1_images::unknown() };
        match part {
            V1Part::Ancestry => v1_images::ancestry(all.iter().map(|image| image.id.as_str())),
            _ => v1_images::image(image, self.v1_size(&name, &image.layer, caller).await),
        }
    }

    /// Makes the request for a layer by version 1 the one that it is by version 2.
    ///
    /// # Errors
    /// The response where there is no such request.
    pub(crate) async fn follow_v1_layer(&mut self, id: &str, caller: &Caller) -> Result<(), Response> {
        let (name, images) = self.v1_find(id, caller).await?;
        let (image, _) = images.with_id(id).ok_or_else(v1_images::unknown)?;
        self.request = Arc::new(self.request.for_layer(&name, &image.layer));
        self.is_v1_layer = true;
        Ok(())
    }

    /// How many bytes a layer has, if that can be found out now. A pull does without.
    async fn v1_size(&self, name: &str, layer: &Digest, caller: &Caller) -> Option<u64> {
        if layer.as_str() == Digest::EMPTY_LAYER {
            return Some(EMPTY_LAYER.len() as u64);
        }
        let front = self.with_request(Arc::new(self.request.for_layer(name, layer).for_head()));
        let repository = front.repository(name)?;
        let Ok(Blob::Ready(response)) = front.checked_layer(&repository, name, layer, caller).await else {
            return None;
        };
        let length = response.headers.iter().find(|(name, _)| *name == "content-length");
        length.filter(|_| response.status == 200)?.1.parse().ok()
    }

    /// The images among which is the one with this id, and the name of their repository.
    async fn v1_find(&self, id: &str, caller: &Caller) -> Result<(String, V1Images), Response> {
        let token = self.v1_token().await;
        let token = token.ok_or_else(|| v1_images::plain(&error::v1_token_invalid()))?;
        let mut failed = None;
        for (tag, digest) in &token.tags {
            match self.v1_images_of(&token, tag, digest, caller).await {
                Ok(images) if images.with_id(id).is_some() => return Ok((token.name, images)),
                Ok(_) => {}
                Err(response) => failed = failed.or(Some(response)),
            }
        }
        Err(failed.unwrap_or_else(v1_images::unknown))
    }

    async fn v1_images_of(
        &self,
        token: &V1Token,
        tag: &str,
        digest: &Digest,
        caller: &Caller,
    ) -> Result<V1Images, Response> {
        let repository = self.repository(&token.name).ok_or_else(v1_images::unknown)?;
        match self.v1_images(&repository, &token.name, tag, digest, caller).await {
            Ok((images, _)) => Ok(images),
            Err(failure) => Err(v1_images::plain(&self.v1_failed(&token.name, tag, failure, caller).await)),
        }
    }

    /// The images of a tag that points to this manifest, and in which form that is stored.
    async fn v1_images(
        &self,
        repository: &Repository<'_>,
        name: &str,
        tag: &str,
        digest: &Digest,
        caller: &Caller,
    ) -> Result<(V1Images, Form), Failure> {
        let (reference, client) = (Reference::Tag(tag.to_owned()), self.request.client.clone().canonical());
        // The tag of a layout may have moved on, so that it is not what a reading of that says.
        let meaning = Meaning::Upstream(digest.clone());
        let key = AnswerKey { name: name.to_owned(), reference, meaning, client };
        let answer = self.answer_to(repository, key, digest, caller).await?;
        let images = V1Images::read(&answer.manifest.body, &self.settings.limits);
        Ok((images.map_err(|explanation| Failure::refused(*explanation))?, answer.stored))
    }

    /// The token of the pull that the request belongs to, if it is one of this server's, for this platform, and still counts.
    async fn v1_token(&self) -> Option<V1Token> {
        let (text, said) = V1Token::split(self.request.v1_token.as_deref()?)?;
        let code = self.code(text).await.ok()?;
        let token = V1Token::read(text).filter(|_| is_code(said, &code))?;
        let platform = self.request.client.platform().unwrap_or(&self.settings.platform);
        (token.platform == *platform && token.until > self.shell.now()).then_some(token)
    }

    /// The code of a token's text. What everybody was let in with does not let in where somebody has to log in.
    async fn code(&self, text: &str) -> Result<[u8; 32], Failure> {
        let purpose = match self.settings.access {
            Access::Open => "v1 open ",
            Access::Users => "v1 users ",
            Access::Upstream { .. } => "v1 upstream ",
        };
        match self.shell.ask(Effect::Mac([purpose, text].concat())).await {
            Done::Mac(code) => Ok(code),
            other => Err(unexpected(&other)),
        }
    }

    /// The response of version 2 to a request that failed.
    async fn v1_failed(&self, name: &str, tag: &str, failure: Failure, caller: &Caller) -> Response {
        let reference = Reference::Tag(tag.to_owned());
        match self.refuse(name, &reference, failure).await {
            Ok(response) => response,
            Err(failure) => self.failed(failure, caller).await,
        }
    }

    /// The same as these engines print it: with another status than 400 or 404 they show nothing of it.
    fn v1_refusal(&self, name: &str, tag: &str, response: &Response) -> Response {
        // They have been let in by now.
        let failure = PullFailure::of(&self.request.for_tag(name, tag), response, false);
        match failure {
            Some(PullFailure::NotFound) | None => v1_images::unknown(),
            Some(PullFailure::Explained(line)) => v1::explained(line),
        }
    }
}

fn no_v1_pulls(why: &str, remedy: &str) -> Response {
    error::no_v1_pulls(&[CAUSE, why].concat(), &[ALTERNATIVE, remedy].concat())
}

/// As many as are told, the usual one first.
fn first_tags(mut tags: Vec<String>) -> Vec<String> {
    if let Some(at) = tags.iter().position(|tag| tag == USUAL_TAG) {
        tags.swap(0, at);
    }
    tags.truncate(MAX_V1_TAGS);
    tags
}
