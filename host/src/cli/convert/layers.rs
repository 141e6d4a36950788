//! What is known of layers: from facts that are given, from files, and from a layout.

use std::collections::HashMap;
use std::path::PathBuf;
use std::vec::IntoIter;

use downshift::answer::{LayerNeed, LayerReading};
use downshift::layer::LayerFacts;
use downshift::{Digest, Failure, Limits};
use downshift_inspect::facts;

use crate::cli::input::read_document;
use crate::cli::layer::{read, read_stream};
use crate::engine::layers::{LayerEngine, LayerError};
use crate::error::Error;
use crate::origin::layout::{BlobFile, Layout};

/// What is known of layers, and where more can be learnt.
pub(super) struct Layers<'l> {
    known: HashMap<Digest, LayerFacts>,
    /// Files that have not been read: nobody knows whose layers they are.
    files: IntoIter<PathBuf>,
    layout: Option<&'l Layout>,
    engine: LayerEngine,
}

impl<'l> Layers<'l> {
    /// What files with facts say, and the files of layers, which are read if they are needed.
    pub(super) fn new(
        with_facts: &[PathBuf],
        files: Vec<PathBuf>,
        layout: Option<&'l Layout>,
        engine: LayerEngine,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let mut known: HashMap<Digest, LayerFacts> = HashMap::new();
        for path in with_facts {
            let found = facts(&read_document(path, limits)?).map_err(|failure| {
                let cause = format!("`{}`: {}", path.display(), failure.cause);
                Error::Core(Failure { cause, ..failure })
            })?;
            known.extend(found.into_iter().map(|facts| (facts.digest.clone(), facts)));
        }
        Ok(Self { known, files: files.into_iter(), layout, engine })
    }

    /// What comes of each layer that is needed, in their order.
    ///
    /// # Errors
    /// [`Error::LayersNotGiven`], with all of those that are nowhere.
    pub(super) fn read(&mut self, needs: &[LayerNeed]) -> Result<Vec<LayerReading>, Error> {
        let (mut readings, mut missing) = (Vec::with_capacity(needs.len()), Vec::new());
        for LayerNeed { digest, .. } in needs {
            match self.find(digest)? {
                Some(reading) => readings.push(reading),
                None => missing.push(digest.clone()),
            }
        }
        if missing.is_empty() { Ok(readings) } else { Err(Error::LayersNotGiven { digests: missing }) }
    }

    /// What is known of a layer by now.
    pub(super) fn facts(&self, blob: &str) -> Option<LayerFacts> {
        self.known.get(&Digest::parse(blob).ok()?).cloned()
    }

    fn find(&mut self, digest: &Digest) -> Result<Option<LayerReading>, Error> {
        if let Some(facts) = self.known.get(digest) {
            return Ok(Some(LayerReading::Facts(facts.clone())));
        }
        let of_layout = self.layout.map(|layout| of_layout(layout, digest, &self.engine)).transpose()?;
        if let Some(reading) = of_layout.flatten() {
            if let LayerReading::Facts(facts) = &reading {
                self.known.insert(digest.clone(), facts.clone());
            }
            return Ok(Some(reading));
        }
        for path in self.files.by_ref() {
            let facts = match read(&path, &self.engine, &downshift_layer::Limits::host()) {
                Ok(facts) => facts,
                Err(LayerError::Failed(Error::Core(failure))) => {
                    let cause = format!("`{}`: {}", path.display(), failure.cause);
                    return Err(Error::Core(Failure { cause, ..failure }));
                }
                Err(error) => return Err(error.of_file(&path)),
            };
            let is_it = facts.digest == *digest;
            self.known.insert(facts.digest.clone(), facts.clone());
            if is_it {
                return Ok(Some(LayerReading::Facts(facts)));
            }
        }
        Ok(None)
    }
}

/// Reads a layer from the layout, if it is there.
fn of_layout(layout: &Layout, digest: &Digest, engine: &LayerEngine) -> Result<Option<LayerReading>, Error> {
    let Some(BlobFile { mut file, path, .. }) = layout.blob(digest)? else { return Ok(None) };
    match read_stream(&mut file, engine, &downshift_layer::Limits::host()) {
        Ok(facts) if facts.digest != *digest => {
            let cause = format!("its digest is `{}`", facts.digest);
            Ok(Some(LayerReading::Refused { code: "digest-mismatch".to_owned(), cause }))
        }
        Ok(facts) => Ok(Some(LayerReading::Facts(facts))),
        Err(LayerError::Failed(Error::Core(Failure { code, cause, .. }))) => {
            Ok(Some(LayerReading::Refused { code: code.into_owned(), cause }))
        }
        Err(error) => Err(error.of_file(&path)),
    }
}
