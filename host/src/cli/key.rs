//! `downshift key`

use std::path::PathBuf;

use clap::Subcommand;
use downshift_sign::PrivateKey;

use super::{Verdict, print, write_document};
use crate::error::Error;
use crate::keys;

/// Make signing keys, and show them
#[derive(Subcommand)]
pub(super) enum Key {
    /// Make a private key on P-256, as a JWK like Docker's key.json
    New {
        /// Write it to a file instead of standard output; the file must not exist yet
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Show the public key of a private one, and its id
    Show {
        /// The private key, on P-256, as JWK or in PEM
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
