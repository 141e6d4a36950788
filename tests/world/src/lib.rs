//! A scripted world around [`downshift_pull`]: registries that answer from a script, and a shell without sockets, threads
//! or a clock of its own.
//!
//! * [`net`]: the hosts, as one value that answers requests. What it answers follows from the request and from what was
//!   changed in it, so that a listener on real sockets can stand in front of the same value.
//! * [`world`]: the shell. It carries out effects at once or holds some of them back, jumps in time where nothing else is
//!   left to do, and forgets what it is told to forget.
//! * [`rows`]: the table of access and faults as data, for every place that serves pulls.
//! * [`oracle`]: what must hold whatever was done.

pub mod fault;
pub mod layers;
mod message;
pub mod net;
pub mod oracle;
pub mod repository;
pub mod rows;
mod shell;
pub mod world;
