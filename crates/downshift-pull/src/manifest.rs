//! Manifests: what a reference stands for, the answer to it, and what is recorded before that goes out.

use alloc::borrow::{Cow, ToOwned as _};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;
use downshift::answer::{Answer, LayerReading, MAX_ROUNDS, Need, Record, Request as Question, Root};
use downshift::{Digest, Form};
use downshift_registry::response::Manifest;
use downshift_registry::{AnswerKey, Meaning, Reference, Response, error, response};

use crate::caller::Caller;
use crate::effect::{Conversion, Converted, Done, Effect, Event, Reply, unexpected};
use crate::failure::{Failure, Reason, missing_manifest};
use crate::front::Front;
use crate::repository::{Repository, ResolvedReference};
use crate::trouble::Trouble;
use crate::value::{ANSWER_LIFETIME, AnswerValue, Key, Value};

/// The record of a digest, looked up once at the most.
#[derive(Default)]
struct Recalled(Option<Option<Box<Record>>>);

impl Front {
    /// The response to a request for a manifest.
    pub(crate) async fn manifest(
        &self,
        name: &str,
        reference: &Reference,
        caller: &Caller,
    ) -> Result<Reply, Failure> {
        let unknown = || Reply::from(error::manifest_unknown(name, reference));
        let Some(repository) = self.repository(name) else {
            return Ok(unknown());
        };
        let mut recalled = Recalled::default();
        if let Reference::Digest(digest) = reference {
            let source = async || {
                let record = self.recall(name, digest, &mut recalled).await?;
                Ok(record.map_or_else(|| digest.clone(), |record| record.source.clone()))
            };
            if !self.may_pull(&repository, caller, source).await? {
                return Ok(unknown());
            }
        }
        let Some(ResolvedReference { digest, meaning }) =
            repository.resolve(reference, &self.request.client, caller).await?
        else {
            return Ok(unknown());
        };
        let key = || self.answer_key(name, reference, &meaning);
        let answer = self.answer_at_hand(&repository, key).await?;
        if let Reference::Digest(digest) = reference
            && !self
                .is_still_there(&repository, name, digest, answer.is_some(), &mut recalled, caller)
                .await?
        {
            return Ok(unknown());
        }
        if let Some(answer) = answer {
            return Ok(self.reply_with(&repository, answer).await);
        }
        // In a box of its own: what is at hand, which is most, need not make room for it.
        match Box::pin(self.make(&repository, key(), &digest, recalled, caller)).await {
            Ok(answer) => Ok(self.reply_with(&repository, answer).await),
            Err(failure) => self.refuse(name, reference, failure).await.map(Reply::from),
        }
    }

    /// Whether a manifest is still at its registry, as far as it would be told without asking there. What was made here is
    /// told for good, whatever becomes of what it was made of.
    async fn is_still_there(
        &self,
        repository: &Repository<'_>,
        name: &str,
        digest: &Digest,
        has_answer: bool,
        recalled: &mut Recalled,
        caller: &Caller,
    ) -> Result<bool, Failure> {
        let Some(remote) = repository.remote() else { return Ok(true) };
        if remote.was_there(digest).await {
            return Ok(true);
        }
        let record = self.recall(name, digest, recalled).await?;
        if record.is_some_and(|record| record.source != *digest) {
            remote.keep_presence(digest).await;
            return Ok(true);
        }
        if !has_answer && record.is_none() && !remote.has_document(digest).await {
            // It is asked for next.
            return Ok(true);
        }
        remote.is_still_there(digest, caller).await
    }

    async fn reply_with(&self, repository: &Repository<'_>, answer: Arc<AnswerValue>) -> Reply {
        let AnswerValue { manifest, stored, .. } = &*answer;
        let mut manifest = Cow::Borrowed(manifest);
        if manifest.form == Form::Other
            && manifest.media_type.is_none()
            && let Some(remote) = repository.remote()
        {
            // A document that does not say what it is goes by what its registry says.
            manifest.to_mut().media_type = remote.media_type(&answer.manifest.digest).await;
        }
        let forms = Some((*stored, manifest.form));
        Reply { response: response::manifest(&self.request, &manifest), forms }
    }

