//! What the fuzz targets call and nobody else can: `cargo fuzz` builds with the option `fuzzing`.
//!
//! Each function reads a file that an operator writes. An error is what the program would say of it.

use std::path::Path;

use crate::access;
use crate::error::Error;
use crate::log::printable;
use crate::origin::registry;
use crate::settings;

/// A file of settings.
///
/// # Errors
/// What is wrong with it.
pub fn settings(path: &Path) -> Result<(), String> {
    said(settings::file::read(path))
}

/// Docker's `config.json`, for the registry `host`.
///
/// # Errors
/// What is wrong with it.
pub fn docker_config(path: &Path, host: &str) -> Result<(), String> {
    said(registry::credentials::from_docker(path, host))
}

/// A file with a password.
///
/// # Errors
/// What is wrong with it.
pub fn password(path: &Path) -> Result<(), String> {
    said(registry::credentials::password(path))
}

/// A file of users.
///
/// # Errors
/// What is wrong with it.
pub fn htpasswd(path: &Path) -> Result<(), String> {
    said(access::Htpasswd::open(path.to_path_buf()))
}

fn said<T>(read: Result<T, Error>) -> Result<(), String> {
    read.map(drop).map_err(|error| printable(&error.to_string()))
}
