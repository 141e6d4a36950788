//! Effects that are about what Pulp has published. All of them read files.

use std::sync::Arc;

use downshift::answer::Need;
use downshift_pull::{Done, Effect, Scope};

use super::context::Context;
use super::effects::{BLOB_BYTES, OpenedFile, Outcome, Shared, When, later};
use super::stored::blocking;
use super::trouble::trouble;
use crate::error::Error;
use crate::origin::pulp::{PulpTree, Repository};

impl Shared {
    /// Carries an effect out that is about stored repositories.
    pub(super) fn of_pulp(&self, tree: &Arc<PulpTree>, effect: Effect, context: &Context) -> When {
        // What Pulp has without a manifest gets one, which is signed.
        let signer = Arc::clone(&self.converter.signer);
        let (tree, account) = (Arc::clone(tree), context.account.clone());
        later(async move {
            Outcome::Done(match effect {
                Effect::Resolve { scope, reference } => {
                    let resolved = read(tree, scope, move |repository| repository.resolve(&reference)).await;
                    Done::Resolved(resolved.map(Option::flatten).map_err(|error| trouble(&error)))
                }
                Effect::TagOf { scope, digest } => {
                    let tag = read(tree, scope, move |repository| repository.tag_of(&digest)).await;
                    // Without one it goes on, too.
                    Done::TagOf(tag.ok().flatten().flatten())
                }
                Effect::Documents { scope, needs } => {
                    let missing = needs.clone();
                    let documents = move |repository: &Repository| repository.documents(needs, &*signer);
                    let documents = read(tree, scope, documents).await;
                    let missing = || missing.into_iter().map(|need: Need| (need, None)).collect();
                    let documents = documents.map(|documents| documents.unwrap_or_else(missing));
                    Done::Documents(documents.map_err(|error| trouble(&error)))
                }
                Effect::Open { scope, digest } => {
                    if account.add(BLOB_BYTES).await.is_err() {
                        return Outcome::Done(Done::Busy);
                    }
                    let of_digest = digest.clone();
                    let open = move |repository: &Repository| {
                        let blob = repository.blob(&of_digest)?;
                        Ok(blob.map(|blob| (blob, repository.verified(), repository.url(&of_digest))))
                    };
                    match read(tree, scope, open).await.map(Option::flatten) {
                        Ok(Some((blob, verified, url))) => {
                            return Outcome::Opened(OpenedFile { blob, digest, verified, url });
                        }
                        Ok(None) => Done::Opened(Ok(None)),
                        Err(error) => Done::Opened(Err(trouble(&error))),
                    }
                }
                Effect::Tags(scope) => {
                    let tags = read(tree, scope, Repository::tags).await;
                    Done::Tags(tags.map_err(|error| trouble(&error)))
                }
                Effect::Repositories(_) => {
                    let names = match blocking(move || tree.names()).await {
                        Ok(names) => names,
                        Err(error) => return Outcome::Done(Done::Repositories(Err(trouble(&error)))),
                    };
                    // The pull picks from them, and writes what it has picked.
                    let bytes: usize = names.iter().map(|name| name.len() + size_of::<String>()).sum();
                    if account.add(bytes * 2).await.is_err() {
                        return Outcome::Done(Done::Busy);
                    }
                    Done::Repositories(Ok(names))
                }
                // Nobody asks for them: they have no referrers.
                _ => Done::Manifests(Ok(None)),
            })
        })
    }
}

/// Reads in a repository, if there is one of that name.
async fn read<T: Send + 'static>(
    tree: Arc<PulpTree>,
    scope: Scope,
    job: impl FnOnce(&Repository) -> Result<T, Error> + Send + 'static,
) -> Result<Option<T>, Error> {
    blocking(move || tree.repository(&scope.name)?.map(|repository| job(&repository)).transpose()).await
}
