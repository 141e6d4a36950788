//! Effects: what a pull wants, carried out.

use core::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use downshift::Digest;
use downshift::answer::{Need, Refusal};
use downshift_pull::{
    Answered, BodyId, Conversion, Converted, Done, Effect, Event, Key, Login, Memory, Pull, Scope, Settings,
    StoredBlob, StoredCheck, Take, Unpack, Value,
};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::account::Account;
use super::answers::{AnswerCache, Key as AnswerPath, LargeAnswer, Lookup as AnswerLookup};
use super::context::Context;
use super::layer_copy::LayerCopy;
use super::layer_in_progress::LayerInProgress;
use super::layer_passes::LayerPasses;
use super::open_body::OpenBody;
use super::registry::{Asked, Keeping, Registries, with_body};
use super::stored;
use super::trouble::trouble;
use crate::access::{CallerHasher, Htpasswd, NotChecked};
use crate::data::blob_cache::{BlobCache, Writer};
use crate::data::records::Records;
use crate::engine::converter::{Converter, Shelf};
use crate::engine::layers::LayerReaders;
use crate::engine::{KnownDocuments, NoAnswer, Progress};
use crate::error::Error;
use crate::log;
use crate::metrics::{Cache as CacheName, METRICS};
use crate::origin::cache::{OriginCache, Place};
use crate::origin::layout::BlobFile;
use crate::origin::pulp::PulpTree;
use crate::origin::registry::Response;
use crate::origin::store::{Repository, Store};
use crate::origin::verified_blobs::{BlobState, VerifiedBlobs};
use crate::time;
use crate::work_budget::{Asker, Charge, WorkBudget};

/// Bytes of a blob that are on their way at once, whatever its size: a piece of a file, or what a registry sends ahead.
pub(super) const BLOB_BYTES: usize = 128 * 1024;

/// What all pulls have together.
pub(crate) struct Shared {
    pub(crate) settings: Arc<Settings>,
    /// Who said yes and no lately, and tokens.
    pub(crate) memory: Arc<Mutex<Memory>>,
    /// The folder of images, if they are in one.
    pub(crate) store: Option<Arc<Store>>,
    /// What Pulp has published, if they are in that.
    pub(crate) pulp: Option<Arc<PulpTree>>,
    pub(crate) registries: Registries,
    /// What registries have said.
    pub(crate) cache: Arc<OriginCache>,
    /// The users, if there are some.
    pub(crate) users: Option<Htpasswd>,
    pub(crate) hasher: Arc<CallerHasher>,
    /// The digests that were reported.
    pub(crate) records: Arc<Records>,
    /// The answers that were made lately.
    pub(crate) answers: Arc<AnswerCache>,
    /// Who makes them.
    pub(crate) converter: Arc<Converter>,
    /// The blobs of registries that are kept, if any are.
    pub(crate) blobs: Option<Arc<BlobCache>>,
    /// Who unpacks layers.
    pub(crate) layers: Arc<LayerReaders>,
    /// The layers that are being read.
    pub(crate) passes: Arc<LayerPasses>,
    /// The memory of what is under way.
    pub(crate) work: Arc<WorkBudget>,
    /// What carries out a pull without a client.
    pub(crate) run: Run,
}

/// Carries a pull out to its end, and gives what it has of its own by then.
pub(crate) type Run = fn(&Arc<Shared>, Pull, Context) -> BoxFuture<'static, Context>;

/// An effect that takes its time.
pub(super) type Later = BoxFuture<'static, Outcome>;

/// What comes of an effect, and what that changes for its pull.
pub(super) enum Outcome {
    /// It is done.
    Done(Done),
    /// A registry was asked, and what has come of it is about to be kept.
    Asked(Done, Option<Keeping>),
    /// A registry's response, whose body is open.
    Answered(Answered, Box<Response>),
    /// A file of a store, which is open.
    Opened(OpenedFile),
    /// A stored repository was looked for, for an effect that goes on with it.
    Repository(Scope, Option<Arc<Repository>>, Box<Effect>),
    /// A blob of the cache is open, in whole or as far as it is there, with so many bytes.
    Cached(OpenBody, u64, IsFilling),
    /// A blob on its way into the cache broke off, and can be gone on with.
    Unfilled(Done, Writer, Option<Box<LayerCopy>>),
    /// A layer broke off, and can be gone on with.
    Layer(Done, Box<LayerInProgress>),
    /// An answer that counts while it is sent.
    LargeAnswer(Value, Arc<Charge>),
}

