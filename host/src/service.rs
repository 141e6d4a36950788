//! A service: what is served with one reading of the settings. What outlives a reading is handed on to the next.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::io;
use std::sync::{Arc, Mutex};
use std::thread;

use downshift::{Failure, Limits};
use downshift_pull::{Access, Memory, Origin, OriginId, Place, Pulp, Settings as PullSettings};
use downshift_registry::Mapping;
use downshift_sign::{GraviolaSigner, PrivateKey};

use crate::access::{CallerHasher, Htpasswd};
use crate::allocator;
use crate::data::DataFolder;
use crate::data::blob_cache::BlobCache;
use crate::data::disk_cache::DiskCache;
use crate::data::keys;
use crate::data::old_clients::OldClients;
use crate::data::records::Records;
use crate::engine::Engine;
use crate::engine::converter::Converter;
use crate::engine::layers::{LayerEngine, LayerReaders};
use crate::engine::workers::Workers;
use crate::error::Error;
use crate::log;
use crate::metrics::{Cache, METRICS, number};
use crate::origin::cache::OriginCache;
use crate::origin::pulp::PulpTree;
use crate::origin::registry::{Upstream, UpstreamConfig};
use crate::origin::store::Store;
use crate::origin::store_files::StoreFiles;
use crate::origin::url;
use crate::permissions;
use crate::pull::{self, AnswerCache, Front, LayerPasses, PASSES_AT_ONCE, Registries, Shared};
use crate::server::tls::Tls;
use crate::settings::{Auth, Settings};
use crate::work_budget::WorkBudget;

const LOST_KEY: &str = "the signing key is lost when the server stops: keep one with --data or --key";

/// What is served, and how.
pub(crate) struct Service {
    pub(crate) settings: Settings,
    pub(crate) front: Front,
    /// What TLS is spoken with, if it is.
    pub(crate) tls: Option<Arc<Tls>>,
    /// Who still asks for the old forms.
    pub(crate) old_clients: Arc<OldClients>,
    data: Option<Arc<DataFolder>>,
    upstreams: Vec<Arc<Upstream>>,
    /// The id of the key that manifests are signed with.
    kid: String,
    is_stopping: AtomicBool,
}

impl Service {
    /// Opens everything that the settings name, and says what an operator may not have meant.
    pub(crate) fn start(settings: Settings) -> Result<Self, Error> {
        let service = Self::open(settings)?;
        if service.settings.key.is_none() && service.settings.data.is_none() {
            log::warn(LOST_KEY);
        }
        warn_of_permissions(&service.settings);
        Ok(service)
    }

    /// Opens everything that the settings name.
    pub(crate) fn open(settings: Settings) -> Result<Self, Error> {
        let processors = thread::available_parallelism().map_or(1, Into::into);
        let threads = Workers::threads(processors);
        // Those convert what takes long. Those that answer requests, one for each processor, convert the rest.
        let sessions = u32::try_from(processors + threads).unwrap_or(u32::MAX);
        let no_threads = |error: io::Error| Error::InvalidSettings { problem: error.to_string() };
        let workers = Arc::new(Workers::start(threads).map_err(no_threads)?);
        // First of all: nobody else has it from now on.
        let data_folder = settings.data.as_deref().map(DataFolder::open).transpose()?.map(Arc::new);
        let data = data_folder.as_deref().map(DataFolder::path);
        let records = Arc::new(match data {
            Some(data) => Records::open(data, settings.records_capacity())?,
            None => Records::in_memory(settings.records_capacity()),
        });
        let engine = settings.engine.engine_of_server(settings.guest.as_deref(), sessions, data)?;
        let documents = match data {
            Some(data) if settings.documents_bytes > 0 && !settings.upstream.is_empty() => {
                Some(DiskCache::open(data, settings.documents_bytes, settings.limits()?)?)
            }
            _ => None,
        };
        let blobs = match data {
            Some(data) if settings.blob_cache_bytes > 0 && !settings.upstream.is_empty() => {
                Some(BlobCache::open(data, settings.blob_cache_bytes)?)
            }
            _ => None,
        };
        let old_clients = Arc::new(OldClients::open(data)?);
        let work = WorkBudget::new(settings.work_bytes);
        let at_once = settings.layers_at_once.unwrap_or(LayerReaders::at_once(processors));
        let layer_engine = LayerEngine::of_server(settings.engine, data);
        let layers = LayerReaders::new(layer_engine, settings.layer_limits(), at_once, Arc::clone(&work));
        let lasting = LongLived {
            engine,
            workers,
            layers: Arc::new(layers),
            passes: Arc::new(LayerPasses::new(PASSES_AT_ONCE)),
            blobs,
            work,
            data: data_folder,
            records,
            cache: Arc::new(OriginCache::new(documents)),
            memory: Arc::default(),
            hasher: Arc::new(CallerHasher::new()?),
            old_clients,
        };
        Self::assemble(settings, lasting, None)
    }

