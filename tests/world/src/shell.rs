//! What the shell of the [world](crate::world) does for each effect.

use core::time::Duration;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use downshift::Digest;
use downshift::answer::{Need, Record};
use downshift_cases::fixed_key::FixedKey;
use downshift_pull::{
    Answered, Ask, AskMethod, Body, BodyId, Conversion, Converted, Copied, Copy, Done, Effect, Key, Login,
    Reply, Scope, StoredBlob, StoredCheck, StoredManifest, Take, Trouble, Value,
};
use downshift_registry::{Body as ResponseBody, Problem, Reference, Route};
use downshift_sign::{P256Signer, Signer as _, read_signatures};

use crate::net::{End, Reply as NetReply, Request, Response};
use crate::world::{Happened, OpenBody, Progress, PullId, World};

/// How long a body may be silent while it is sent on, after which it counts as broken off.
const SILENCE: Duration = Duration::from_secs(30);

/// Signs as the suite does.
static SIGNER: LazyLock<P256Signer> = LazyLock::new(|| {
    FixedKey::read().and_then(|key| key.signer()).expect("the suite has its key among the vectors")
});

impl World {
    /// Carries out an effect of a pull.
    pub(crate) fn perform(&mut self, pull: PullId, effect: &Effect) -> Progress {
        if let Some(mut instead) = self.instead.take() {
            let done = instead(effect);
            self.instead = Some(instead);
            if let Some(done) = done {
                return Progress::Done(done);
            }
        }
        match effect {
            Effect::Keep { key: Key::Permit { caller, scope }, .. } => {
                self.note(Happened::Permitted(*caller, scope.clone()));
            }
            Effect::Revoke { caller, scope } => self.note(Happened::Revoked(*caller, scope.clone())),
            _ => {}
        }
        if let Some(done) = self.memory.answer(effect, self.now) {
            return Progress::Done(done);
        }
        if let Some(progress) = self.perform_on_layers(pull, effect) {
            return progress;
        }
        Progress::Done(match effect {
            Effect::Ask(ask) => return self.ask(pull, ask),
            Effect::Close(body) => {
                self.bodies.remove(body);
                Done::Nothing
            }
            Effect::Load(key) => self.load(key).map_or(Done::Unknown { mark: 0 }, Done::Known),
            Effect::Has(key) => Done::Has(self.load(key).is_some()),
            Effect::Keep { key, value, lifetime } => {
                if !self.is_forgetful {
                    let until = self.now.saturating_add(lifetime.as_millis() as u64);
                    self.kept.insert(key.clone(), (value.clone(), until));
                }
                Done::Nothing
            }
            Effect::Forget(key) => {
                self.kept.remove(key);
                Done::Nothing
            }
            Effect::Recall { name, digest } => {
                Done::Recalled(Ok(self.records.get(&(name.clone(), digest.clone())).cloned().map(Box::new)))
            }
            Effect::Record(records) => {
                for record in records {
                    self.records.insert((record.name.clone(), record.digest.clone()), record.clone());
                }
                Done::Recorded(Ok(()))
            }
            Effect::Resolve { scope, reference } => Done::Resolved(Ok(self.resolve(scope, reference))),
            Effect::TagOf { scope, digest } => {
                let tags = self.store.get(&scope.name).map(|repository| &repository.tags);
                let tag = tags.and_then(|tags| tags.iter().find(|(_, own)| *own == digest));
                Done::TagOf(tag.map(|(tag, _)| tag.clone()))
            }
            Effect::Documents { scope, needs } => Done::Documents(self.documents(scope, needs)),
            Effect::Open { scope, digest } => Done::Opened(Ok(self.open(scope, digest))),
            Effect::Verify(body) => Done::Verified(self.verify(*body)),
            Effect::Tags(scope) => {
                let repository = self.store.get(&scope.name);
                Done::Tags(Ok(repository.map(|repository| repository.tags.keys().cloned().collect())))
            }
            Effect::Manifests(scope) => {
                let repository = self.store.get(&scope.name);
                Done::Manifests(Ok(
                    repository.map(|repository| repository.manifests.keys().cloned().collect())
                ))
            }
            Effect::Repositories(_) => Done::Repositories(Ok(Arc::new(self.store.keys().cloned().collect()))),
            Effect::Convert(conversion) => Done::Converted(Ok(self.convert(conversion))),
            Effect::CheckLogin(authorization) => {
                let is_known = self.logins.iter().any(|user| user.basic().as_str() == authorization.as_str());
                if is_known {
                    self.note(Happened::LoggedIn(pull));
                }
                Done::Login(if is_known { Login::Yes } else { Login::No })
            }
            // The memory has answered it.
            Effect::Revoke { .. } => Done::Nothing,
            Effect::Hash(authorization) => Done::Hashed(Self::caller(Some(authorization.as_str()))),
            Effect::Mac(text) => Done::Mac(SIGNER.mac(text.as_bytes())),
            Effect::Pause(duration) => {
                let at = self.now.saturating_add(duration.as_millis() as u64);
                return Progress::At(at, Done::Waited);
            }
            Effect::Tell(event) => {
                self.events.push(event.clone());
                Done::Nothing
            }
            Effect::Respond(reply) => {
                self.respond(pull, reply);
                Done::Responded
            }
            Effect::Copy(copy) => return self.copy(pull, copy),
            Effect::Send(bytes) => self.send(pull, bytes),
            Effect::Abort => {
                self.ended(pull);
                Done::Nothing
            }
            other => unreachable!("nobody carries out {other:?}"),
        })
    }

