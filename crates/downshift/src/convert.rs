//! The conversions: each makes the bytes of one form from a document of another, and says what was lost.

mod index;
mod jq;
mod manifest;
mod notes;
mod oci_schema1;
mod output;
mod schema1;
mod splice;
mod upgrade;
mod upgrade_tool;
mod v1_image;

pub(crate) use index::{Entry, to_index, to_list};
pub(crate) use manifest::{to_oci, to_schema2};
pub(crate) use output::Rewrite;
pub(crate) use schema1::{Source, to_schema1};
pub(crate) use splice::rename_layers;
pub(crate) use upgrade::{Upgrade, Upgraded};
pub use upgrade_tool::UpgradeTool;