    /// The same with other settings, as far as these can change while it runs.
    pub(crate) fn reloaded(&self, settings: &Settings) -> Result<Self, Error> {
        let (settings, unchanged) = settings.reloaded(&self.settings)?;
        for key in unchanged {
            log::warn(format_args!("`{key}` stays as it was until the server is started again"));
        }
        let lasting = LongLived {
            engine: self.front.shared.converter.engine.clone(),
            workers: Arc::clone(&self.front.shared.converter.workers),
            layers: Arc::new(self.front.shared.layers.with_limits(settings.layer_limits())),
            passes: Arc::clone(&self.front.shared.passes),
            blobs: self.front.shared.blobs.clone(),
            work: Arc::clone(&self.front.shared.work),
            data: self.data.clone(),
            records: Arc::clone(&self.front.shared.records),
            cache: Arc::clone(&self.front.shared.cache),
            memory: Arc::clone(&self.front.shared.memory),
            hasher: Arc::clone(&self.front.shared.hasher),
            old_clients: Arc::clone(&self.old_clients),
        };
        Self::assemble(settings, lasting, Some(self))
    }

    fn assemble(settings: Settings, lasting: LongLived, former: Option<&Self>) -> Result<Self, Error> {
        let LongLived {
            engine,
            workers,
            layers,
            passes,
            blobs,
            work,
            data,
            records,
            cache,
            memory,
            hasher,
            old_clients,
        } = lasting;
        let limits = settings.limits()?;
        let images = Images::open(&settings, &limits, former)?;
        let users = users(&settings)?;
        let tls = tls(&settings, former)?;
        let key = signing_key(&settings, former)?;
        let kid = match &key {
            Some(key) => key.public_key().kid().to_owned(),
            None => former.map(|former| former.kid.clone()).unwrap_or_default(),
        };
        let (converter, answers) = match former {
            Some(former) if former.makes_the_same(&settings, &kid) => {
                (Arc::clone(&former.front.shared.converter), Arc::clone(&former.front.shared.answers))
            }
            _ => {
                let signer = match (key, former) {
                    (None, Some(former)) => Arc::clone(&former.front.shared.converter.signer),
                    (key, _) => Arc::new(GraviolaSigner::new(&key.map_or_else(PrivateKey::generate, Ok)?)),
                };
                (Arc::new(Converter { engine, workers, signer, limits }), Arc::new(AnswerCache::new()))
            }
        };
        let pull_settings = images.settings(&settings)?;
        let Images { store, pulp, upstreams } = images;
        let scheme = if settings.tls().is_some() { "https" } else { "http" };
        let shared = Shared {
            settings: Arc::new(pull_settings),
            memory,
            store,
            pulp,
            registries: Registries::new(&upstreams, Arc::clone(&hasher)),
            cache,
            users,
            hasher,
            records,
            answers,
            converter,
            blobs,
            layers,
            passes,
            work,
            run: pull::run_to_end,
        };
        let front = Front::new(shared, scheme);
        let is_stopping = AtomicBool::new(false);
        Ok(Self { settings, front, tls, old_clients, data, upstreams, kid, is_stopping })
    }

