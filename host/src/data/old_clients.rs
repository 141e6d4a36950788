//! Who still asks for the old forms: kept in the data folder, so that an operator knows when they are gone.

use core::net::{IpAddr, Ipv6Addr};
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

/// How many rows are kept: an engine, a repository, and a client.
const MAX_SIGHTINGS: usize = 10_000;

/// How many rows one client may have. Anybody can make up engines, and must not push out those of others.
const MAX_OF_CLIENT: usize = 500;

/// The share of a client's rows that goes when there are more: those that were seen longest ago.
const EVICTED: usize = 10;

/// Bytes of an engine's name and version. Docker's have some ten.
const MAX_ENGINE_BYTES: usize = 64;

/// Bytes of the file, with room for all there may be.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// How long what was seen is in memory only.
pub(crate) const SAVE_INTERVAL: Duration = Duration::from_secs(5);

/// An engine that asked for a repository from one address.
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
    /// The address that it came from; of a network of IPv6, the last one.
    pub(crate) address: String,
}

/// What was seen so far.
pub(crate) struct OldClients {
    file: Option<PathBuf>,
    seen: RwLock<Table>,
    is_changed: AtomicBool,
}

/// What was seen, by client.
#[derive(Default)]
struct Table {
    clients: HashMap<Client, ClientRows>,
    len: usize,
}

/// An address, or the network of IPv6 that one subscriber has (RFC 6177); nothing where a file says something else.
type Client = Option<IpAddr>;

/// What was seen of one client, by engine and repository.
#[derive(Default)]
struct ClientRows {
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
struct ClientsFile {
    clients: Vec<Sighting>,
}

impl OldClients {
    /// What was seen before, if there is a data folder. A file that cannot be read is put aside.
    pub(crate) fn open(data: Option<&Path>) -> Result<Self, Error> {
        let mut seen = Table::default();
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
            let rows = seen.clients.get(&Some(network(address)));
            let repositories = rows.and_then(|rows| rows.engines.get(engine));
            if let Some(entry) = repositories.and_then(|repositories| repositories.get(repository)) {
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
        let saved = serde_json::to_vec(&ClientsFile { clients: self.all() })
            .map_err(io::Error::from)
            .and_then(|json| data::write(file, &json, Outlives::PowerLoss));
        saved.map_err(|error| {
            self.is_changed.store(true, Ordering::Relaxed);
            Error::unwritable(file, error)
        })
    }
}

impl Table {
    fn insert(&mut self, sighting: Sighting) {
        let client = sighting.address.parse().ok().map(network);
        if self.len >= MAX_SIGHTINGS {
            // Of whoever has most of them.
            let most = self.clients.iter().max_by_key(|(_, rows)| rows.len).map(|(client, _)| *client);
            if let Some(most) = most {
                self.evict(most);
            }
        }
        if self.clients.get(&client).is_some_and(|rows| rows.len >= MAX_OF_CLIENT) {
            self.evict(client);
        }
        self.len += usize::from(self.clients.entry(client).or_default().insert(sighting));
    }

    fn evict(&mut self, client: Client) {
        let Some(rows) = self.clients.get_mut(&client) else { return };
        self.len -= rows.evict();
        if rows.len == 0 {
            self.clients.remove(&client);
        }
    }

