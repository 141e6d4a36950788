//! Layers: what is known of them, read by passes that several pulls wait for, and unpacked on their way to a client.

use core::future::poll_fn;
use std::sync::Arc;

use downshift::Digest;
use downshift::answer::LayerRecord;
use downshift_pull::{Copy, Done, Effect, KnownLayer, LayerRead, Learnt, Pull, Trouble};

use super::context::Context;
use super::effects::{Outcome, Shared, When, later};
use super::layer_in_progress::{LayerInProgress, Piece};
use super::source::Source;
use super::stored;
use super::trouble::trouble;
use crate::engine::layers::LayerError;
use crate::error::Error;
use crate::log;

impl Shared {
    /// Carries out an effect that is about layers.
    pub(super) fn on_layers(self: &Arc<Self>, effect: Effect, context: &mut Context) -> When {
        let records = Arc::clone(&self.records);
        match effect {
            Effect::RecallFacts { name, digest } => later(async move {
                let known = stored::blocking(move || {
                    let is_seen = records.is_known_blob(&name, &digest)?;
                    Ok(KnownLayer { facts: records.facts(&digest)?, is_seen })
                });
                Outcome::Done(Done::KnownLayer(known.await.map_err(|error| trouble(&error))))
            }),
            Effect::KeepFacts(LayerRecord { name, facts }) => later(async move {
                let kept = async {
                    records.keep_known_blob(&name, &facts.digest).await?;
                    records.keep_facts(&facts).await
                };
                Outcome::Done(Done::Recorded(kept.await.map_err(|error| trouble(&error))))
            }),
            Effect::RememberBlob { name, digest } => later(async move {
                // Where that is not kept, the registry is asked again.
                if let Err(error) = records.keep_known_blob(&name, &digest).await {
                    log::error(&error);
                }
                Outcome::Done(Done::Nothing)
            }),
            Effect::RecallLayer { name, diff_id } => {
                // Most blobs are no layers that were reported by a diff id.
                match records.has_sources(&name, &diff_id) {
                    Ok(false) => When::Now(Done::Sources(Ok(Vec::new()))),
                    _ => later(async move {
                        let sources = stored::blocking(move || records.sources(&name, &diff_id)).await;
                        Outcome::Done(Done::Sources(sources.map_err(|error| trouble(&error))))
                    }),
                }
            }
            Effect::RecordLayers(layers) => {
                context.evictions.get_or_insert_with(|| self.records.evictions());
                let layers = layers.into_iter().map(|LayerRecord { name, facts }| (name, facts)).collect();
                later(async move {
                    let kept = records.keep_layers(layers).await;
                    Outcome::Done(Done::Recorded(kept.map_err(|error| trouble(&error))))
                })
            }
            Effect::Learn(at) => {
                let (passes, shared) = (Arc::clone(&self.passes), Arc::clone(self));
                let (address, asker) = (context.address, context.asker);
                later(async move {
                    let reading = Pull::reading(Arc::clone(&shared.settings), at.clone());
                    let pass = |read| {
                        let mut own = shared.context(address, asker);
                        own.read = read;
                        let ended = (shared.run)(&shared, reading, own);
                        async move { ended.await.learnt }
                    };
                    let learnt = passes.join(at, asker, pass).await.unwrap_or(Learnt::Busy);
                    Outcome::Done(Done::Learnt(learnt))
                })
            }
            Effect::Learnt(learnt) => {
                context.learnt = Some(learnt);
                When::Now(Done::Nothing)
            }
            Effect::ReadLayer(copy) => self.read_layer(copy, context),
            _ => When::Now(Done::Nothing),
        }
    }

    fn read_layer(self: &Arc<Self>, copy: Copy, context: &mut Context) -> When {
        let source = context.take(copy.body).and_then(|body| Source::of(body, copy.start));
        let Some((source, digest)) = source.zip(copy.check) else {
            return When::Now(Done::LayerRead(Ok(LayerRead::Broken { read: None })));
        };
        let (begun, shared, asker) = (context.layer.take(), Arc::clone(self), context.asker);
        let read = Arc::clone(&context.read);
        later(async move {
            let begun = match begun {
                Some(layer) => Ok(layer),
                None => LayerInProgress::for_facts(&shared.layers, asker, read).await,
            };
            let mut layer = match begun {
                Ok(layer) => layer,
                Err(error) => return Outcome::Done(Done::LayerRead(read_failed(error, &digest))),
            };
            layer.go_on(source, copy.length);
            loop {
                let read = match poll_fn(|task| layer.poll_next(task)).await {
                    Piece::Plain(_) => continue,
                    Piece::End => match layer.facts(&digest, shared.blobs.as_ref()) {
                        Ok(Some(facts)) => Ok(LayerRead::Facts(facts)),
                        Ok(None) => Ok(LayerRead::Corrupt),
                        Err(error) => Err(trouble(&error)),
                    },
                    Piece::Broken { read } => {
                        let read = copy.length.is_some().then_some(read);
                        return Outcome::Layer(Done::LayerRead(Ok(LayerRead::Broken { read })), layer);
                    }
                    Piece::Failed(error) => read_failed(error, &digest),
                };
                return Outcome::Done(Done::LayerRead(read));
            }
        })
    }
}

/// What a pull is told of a layer that could not be read.
fn read_failed(error: LayerError, digest: &Digest) -> Result<LayerRead, Trouble> {
    match error {
        LayerError::Unreadable { digest: own, .. } if own != *digest => Ok(LayerRead::Corrupt),
        LayerError::Failed(Error::Core(failure))
        | LayerError::Unreadable { error: Error::Core(failure), .. } => {
            Ok(LayerRead::Refused { code: failure.code.into_owned(), cause: failure.cause })
        }
        LayerError::Failed(error) | LayerError::Unreadable { error, .. } => Err(trouble(&error)),
        LayerError::Blob(_) | LayerError::Stopped => Ok(LayerRead::Broken { read: None }),
    }
}