/// A file of a store, which is open.
pub(super) struct OpenedFile {
    pub(super) blob: BlobFile,
    pub(super) digest: Digest,
    /// Who checks it.
    pub(super) verified: Arc<VerifiedBlobs>,
    /// Where else it is.
    pub(super) url: Option<String>,
}

/// Whether a blob was opened by who has the cache filled with it.
type IsFilling = bool;

/// When an effect is done.
pub(super) enum When {
    Now(Done),
    Later(Later),
}

impl Shared {
    /// What a pull has of its own before it begins: on behalf of a client with this address, its own or one that waits for what
    /// comes of it.
    pub(super) fn context(&self, address: IpAddr, asker: Asker) -> Context {
        Context::new(address, asker, Account::open(&self.work, asker), self.registries.now())
    }

    /// A layer on its way, which is unpacked.
    pub(super) fn layer_copy(&self, unpack: Unpack, digest: Option<Digest>, asker: Asker) -> LayerCopy {
        LayerCopy::new(&self.layers, self.blobs.as_ref(), unpack, digest, asker)
    }

    /// Carries an effect out, or begins to.
    pub(super) fn carry_out(self: &Arc<Self>, effect: Effect, context: &mut Context) -> When {
        if let Some(done) = self.remembered(&effect) {
            return When::Now(done);
        }
        match effect {
            Effect::Ask(ask) => {
                let (account, is_open) = (context.account.clone(), ask.take == Take::Open);
                let asked = self.registries.ask(*ask, account.clone(), context.since, &mut context.asked);
                later(async move {
                    if is_open && account.add(BLOB_BYTES).await.is_err() {
                        return Outcome::Done(Done::Busy);
                    }
                    match asked.await {
                        Asked::Done(done, keeping) => Outcome::Asked(done, keeping),
                        Asked::Open(answered, response) => Outcome::Answered(answered, response),
                    }
                })
            }
            Effect::Close(body) => {
                drop(context.take(body));
                When::Now(Done::Nothing)
            }
            Effect::Load(key) => self.load(key, context),
            Effect::Has(key) => self.has(key),
            Effect::Keep { key, value, .. } => self.keep(key, value, context),
            Effect::Forget(Key::Tag { scope, tag }) => {
                let (cache, place) = (Arc::clone(&self.cache), self.place(scope));
                done_with(cache.has_disk(), async move { cache.forget_tag(&place, &tag).await })
            }
            Effect::Forget(_) | Effect::Revoke { .. } | Effect::Abort => When::Now(Done::Nothing),
            Effect::Recall { name, digest } => self.recall(name, digest, context),
            Effect::Record(records) => {
                context.evictions.get_or_insert_with(|| self.records.evictions());
                let keeper = Arc::clone(&self.records);
                later(async move {
                    let recorded = keeper.keep(records).await;
                    Outcome::Done(Done::Recorded(recorded.map_err(|error| trouble(&error))))
                })
            }
            Effect::Resolve { .. }
            | Effect::TagOf { .. }
            | Effect::Documents { .. }
            | Effect::Open { .. }
            | Effect::Tags(_)
            | Effect::Manifests(_)
            | Effect::Repositories(_) => match (&self.pulp, &effect) {
                (Some(tree), _) => self.of_pulp(tree, effect, context),
                (None, Effect::Repositories(_)) => self.repositories(context),
                (None, _) => self.of_repository(effect, context),
            },
            Effect::Verify(body) => self.verify(body, context),
            Effect::Convert(conversion) => self.convert(*conversion, context),
            Effect::CheckLogin(authorization) => {
                let (shared, address) = (Arc::clone(self), context.address);
                later(async move {
                    let login = match &shared.users {
                        Some(users) => match users.admits(&authorization, address).await {
                            Ok(true) => Login::Yes,
                            Ok(false) => Login::No,
                            Err(NotChecked::ClientBusy) => Login::ClientBusy,
                            Err(NotChecked::AllBusy) => Login::AllBusy,
                        },
                        None => Login::No,
                    };
                    Outcome::Done(Done::Login(login))
                })
            }
            Effect::Hash(authorization) => When::Now(Done::Hashed(self.hasher.id(&authorization))),
            Effect::Mac(text) => When::Now(Done::Mac(self.converter.signer.mac(text.as_bytes()))),
            Effect::Pause(duration) => later(async move {
                tokio::time::sleep(duration).await;
                // Whoever brings what is waited for may have been woken with this one, and comes first.
                tokio::task::yield_now().await;
                Outcome::Done(Done::Waited)
            }),
            Effect::Tell(event) => {
                tell(event);
                When::Now(Done::Nothing)
            }
            Effect::RecallFacts { .. }
            | Effect::KeepFacts(_)
            | Effect::RememberBlob { .. }
            | Effect::RecallLayer { .. }
            | Effect::RecordLayers(_)
            | Effect::Learn(_)
            | Effect::ReadLayer(_)
            | Effect::Learnt(_) => self.on_layers(effect, context),
            Effect::OpenCached { .. }
            | Effect::Fill(_)
            | Effect::BeginFill(_)
            | Effect::Store { .. }
            | Effect::NotFilled(_) => self.on_cached_blobs(effect, context),
            // The driver's own.
            Effect::Respond(_) | Effect::Copy(_) | Effect::Send(_) => When::Now(Done::Nothing),
        }
    }

