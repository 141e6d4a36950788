//! A service: what is served with one reading of the settings. What outlives a reading is handed on to the next.

use core::sync::atomic::{AtomicBool, Ordering};
use std::io;
use std::sync::Arc;
use std::thread;

use downshift::Limits;
use downshift_registry::Mapping;
use downshift_sign::{GraviolaSigner, PrivateKey};

use crate::access::{Access, Htpasswd, PassThrough};
use crate::answer_cache::AnswerCache;
use crate::converter::Converter;
use crate::data::DataFolder;
use crate::disk_cache::DiskCache;
use crate::engine::Engine;
use crate::error::Error;
use crate::front::{Front, Source};
use crate::keys;
use crate::log;
use crate::metrics::{Cache, METRICS, number};
use crate::old_clients::OldClients;
use crate::permissions;
use crate::records::Records;
use crate::server::tls::Tls;
use crate::settings::{Auth, Settings};
use crate::store::Store;
use crate::store_files::StoreFiles;
use crate::upstream::{Times, Upstream};
use crate::work_budget::WorkBudget;
use crate::workers::Workers;

/// What is served, and how.
pub(crate) struct Service {
    pub(crate) settings: Settings,
    pub(crate) front: Front,
    /// What TLS is spoken with, if it is.
    pub(crate) tls: Option<Arc<Tls>>,
    /// Who still asks for the old forms.
    pub(crate) old_clients: Arc<OldClients>,
    data: Option<Arc<DataFolder>>,
    documents: Option<Arc<DiskCache>>,
    /// The id of the key that manifests are signed with.
    kid: String,
    is_stopping: AtomicBool,
}

impl Service {
    /// Opens everything that the settings name.
    pub(crate) fn start(settings: Settings) -> Result<Self, Error> {
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
            Some(data) if settings.documents_bytes > 0 && settings.store.is_none() => {
                Some(DiskCache::open(data, settings.documents_bytes, settings.limits()?)?)
            }
            _ => None,
        };
        let old_clients = Arc::new(OldClients::open(data)?);
        let work = WorkBudget::new(settings.work_bytes);
        let lasting = Lasting { engine, workers, work, data: data_folder, records, documents, old_clients };
        let service = Self::assemble(settings, lasting, None)?;
        warn_of_permissions(&service.settings);
        Ok(service)
    }

    /// The same with other settings, as far as these can change while it runs.
    pub(crate) fn reloaded(&self, settings: &Settings) -> Result<Self, Error> {
        let (settings, unchanged) = settings.reloaded(&self.settings)?;
        for key in unchanged {
            log::warn(format_args!("`{key}` stays as it was until the server is started again"));
        }
        let lasting = Lasting {
            engine: self.front.converter.engine.clone(),
            workers: Arc::clone(&self.front.converter.workers),
            work: Arc::clone(&self.front.work),
            data: self.data.clone(),
            records: Arc::clone(&self.front.records),
            documents: self.documents.clone(),
            old_clients: Arc::clone(&self.old_clients),
        };
        Self::assemble(settings, lasting, Some(self))
    }

    fn assemble(settings: Settings, lasting: Lasting, former: Option<&Self>) -> Result<Self, Error> {
        let Lasting { engine, workers, work, data, records, documents, old_clients } = lasting;
        let limits = settings.limits()?;
        let source = source(&settings, &limits, &work, documents.as_ref(), former)?;
        let access = access(&settings, &source)?;
        let tls = tls(&settings, former)?;
        let key = signing_key(&settings, former)?;
        let kid = match &key {
            Some(key) => key.public_key().kid().to_owned(),
            None => former.map(|former| former.kid.clone()).unwrap_or_default(),
        };
        let (converter, answers) = match former {
            Some(former) if former.makes_the_same(&settings, &kid) => {
                (Arc::clone(&former.front.converter), Arc::clone(&former.front.answers))
            }
            _ => {
                let signer = match (key, former) {
                    (None, Some(former)) => Arc::clone(&former.front.converter.signer),
                    (key, _) => Arc::new(GraviolaSigner::new(&key.map_or_else(PrivateKey::generate, Ok)?)),
                };
                let (policy, platform) = (settings.policy, settings.platform.clone());
                let converter = Converter { engine, workers, signer, policy, platform, limits };
                (Arc::new(converter), Arc::new(AnswerCache::new(Arc::clone(&work))))
            }
        };
        let front = Front { source, access, records, answers, converter, work };
        let is_stopping = AtomicBool::new(false);
        Ok(Self { settings, front, tls, old_clients, data, documents, kid, is_stopping })
    }

    /// Whether answers are the same with these settings.
    fn makes_the_same(&self, settings: &Settings, kid: &str) -> bool {
        let Settings { policy, platform, limit, .. } = &self.settings;
        (policy, platform, limit) == (&settings.policy, &settings.platform, &settings.limit)
            && self.kid == kid
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
        if self.front.records.is_failing() {
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

    /// Forgets what is kept of the repository `name`, or of all. What was reported stays.
    pub(crate) async fn purge(&self, name: Option<&str>) {
        if let Source::Upstreams(upstreams) = &self.front.source {
            match name {
                Some(name) => {
                    let mappings = upstreams.iter().map(|upstream| (&upstream.mapping, upstream));
                    if let Some((remote, upstream)) = Mapping::choose(name, mappings) {
                        upstream.purge(Some(&remote)).await;
                    }
                }
                None => {
                    for upstream in upstreams {
                        upstream.purge(None).await;
                    }
                }
            }
        }
        if let (None, Some(documents)) = (name, self.documents.clone()) {
            let _ = tokio::task::spawn_blocking(move || documents.clear()).await;
        }
        self.front.answers.purge(name).await;
    }

    /// Sets the figures that are not counted as they come. It waits for the disk.
    pub(crate) fn figures(&self) {
        let set = |cache: Cache, (entries, bytes): (u64, u64)| {
            METRICS.cache_entries.with_label_values(&[cache.name()]).set(number(entries));
            METRICS.cache_bytes.with_label_values(&[cache.name()]).set(number(bytes));
        };
        set(Cache::Answers, self.front.answers.size());
        if let Source::Upstreams(upstreams) = &self.front.source {
            let sizes = upstreams.iter().map(|upstream| upstream.documents_in_memory());
            set(Cache::Documents, sizes.fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1)));
            let tags = upstreams.iter().map(|upstream| upstream.tags_in_memory()).sum();
            METRICS.cache_entries.with_label_values(&[Cache::Tags.name()]).set(number(tags));
        }
        if let Some(documents) = &self.documents {
            METRICS.cache_bytes.with_label_values(&[Cache::Disk.name()]).set(number(documents.bytes()));
        }
        if let Ok(bytes) = self.front.records.bytes() {
            METRICS.records_bytes.set(number(bytes));
        }
        METRICS.guest_traps.set(number(self.front.converter.engine.traps()));
        METRICS.old_clients.set(number(self.old_clients.len() as u64));
    }
}

