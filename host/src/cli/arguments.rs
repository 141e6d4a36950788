//! Options that several commands have.

use std::path::PathBuf;

use clap::Args;
use downshift::Limits;

use crate::engine::layers::LayerEngine;
use crate::engine::{Engine, EngineName};
use crate::error::Error;

/// Limits on the command line.
#[derive(Args)]
pub(super) struct LimitArgs {
    /// Change a limit: document-bytes, depth, layers, history, entries, converted-children, string-bytes or
    /// output-bytes
    #[arg(long = "limit", value_name = "NAME=VALUE", value_parser = limit)]
    limits: Vec<(String, usize)>,
}

impl LimitArgs {
    pub(super) fn limits(&self) -> Result<Limits, Error> {
        let mut limits = Limits::default();
        for (name, value) in &self.limits {
            limits.set(name, *value)?;
        }
        Ok(limits)
    }
}

/// The engine on the command line.
#[derive(Args)]
pub(super) struct EngineArgs {
    /// Where manifests are parsed and converted: in a sandbox with limits on memory and time (wasm), or in this process,
    /// which is faster (native)
    #[arg(long, value_name = "wasm|native", value_enum, hide_possible_values = true, default_value = "wasm")]
    engine: EngineName,
    /// Another build of the component that the sandbox runs
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    guest: Option<PathBuf>,
}

impl EngineArgs {
    /// The engine, for one request.
    pub(super) fn engine(&self) -> Result<Engine, Error> {
        self.engine.engine(self.guest.as_deref())
    }

    /// The engine for layers.
    pub(super) fn layer_engine(&self) -> LayerEngine {
        LayerEngine::of_command(self.engine)
    }
}

/// Parses a limit, as it is written on the command line.
pub(super) fn limit(text: &str) -> Result<(String, usize), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    let value = value.parse().map_err(|_| format!("`{value}` is not a number"))?;
    Limits::default().set(name, value).map_err(|error| error.to_string())?;
    Ok((name.to_owned(), value))
}