    /// What the memory of callers and tokens says, if it is about that.
    fn remembered(&self, effect: &Effect) -> Option<Done> {
        // Most are not, and need not wait for each other.
        if !Memory::is_about(effect) {
            return None;
        }
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).answer(effect, time::now_in_milliseconds())
    }

    fn load(self: &Arc<Self>, key: Key, context: &mut Context) -> When {
        match key {
            Key::Answer { origin, key } => self.load_answer((origin, key), context),
            Key::Document { scope, digest } => {
                let document = self.cache.document(&scope, &digest);
                METRICS.looked_up(CacheName::Documents, document.is_some());
                if document.is_some() || !self.cache.has_disk() {
                    return When::Now(known(document.map(Value::Document)));
                }
                let (cache, place) = (Arc::clone(&self.cache), self.place(scope));
                later(async move {
                    let document = cache.document_on_disk(&place, &digest).await;
                    METRICS.looked_up(CacheName::Disk, document.is_some());
                    Outcome::Done(known(document.map(Value::Document)))
                })
            }
            Key::Tag { scope, tag } => {
                let target = self.cache.tag(&scope, &tag);
                let lifetime = u64::try_from(self.settings.tag_lifetime.as_millis()).unwrap_or(u64::MAX);
                let age = |at| time::now_in_milliseconds().saturating_sub(at);
                METRICS.looked_up(
                    CacheName::Tags,
                    target.as_ref().is_some_and(|target| age(target.at) < lifetime),
                );
                if target.is_some() || !self.cache.has_disk() {
                    return When::Now(known(target.map(Value::Tag)));
                }
                let (cache, place) = (Arc::clone(&self.cache), self.place(scope));
                later(
                    async move { Outcome::Done(known(cache.tag_on_disk(&place, &tag).await.map(Value::Tag))) },
                )
            }
            Key::List { scope, path } => When::Now(known(self.cache.list(&scope, &path).map(Value::List))),
            Key::Referrers { reading, .. } => {
                let referrers = self.store.as_ref().and_then(|store| store.referrers.get(&reading));
                When::Now(known(referrers.map(Value::Referrers)))
            }
            // Records are looked up where they are kept.
            _ => When::Now(Done::Unknown { mark: 0 }),
        }
    }

    fn load_answer(self: &Arc<Self>, path: AnswerPath, context: &mut Context) -> When {
        let found = match self.answers.find(&path, &self.records) {
            Ok(found) => found,
            Err(error) => {
                // What cannot be looked up can be made again, or fails there.
                log::error(&error);
                return When::Now(Done::Unknown { mark: 0 });
            }
        };
        let asker = context.asker;
        match found {
            AnswerLookup::Value(value) => When::Now(Done::Known(value)),
            AnswerLookup::Nothing(lease) => {
                context.lease = Some(lease);
                When::Now(Done::Unknown { mark: 0 })
            }
            AnswerLookup::Large(answer) => {
                let work = Arc::clone(&self.work);
                later(async move { large_answer(answer, &work, asker).await })
            }
            AnswerLookup::Underway(underway) => {
                let shared = Arc::clone(self);
                later(async move {
                    underway.ended().await;
                    // Where it was not made, everybody who waited makes it on their own: what one could not have, another
                    // one may, and nobody waits for all the others.
                    match shared.answers.at_hand(&path, &shared.records) {
                        Some(AnswerLookup::Value(value)) => Outcome::Done(Done::Known(value)),
                        Some(AnswerLookup::Large(answer)) => large_answer(answer, &shared.work, asker).await,
                        _ => Outcome::Done(Done::Unknown { mark: 0 }),
                    }
                })
            }
        }
    }

    fn has(self: &Arc<Self>, key: Key) -> When {
        let Key::Document { scope, digest } = key else { return When::Now(Done::Has(false)) };
        let is_in_memory = self.cache.has_document(&scope, &digest);
        if is_in_memory || !self.cache.has_disk() {
            return When::Now(Done::Has(is_in_memory));
        }
        let (cache, place) = (Arc::clone(&self.cache), self.place(scope));
        later(async move { Outcome::Done(Done::Has(cache.has_document_on_disk(&place, &digest).await)) })
    }

    fn keep(self: &Arc<Self>, key: Key, value: Value, context: &mut Context) -> When {
        match (key, value) {
            (Key::Answer { origin, key }, value) => {
                let evictions = context.evictions.unwrap_or_else(|| self.records.evictions());
                self.answers.keep((origin, key), value, evictions);
                context.lease = None;
                When::Now(Done::Nothing)
            }
            (Key::Document { scope, digest }, Value::Document(bytes)) => {
                let (cache, place) = (Arc::clone(&self.cache), self.place(scope));
                done_with(cache.has_disk(), async move { cache.keep_document(&place, &digest, bytes).await })
            }
            (Key::Tag { scope, tag }, Value::Tag(target)) => {
                let (cache, place) = (Arc::clone(&self.cache), self.place(scope));
                let stale_for = self.settings.stale_for;
                done_with(
                    cache.has_disk(),
                    async move { cache.keep_tag(&place, &tag, target, stale_for).await },
                )
            }
            (Key::Referrers { reading, .. }, Value::Referrers(referrers)) => {
                if let Some(store) = &self.store {
                    store.referrers.insert(reading, referrers);
                }
                When::Now(Done::Nothing)
            }
            (Key::List { scope, path }, Value::List(list)) => {
                self.cache.keep_list(&scope, &path, list);
                When::Now(Done::Nothing)
            }
            _ => When::Now(Done::Nothing),
        }
    }

    fn recall(self: &Arc<Self>, name: String, digest: Digest, context: &Context) -> When {
        let (records, account) = (Arc::clone(&self.records), context.account.clone());
        // No answer is larger, and so no record.
        let most = self.settings.limits.output_bytes;
        later(async move {
            let mut charge = account.lock().await;
            let before = charge.bytes();
            if charge.grow_to(before + most).await.is_err() {
                return Outcome::Done(Done::Busy);
            }
            let record = stored::blocking(move || records.get(&name, &digest)).await;
            let record = record.map_err(|error| trouble(&error));
            let bytes =
                record.as_ref().ok().and_then(Option::as_ref).map_or(0, |record| record.payload.len());
            charge.shrink_to(before + bytes);
            Outcome::Done(Done::Recalled(record.map(|record| record.map(Box::new))))
        })
    }

    /// What is about a stored repository, which is looked for first.
    fn of_repository(self: &Arc<Self>, effect: Effect, context: &mut Context) -> When {
        let scope = match &effect {
            Effect::Resolve { scope, .. }
            | Effect::TagOf { scope, .. }
            | Effect::Documents { scope, .. }
            | Effect::Open { scope, .. }
            | Effect::Tags(scope)
            | Effect::Manifests(scope) => scope.clone(),
            _ => return When::Now(Done::Nothing),
        };
        if let Some(repository) = context.repository(&scope) {
            let repository = repository.clone();
            return self.in_repository(effect, repository, context);
        }
        let Some(store) = &self.store else { return self.in_repository(effect, None, context) };
        if let Some(repository) = store.loaded(&scope.name) {
            context.repositories.push((scope, Some(Arc::clone(&repository))));
            return self.in_repository(effect, Some(repository), context);
        }
        let store = Arc::clone(store);
        later(async move {
            match stored::repository(store, scope.name.clone()).await {
                Ok(repository) => Outcome::Repository(scope, repository, Box::new(effect)),
                Err(error) => {
                    let trouble = trouble(&error);
                    Outcome::Done(match effect {
                        Effect::Documents { .. } => Done::Documents(Err(trouble)),
                        Effect::Open { .. } => Done::Opened(Err(trouble)),
                        Effect::Tags(_) => Done::Tags(Err(trouble)),
                        Effect::Manifests(_) => Done::Manifests(Err(trouble)),
                        _ => Done::Resolved(Err(trouble)),
                    })
                }
            }
        })
    }

    fn in_repository(&self, effect: Effect, repository: Option<Arc<Repository>>, context: &Context) -> When {
        match (effect, repository) {
            (Effect::Resolve { reference, .. }, repository) => {
                let resolved = repository.and_then(|repository| stored::resolve(&repository, &reference));
                When::Now(Done::Resolved(Ok(resolved)))
            }
            (Effect::TagOf { digest, .. }, repository) => {
                let tag = repository.as_ref().and_then(|repository| repository.tag_of(&digest));
                When::Now(Done::TagOf(tag.map(str::to_owned)))
            }
            (Effect::Tags(_), repository) => {
                let tags = repository.map(|repository| repository.tags().map(str::to_owned).collect());
                When::Now(Done::Tags(Ok(tags)))
            }
            (Effect::Manifests(_), repository) => {
                let manifests = repository.map(|repository| repository.manifests.clone());
                When::Now(Done::Manifests(Ok(manifests)))
            }
            (Effect::Documents { needs, .. }, Some(repository)) => {
                let limits = self.settings.limits.clone();
                later(async move {
                    let documents = stored::documents(repository, needs, limits).await;
                    Outcome::Done(Done::Documents(documents.map_err(|error| trouble(&error))))
                })
            }
            (Effect::Documents { needs, .. }, None) => {
                When::Now(Done::Documents(Ok(needs.into_iter().map(|need: Need| (need, None)).collect())))
            }
            (Effect::Open { digest, .. }, Some(repository)) => {
                let account = context.account.clone();
                later(async move {
                    if account.add(BLOB_BYTES).await.is_err() {
                        return Outcome::Done(Done::Busy);
                    }
                    match stored::open(Arc::clone(&repository), digest.clone()).await {
                        Ok(Some(blob)) => {
                            let verified = Arc::clone(&repository.verified);
                            Outcome::Opened(OpenedFile { blob, digest, verified, url: None })
                        }
                        Ok(None) => Outcome::Done(Done::Opened(Ok(None))),
                        Err(error) => Outcome::Done(Done::Opened(Err(trouble(&error)))),
                    }
                })
            }
            (Effect::Open { .. }, None) => When::Now(Done::Opened(Ok(None))),
            _ => When::Now(Done::Nothing),
        }
    }

    fn repositories(&self, context: &Context) -> When {
        let Some(store) = self.store.clone() else {
            return When::Now(Done::Repositories(Ok(Arc::default())));
        };
        let account = context.account.clone();
        later(async move {
            let names = match store.names().await {
                Ok(names) => names,
                Err(error) => return Outcome::Done(Done::Repositories(Err(trouble(&error)))),
            };
            // The pull picks from them, and writes what it has picked.
            let bytes: usize = names.iter().map(|name| name.len() + size_of::<String>()).sum();
            if account.add(bytes * 2).await.is_err() {
                return Outcome::Done(Done::Busy);
            }
            Outcome::Done(Done::Repositories(Ok(names)))
        })
    }

    fn verify(&self, body: BodyId, context: &Context) -> When {
        let Some(OpenBody::File { blob, state, verified }) = context.body(body) else {
            return When::Now(Done::Nothing);
        };
        let blob = match blob.again() {
            Ok(blob) => blob,
            Err(error) => return When::Now(Done::Verified(Err(trouble(&error)))),
        };
        let (state, verified) = (state.clone(), Arc::clone(verified));
        later(async move {
            let result = verified.verify(&state, &blob).await;
            Outcome::Done(Done::Verified(result.map_err(|error| trouble(&error))))
        })
    }

    fn convert(&self, conversion: Conversion, context: &mut Context) -> When {
        let Conversion { request, scope, documents, layers, .. } = conversion;
        let shelf = match context.repository(&scope) {
            Some(Some(repository)) => Shelf::Store(Arc::clone(repository)),
            _ => Shelf::Cache(Arc::clone(&self.cache), scope),
        };
        context.evictions.get_or_insert_with(|| self.records.evictions());
        // On this thread, if nobody has the account, which nobody should.
        if let Some(charge) = context.account.try_lock() {
            let mut found = KnownDocuments::charged(&request, documents.clone(), layers.clone(), charge);
            match self.converter.convert_shortly(&request, &mut found, &shelf) {
                Ok(Some(Progress::Waiting(needs))) if !needs.is_empty() => {
                    if found.try_make_room(&request, &needs) {
                        return When::Now(Done::Converted(Ok(Converted::Need(needs))));
                    }
                }
                Ok(Some(Progress::Answered(answer))) => {
                    return When::Now(Done::Converted(Ok(Converted::Answer(answer))));
                }
                Ok(_) => {}
                Err(no_answer) => return When::Now(refused(no_answer)),
            }
        }
        let (converter, account, asker) =
            (Arc::clone(&self.converter), context.account.clone(), context.asker);
        later(async move {
            let found = KnownDocuments::charged(&request, documents, layers, account.lock().await);
            Outcome::Done(match converter.convert(request, found, shelf, asker).await {
                Ok(Progress::Answered(answer)) => Done::Converted(Ok(Converted::Answer(answer))),
                Ok(Progress::Waiting(needs)) => Done::Converted(Ok(Converted::Need(needs))),
                Err(no_answer) => refused(no_answer),
            })
        })
    }

    /// Where a repository of a registry is on the disk.
    fn place(&self, scope: Scope) -> Place {
        let url = self.registries.get(scope.origin).map(|upstream| upstream.url());
        Place { url: url.unwrap_or_default(), scope }
    }
}