    /// Asks each registry once that `former` does not have as well, and logs what is wrong with it or with what the
    /// settings say of it.
    pub(crate) async fn probe(&self, former: Option<Arc<Self>>) {
        if !self.settings.probe_upstreams {
            return;
        }
        let former = former.as_ref().map(|former| former.upstreams.as_slice()).unwrap_or_default();
        let is_new = |upstream: &&Arc<Upstream>| !former.iter().any(|former| Arc::ptr_eq(former, upstream));
        let upstreams: Vec<_> = self.upstreams.iter().filter(is_new).map(Arc::clone).collect();
        for failure in pull::probe(&self.front.shared.settings, &upstreams, &self.front.shared.memory).await {
            log::failure(&failure);
        }
    }

    /// Whether answers are the same with these settings.
    fn makes_the_same(&self, settings: &Settings, kid: &str) -> bool {
        let decides = |settings: &Settings| {
            let Settings { policy, allow, plain_layers, unsigned_schema1, platform, limit, .. } =
                settings.clone();
            (policy, allow, plain_layers, unsigned_schema1, platform, limit)
        };
        decides(&self.settings) == decides(settings) && self.kid == kid
    }

    /// Takes no part in what load balancers see any more.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// Whether it can answer whatever comes, or why not.
    pub(crate) fn is_ready(&self) -> Result<(), &'static str> {
        if self.is_stopping.load(Ordering::Relaxed) {
            return Err("stopping");
        }
        if self.front.shared.records.is_failing() {
            return Err("reported digests cannot be recorded");
        }
        Ok(())
    }

    /// Looks whether there is another certificate.
    pub(crate) fn look_at_certificate(&self) {
        if let Some(tls) = &self.tls {
            tls.look();
        }
    }

    /// Gives memory back that nobody needs any more.
    pub(crate) fn tidy(&self) {
        self.front.shared.answers.tidy();
        self.front.shared.cache.tidy();
        allocator::give_back();
    }

    /// Forgets what is kept of the repository `name`, or of all. What was reported stays.
    pub(crate) async fn purge(&self, name: Option<&str>) {
        self.front.purge(name).await;
    }

    /// Sets the figures that are not counted as they come. It waits for the disk.
    pub(crate) fn figures(&self) {
        let set = |cache: Cache, (entries, bytes): (u64, u64)| {
            METRICS.cache_entries.with_label_values(&[cache.name()]).set(number(entries));
            METRICS.cache_bytes.with_label_values(&[cache.name()]).set(number(bytes));
        };
        let cache = &self.front.shared.cache;
        set(Cache::Answers, self.front.shared.answers.size());
        if !self.upstreams.is_empty() {
            set(Cache::Documents, cache.documents_in_memory());
            METRICS
                .cache_entries
                .with_label_values(&[Cache::Tags.name()])
                .set(number(cache.tags_in_memory()));
        }
        if let Some(bytes) = cache.bytes_on_disk() {
            METRICS.cache_bytes.with_label_values(&[Cache::Disk.name()]).set(number(bytes));
        }
        if let Ok(bytes) = self.front.shared.records.bytes() {
            METRICS.records_bytes.set(number(bytes));
        }
        let shared = &self.front.shared;
        if let Some(blobs) = &shared.blobs {
            set(Cache::Blobs, (blobs.len() as u64, blobs.bytes()));
        }
        METRICS.guest_traps.set(number(shared.converter.engine.traps() + shared.layers.traps()));
        METRICS.old_clients.set(number(self.old_clients.len() as u64));
    }
}

