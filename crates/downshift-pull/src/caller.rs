//! On whose behalf a registry is asked.

use downshift_registry::Authorization;

/// What stands for a caller's credentials: a keyed hash of them, so that nobody who sees it can use it to log in, nor try
/// what they might be. All zeros stand for nobody in particular.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallerId(pub [u8; 32]);

/// On whose behalf a registry is asked.
#[derive(Clone, Debug)]
pub(crate) enum Caller {
    /// This server's own.
    Server,
    /// The client's, with what it says of itself.
    Client { authorization: Option<Authorization>, id: CallerId },
}
