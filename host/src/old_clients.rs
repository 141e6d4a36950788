//! Who still asks for the old forms: kept in the data folder, so that an operator knows when they are gone.

use core::net::IpAddr;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use core::time::Duration;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};

use downshift::Form;
use serde::{Deserialize, Serialize};

use crate::bounded;
use crate::data::{self, Outlives};
use crate::error::Error;
use crate::log;
use crate::time::now;

/// The name of the file in a server's data folder.
const FILE: &str = "clients.json";

/// How many pairs of an engine and a repository are kept.
const MAX_SIGHTINGS: usize = 10_000;

/// How many of those that were seen longest ago go when there are more.
const EVICTED: usize = MAX_SIGHTINGS / 10;

/// Bytes of an engine's name and version. Docker's have some ten.
const MAX_ENGINE_BYTES: usize = 64;

/// Bytes of the file, with room for all there may be.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// How long what was seen is in memory only.
pub(crate) const SAVE_INTERVAL: Duration = Duration::from_secs(5);

/// An engine that asked for a repository.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Sighting {
    /// Its name and version, as it says them, such as `docker/1.9.1`; empty if it says nothing.
    pub(crate) engine: String,
    /// The repository's name.
    pub(crate) repository: String,
    /// The form that it got last.
    pub(crate) form: String,
    /// How many manifests it asked for.
    pub(crate) requests: u64,
    /// When it did so first, in seconds since 1970.
    pub(crate) first: u64,
    /// When it did so last.
    pub(crate) last: u64,
    /// The address that it came from last.
    pub(crate) address: String,
}

/// What was seen so far.
pub(crate) struct OldClients {
    file: Option<PathBuf>,
    seen: RwLock<Seen>,
    is_changed: AtomicBool,
}

/// What was seen, by engine and repository.
#[derive(Default)]
struct Seen {
    engines: HashMap<Box<str>, HashMap<Box<str>, Entry>>,
    len: usize,
}

struct Entry {
    form: AtomicU8,
    requests: AtomicU64,
    first: u64,
    last: AtomicU64,
    address: Mutex<String>,
}

/// What the file says.
#[derive(Deserialize, Serialize)]
struct Saved {
    clients: Vec<Sighting>,
}

impl OldClients {
    /// What was seen before, if there is a data folder. A file that cannot be read is put aside.
    pub(crate) fn open(data: Option<&Path>) -> Result<Self, Error> {
        let mut seen = Seen::default();
        if let Some(data) = data {
            match read(data) {
                Ok(sightings) => sightings.into_iter().for_each(|sighting| seen.insert(sighting)),
                Err(error @ Error::Unusable { .. }) => {
                    log::error(&error);
                    let path = data.join(FILE);
                    let aside = path.with_extension("json.unusable");
                    fs::rename(&path, &aside).map_err(|error| Error::unwritable(&aside, error))?;
                }
                Err(error) => return Err(error),
            }
        }
        let file = data.map(|data| data.join(FILE));
        Ok(Self { file, seen: RwLock::new(seen), is_changed: AtomicBool::new(false) })
    }

    /// Notes that an engine asked for a manifest, and got it in this form.
    pub(crate) fn note(&self, user_agent: Option<&str>, repository: &str, form: Form, address: IpAddr) {
        let engine = engine(user_agent.unwrap_or_default());
        {
            let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
            let entry = seen.engines.get(engine).and_then(|repositories| repositories.get(repository));
            if let Some(entry) = entry {
                entry.note(form, address);
                self.is_changed.store(true, Ordering::Relaxed);
                return;
            }
        }
        let now = now();
        self.seen.write().unwrap_or_else(PoisonError::into_inner).insert(Sighting {
            engine: engine.to_owned(),
            repository: repository.to_owned(),
            form: form.name().to_owned(),
            requests: 1,
            first: now,
            last: now,
            address: address.to_string(),
        });
        self.is_changed.store(true, Ordering::Relaxed);
    }

    /// All that was seen, the last first.
    pub(crate) fn all(&self) -> Vec<Sighting> {
        let mut all = self.seen.read().unwrap_or_else(PoisonError::into_inner).all();
        all.sort_by(|a, b| b.last.cmp(&a.last).then_with(|| key(a).cmp(&key(b))));
        all
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.seen.read().unwrap_or_else(PoisonError::into_inner).len
    }

    /// Writes what was seen into the data folder, if anything was since the last time. It waits for the disk.
    pub(crate) fn save(&self) -> Result<(), Error> {
        let Some(file) = &self.file else { return Ok(()) };
        if !self.is_changed.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let saved = serde_json::to_vec(&Saved { clients: self.all() })
            .map_err(io::Error::from)
            .and_then(|json| data::write(file, &json, Outlives::PowerLoss));
        saved.map_err(|error| {
            self.is_changed.store(true, Ordering::Relaxed);
            Error::unwritable(file, error)
        })
    }
}

impl Seen {
    fn insert(&mut self, sighting: Sighting) {
        let Sighting { engine, repository, form, requests, first, last, address } = sighting;
        if self.len >= MAX_SIGHTINGS {
            self.evict();
        }
        let form = Form::ALL.into_iter().find(|known| known.name() == form).unwrap_or(Form::Schema1);
        let entry = Entry {
            form: AtomicU8::new(form as u8),
            requests: AtomicU64::new(requests),
            first,
            last: AtomicU64::new(last),
            address: Mutex::new(address),
        };
        let repositories = self.engines.entry(engine.into()).or_default();
        match repositories.entry(repository.into()) {
            // Another one was faster.
            std::collections::hash_map::Entry::Occupied(known) => {
                known.get().requests.fetch_add(requests, Ordering::Relaxed);
                known.get().last.fetch_max(last, Ordering::Relaxed);
            }
            std::collections::hash_map::Entry::Vacant(vacant) => {
                vacant.insert(entry);
                self.len += 1;
            }
        }
    }

