//! What the project's one test suite is made of: images, recorded conversions, the reference registry, and the
//! implementations that are held to them.
//!
//! The suite itself is `tests/suite/`: it gives every case to every [`implementation`].

pub mod clients;
pub mod container;
pub mod daemon;
pub mod difference;
pub mod engines;
pub mod faults;
pub mod fixed_key;
pub mod front;
pub mod http;
pub mod images;
pub mod implementation;
pub mod javascript;
pub mod operated;
pub mod outcomes;
pub mod page;
pub mod program;
pub mod programs;
pub mod proxy;
pub mod random;
pub mod registry;
pub mod reports;
pub mod samples;
pub mod server;
pub mod signed;
pub mod skopeo;
pub mod strict;
pub mod tokens;
pub mod vectors;
pub mod web;