/// Takes in what came of an effect; or gives the effect that goes on with it.
pub(super) fn take_in(outcome: Outcome, context: &mut Context) -> Result<Done, Box<Effect>> {
    Ok(match outcome {
        Outcome::Done(done) => done,
        Outcome::Asked(done, keeping) => {
            context.keeping.extend(keeping);
            done
        }
        Outcome::Answered(answered, response) => {
            with_body(answered, context.open(OpenBody::Response(response)))
        }
        Outcome::Opened(OpenedFile { blob, digest, verified, url }) => {
            let (size, state) = (blob.stamp.size(), BlobState { digest, stamp: blob.stamp });
            let check = stored::check_of(&verified, &state);
            let body = context.open(OpenBody::File { blob, state, verified });
            Done::Opened(Ok(Some(StoredBlob { body, size, check, url })))
        }
        Outcome::Repository(scope, repository, effect) => {
            context.repositories.push((scope, repository));
            return Err(effect);
        }
        Outcome::Cached(body, size, is_filling) => {
            let body = context.open(body);
            let blob = StoredBlob { body, size, check: StoredCheck::Checked, url: None };
            if is_filling { Done::Filling(Ok(blob)) } else { Done::Opened(Ok(Some(blob))) }
        }
        Outcome::Unfilled(done, writer, spooled) => {
            (context.writer, context.spooled) = (Some(writer), spooled);
            done
        }
        Outcome::Layer(done, layer) => {
            context.layer = Some(layer);
            done
        }
        Outcome::LargeAnswer(value, charge) => {
            context.answer_charge = Some(charge);
            Done::Known(value)
        }
    })
}

