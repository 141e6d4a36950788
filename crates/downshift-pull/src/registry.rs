//! Registries: what is asked there, on behalf of this server or of the client, what is checked, and what is kept.

mod asking;
mod attempts;
mod blobs;
mod documents;
mod heads;
mod limits;
mod lists;
mod presence;
mod probe;
mod remote;
mod tags;
mod tokens;

pub(crate) use self::limits::with_limits;
pub(crate) use self::probe::probe;
pub(crate) use self::remote::Remote;