/// What is the same as long as the server runs.
struct Lasting {
    engine: Engine,
    workers: Arc<Workers>,
    work: Arc<WorkBudget>,
    data: Option<Arc<DataFolder>>,
    records: Arc<Records>,
    documents: Option<Arc<DiskCache>>,
    old_clients: Arc<OldClients>,
}

/// Reads everything that the settings name, and writes nothing.
pub(crate) fn check(settings: &Settings) -> Result<(), Error> {
    let limits = settings.limits()?;
    let source = source(settings, &limits, &WorkBudget::new(settings.work_bytes), None, None)?;
    access(settings, &source)?;
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
    Ok(())
}

fn warn_of_permissions(settings: &Settings) {
    let data = settings.data.as_deref();
    let key = settings.key.clone().or_else(|| data.map(keys::path_in));
    permissions::warn(key.as_deref(), data);
}

fn source(
    settings: &Settings,
    limits: &Limits,
    work: &Arc<WorkBudget>,
    documents: Option<&Arc<DiskCache>>,
    former: Option<&Service>,
) -> Result<Source, Error> {
    if let Some(folder) = &settings.store {
        let files = StoreFiles::new(folder, &settings.store_links, settings.data.as_deref())?;
        return Ok(Source::Store(store(files, limits, former)?));
    }
    // rustls has several libraries for its cryptography, and wants to be told which.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Where the registry decides who may pull, nobody else does while it cannot.
    let stale = if settings.auth == Auth::Upstream { 0 } else { settings.stale_for };
    let times = Times { tag: settings.tag_lifetime(), stale: core::time::Duration::from_secs(stale) };
    let former = match former.map(|former| &former.front.source) {
        Some(Source::Upstreams(upstreams)) => upstreams.as_slice(),
        _ => &[],
    };
    let open = |described: &crate::upstream::Described| {
        let settings = described.clone().settings()?;
        match former.iter().find(|upstream| upstream.is_as(&settings, limits, times)) {
            Some(upstream) => Ok(Arc::clone(upstream)),
            None => {
                let (limits, work) = (limits.clone(), Arc::clone(work));
                Upstream::new(settings, limits, times, documents.cloned(), work).map(Arc::new)
            }
        }
    };
    Ok(Source::Upstreams(settings.upstream.iter().map(open).collect::<Result<_, _>>()?))
}

fn store(files: StoreFiles, limits: &Limits, former: Option<&Service>) -> Result<Arc<Store>, Error> {
    match former.map(|former| &former.front.source) {
        Some(Source::Store(store)) if store.is_as(&files, limits) => Ok(Arc::clone(store)),
        _ => Store::open(files, limits.clone()).map(Arc::new),
    }
}

fn access(settings: &Settings, source: &Source) -> Result<Access, Error> {
    match (&settings.auth, source) {
        (Auth::Open, _) => Ok(Access::Open),
        (Auth::Htpasswd(path), _) => Ok(Access::Htpasswd(Htpasswd::open(path.clone())?)),
        (Auth::Upstream, Source::Upstreams(upstreams)) if let [upstream] = upstreams.as_slice() => {
            let public_url = settings.public_url.as_ref().map(|url| url.trim_end_matches('/').to_owned());
            let scheme = if settings.tls().is_some() { "https" } else { "http" };
            Ok(Access::PassThrough(PassThrough::new(Arc::clone(upstream), public_url, scheme)?))
        }
        // A token is good for one registry.
        (Auth::Upstream, _) => Err(Error::NotOneUpstream),
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
            log::warn("the signing key is lost when the server stops: keep one with --data or --key");
            Ok(Some(PrivateKey::generate()?))
        }
    }
}
