//! Reports on documents, to the byte.

mod commands;
mod differences;
mod facts;
mod findings;
mod golden;
mod largest;
mod problems;
mod support;
mod verdicts;
