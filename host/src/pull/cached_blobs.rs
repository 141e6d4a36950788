//! Blobs in the cache: opened for those who may have them, and fetched once for all who wait for them.

use core::future::poll_fn;
use core::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use downshift::Digest;
use downshift_pull::{BlobAt, Copied, Copy, Done, Effect, NotFilled, Pull};
use tokio::sync::oneshot;

use super::context::Context;
use super::effects::{Outcome, Shared, When, later};
use super::layer_copy::LayerCopy;
use super::open_body::OpenBody;
use super::source::{Piece, Source};
use super::stored;
use crate::data::blob_cache::{BlobCache, Fill, Reader, Why, Writer};
use crate::work_budget::Asker;

/// How often a blob is asked for again whose fetch was given up by others.
const MAX_TRIES: usize = 4;

impl Shared {
    /// Carries out an effect that is about the cache of blobs.
    pub(super) fn on_cached_blobs(self: &Arc<Self>, effect: Effect, context: &mut Context) -> When {
        match effect {
            Effect::OpenCached { name, digest } => {
                let Some(blobs) = self.blobs.clone() else { return When::Now(Done::Opened(Ok(None))) };
                let shared = Arc::clone(self);
                later(async move {
                    if !shared.is_known_blob(&name, &digest).await {
                        return Outcome::Done(Done::Opened(Ok(None)));
                    }
                    match blobs.get(&digest).await {
                        Some(blob) => {
                            let size = blob.size();
                            Outcome::Cached(OpenBody::Cached(blob), size, false)
                        }
                        None => Outcome::Done(Done::Opened(Ok(None))),
                    }
                })
            }
            Effect::Fill(at) => {
                let Some(blobs) = self.blobs.clone() else {
                    return When::Now(Done::Filling(Err(NotFilled::NoRoom)));
                };
                let (shared, address, asker) = (Arc::clone(self), context.address, context.asker);
                later(async move { shared.fill(blobs, at, address, asker).await })
            }
            Effect::BeginFill(_) => When::Now(Done::Begun(context.writer.as_ref().map_or(0, Writer::len))),
            Effect::Store { copy, at } => self.store(&copy, at, context),
            Effect::NotFilled(not_filled) => {
                context.not_filled = Some(not_filled);
                When::Now(Done::Nothing)
            }
            _ => When::Now(Done::Nothing),
        }
    }

    /// Whether an origin has given a blob out in a repository.
    async fn is_known_blob(&self, name: &str, digest: &Digest) -> bool {
        let (records, name, digest) = (Arc::clone(&self.records), name.to_owned(), digest.clone());
        let known = stored::blocking(move || records.is_known_blob(&name, &digest)).await;
        // Where that cannot be read, the registry is asked.
        known.unwrap_or(false)
    }

    async fn fill(
        self: Arc<Self>,
        blobs: Arc<BlobCache>,
        at: BlobAt,
        address: IpAddr,
        asker: Asker,
    ) -> Outcome {
        for _ in 0..MAX_TRIES {
            let filled = match blobs.fill(&at.digest, None).await {
                Fill::Uncached(_) => Err(NotFilled::NoRoom),
                Fill::Leader(writer, reader) => {
                    let not_filled = self.fetch(at.clone(), writer, address, asker);
                    match growing(reader).await {
                        Ok(outcome) => return outcome,
                        Err(_) => Err(not_filled.await.unwrap_or(NotFilled::NoRoom)),
                    }
                }
                // Whose it is that somebody else has fetched is not known yet.
                Fill::Whole(_) | Fill::Follower(_) if !self.is_known_blob(&at.place, &at.digest).await => {
                    Err(NotFilled::Unseen)
                }
                Fill::Whole(blob) => {
                    let size = blob.size();
                    return Outcome::Cached(OpenBody::Cached(blob), size, true);
                }
                Fill::Follower(reader) => match growing(reader).await {
                    Ok(outcome) => return outcome,
                    // It may be only the one who fetched it that could not.
                    Err(Why::Interrupted) => continue,
                    Err(Why::Corrupt | Why::Uncached) => Err(NotFilled::NoRoom),
                },
            };
            return Outcome::Done(Done::Filling(filled));
        }
        Outcome::Done(Done::Filling(Err(NotFilled::NoRoom)))
    }

    /// Has a pull of its own fetch a blob, as long as somebody reads it. It says why it does not.
    fn fetch(
        self: &Arc<Self>,
        at: BlobAt,
        writer: Writer,
        address: IpAddr,
        asker: Asker,
    ) -> oneshot::Receiver<NotFilled> {
        let (teller, told) = oneshot::channel();
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            let pull = Pull::filling(Arc::clone(&shared.settings), at);
            let mut context = shared.context(address, asker);
            context.writer = Some(writer);
            let mut context = (shared.run)(&shared, pull, context).await;
            // Readers hear of the end when the writer is gone, and ask why.
            let not_filled = context.not_filled.take().unwrap_or(NotFilled::NoRoom);
            drop(context);
            // Where it is there, nobody asks.
            let _ = teller.send(not_filled);
        });
        told
    }
}