/// What is said of a conversion that came to no answer.
fn refused(NoAnswer { error, records, layers }: NoAnswer) -> Done {
    Done::Converted(match &*error {
        Error::Core(failure) => Ok(Converted::Refused(Refusal { failure: failure.clone(), records, layers })),
        error => Err(trouble(error)),
    })
}

/// An answer that counts while it is sent, once there is room for it.
async fn large_answer(answer: LargeAnswer, work: &Arc<WorkBudget>, asker: Asker) -> Outcome {
    match answer.charged(work, asker).await {
        Ok((value, charge)) => Outcome::LargeAnswer(Value::Answer(value), charge),
        Err(_) => Outcome::Done(Done::Busy),
    }
}

fn tell(event: Event) {
    match event {
        Event::Failure(failure) => log::failure(&failure),
        Event::Stale { name, tag, age, cause } => {
            METRICS.stale.inc();
            log::warn(format_args!("`{name}:{tag}` is given as it was `{age}` seconds ago: {cause}"));
        }
    }
}

fn known(value: Option<Value>) -> Done {
    value.map_or(Done::Unknown { mark: 0 }, Done::Known)
}

pub(super) fn later(work: impl Future<Output = Outcome> + Send + 'static) -> When {
    When::Later(work.boxed())
}

/// Does something that waits for the disk, if there is one, and for nothing else.
fn done_with(has_disk: bool, work: impl Future<Output = ()> + Send + 'static) -> When {
    if !has_disk {
        work.now_or_never();
        return When::Now(Done::Nothing);
    }
    later(async move {
        work.await;
        Outcome::Done(Done::Nothing)
    })
}
