//! What the project's one test suite is made of, beside the cases of `downshift-cases`: the places where they are put,
//! from browsers to the reference registry, and the programs and networks around them.
//!
//! The suite itself is `tests/suite/`: it gives every case to every implementation.

mod built;
pub mod clients;
pub mod container;
pub mod containerd;
pub mod current;
pub mod daemon;
pub mod engines;
pub mod faults;
pub mod file_servers;
pub mod front;
pub mod http;
pub mod http2;
pub mod javascript;
pub mod key_file;
pub mod machine_code;
pub mod nginx;
pub mod operated;
pub mod oras;
pub mod page;
pub mod patience;
pub mod program;
pub mod programs;
pub mod proxy;
pub mod pulp;
pub mod registry;
pub mod reports;
pub mod scripted;
pub mod server;
pub mod signed;
pub mod skopeo;
pub mod tinyproxy;
pub mod tokens;
pub mod web;
pub mod workers;
