//! Pulls: what [`downshift_pull`] decides, carried out with this server's sockets, files, caches and threads.

mod account;
mod answers;
mod body;
mod cached_blobs;
mod context;
mod driver;
mod effects;
mod flights;
mod front;
mod layer_copy;
mod layer_in_progress;
mod layer_passes;
mod layers;
mod open_body;
mod probe;
mod pulp;
mod registry;
mod source;
mod stored;
mod trouble;

pub(crate) use self::answers::AnswerCache;
pub(crate) use self::body::PullBody;
pub(crate) use self::driver::run_to_end;
pub(crate) use self::effects::Shared;
pub(crate) use self::front::{Front, Reply, ReplyBody};
pub(crate) use self::layer_passes::{LayerPasses, PASSES_AT_ONCE};
pub(crate) use self::probe::probe;
pub(crate) use self::registry::Registries;
