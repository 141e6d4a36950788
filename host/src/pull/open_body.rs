//! Bodies that are open for a pull.

use std::sync::Arc;

use crate::data::blob_cache::{CachedBlob, Reader};
use crate::origin::layout::BlobFile;
use crate::origin::registry::Response;
use crate::origin::verified_blobs::{BlobState, VerifiedBlobs};

/// A body that is open.
pub(super) enum OpenBody {
    /// A file of a store.
    File {
        /// The file.
        blob: BlobFile,
        /// The digest that it is to have, and the state that it has to be in to the end.
        state: BlobState,
        /// Who checks it.
        verified: Arc<VerifiedBlobs>,
    },
    /// A blob of the cache.
    Cached(CachedBlob),
    /// One that is still on its way into it.
    Growing(Reader),
    /// A registry's response.
    Response(Box<Response>),
}