/// What is the same as long as the server runs.
struct LongLived {
    engine: Engine,
    workers: Arc<Workers>,
    layers: Arc<LayerReaders>,
    passes: Arc<LayerPasses>,
    blobs: Option<Arc<BlobCache>>,
    work: Arc<WorkBudget>,
    data: Option<Arc<DataFolder>>,
    records: Arc<Records>,
    cache: Arc<OriginCache>,
    memory: Arc<Mutex<Memory>>,
    hasher: Arc<CallerHasher>,
    old_clients: Arc<OldClients>,
}

/// Registries that were checked, and may be asked.
pub(crate) struct Checked {
    settings: Arc<PullSettings>,
    upstreams: Vec<Arc<Upstream>>,
}

impl Checked {
    /// Asks each registry once: gives what is wrong with it, or with what the settings say of it.
    pub(crate) async fn probe(&self) -> Vec<Failure> {
        pull::probe(&self.settings, &self.upstreams, &Mutex::default()).await
    }
}

/// Reads everything that the settings name, and writes nothing.
pub(crate) fn check(settings: &Settings) -> Result<Checked, Error> {
    let limits = settings.limits()?;
    let images = Images::open(settings, &limits, None)?;
    let pull_settings = images.settings(settings)?;
    users(settings)?;
    tls(settings, None)?;
    if let Some(guest) = &settings.guest {
        std::fs::File::open(guest).map_err(|error| Error::unreadable(guest, error))?;
    }
    match (&settings.key, &settings.data) {
        (Some(file), _) => drop(keys::read(file)?),
        (None, Some(data)) => drop(keys::read_if_made(data)?),
        (None, None) => {}
    }
    warn_of_permissions(settings);
    Ok(Checked { settings: Arc::new(pull_settings), upstreams: images.upstreams })
}

fn warn_of_permissions(settings: &Settings) {
    let data = settings.data.as_deref();
    let key = settings.key.clone().or_else(|| data.map(keys::path_in));
    permissions::warn(key.as_deref(), data);
}

/// Where images are.
struct Images {
    /// In a folder.
    store: Option<Arc<Store>>,
    /// In what Pulp has published.
    pulp: Option<Arc<PulpTree>>,
    /// At registries, each with the names that it has.
    upstreams: Vec<Arc<Upstream>>,
}

impl Images {
    fn open(settings: &Settings, limits: &Limits, former: Option<&Service>) -> Result<Self, Error> {
        if let Some(folder) = &settings.store {
            if PulpTree::is_likely(folder) {
                log::warn(format_args!(
                    "`{}` has what Pulp 2 has published, which is served with --pulp and not with --store",
                    folder.display()
                ));
            }
            let files = StoreFiles::new(folder, &settings.store_links, settings.data.as_deref())?;
            let former = former.and_then(|former| former.front.shared.store.as_ref());
            let store = match former.filter(|store| store.is_as(&files, limits)) {
                Some(store) => Arc::clone(store),
                None => Arc::new(Store::open(files, limits.clone())?),
            };
            return Ok(Self { store: Some(store), pulp: None, upstreams: Vec::new() });
        }
        if let Some(folder) = &settings.pulp {
            let files = StoreFiles::new(folder, &settings.store_links, settings.data.as_deref())?;
            let former = former.and_then(|former| former.front.shared.pulp.as_ref());
            let pulp = match former.filter(|pulp| pulp.is_as(&files, settings.pulp_protected, limits)) {
                Some(pulp) => Arc::clone(pulp),
                None => Arc::new(PulpTree::open(files, settings.pulp_protected, limits.clone())?),
            };
            return Ok(Self { store: None, pulp: Some(pulp), upstreams: Vec::new() });
        }
        // rustls has several libraries for its cryptography, and wants to be told which.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let former = former.map(|former| former.upstreams.as_slice()).unwrap_or_default();
        let open = |settings| match former.iter().find(|upstream| upstream.is_as(&settings)) {
            Some(upstream) => Ok(Arc::clone(upstream)),
            None => Upstream::new(settings).map(Arc::new),
        };
        let described: Vec<_> =
            settings.upstream.iter().cloned().map(UpstreamConfig::settings).collect::<Result<_, _>>()?;
        let upstreams = described.into_iter().flatten().map(open).collect::<Result<_, _>>()?;
        Ok(Self { store: None, pulp: None, upstreams })
    }

