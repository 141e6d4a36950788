//! What several fuzz targets have in common.

pub mod answers;
pub mod arbitrary;
pub mod images;
pub mod responses;