    /// What decides an answer: not every spelling of the same, and the platform only where that does.
    fn answer_key(&self, name: &str, reference: &Reference, meaning: &Meaning) -> AnswerKey {
        let mut client = self.request.client.clone().canonical();
        if client.platform().is_none() {
            // It gets what those get who say so, and what is kept for it is for them: not for everybody.
            client = client.with_platform(self.settings.platform.clone());
        }
        AnswerKey { name: name.to_owned(), reference: reference.clone(), meaning: meaning.clone(), client }
    }

    /// An answer that is kept: under the key without a platform, or, if the answer depends on that, with it. What has no form
    /// is for those who take it, so that no key needs the types that somebody makes up.
    async fn answer_at_hand(
        &self,
        repository: &Repository<'_>,
        key: impl Fn() -> AnswerKey,
    ) -> Result<Option<Arc<AnswerValue>>, Failure> {
        let origin = repository.scope().origin;
        for with_platform in [false, true] {
            let key = key().without_types();
            let by_tag = matches!(key.reference, Reference::Tag(_));
            let key = Arc::new(if with_platform { key } else { key.without_platform() });
            match self.shell.ask(Effect::Load(Key::Answer { origin, key })).await {
                Done::Known(Value::Answer(answer)) => {
                    let is_taken = !by_tag || answer.manifest.is_for(&self.request.client);
                    return Ok(Some(answer).filter(|_| is_taken));
                }
                Done::Known(Value::ByPlatform) => {}
                Done::Busy => return Err(Trouble::Busy.into()),
                _ => return Ok(None),
            }
        }
        Ok(None)
    }

    /// The response to a request for a config that was made here, for somebody who may pull; nothing if the digest is of
    /// another blob.
    pub(crate) async fn config(&self, name: &str, digest: &Digest) -> Result<Option<Response>, Failure> {
        let record = self.recalled(name, digest).await?.filter(|record| record.is_config());
        Ok(record.map(|record| response::blob_at_hand(&self.request, digest, &record.payload.into())))
    }

