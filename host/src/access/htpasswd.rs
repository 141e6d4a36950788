//! Users and passwords from a file, as Apache's `htpasswd -B` writes it.

use core::net::IpAddr;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use bcrypt::HashParts;
use downshift_registry::{Authorization, Credentials};
use ring::hmac::{self, HMAC_SHA256};

use super::callers::CallerHasher;
use super::failed_logins::{FailedLogins, Reason};
use super::login_checks::{LoginChecks, NotChecked};
use crate::bounded;
use crate::error::Error;
use crate::log;

/// Bytes of a file of users: room for some hundred thousand.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// The bytes of a password that bcrypt looks at. Of longer ones it would take any with the same beginning.
const MAX_PASSWORD_BYTES: usize = 72;

/// The costs that bcrypt has. A hash with another one would be no work at all, which its user's name could be told by.
const COSTS: core::ops::RangeInclusive<u32> = 4..=31;

/// The cost where there are no users, which is the one that `htpasswd -B` writes.
const DEFAULT_COST: u32 = 5;

/// What the password of an unknown user is checked against, after the cost.
const NOBODY: &str = "abcdefghijklmnopqrstuu5Fv8gPZ8Ia9p0wX3N0zjEw1Zl3Vt9mK";

/// The users of a file. A change of the file takes effect at once.
pub(crate) struct Htpasswd {
    path: PathBuf,
    state: RwLock<State>,
    hasher: CallerHasher,
    checks: LoginChecks,
    failed: FailedLogins,
}

/// The file, as it was last looked at.
struct State {
    modified: Option<SystemTime>,
    users: Arc<Users>,
    /// The number of this reading. A verdict counts for the reading that it is from.
    reading: u64,
}

/// The users of a file, as it was when it was read.
struct Users {
    hashes: HashMap<String, String>,
    /// The cost of each of them, in ascending order.
    costs: Vec<u32>,
    /// Spreads the names that no user has over the costs. It is made of the file, so that it lasts as long as that does,
    /// and that nobody knows it who does not know the hashes.
    spread: hmac::Key,
}

impl Htpasswd {
    /// Reads the file.
    ///
    /// # Errors
    /// [`Error::Unreadable`], and [`Error::Unusable`] with the line that has no bcrypt password.
    pub(crate) fn open(path: PathBuf) -> Result<Self, Error> {
        let state = State { modified: modified(&path), users: Arc::new(Users::read(&path)?), reading: 0 };
        let (hasher, checks, failed) = (CallerHasher::new()?, LoginChecks::new(), FailedLogins::new());
        Ok(Self { path, state: RwLock::new(state), hasher, checks, failed })
    }

    /// True if `client` has sent a user's name and password.
    ///
    /// # Errors
    /// [`NotChecked`], where too many logins are waiting to be checked.
    pub(crate) async fn admits(
        &self,
        authorization: &Authorization,
        client: IpAddr,
    ) -> Result<bool, NotChecked> {
        let Some(credentials) = authorization.credentials() else { return Ok(false) };
        if !is_told_apart(&credentials.password) {
            self.failed.note(client, &credentials.username, Reason::Password);
            return Ok(false);
        }
        let (users, reading) = self.users();
        // In one spelling: a header can be written in several.
        let hash = self.hasher.hash(Some(&credentials.authorization()));
        let username = credentials.username.clone();
        let admits = self.checks.check((reading, hash), client, move || users.has(&credentials)).await?;
        if !admits {
            self.failed.note(client, &username, Reason::Wrong);
        }
        Ok(admits)
    }

    /// The users, as the file is now, and the number of the reading. A file that cannot be read leaves them as they are.
    fn users(&self) -> (Arc<Users>, u64) {
        let now = modified(&self.path);
        {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            if state.modified == now {
                return (Arc::clone(&state.users), state.reading);
            }
        }
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.modified != now {
            state.modified = now;
            match Users::read(&self.path) {
                Ok(users) => {
                    state.users = Arc::new(users);
                    state.reading += 1;
                }
                Err(error) => log::error(&error),
            }
        }
        (Arc::clone(&state.users), state.reading)
    }
}

impl Users {
    fn read(path: &Path) -> Result<Self, Error> {
        let bytes = bounded::read_file(path, MAX_FILE_BYTES)?;
        let text = str::from_utf8(&bytes).map_err(|error| Error::unusable(path, error))?;
        let mut hashes = HashMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let user = line.split_once(':').map(|(user, hash)| (user, hash.trim()));
            let Some((user, hash)) = user.filter(|(_, hash)| cost(hash).is_some()) else {
                let problem = format!("line {number} is not a user with a bcrypt password");
                return Err(Error::unusable(path, problem));
            };
            hashes.insert(user.to_owned(), hash.to_owned());
        }
        let mut costs: Vec<u32> = hashes.values().filter_map(|hash| cost(hash)).collect();
        costs.sort_unstable();
        Ok(Self { hashes, costs, spread: hmac::Key::new(HMAC_SHA256, &bytes) })
    }

    /// True if there is a user with this name and password. It takes as long where there is no user of that name.
    fn has(&self, Credentials { username, password }: &Credentials) -> bool {
        match self.hashes.get(username) {
            Some(hash) => bcrypt::verify(password.as_bytes(), hash).unwrap_or(false),
            None => {
                let _ = bcrypt::verify(password.as_bytes(), &self.stand_in(username));
                false
            }
        }
    }

    /// The hash for a name that no user has.
    ///
    /// Its cost is one of the file's, always the same for a name, and each as frequent among such names as among the
    /// users: the time that a check takes tells the cost, and nothing of who is a user. A user more or less changes the
    /// cost of few names.
    fn stand_in(&self, username: &str) -> String {
        let tag = hmac::sign(&self.spread, username.as_bytes());
        let number = tag.as_ref().iter().take(8).fold(0, |number, byte| number << 8 | u128::from(*byte));
        let index = (number * self.costs.len() as u128) >> 64;
        let cost = usize::try_from(index).ok().and_then(|index| self.costs.get(index)).copied();
        format!("$2y${:02}${NOBODY}", cost.unwrap_or(DEFAULT_COST))
    }
}