    fn load(&self, key: &Key) -> Option<Value> {
        let (value, until) = self.kept.get(key)?;
        // An answer may be given as long as what it reports is recorded.
        let is_recorded = match (key, value) {
            (Key::Answer { key, .. }, Value::Answer(answer)) => answer
                .recorded
                .iter()
                .all(|digest| self.records.contains_key(&(key.name.clone(), digest.clone()))),
            (Key::Record { name, digest }, _) => self.records.contains_key(&(name.clone(), digest.clone())),
            _ => true,
        };
        (*until > self.now && is_recorded).then(|| value.clone())
    }

    fn ask(&mut self, pull: PullId, ask: &Ask) -> Progress {
        let done = |outcome| Progress::Done(Done::Asked(outcome));
        let Some((host, target)) = self.net.host_of(&ask.url.text) else {
            self.refuse_credentials(ask);
            return done(Err(Problem::Unreachable("there is no such host".to_owned())));
        };
        if !ask.is_own && self.private.contains(&host) {
            return done(Err(Problem::PrivateAddress));
        }
        let headers = ask.lines().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let method = ask.method.name().to_owned();
        let form = ask.method.form().map_or_else(String::new, |form| form.as_str().to_owned());
        let reply = self.net.answer(self.now, &Request { host, method, target, headers, form });
        self.note(Happened::Asked(pull, self.net.exchanges().len() - 1));
        match reply {
            NetReply::Silence => Progress::Never,
            NetReply::Closed => done(Err(Problem::Unreachable("the connection was closed".to_owned()))),
            NetReply::NotHttp => done(Err(Problem::Unreachable("the answer is not HTTP".to_owned()))),
            NetReply::Response(response) => self.answered(ask, response),
        }
    }

    /// Nobody may hear of credentials whom nobody knows.
    fn refuse_credentials(&mut self, ask: &Ask) {
        if ask.authorization.is_some() || matches!(ask.method, AskMethod::Post(_)) {
            self.violations.push(format!("credentials go to {}", ask.url.text));
        }
    }

    fn answered(&mut self, ask: &Ask, response: Response) -> Progress {
        let response = response.framed();
        let answered = Answered::new(response.status, response.headers.clone());
        let body = match (ask.take.of(response.status), &ask.method) {
            (_, AskMethod::Head) | (Take::Nothing, _) => Body::None,
            (Take::Whole { limit, .. }, _) => {
                let announced =
                    response.header("content-length").and_then(|length| length.parse::<usize>().ok());
                let read = whole(response, announced, limit);
                match read {
                    None => return Progress::Never,
                    Some(Err(problem)) => return Progress::Done(Done::Asked(Err(problem))),
                    Some(Ok(bytes)) => Body::read(bytes),
                }
            }
            (Take::Open, _) => Body::Open(self.open_body(response.body, response.end, None)),
        };
        Progress::Done(Done::Asked(Ok(Answered { body, ..answered })))
    }