    /// What is recorded of the digest of a manifest.
    async fn recall<'r>(
        &self,
        name: &str,
        digest: &Digest,
        recalled: &'r mut Recalled,
    ) -> Result<Option<&'r Record>, Failure> {
        if recalled.0.is_none() {
            let record = self.recalled(name, digest).await?;
            // A config is a blob, and no manifest.
            recalled.0 = Some(record.filter(|record| !record.is_config()));
        }
        Ok(recalled.0.as_ref().and_then(Option::as_deref))
    }

    /// What is recorded of a digest, be it of a manifest or a config.
    async fn recalled(&self, name: &str, digest: &Digest) -> Result<Option<Box<Record>>, Failure> {
        let (name, digest) = (name.to_owned(), digest.clone());
        let key = Key::Record { name: name.clone(), digest: digest.clone() };
        if let Done::Known(Value::Record(record)) = self.shell.ask(Effect::Load(key.clone())).await {
            return Ok(Some(record));
        }
        self.shell.count_subrequest(&self.settings)?;
        let record = match self.shell.ask(Effect::Recall { name, digest }).await {
            Done::Recalled(record) => record?,
            other => return Err(unexpected(&other)),
        };
        if let Some(record) = &record {
            self.keep_record(record.clone()).await;
        }
        Ok(record)
    }

    /// Makes an answer, and records what has to be recorded for it.
    async fn make(
        &self,
        repository: &Repository<'_>,
        key: AnswerKey,
        digest: &Digest,
        mut recalled: Recalled,
        caller: &Caller,
    ) -> Result<Arc<AnswerValue>, Failure> {
        let (name, digest) = (key.name.clone(), digest.clone());
        let root = match &key.reference {
            Reference::Tag(tag) => Root::Tag { name, tag: tag.clone(), digest },
            Reference::Digest(_) => {
                let record = self.recall(&name, &digest, &mut recalled).await?.cloned().map(Box::new);
                let tag = self.tag_of(repository, &digest, record.as_deref(), caller).await?;
                Root::Digest { tag, name, digest, record }
            }
        };
        let answer = self.convert(repository, root, &key, caller).await?;
        self.keep_answer(repository, key, answer).await
    }

    /// A tag of the image that a digest is of, as far as one is known: the digest that is named to an engine instead of this
    /// one is then the digest that the tag has.
    async fn tag_of(
        &self,
        repository: &Repository<'_>,
        digest: &Digest,
        record: Option<&Record>,
        caller: &Caller,
    ) -> Result<Option<String>, Failure> {
        if let Some(tag) = record.and_then(|record| record.tag.clone()) {
            return Ok(Some(tag));
        }
        let stored = record.map_or(digest, |record| &record.source);
        let tag = repository.tag_of(stored).await?;
        if tag.is_none() && self.request.client.is_schema1_engine() {
            return repository.tag_of_child(stored, caller).await;
        }
        Ok(tag)
    }

    /// Converts, with the documents that it takes.
    async fn convert(
        &self,
        repository: &Repository<'_>,
        root: Root,
        key: &AnswerKey,
        caller: &Caller,
    ) -> Result<Answer<'static>, Failure> {
        let root_digest = root.digest().clone();
        let (mut documents, mut layers) = (Vec::new(), Vec::new());
        // Needed first of all, and often at hand: without it a conversion need not begin.
        let first = matches!(root, Root::Tag { .. }) && repository.remote().is_some();
        let mut needs = if first { [Need::manifest(&root_digest)].into() } else { Vec::new() };
        let request = Arc::new(Question {
            root,
            client: self.request.client.clone(),
            policy: self.settings.policy,
            allow: self.settings.allowed(repository.scope().origin),
            plain_layers: self.settings.plain_layers(repository.scope().origin),
            unsigned_schema1: self.settings.unsigned_schema1,
            default_platform: self.settings.platform.clone(),
            time: None,
            limits: self.settings.limits.clone(),
        });
        // Each time something more is known, so this is more than enough.
        for _ in 0..=MAX_ROUNDS {
            let fetched =
                if needs.is_empty() { Vec::new() } else { repository.documents(needs, caller).await? };
            for (Need { digest, .. }, bytes) in fetched {
                if bytes.is_none() && digest == root_digest {
                    return Err(Trouble::Missing(digest).into());
                }
                if digest == root_digest
                    && let (Root::Tag { tag, .. }, Some(remote), Some(bytes)) =
                        (&request.root, repository.remote(), &bytes)
                {
                    remote.keep_tag_of(tag, &root_digest, bytes).await;
                }
                documents.push((digest, bytes));
            }
            let converted =
                self.conversion(repository, &request, key, documents.clone(), layers.clone()).await?;
            needs = match converted {
                Converted::Answer(answer) => return Ok(*answer),
                Converted::Need(needs) => {
                    layers.extend(self.layers(repository, &key.name, needs.layers, caller).await?);
                    needs.documents
                }
                Converted::Refused(refusal) => return Err(refusal.into()),
            };
        }
        Err(Failure::endless(&root_digest))
    }

    async fn conversion(
        &self,
        repository: &Repository<'_>,
        request: &Arc<Question>,
        key: &AnswerKey,
        documents: Vec<(Digest, Option<Bytes>)>,
        layers: Vec<(Digest, LayerReading)>,
    ) -> Result<Converted, Failure> {
        let (request, scope, key) = (Arc::clone(request), repository.scope().clone(), key.clone());
        let conversion = Conversion { request, scope, key, documents, layers };
        match self.shell.ask(Effect::Convert(Box::new(conversion))).await {
            Done::Converted(converted) => Ok(converted?),
            other => Err(unexpected(&other)),
        }
    }

    async fn keep_answer(
        &self,
        repository: &Repository<'_>,
        key: AnswerKey,
        mut answer: Answer<'static>,
    ) -> Result<Arc<AnswerValue>, Failure> {
        let records = core::mem::take(&mut answer.records);
        let recorded = records.iter().map(|record| record.digest.clone()).collect();
        self.record(records).await?;
        let layers = core::mem::take(&mut answer.layers);
        let diff_ids = layers.iter().map(|layer| layer.facts.diff_id.clone()).collect();
        self.record_layers(layers).await?;
        let stored = answer.report.source.form;
        // A list or index as it is stored is the same for every platform, unless what the client's own has of it was looked
        // at; and so is what a digest names. What a client makes up there must not be a key of its own.
        let is_as_stored = answer.form.is_index() && answer.source.is_none();
        let origin = repository.scope().origin;
        let (allow, plain_layers) = (self.settings.allowed(origin), self.settings.plain_layers(origin));
        let policy = self.settings.policy;
        let is_looked_into = Question::looks_into_lists(&key.client, policy, allow, plain_layers);
        let by_tag = matches!(key.reference, Reference::Tag(_));
        // A list may be of use to an engine on one platform and not on another, also by digest.
        let is_decided = is_as_stored && answer.report.platform.is_some();
        let by_platform = is_decided || answer.by_platform && by_tag && (!is_as_stored || is_looked_into);
        let is_made_up = is_as_stored && answer.report.platform.is_none();
        let answer = Arc::new(AnswerValue { manifest: Manifest::from(answer), stored, recorded, diff_ids });
        // What a passing key has signed is of no use to anybody else.
        if self.settings.is_key_lasting || !answer.manifest.form.is_schema1() {
            let (origin, key) = (repository.scope().origin, key.without_types());
            let (general, key) = (Arc::new(key.clone().without_platform()), Arc::new(key));
            let value = Value::Answer(Arc::clone(&answer));
            if by_platform {
                self.keep(Key::Answer { origin, key: general }, Value::ByPlatform).await;
                if !is_made_up {
                    self.keep(Key::Answer { origin, key }, value).await;
                }
            } else {
                self.keep(Key::Answer { origin, key: general }, value).await;
            }
        }
        Ok(answer)
    }

    async fn keep(&self, key: Key, value: Value) {
        self.shell.ask(Effect::Keep { key, value, lifetime: ANSWER_LIFETIME }).await;
    }

    async fn keep_record(&self, record: Box<Record>) {
        let key = Key::Record { name: record.name.clone(), digest: record.digest.clone() };
        self.keep(key, Value::Record(record)).await;
    }

    /// Records what is going to be reported, before it is.
    async fn record(&self, records: Vec<Record>) -> Result<(), Failure> {
        let mut missing = Vec::new();
        for record in records {
            let key = Key::Record { name: record.name.clone(), digest: record.digest.clone() };
            let known = self.shell.ask(Effect::Load(key)).await;
            if !matches!(known, Done::Known(Value::Record(known)) if *known == record) {
                self.shell.count_subrequest(&self.settings)?;
                missing.push(record);
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        match self.shell.ask(Effect::Record(missing.clone())).await {
            Done::Recorded(recorded) => recorded?,
            other => return Err(unexpected(&other)),
        }
        for record in missing {
            self.keep_record(Box::new(record)).await;
        }
        Ok(())
    }

    /// The answer under a key whose tag points to this manifest, as it is kept or made now.
    pub(crate) async fn answer_to(
        &self,
        repository: &Repository<'_>,
        key: AnswerKey,
        digest: &Digest,
        caller: &Caller,
    ) -> Result<Arc<AnswerValue>, Failure> {
        match self.answer_at_hand(repository, || key.clone()).await? {
            Some(answer) => Ok(answer),
            None => self.make(repository, key, digest, Recalled::default(), caller).await,
        }
    }

    /// The response to a request for a manifest that cannot be answered.
    pub(crate) async fn refuse(
        &self,
        name: &str,
        reference: &Reference,
        failure: Failure,
    ) -> Result<Response, Failure> {
        match failure.reason() {
            Reason::Refused { explanation, records, layers } => {
                self.record(records).await?;
                self.record_layers(layers).await?;
                Ok(self.explain(explanation))
            }
            Reason::Shell(Trouble::Missing(digest)) => {
                if let Reference::Tag(_) = reference {
                    self.shell.tell(Event::Failure(missing_manifest(&digest)));
                }
                Ok(error::manifest_unknown(name, &Reference::Digest(digest)))
            }
            other => Err(other.into()),
        }
    }
}