    fn evict(&mut self) {
        let lasts =
            self.engines.values().flat_map(HashMap::values).map(|entry| entry.last.load(Ordering::Relaxed));
        let mut lasts: Vec<_> = lasts.collect();
        lasts.sort_unstable();
        let Some(&newest) = lasts.get(EVICTED) else { return };
        // Of those that were seen in the same second as the last that has to go, as many as it takes.
        let mut left = EVICTED;
        for repositories in self.engines.values_mut() {
            repositories.retain(|_, entry| {
                let goes = left > 0 && entry.last.load(Ordering::Relaxed) <= newest;
                left -= usize::from(goes);
                !goes
            });
        }
        self.engines.retain(|_, repositories| !repositories.is_empty());
        self.len -= EVICTED - left;
    }

    fn all(&self) -> Vec<Sighting> {
        let mut all = Vec::with_capacity(self.len);
        for (engine, repositories) in &self.engines {
            for (repository, entry) in repositories {
                all.push(Sighting {
                    engine: engine.to_string(),
                    repository: repository.to_string(),
                    form: form(entry.form.load(Ordering::Relaxed)).name().to_owned(),
                    requests: entry.requests.load(Ordering::Relaxed),
                    first: entry.first,
                    last: entry.last.load(Ordering::Relaxed),
                    address: entry.address.lock().unwrap_or_else(PoisonError::into_inner).clone(),
                });
            }
        }
        all
    }
}

impl Entry {
    fn note(&self, form: Form, address: IpAddr) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.form.store(form as u8, Ordering::Relaxed);
        let now = now();
        // Once a second, so that many requests do not wait for each other.
        if self.last.swap(now, Ordering::Relaxed) != now {
            *self.address.lock().unwrap_or_else(PoisonError::into_inner) = address.to_string();
        }
    }
}

/// What a server has written into the data folder, the last seen first: nothing if it has written nothing.
pub(crate) fn read(data: &Path) -> Result<Vec<Sighting>, Error> {
    let path = data.join(FILE);
    let bytes = match File::open(&path).and_then(|file| bounded::read(file, MAX_FILE_BYTES)) {
        // A folder that is not there is a slip, a file that is not there a server without old clients.
        Err(error) if error.kind() == ErrorKind::NotFound && data.is_dir() => return Ok(Vec::new()),
        read => read.map_err(|error| Error::unreadable(&path, error))?,
    };
    let bytes = bytes.ok_or_else(|| Error::too_large(&path, MAX_FILE_BYTES))?;
    let saved: Saved = serde_json::from_slice(&bytes).map_err(|error| Error::unusable(&path, error))?;
    Ok(saved.clients)
}

/// The engine that a `User-Agent` begins with.
fn engine(user_agent: &str) -> &str {
    let engine = user_agent.split_ascii_whitespace().next().unwrap_or_default();
    let is_plain = |byte: &u8| byte.is_ascii_graphic();
    let end = engine.bytes().take(MAX_ENGINE_BYTES).take_while(is_plain).count();
    engine.get(..end).unwrap_or_default()
}

/// The form with this number.
fn form(number: u8) -> Form {
    Form::ALL.into_iter().find(|form| *form as u8 == number).unwrap_or(Form::Schema1)
}

fn key(sighting: &Sighting) -> (&str, &str) {
    (&sighting.engine, &sighting.repository)
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use super::*;

    const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const DOCKER: &str = "docker/1.9.1 go/go1.4.3 os/linux arch/amd64";

    #[test]
    fn what_was_seen_outlives_the_server() {
        let data = tempfile::tempdir().unwrap();
        let sightings = OldClients::open(Some(data.path())).unwrap();
        for _ in 0..3 {
            sightings.note(Some(DOCKER), "library/httpd", Form::Schema1, HOME);
        }
        sightings.note(None, "library/nginx", Form::Schema1, HOME);
        sightings.save().unwrap();
        let again = OldClients::open(Some(data.path())).unwrap();
        assert_eq!(again.all(), sightings.all());
        again.note(Some(DOCKER), "library/httpd", Form::Schema2, HOME);
        let httpd = again.all().into_iter().find(|seen| seen.repository == "library/httpd").unwrap();
        assert_eq!(
            (httpd.engine.as_str(), httpd.form.as_str(), httpd.requests),
            ("docker/1.9.1", "schema2", 4)
        );
    }

    #[test]
    fn there_are_never_more_than_there_may_be() {
        let sightings = OldClients::open(None).unwrap();
        for number in 0..MAX_SIGHTINGS * 3 {
            sightings.note(Some(DOCKER), &format!("library/{number}"), Form::Schema1, HOME);
        }
        let len = sightings.len();
        assert!((MAX_SIGHTINGS - EVICTED..=MAX_SIGHTINGS).contains(&len), "{len}");
        assert_eq!(sightings.all().len(), len);
    }

    #[test]
    fn engines_are_short_and_plain() {
        assert_eq!(engine(DOCKER), "docker/1.9.1");
        assert_eq!(engine(" \t"), "");
        assert_eq!(engine("a\u{1b}[31m"), "a");
        assert_eq!(engine(&"x".repeat(100)).len(), MAX_ENGINE_BYTES);
    }

    #[test]
    fn a_broken_file_is_put_aside() {
        let data = tempfile::tempdir().unwrap();
        fs::write(data.path().join(FILE), "something else").unwrap();
        assert!(OldClients::open(Some(data.path())).unwrap().all().is_empty());
        assert_eq!(fs::read(data.path().join("clients.json.unusable")).unwrap(), b"something else");
    }
}