    pub(crate) fn open_body(&mut self, bytes: Vec<u8>, end: End, digest: Option<Digest>) -> BodyId {
        let id = BodyId(self.next_body);
        self.next_body += 1;
        self.bodies.insert(id, OpenBody { bytes, end, digest });
        id
    }

    fn resolve(&self, scope: &Scope, reference: &Reference) -> Option<StoredManifest> {
        let repository = self.store.get(&scope.name)?;
        let digest = match reference {
            Reference::Tag(tag) => repository.tags.get(tag)?.clone(),
            Reference::Digest(digest) => digest.clone(),
        };
        Some(StoredManifest { digest, reading: self.reading, variants: Vec::new() })
    }

    fn documents(&self, scope: &Scope, needs: &[Need]) -> Result<Vec<(Need, Option<Bytes>)>, Trouble> {
        let repository = self.store.get(&scope.name).ok_or(Trouble::Internal)?;
        let document = |need: &Need| {
            let manifest = repository.manifests.get(&need.digest).map(|manifest| &manifest.bytes);
            let bytes = manifest.or_else(|| repository.blobs.get(&need.digest));
            (need.clone(), bytes.map(|bytes| Bytes::copy_from_slice(bytes)))
        };
        Ok(needs.iter().map(document).collect())
    }

    fn open(&mut self, scope: &Scope, digest: &Digest) -> Option<StoredBlob> {
        let bytes = self.store.get(&scope.name)?.blobs.get(digest)?.clone();
        let size = bytes.len() as u64;
        let body = self.open_body(bytes, End::Whole, Some(digest.clone()));
        Some(StoredBlob { body, size, check: StoredCheck::Settled, url: None })
    }

    fn verify(&self, body: BodyId) -> Result<(), Trouble> {
        let body = self.bodies.get(&body).ok_or(Trouble::Internal)?;
        let is_right = body.digest.as_ref().is_some_and(|digest| digest.matches(&body.bytes));
        if is_right { Ok(()) } else { Err(Trouble::Internal) }
    }

    fn convert(&mut self, conversion: &Conversion) -> Converted {
        let sign = |bytes: &[u8]| Ok(SIGNER.sign(bytes).expect("RFC 6979 needs no randomness"));
        let verify = |bytes: &[u8]| read_signatures(bytes, &conversion.request.limits);
        let converted = conversion.run(verify, sign).expect("the signature has its length");
        match &converted {
            Converted::Answer(answer) => self.made.extend(answer.records.iter().cloned()),
            Converted::Refused(refusal) => self.made.extend(refusal.records.iter().cloned()),
            Converted::Need(_) => {}
        }
        converted
    }

    fn respond(&mut self, pull: PullId, Reply { response, .. }: &Reply) {
        self.note(Happened::Responded(pull));
        self.is_recorded(pull, response);
        let is_head = self.is_head(pull);
        let Some(running) = self.pulls.get_mut(pull.0) else { return };
        if running.response.replace(response.clone()).is_some() {
            self.violations.push(format!("{pull:?} responds twice"));
            return;
        }
        match &response.body {
            ResponseBody::Bytes(bytes) => {
                let announced = response.headers.iter().find(|(name, _)| *name == "content-length");
                let is_right = announced.is_none_or(|(_, length)| *length == bytes.len().to_string());
                if !is_right && !is_head {
                    self.violations.push(format!("the length is not that of the body: {response:?}"));
                }
                (running.body, running.is_whole) = (bytes.to_vec(), true);
            }
            ResponseBody::Blob(range) => running.is_whole = range.is_empty(),
            ResponseBody::Stream | ResponseBody::Parts(_) => running.is_whole = false,
        }
    }