    fn all(&self) -> Vec<Sighting> {
        let mut all = Vec::with_capacity(self.len);
        let engines = self.clients.values().flat_map(|rows| &rows.engines);
        for (engine, repositories) in engines {
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

impl ClientRows {
    /// Adds what was seen, and says whether that is another row.
    fn insert(&mut self, sighting: Sighting) -> bool {
        let Sighting { engine, repository, form, requests, first, last, address } = sighting;
        let form = Form::ALL.into_iter().find(|known| known.name() == form).unwrap_or(Form::Schema1);
        let repositories = self.engines.entry(engine.into()).or_default();
        if let Some(known) = repositories.get(repository.as_str()) {
            // Another request was faster.
            known.requests.fetch_add(requests, Ordering::Relaxed);
            known.last.fetch_max(last, Ordering::Relaxed);
            return false;
        }
        let entry = Entry {
            form: AtomicU8::new(form as u8),
            requests: AtomicU64::new(requests),
            first,
            last: AtomicU64::new(last),
            address: Mutex::new(address),
        };
        repositories.insert(repository.into(), entry);
        self.len += 1;
        true
    }

    /// Forgets those that were seen longest ago, and says how many.
    fn evict(&mut self) -> usize {
        let lasts =
            self.engines.values().flat_map(HashMap::values).map(|entry| entry.last.load(Ordering::Relaxed));
        let mut lasts: Vec<_> = lasts.collect();
        lasts.sort_unstable();
        let count = self.len.div_ceil(EVICTED);
        let Some(&newest) = lasts.get(count.saturating_sub(1)) else { return 0 };
        // Of those that were seen in the same second as the last that has to go, as many as it takes.
        let mut left = count;
        for repositories in self.engines.values_mut() {
            repositories.retain(|_, entry| {
                let goes = left > 0 && entry.last.load(Ordering::Relaxed) <= newest;
                left -= usize::from(goes);
                !goes
            });
        }
        self.engines.retain(|_, repositories| !repositories.is_empty());
        self.len -= count - left;
        count - left
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
    let saved: ClientsFile = serde_json::from_slice(&bytes).map_err(|error| Error::unusable(&path, error))?;
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

/// All of an address of IPv4, and the first half of one of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

fn key(sighting: &Sighting) -> (&str, &str, &str) {
    (&sighting.engine, &sighting.repository, &sighting.address)
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
        for number in 0..u32::try_from(MAX_SIGHTINGS * 3).unwrap() {
            let address = Ipv4Addr::from_bits(number % 100).into();
            sightings.note(Some(DOCKER), &format!("library/{number}"), Form::Schema1, address);
        }
        let len = sightings.len();
        assert!((MAX_SIGHTINGS - MAX_OF_CLIENT..=MAX_SIGHTINGS).contains(&len), "{len}");
        assert_eq!(sightings.all().len(), len);
    }

    #[test]
    fn nobody_pushes_others_out() {
        let sightings = OldClients::open(None).unwrap();
        let real: IpAddr = Ipv4Addr::new(192, 0, 2, 7).into();
        sightings.note(Some(DOCKER), "library/httpd", Form::Schema1, real);
        for number in 0..12_000 {
            let made_up = format!("docker/1.9.{number}");
            sightings.note(Some(&made_up), "library/httpd", Form::Schema1, HOME);
            let subscriber: Ipv6Addr = format!("2001:db8::{:x}", number % 0xffff).parse().unwrap();
            sightings.note(Some(&made_up), "library/httpd", Form::Schema1, subscriber.into());
        }
        let all = sightings.all();
        assert!(all.len() <= 1 + 2 * MAX_OF_CLIENT, "{}", all.len());
        assert!(all.iter().any(|seen| seen.address == real.to_string()));
        // Nor do many together, as long as each has more rows than others.
        for number in 0..100_000_u32 {
            let address = Ipv4Addr::from_bits(0x0a00_0000 + number % 50).into();
            sightings.note(Some(&number.to_string()), "library/httpd", Form::Schema1, address);
        }
        assert!(sightings.all().iter().any(|seen| seen.address == real.to_string()));
    }

    #[test]
    fn hosts_are_told_apart() {
        let sightings = OldClients::open(None).unwrap();
        for host in [1, 2] {
            let address = Ipv4Addr::new(192, 0, 2, host).into();
            sightings.note(Some(DOCKER), "library/httpd", Form::Schema1, address);
            sightings.note(Some(DOCKER), "library/httpd", Form::Schema1, address);
        }
        let all = sightings.all();
        let rows: Vec<_> = all.iter().map(|seen| (seen.address.as_str(), seen.requests)).collect();
        assert_eq!(rows, [("192.0.2.1", 2), ("192.0.2.2", 2)]);
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