    /// What decides about pulls.
    fn settings(&self, settings: &Settings) -> Result<PullSettings, Error> {
        /// The store has this number, and no registry has.
        const STORE: OriginId = OriginId(0);
        let mut origins: Vec<_> =
            self.upstreams.iter().map(|upstream| upstream.origin()).collect::<Result<_, _>>()?;
        if self.store.is_some() {
            origins.push(Origin::new(STORE, Mapping::default(), Place::Layouts));
        }
        if self.pulp.is_some() {
            let delivery = settings.pulp_blobs.into();
            origins.push(Origin::new(STORE, Mapping::default(), Place::Pulp(Pulp { delivery })));
        }
        let public_url = settings.public_url.as_ref().map(|url| url.trim_end_matches('/').to_owned());
        let (access, stale_for) = match settings.auth {
            Auth::Open => (Access::Open, settings.stale_for),
            Auth::Htpasswd(_) => (Access::Users, settings.stale_for),
            // Where the registry decides who may pull, nobody else does while it cannot.
            Auth::Upstream => (Access::Upstream { public_url }, 0),
        };
        let pull = PullSettings {
            policy: settings.policy,
            allow: settings.permissions()?,
            plain_layers: settings.plain_layers,
            unsigned_schema1: settings.unsigned_schema1,
            facts_wait: Duration::from_secs(settings.facts_wait),
            wire_gzip: settings.wire_gzip,
            v1: settings.v1,
            clients: settings.clients()?,
            platform: settings.platform.clone(),
            limits: settings.limits()?,
            tag_lifetime: settings.tag_lifetime(),
            stale_for: Duration::from_secs(stale_for),
            ..PullSettings::new(origins, access, url::resolve)
        };
        if let Some(twice) = pull.said_twice() {
            let problem = format!("`{twice}` stands for two upstream registries");
            return Err(Error::InvalidSettings { problem });
        }
        // A token is good for one registry.
        if pull.is_access_possible() { Ok(pull) } else { Err(Error::NotOneUpstream) }
    }
}

fn users(settings: &Settings) -> Result<Option<Htpasswd>, Error> {
    match &settings.auth {
        Auth::Htpasswd(path) => Htpasswd::open(path.clone()).map(Some),
        Auth::Open | Auth::Upstream => Ok(None),
    }
}

fn tls(settings: &Settings, former: Option<&Service>) -> Result<Option<Arc<Tls>>, Error> {
    let Some((certificate, key)) = settings.tls() else { return Ok(None) };
    match former.and_then(|former| former.tls.as_ref()).filter(|tls| tls.is_of(certificate, key)) {
        Some(tls) => {
            tls.reload()?;
            Ok(Some(Arc::clone(tls)))
        }
        None => Ok(Some(Arc::new(Tls::open(certificate, key)?))),
    }
}

/// The key to sign with, unless it is one that is only in memory and there already.
fn signing_key(settings: &Settings, former: Option<&Service>) -> Result<Option<PrivateKey>, Error> {
    match (&settings.key, &settings.data) {
        (Some(file), _) => keys::read(file).map(Some),
        (None, Some(data)) => keys::read_or_make(data).map(Some),
        (None, None) if former.is_some_and(|former| former.settings.key.is_none()) => Ok(None),
        (None, None) => {
            if former.is_some() {
                log::warn(LOST_KEY);
            }
            Ok(Some(PrivateKey::generate()?))
        }
    }
}