    /// What a response names has to be recorded by now, if it was made here.
    fn is_recorded(&mut self, pull: PullId, response: &downshift_registry::Response) {
        let Some(Route::Manifest { name, .. }) = self.route(pull).cloned() else { return };
        let mut text: String =
            response.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        if let ResponseBody::Bytes(bytes) = &response.body {
            text.push_str(&String::from_utf8_lossy(bytes));
        }
        // The request names a digest as well.
        let asked = self.sent(pull).map(|sent| sent.target.clone()).unwrap_or_default();
        let is_named = |record: &&Record| {
            let digest = record.digest.as_str();
            record.name == name && text.contains(digest) && !asked.contains(digest)
        };
        let is_lost = |record: &&Record| {
            let key = (record.name.clone(), record.digest.clone());
            !self.records.contains_key(&key) && !self.net.has_manifest(&record.digest)
        };
        let lost = self.made.iter().filter(is_named).find(is_lost).map(|record| record.digest.clone());
        if let Some(digest) = lost {
            self.violations.push(format!("{digest} is reported and not recorded"));
        }
    }

    /// The client knows that there is no more.
    fn ended(&mut self, pull: PullId) {
        if let Some(running) = self.pulls.get_mut(pull.0) {
            running.is_ended = true;
        }
    }

    fn copy(&mut self, pull: PullId, copy: &Copy) -> Progress {
        let copied = |copied| Progress::Done(Done::Copied(copied));
        let Some(running) = self.pulls.get_mut(pull.0) else { return Progress::Never };
        let has_blob =
            |response: &downshift_registry::Response| !matches!(response.body, ResponseBody::Bytes(_));
        if !running.response.as_ref().is_some_and(has_blob) {
            self.violations.push(format!("{pull:?} sends a body that its response does not have"));
            return copied(Copied::ClientGone);
        }
        if let Some(unpack) = &copy.unpack {
            return self.copy_unpacked(pull, copy, unpack);
        }
        let Some(OpenBody { bytes, end, .. }) = self.bodies.remove(&copy.body) else {
            self.violations.push("a body is copied that is not open".to_owned());
            return copied(Copied::Broken { sent: None });
        };
        let mut part = bytes.get(copy.start as usize..).unwrap_or_default().to_vec();
        // Without a length, one that breaks off is shorter than it would have been.
        let missing = usize::from(end != End::Whole);
        let length = copy.length.map_or(part.len() + missing, |length| length as usize);
        part.truncate(length);
        if let Some(room) = running.leaves_after.map(|after| after.saturating_sub(running.body.len()))
            && room < part.len()
        {
            running.body.extend_from_slice(part.get(..room).unwrap_or_default());
            running.is_ended = true;
            return copied(Copied::ClientGone);
        }
        if part.len() < length {
            running.body.extend_from_slice(&part);
            let broken = Done::Copied(Copied::Broken { sent: Some(part.len() as u64) });
            return match end {
                End::Silence(_) => Progress::At(self.now + SILENCE.as_millis() as u64, broken),
                End::Whole | End::Cut(_) => Progress::Done(broken),
            };
        }
        if let Some(digest) = &copy.check
            && !digest.matches(&[running.body.as_slice(), &part].concat())
        {
            part.pop();
            running.body.extend_from_slice(&part);
            return copied(Copied::Corrupt);
        }
        running.body.extend_from_slice(&part);
        running.is_whole = running.has_all();
        copied(Copied::All)
    }

    fn send(&mut self, pull: PullId, bytes: &[u8]) -> Done {
        if let Some(running) = self.pulls.get_mut(pull.0) {
            running.body.extend_from_slice(bytes);
            running.is_whole = running.has_all();
        }
        Done::Copied(Copied::All)
    }
}

/// A body that is read to its end; none if that never comes.
fn whole(response: Response, announced: Option<usize>, limit: usize) -> Option<Result<Bytes, Problem>> {
    if announced.is_some_and(|length| length > limit) || response.body.len() > limit {
        return Some(Err(Problem::TooLarge { limit }));
    }
    match response.end {
        End::Whole => Some(Ok(response.body.into())),
        End::Cut(_) => Some(Err(Problem::Unreachable("the body breaks off".to_owned()))),
        End::Silence(_) => None,
    }
}
