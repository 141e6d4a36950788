//! Layers: what conversions have to know of them, and the plain tars that clients are told by diff id.

use alloc::boxed::Box;
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use downshift::answer::{LayerNeed, LayerReading, LayerRecord};
use downshift::layer::{Compression, LayerFacts};
use downshift::{Digest, Error};
use downshift_registry::{Body as ResponseBody, Coding, Method, Parts, error, response};

use crate::blob::{Blob, OpenBlob, OpenBlobBody, Source};
use crate::blob_at::BlobAt;
use crate::caller::Caller;
use crate::effect::{Done, Effect, KnownLayer, LayerRead, Learnt, Unpack, unexpected};
use crate::failure::{Failure, Reason};
use crate::front::Front;
use crate::permit::permit;
use crate::registry::Remote;
use crate::repository::Repository;
use crate::settings::Settings;
use crate::shell::{Shell, all};
use crate::trouble::Trouble;
use crate::value::{Key, Value};

/// Plain bytes before a part from which on a layer is unpacked into the cache, where there is one, in the place of being
/// unpacked from its beginning for each part: some tenths of a second of work.
const SPOOLED_FROM: u64 = 16 * 1024 * 1024;

/// The code of what is past a limit.
const LIMIT: &str = "limit-exceeded";

/// How often a layer that breaks off while it is read is gone on with.
const MAX_RESUMES: u32 = 3;

/// What an edge, which counts its requests, keeps of a layer that it knows or that was reported: its facts, and that this
/// repository has it.
const RECORDS_OF_LAYER: usize = 2;

/// For how long a mark says that a layer is being read, beyond the time that its request waits: what a platform lets go on after
/// the response (Cloudflare, "Context (ctx)": 30 seconds). Where a pass ends without a word, others begin after that.
const PASS_AFTER_WAIT: Duration = Duration::from_secs(30);

/// How long it takes until somebody looks again whether a layer is known by now that another one reads, and how often. Each look
/// costs as many subrequests as the first one.
const PASS_LOOK: Duration = Duration::from_secs(5);
const PASS_LOOKS: u32 = 6;

/// For how long it is remembered that a layer cannot be unpacked: a better reader comes with a new version of this program.
const REFUSAL_LIFETIME: Duration = Duration::from_secs(600);

impl Front {
    /// What came of reading layers that a conversion needs. They are read by pulls of their own, which go on if this one does
    /// not wait any longer: whoever asks next has something of it.
    pub(crate) async fn layers(
        &self,
        repository: &Repository<'_>,
        name: &str,
        needs: Vec<LayerNeed>,
        caller: &Caller,
    ) -> Result<Vec<(Digest, LayerReading)>, Failure> {
        if needs.is_empty() {
            return Ok(Vec::new());
        }
        let reading = async |need: LayerNeed| {
            let at =
                BlobAt { size: need.size, ..BlobAt::new(repository.place(), name, &need.digest, caller) };
            let reading = self.layer(repository, &at).await?;
            Ok((at.digest, reading))
        };
        let readings = self.shell.within(self.settings.facts_wait, all(needs.into_iter().map(reading))).await;
        readings.unwrap_or_else(|| Err(Reason::Reading.into()))
    }

