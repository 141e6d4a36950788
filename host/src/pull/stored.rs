//! Stored repositories: what is read of them.

use std::sync::Arc;

use bytes::Bytes;
use downshift::answer::Need;
use downshift::{Digest, Limits};
use downshift_pull::{StoredCheck, StoredManifest};
use downshift_registry::Reference;
use tokio::task;

use crate::error::Error;
use crate::origin::layout::BlobFile;
use crate::origin::store::{Repository, Store};
use crate::origin::verified_blobs::{BlobState, VerifiedBlobs};

/// The repository called `name`, if there is one.
pub(super) async fn repository(store: Arc<Store>, name: String) -> Result<Option<Arc<Repository>>, Error> {
    blocking(move || store.repository(&name)).await
}

/// What a reference stands for.
pub(super) fn resolve(repository: &Repository, reference: &Reference) -> Option<StoredManifest> {
    let (digest, variants) = match reference {
        Reference::Tag(tag) => (repository.tagged(tag)?, repository.variants(tag)),
        Reference::Digest(digest) => (digest, [].as_slice()),
    };
    let variants = variants.to_vec();
    Some(StoredManifest { digest: digest.clone(), reading: repository.reading, variants })
}

/// Documents, as far as they are there. Their digests are checked.
pub(super) async fn documents(
    repository: Arc<Repository>,
    needs: Vec<Need>,
    limits: Limits,
) -> Result<Vec<(Need, Option<Bytes>)>, Error> {
    blocking(move || {
        let read = |need: Need| {
            let bytes = repository.checked_document(&need.digest, &limits)?;
            Ok((need, bytes))
        };
        needs.into_iter().map(read).collect()
    })
    .await
}

/// A blob, opened, if it is there.
pub(super) async fn open(repository: Arc<Repository>, digest: Digest) -> Result<Option<BlobFile>, Error> {
    blocking(move || repository.layout.blob(&digest)).await
}

/// What is known of the digest of a blob.
pub(super) fn check_of(verified: &VerifiedBlobs, state: &BlobState) -> StoredCheck {
    if verified.contains(state) {
        StoredCheck::Checked
    } else if state.stamp.is_settled() {
        StoredCheck::Settled
    } else {
        StoredCheck::Changing
    }
}

/// Runs what waits for the disk where that keeps nobody waiting.
pub(super) async fn blocking<T: Send + 'static>(
    job: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    // Only a panic, which is on stderr already, gives no result.
    task::spawn_blocking(job).await.unwrap_or(Err(Error::Panicked))
}
