//! Permits: that a registry lets a caller pull.

use core::time::Duration;

use crate::caller::Caller;
use crate::effect::{Done, Effect};
use crate::settings::Scope;
use crate::shell::Shell;
use crate::value::{Key, Value};

/// For how long a permit is remembered: as long as the oldest clients use a token, and no longer, so that a right that was
/// taken away is gone then.
pub(crate) const LIFETIME: Duration = Duration::from_secs(60);

/// Whether a caller may pull from a repository, as far as that is known.
pub(crate) enum Permit {
    /// It may.
    Known,
    /// The registry has to be asked. There were so many refusals until now.
    Unknown { mark: u64 },
}

impl Permit {
    pub(crate) fn is_known(&self) -> bool {
        matches!(self, Self::Known)
    }

    /// Keeps that the registry has said yes by now, if it has said no such thing as no meanwhile.
    pub(crate) async fn keep(self, shell: &Shell, scope: &Scope, caller: &Caller) {
        let (Self::Unknown { mark }, Caller::Client { id, .. }) = (self, caller) else { return };
        let key = Key::Permit { caller: *id, scope: scope.clone() };
        shell.ask(Effect::Keep { key, value: Value::Permit { mark }, lifetime: LIFETIME }).await;
    }
}

/// Whether a caller may pull from a repository, as far as that is known: this server may whatever it can.
pub(crate) async fn permit(shell: &Shell, scope: &Scope, caller: &Caller) -> Permit {
    let Caller::Client { id, .. } = caller else { return Permit::Known };
    match shell.ask(Effect::Load(Key::Permit { caller: *id, scope: scope.clone() })).await {
        Done::Known(Value::Permit { .. }) => Permit::Known,
        Done::Unknown { mark } => Permit::Unknown { mark },
        _ => Permit::Unknown { mark: 0 },
    }
}
