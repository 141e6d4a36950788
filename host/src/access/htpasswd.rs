//! Users and passwords from a file, as Apache's `htpasswd -B` writes it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use downshift_registry::{Authorization, Credentials};
use moka::sync::Cache;
use tokio::sync::Semaphore;
use tokio::task;

use super::callers::{Hasher, MAX_REMEMBERED, REMEMBERED};
use crate::bounded;
use crate::error::Error;
use crate::log;

/// Bytes of a file of users: room for some hundred thousand.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// How many passwords are checked at once: bcrypt takes a processor for some 100 ms, and whoever sends wrong ones must
/// not take them all.
const MAX_CHECKS: usize = 2;

/// What the password of an unknown user is checked against, so that its answer takes as long as a known one's.
const NOBODY: &str = "$2y$10$abcdefghijklmnopqrstuu5Fv8gPZ8Ia9p0wX3N0zjEw1Zl3Vt9mK";

/// The users of a file. Whatever changes in it counts from then on.
pub(crate) struct Htpasswd {
    path: PathBuf,
    users: RwLock<Users>,
    hasher: Hasher,
    /// Who gave the right password lately.
    admitted: Cache<[u8; 32], ()>,
    checks: Arc<Semaphore>,
}

/// The users, as the file was when it was read.
struct Users {
    modified: Option<SystemTime>,
    hashes: Arc<HashMap<String, String>>,
}

impl Htpasswd {
    /// Reads the file.
    pub(crate) fn open(path: PathBuf) -> Result<Self, Error> {
        let users = Users { modified: modified(&path), hashes: Arc::new(read(&path)?) };
        let admitted = Cache::builder().max_capacity(MAX_REMEMBERED).time_to_live(REMEMBERED).build();
        let checks = Arc::new(Semaphore::new(MAX_CHECKS));
        Ok(Self { path, users: RwLock::new(users), hasher: Hasher::new()?, admitted, checks })
    }

    /// Whether a client has said a user's name and password.
    pub(super) async fn admits(&self, authorization: &Authorization) -> bool {
        let users = self.users();
        let hash = self.hasher.hash(Some(authorization));
        if self.admitted.contains_key(&hash) {
            return true;
        }
        let Some(Credentials { username, password }) = authorization.credentials() else { return false };
        let Ok(permit) = Arc::clone(&self.checks).acquire_owned().await else { return false };
        let checked = task::spawn_blocking(move || {
            let _permit = permit;
            match users.get(&username) {
                Some(hash) => bcrypt::verify(password, hash).unwrap_or(false),
                None => {
                    let _ = bcrypt::verify(password, NOBODY);
                    false
                }
            }
        });
        let is_right = checked.await.unwrap_or(false);
        if is_right {
            self.admitted.insert(hash, ());
        }
        is_right
    }

    /// The users, as the file is now. One that cannot be read leaves them as they are.
    fn users(&self) -> Arc<HashMap<String, String>> {
        let now = modified(&self.path);
        {
            let users = self.users.read().unwrap_or_else(PoisonError::into_inner);
            if users.modified == now {
                return Arc::clone(&users.hashes);
            }
        }
        let mut users = self.users.write().unwrap_or_else(PoisonError::into_inner);
        users.modified = now;
        match read(&self.path) {
            Ok(hashes) => {
                users.hashes = Arc::new(hashes);
                self.admitted.invalidate_all();
            }
            Err(error) => log::error(&error),
        }
        Arc::clone(&users.hashes)
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

fn read(path: &Path) -> Result<HashMap<String, String>, Error> {
    let text = String::from_utf8(bounded::read_file(path, MAX_FILE_BYTES)?)
        .map_err(|error| Error::unusable(path, error.utf8_error()))?;
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(number, line)| match line.split_once(':') {
            Some((user, hash)) if hash.starts_with("$2") => Ok((user.to_owned(), hash.trim().to_owned())),
            _ => Err(Error::unusable(path, format!("line {number} is not a user with a bcrypt password"))),
        })
        .collect()
}
