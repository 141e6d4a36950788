//! `downshift key`

use std::path::PathBuf;

use clap::Subcommand;
use downshift_sign::PrivateKey;

use super::output::{print, write_document};
use super::verdict::Verdict;
use crate::data::keys;
use crate::error::Error;

/// Create and show signing keys
#[derive(Subcommand)]
pub(super) enum Key {
    /// Create a private key on P-256, as a JWK like Docker's key.json
    New {
        /// Write it to a new file instead of standard output
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Show the public half of a private key, and its id
    Show {
        /// The private key: P-256, as JWK or in PEM
        file: PathBuf,
    },
}

impl Key {
    pub(super) fn run(self) -> Result<Verdict, Error> {
        match self {
            Self::New { output } => {
                let key = PrivateKey::generate()?;
                match output {
                    Some(path) => keys::write_new(&path, &key)?,
                    None => write_document(None, key.to_jwk().as_bytes())?,
                }
            }
            Self::Show { file } => {
                let key = keys::read(&file)?;
                print(key.public_key().members().map(|(name, value)| format!("{name:4} {value}")))?;
            }
        }
        Ok(Verdict::Yes)
    }
}