/// A blob that is on its way, once it is known how many bytes it has.
async fn growing(mut reader: Reader) -> Result<Outcome, Why> {
    match reader.size().await {
        Ok(Some(size)) => Ok(Outcome::Cached(OpenBody::Growing(reader), size, true)),
        Ok(None) => Err(Why::Uncached),
        Err(broken) => Err(broken.why),
    }
}

/// What is put into the cache: a blob, or what one unpacks to.
enum Incoming {
    Blob(Source),
    Layer(Box<LayerCopy>),
}

/// What comes next of it.
enum Next {
    Chunk(Bytes),
    /// The last one, after which its digest is known to be right.
    Last(Bytes),
    /// So many bytes came of the source.
    Broken(Option<u64>),
    Corrupt,
}

impl Incoming {
    /// What it takes to go on with a layer.
    fn into_layer(self) -> Option<Box<LayerCopy>> {
        match self {
            Self::Blob(_) => None,
            Self::Layer(layer) => Some(layer),
        }
    }

    /// The next bytes. Of a blob so many came until now, and are to come.
    async fn next(&mut self, read: u64, length: u64) -> Next {
        match self {
            Self::Blob(source) => match poll_fn(|task| source.poll_next(task)).await {
                Ok(mut chunk) if !chunk.is_empty() => {
                    chunk.truncate(usize::try_from(length - read).unwrap_or(usize::MAX));
                    if chunk.len() as u64 == length - read { Next::Last(chunk) } else { Next::Chunk(chunk) }
                }
                _ => Next::Broken(Some(read)),
            },
            Self::Layer(layer) => match poll_fn(|task| layer.poll_next(task)).await {
                Piece::Bytes(chunk) => Next::Chunk(chunk),
                Piece::Last(chunk) => Next::Last(chunk),
                Piece::Ended(Copied::Broken { sent }) => Next::Broken(sent),
                Piece::Ended(_) => Next::Corrupt,
            },
        }
    }
}

impl Shared {
    /// Puts the bytes of a body into the cache, or what they unpack to. `at` is how many bytes of the blob come before them.
    fn store(self: &Arc<Self>, copy: &Copy, at: u64, context: &mut Context) -> When {
        let source = context.take(copy.body).and_then(|body| Source::of(body, copy.start));
        let length = match &copy.unpack {
            Some(unpack) => Some(unpack.parts.last_byte().saturating_sub(at)),
            None => copy.length,
        };
        let (Some(source), Some(mut writer), Some(length)) = (source, context.writer.take(), length) else {
            return When::Now(Done::Copied(Copied::Broken { sent: None }));
        };
        let mut incoming = match &copy.unpack {
            Some(unpack) => {
                let begun = context.spooled.take();
                let mut layer = begun.unwrap_or_else(|| {
                    let digest = copy.check.clone();
                    Box::new(self.layer_copy(unpack.clone(), digest, context.asker))
                });
                layer.go_on(source, copy.length);
                Incoming::Layer(layer)
            }
            None => Incoming::Blob(source),
        };
        later(async move {
            // Where a registry gave all of a blob, the beginning is there already. A layer is unpacked from where it was.
            let mut known = match &incoming {
                Incoming::Blob(_) => writer.len().saturating_sub(at),
                Incoming::Layer(_) => 0,
            };
            if writer.begin(Some(at.saturating_add(length))).await.is_err() {
                return Outcome::Done(Done::Copied(Copied::ClientGone));
            }
            let (mut read, mut is_last) = (0, length == 0);
            while !is_last {
                let next = tokio::select! {
                    next = incoming.next(read, length) => next,
                    () = writer.unwanted() => return Outcome::Done(Done::Copied(Copied::ClientGone)),
                };
                let mut chunk = match next {
                    Next::Chunk(chunk) => chunk,
                    Next::Last(chunk) => {
                        is_last = true;
                        chunk
                    }
                    Next::Broken(sent) => {
                        return Outcome::Unfilled(
                            Done::Copied(Copied::Broken { sent }),
                            writer,
                            incoming.into_layer(),
                        );
                    }
                    Next::Corrupt => return Outcome::Done(Done::Copied(Copied::Corrupt)),
                };
                read += chunk.len() as u64;
                let skipped = usize::try_from(known).unwrap_or(usize::MAX).min(chunk.len());
                known -= skipped as u64;
                let chunk = chunk.split_off(skipped);
                if !chunk.is_empty()
                    && let Err(broken) = writer.write(chunk).await
                {
                    return Outcome::Done(Done::Copied(ended(broken.why)));
                }
            }
            Outcome::Done(Done::Copied(match writer.commit().await {
                Ok(_) => Copied::All,
                Err(broken) => ended(broken.why),
            }))
        })
    }
}

/// What a pull is told of a blob that is not written any more.
fn ended(why: Why) -> Copied {
    match why {
        Why::Corrupt => Copied::Corrupt,
        // Nothing more can be done for those who read it.
        Why::Interrupted | Why::Uncached => Copied::ClientGone,
    }
}