    async fn layer(&self, repository: &Repository<'_>, at: &BlobAt) -> Result<LayerReading, Failure> {
        self.shell.count_subrequests(&self.settings, RECORDS_OF_LAYER)?;
        let (name, digest) = (at.place.clone(), at.digest.clone());
        let KnownLayer { facts, is_seen } = self.known_layer(at).await?;
        let is_for_it = is_seen || !repository.remote().is_some_and(Remote::is_of_domain);
        if let Some(facts) = facts.filter(|_| is_for_it) {
            // Facts may have been learnt for somebody else: a manifest can name any digest. The origin is asked as it would be
            // if nothing were known, so that nobody can tell.
            if !is_seen {
                let Some(open) = repository.open_layer(at).await? else { return Ok(LayerReading::Missing) };
                self.shell.ask(Effect::Close(open.body)).await;
                self.shell.count_subrequest(&self.settings)?;
                self.shell.ask(Effect::RememberBlob { name, digest }).await;
            }
            return Ok(LayerReading::Facts(facts));
        }
        let refusal = Key::LayerRefusal { scope: repository.scope().clone(), digest };
        if let Done::Known(Value::LayerRefusal(reading)) = self.shell.ask(Effect::Load(refusal.clone())).await
        {
            return Ok(reading);
        }
        if let Some(facts) = self.learnt_by_others(repository, at).await? {
            return Ok(LayerReading::Facts(facts));
        }
        let reading = match self.shell.ask(Effect::Learn(at.clone())).await {
            Done::Learnt(Learnt::Read(reading)) => reading,
            Done::Learnt(Learnt::Failed(failure)) => return Err(failure.into()),
            Done::Learnt(Learnt::Busy) => return Err(Reason::Reading.into()),
            // The shell has nobody who reads layers.
            Done::Unknown { .. } => LayerReading::Refused {
                code: "no-layer-reader".to_string(),
                cause: "this server does not unpack layers".to_string(),
            },
            other => return Err(unexpected(&other)),
        };
        // What is past a limit may have become so on its way, and the limit may be another one tomorrow.
        if let LayerReading::Refused { code, .. } = &reading
            && code != LIMIT
        {
            let (value, lifetime) = (Value::LayerRefusal(reading.clone()), REFUSAL_LIFETIME);
            self.shell.ask(Effect::Keep { key: refusal, value, lifetime }).await;
        }
        Ok(reading)
    }

    async fn known_layer(&self, at: &BlobAt) -> Result<KnownLayer, Failure> {
        let (name, digest) = (at.place.clone(), at.digest.clone());
        match self.shell.ask(Effect::RecallFacts { name, digest }).await {
            Done::KnownLayer(known) => Ok(known?),
            Done::Unknown { .. } => Ok(KnownLayer::default()),
            other => Err(unexpected(&other)),
        }
    }

    /// What another request learns of a layer by now, where one says that it is reading it: both would read the same.
    async fn learnt_by_others(
        &self,
        repository: &Repository<'_>,
        at: &BlobAt,
    ) -> Result<Option<LayerFacts>, Failure> {
        if !self.settings.marks_passes {
            return Ok(None);
        }
        let mark = mark_of(repository, at);
        for _ in 0..PASS_LOOKS {
            let Done::Known(_) = self.shell.ask(Effect::Load(mark.clone())).await else { return Ok(None) };
            self.shell.pause(PASS_LOOK).await;
            let counted = self.shell.count_subrequests(&self.settings, RECORDS_OF_LAYER);
            counted.map_err(|_| Reason::Reading)?;
            if let KnownLayer { facts: Some(facts), is_seen: true } = self.known_layer(at).await? {
                return Ok(Some(facts));
            }
        }
        Err(Reason::Reading.into())
    }

    /// Records layers that are going to be reported by their diff ids, before they are.
    pub(crate) async fn record_layers(&self, layers: Vec<LayerRecord>) -> Result<(), Failure> {
        if layers.is_empty() {
            return Ok(());
        }
        self.shell.count_subrequests(&self.settings, layers.len().saturating_mul(RECORDS_OF_LAYER))?;
        match self.shell.ask(Effect::RecordLayers(layers)).await {
            Done::Recorded(recorded) => Ok(recorded?),
            other => Err(unexpected(&other)),
        }
    }

