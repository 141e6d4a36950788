//! Users: who may pull because their name and password are in a file.

mod callers;
mod failed_logins;
mod htpasswd;
mod login_checks;

pub(crate) use self::callers::CallerHasher;
pub(crate) use self::htpasswd::Htpasswd;
pub(crate) use self::login_checks::NotChecked;
