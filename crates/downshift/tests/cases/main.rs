//! The core alone, in this process: one program, so that each run has a verdict over all cases.

mod field;
mod plain_layers;
mod refusals;
mod selection;
mod signed_documents;
mod upgrade_tools;
mod upward;
mod vectors;