/// True for a password that bcrypt tells from every other one: it takes no byte past the 72nd, and a NUL for the end.
fn is_told_apart(password: &str) -> bool {
    password.len() <= MAX_PASSWORD_BYTES && !password.contains('\0')
}

/// The cost of a bcrypt hash, which is the binary logarithm of its rounds; `None` if it is not one.
fn cost(hash: &str) -> Option<u32> {
    hash.parse().ok().as_ref().map(HashParts::get_cost).filter(|cost| COSTS.contains(cost))
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn hash(password: &str, cost: u32) -> String {
        bcrypt::hash_with_salt(password, cost, [7; 16]).unwrap().format_for_version(bcrypt::Version::TwoY)
    }

    /// A file of users: each line is `user:hash`.
    fn file(lines: &[String]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), lines.join("\n")).unwrap();
        file
    }

    async fn admits(htpasswd: &Htpasswd, username: &str, password: &str) -> bool {
        let credentials = Credentials { username: username.to_owned(), password: password.to_owned().into() };
        htpasswd.admits(&credentials.authorization(), "192.0.2.1".parse().unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn a_user_has_one_password() {
        let file = file(&[format!("alice:{}", hash("right", 4))]);
        let htpasswd = Htpasswd::open(file.path().to_path_buf()).unwrap();
        for _ in 0..2 {
            assert!(admits(&htpasswd, "alice", "right").await);
            assert!(!admits(&htpasswd, "alice", "wrong").await);
            assert!(!admits(&htpasswd, "bob", "right").await);
        }
        let other = fs::File::options().write(true).open(file.path()).unwrap();
        fs::write(file.path(), format!("alice:{}", hash("wrong", 4))).unwrap();
        // Whatever the resolution of the file system's clock is.
        other.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert!(!admits(&htpasswd, "alice", "right").await);
        assert!(admits(&htpasswd, "alice", "wrong").await);
    }

    #[tokio::test]
    async fn passwords_that_bcrypt_would_cut_are_refused() {
        let longest = "x".repeat(72);
        let file = file(&[format!("alice:{}", hash(&longest, 4)), format!("bob:{}", hash("short", 4))]);
        let htpasswd = Htpasswd::open(file.path().to_path_buf()).unwrap();
        assert!(admits(&htpasswd, "alice", &longest).await && admits(&htpasswd, "bob", "short").await);
        assert!(!admits(&htpasswd, "alice", &format!("{longest}x")).await);
        // bcrypt repeats what is short: this one is the same to it.
        assert!(bcrypt::verify("short\0short", &hash("short", 4)).unwrap());
        assert!(!admits(&htpasswd, "bob", "short\0short").await);
    }

    #[test]
    fn names_that_no_user_has_cost_what_users_do() {
        let lines = |costs: &[u32]| -> Vec<String> {
            let users = costs.iter().enumerate();
            users.map(|(number, cost)| format!("user{number}:$2y${cost:02}${NOBODY}")).collect()
        };
        let costs_of_names = |users: &Users| {
            let mut counts = BTreeMap::<u32, usize>::new();
            for number in 0..1000 {
                let name = format!("nobody{number}");
                assert_eq!(users.stand_in(&name), users.stand_in(&name));
                *counts.entry(cost(&users.stand_in(&name)).unwrap()).or_default() += 1;
            }
            counts
        };
        let read = |costs: &[u32]| Users::read(file(&lines(costs)).path()).unwrap();
        assert_eq!(costs_of_names(&read(&[])), BTreeMap::from([(DEFAULT_COST, 1000)]));
        assert_eq!(costs_of_names(&read(&[8, 8])), BTreeMap::from([(8, 1000)]));
        let counts = costs_of_names(&read(&[5, 12, 5, 5]));
        assert_eq!(counts.keys().copied().collect::<Vec<_>>(), [5, 12]);
        // A quarter of the users, and so a quarter of the names.
        assert!((200..=300).contains(&counts[&12]), "{counts:?}");
        // What is checked against is a hash; otherwise a check would be no work.
        assert!(!bcrypt::verify("a", &read(&[4]).stand_in("nobody")).unwrap());
    }

    #[test]
    fn hashes_that_cannot_be_checked_are_refused() {
        for hash in ["$2y$05$x", "$2y$03$", "$2y$32$", "$apr1$", ""] {
            let line =
                if hash.ends_with('$') && hash.len() == 7 { format!("{hash}{NOBODY}") } else { hash.into() };
            let users = file(&["# users".to_owned(), String::new(), format!("alice:{line}")]);
            let refused = Users::read(users.path()).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(refused.ends_with("line 3 is not a user with a bcrypt password"), "{line}: {refused}");
        }
    }
}