    /// The plain tar of a layer, if one was reported by this diff id and the repository still has what it is made of.
    async fn plain_layer<'s>(
        &'s self,
        repository: &Repository<'s>,
        plain: &BlobAt,
    ) -> Result<Option<Blob<'s>>, Failure> {
        let BlobAt { name, digest: diff_id, caller, .. } = plain;
        let recalled = Effect::RecallLayer { name: name.clone(), diff_id: diff_id.clone() };
        let mut sources = match self.shell.ask(recalled).await {
            Done::Sources(sources) => sources?,
            // The shell keeps no layers.
            Done::Unknown { .. } => return Ok(None),
            other => return Err(unexpected(&other)),
        };
        // The shell has the newest first, which is tried first of those that cost the same.
        sources.sort_by_key(cost);
        for facts in sources {
            let at = BlobAt {
                size: Some(facts.size),
                ..BlobAt::new(repository.place(), name, &facts.digest, caller)
            };
            if let Some(blob) = self.unpacked(repository, &at, &facts).await? {
                return Ok(Some(blob));
            }
        }
        Ok(None)
    }

    /// A blob, or what of it is asked for: by its own digest, or by the diff id that was reported for it.
    ///
    /// What was recorded of a repository is looked at for those only of whom the registry has said yes lately. For others it is
    /// asked first, as where nothing is recorded: how often it is asked, and how long that takes, says nothing of what there is.
    pub(crate) async fn blob<'s>(
        &'s self,
        repository: &Repository<'s>,
        name: &str,
        digest: &Digest,
        caller: &Caller,
    ) -> Result<Blob<'s>, Failure> {
        let at = BlobAt::new(repository.place(), name, digest, caller);
        let asked = match repository.remote() {
            Some(remote) => Some((remote, permit(&self.shell, &remote.scope, caller).await)),
            None => None,
        };
        let Some((remote, permit)) = asked.filter(|(_, permit)| !permit.is_known()) else {
            return match self.made_blob(repository, &at).await? {
                Some(made) => Ok(made),
                None => repository.blob(&self.request, at).await,
            };
        };
        let blob = repository.blob(&self.request, at.clone()).await?;
        let is_unknown = matches!(&blob, Blob::Ready(response) if response.status == 404);
        if !is_unknown || !remote.has_repository(caller).await? {
            return Ok(blob);
        }
        permit.keep(&self.shell, &remote.scope, caller).await;
        Ok(self.made_blob(repository, &at).await?.unwrap_or(blob))
    }

    /// A layer for a client that checks nothing of it. Where the shell checks nothing of what it copies either it is unpacked:
    /// the digests of that are looked at everywhere.
    pub(crate) async fn checked_layer<'s>(
        &'s self,
        repository: &Repository<'s>,
        name: &str,
        digest: &Digest,
        caller: &Caller,
    ) -> Result<Blob<'s>, Failure> {
        if self.settings.checks_copies {
            return self.blob(repository, name, digest, caller).await;
        }
        let at = BlobAt::new(repository.place(), name, digest, caller);
        if let Some(made) = self.made_blob(repository, &at).await? {
            return Ok(made);
        }
        let blob = match self.layer(repository, &at).await? {
            LayerReading::Facts(facts) => self.unpacked(repository, &at, &facts).await?,
            LayerReading::Missing => None,
            LayerReading::Refused { code, cause } => return Err(unreadable(digest, code, cause)),
        };
        Ok(blob.unwrap_or_else(|| Blob::Ready(error::blob_unknown(digest))))
    }

    /// Has those layers read that are going to be unpacked for a client that checks nothing of them.
    ///
    /// # Errors
    /// Why one of them cannot be, and that they are still being read.
    pub(crate) async fn read_before_checked(
        &self,
        repository: &Repository<'_>,
        name: &str,
        digests: Vec<Digest>,
        caller: &Caller,
    ) -> Result<(), Failure> {
        if self.settings.checks_copies {
            return Ok(());
        }
        let mut needs = Vec::new();
        for digest in digests {
            let at = BlobAt::new(repository.place(), name, &digest, caller);
            if self.made_blob(repository, &at).await?.is_none() {
                needs.push(LayerNeed { digest, size: None, media_type: None });
            }
        }
        for (digest, reading) in self.layers(repository, name, needs, caller).await? {
            if let LayerReading::Refused { code, cause } = reading {
                return Err(unreadable(&digest, code, cause));
            }
        }
        Ok(())
    }

    /// A blob that was made here, for somebody who may pull: a config, or the plain tar of a layer.
    async fn made_blob<'s>(
        &'s self,
        repository: &Repository<'s>,
        at: &BlobAt,
    ) -> Result<Option<Blob<'s>>, Failure> {
        match self.config(&at.name, &at.digest).await? {
            Some(_) if repository.is_withdrawn(&at.digest).await? => Ok(None),
            Some(response) => Ok(Some(Blob::Ready(response))),
            None => self.plain_layer(repository, at).await,
        }
    }

    /// What the client gets of the plain tar of a stored layer, if that is there.
    async fn unpacked<'s>(
        &'s self,
        repository: &Repository<'s>,
        at: &BlobAt,
        facts: &LayerFacts,
    ) -> Result<Option<Blob<'s>>, Failure> {
        let LayerFacts { digest, diff_id, plain_size, .. } = facts;
        let coding = self.request.coding(diff_id, &self.codings(facts));
        if coding.is_none()
            && let Some(blob) = self.spooled(repository, at, facts).await?
        {
            return Ok(Some(blob));
        }
        let response = response::plain_layer(&self.request, diff_id, *plain_size, coding);
        let unpack = match &response.body {
            _ if self.request.method == Method::Head => None,
            ResponseBody::Bytes(_) => None,
            ResponseBody::Stream if coding == Some(Coding::Zstd) => Some(None),
            ResponseBody::Stream => Some(Some((Parts::one(0..*plain_size), true))),
            ResponseBody::Blob(range) => Some(Some((Parts::one(range.clone()), false))),
            ResponseBody::Parts(parts) => Some(Some((parts.clone(), false))),
        };
        let Some(unpack) = unpack else {
            return Ok(repository.has_layer(at).await?.then_some(Blob::Ready(response)));
        };
        let unpack = unpack.map(|(parts, gzip)| Unpack {
            // A part that ends before the end says nothing of the whole.
            check: (parts.last_byte() == *plain_size && parts.end.is_empty()).then(|| diff_id.clone()),
            parts,
            gzip,
        });
        let Some(open) = repository.open_layer(at).await? else { return Ok(None) };
        let body = OpenBlobBody::One(open.source(digest, unpack));
        Ok(Some(Blob::Open(Box::new(OpenBlob { response, body }))))
    }

    /// The plain tar of a layer from the cache: where it is there, or a part is asked for that is far from its beginning.
    async fn spooled<'s>(
        &'s self,
        repository: &Repository<'s>,
        at: &BlobAt,
        facts: &LayerFacts,
    ) -> Result<Option<Blob<'s>>, Failure> {
        let Some(remote) = repository.remote().filter(|remote| remote.caches_blobs()) else {
            return Ok(None);
        };
        let plain = at.plain(facts);
        let starts_at = self.request.first_byte(&facts.diff_id, facts.plain_size);
        let is_far = starts_at.is_some_and(|start| start >= SPOOLED_FROM);
        let Some(blob) = remote.spooled(at, &plain, is_far).await? else { return Ok(None) };
        let response = response::plain_layer(&self.request, &facts.diff_id, facts.plain_size, None);
        Blob::from_stored(&self.shell, repository, &self.request, plain, blob, response).await.map(Some)
    }

    /// The codings that the plain tar of a layer can have on its way, the better one first.
    fn codings(&self, facts: &LayerFacts) -> Vec<Coding> {
        let zstd = passes_coded(facts).then_some(Coding::Zstd);
        let gzip = self.settings.wire_gzip.then_some(Coding::Gzip);
        zstd.into_iter().chain(gzip).collect()
    }
}

