//! What keeps a blob where it is while somebody reads it.

use std::sync::Arc;

/// Kept as long as somebody reads a blob, which stays until then.
#[derive(Clone, Debug, Default)]
pub(super) struct Pin(Arc<()>);

impl Pin {
    pub(super) fn is_held(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}