/// What it costs to have the plain tar of a layer: less where the layer can go out as it is, and then by the work for each plain
/// byte, and by how many come from the registry.
fn cost(facts: &LayerFacts) -> (u8, u64) {
    let work = match facts.compression {
        Compression::Plain => 0,
        Compression::Zstd if passes_coded(facts) => 1,
        Compression::Gzip => 2,
        Compression::Zstd => 3,
        Compression::Xz => 4,
        Compression::Bzip2 => 5,
    };
    (work, facts.size)
}

/// Whether the stored bytes of a layer are its plain tar with a coding of HTTP (RFC 9659).
fn passes_coded(facts: &LayerFacts) -> bool {
    facts.compression == Compression::Zstd
        && facts.zstd_window.is_some_and(|window| window <= Coding::MAX_ZSTD_WINDOW)
}

/// A layer that cannot be unpacked.
fn unreadable(digest: &Digest, code: String, cause: String) -> Failure {
    let error = Error::UnreadableLayer { digest: digest.clone(), code, cause };
    Failure::refused((&error).into())
}

/// Reads a layer to its end and keeps what is known of it then, on behalf of all who wait for that.
pub(crate) async fn read(settings: Arc<Settings>, shell: Shell, at: BlobAt) {
    let learnt = match reading(&settings, &shell, &at).await {
        Ok(reading) => Learnt::Read(reading),
        Err(failure) => Learnt::Failed(failure.into()),
    };
    shell.ask(Effect::Learnt(learnt)).await;
}

fn mark_of(repository: &Repository<'_>, at: &BlobAt) -> Key {
    Key::LayerPass { scope: repository.scope().clone(), digest: at.digest.clone() }
}

async fn reading(settings: &Settings, shell: &Shell, at: &BlobAt) -> Result<LayerReading, Failure> {
    let Some(repository) = Repository::choose(settings, shell, &at.name) else {
        return Ok(LayerReading::Missing);
    };
    // Where what it learns could not be kept, it would be read in vain.
    shell.count_subrequests(settings, RECORDS_OF_LAYER)?;
    let Some(open) = repository.open_layer(at).await? else { return Ok(LayerReading::Missing) };
    if let (Some(limit), Some(size)) = (settings.layer_bytes, open.size)
        && size > limit
    {
        shell.ask(Effect::Close(open.body)).await;
        return Err(Failure::too_large_at_edge(&at.digest, size, limit));
    }
    let source = open.source(&at.digest, None);
    if !settings.marks_passes {
        return read_source(shell, &repository, at, source).await;
    }
    let key = mark_of(&repository, at);
    let lifetime = settings.facts_wait.saturating_add(PASS_AFTER_WAIT);
    shell.ask(Effect::Keep { key: key.clone(), value: Value::LayerPass, lifetime }).await;
    let reading = read_source(shell, &repository, at, source).await;
    // What is known of it is looked at first: the mark may stay until its time is over.
    if !matches!(reading, Ok(LayerReading::Facts(_))) {
        shell.ask(Effect::Forget(key)).await;
    }
    reading
}

async fn read_source(
    shell: &Shell,
    repository: &Repository<'_>,
    at: &BlobAt,
    mut source: Source<'_>,
) -> Result<LayerReading, Failure> {
    for resumes in 0..=MAX_RESUMES {
        let read = match shell.ask(Effect::ReadLayer(source.copy.clone())).await {
            Done::LayerRead(read) => read?,
            other => return Err(unexpected(&other)),
        };
        match read {
            LayerRead::Facts(facts) => {
                let record = LayerRecord { name: at.place.clone(), facts: facts.clone() };
                match shell.ask(Effect::KeepFacts(record)).await {
                    Done::Recorded(recorded) => recorded?,
                    other => return Err(unexpected(&other)),
                }
                return Ok(LayerReading::Facts(facts));
            }
            LayerRead::Refused { code, cause } => return Ok(LayerReading::Refused { code, cause }),
            LayerRead::Broken { read: Some(read) }
                if resumes < MAX_RESUMES && source.go_on(read).await.is_ok() => {}
            LayerRead::Broken { .. } => return Err(repository.broken(&at.digest)),
            LayerRead::Corrupt => return Err(repository.corrupt(&at.digest)),
        }
    }
    Err(Trouble::Internal.into())
}
