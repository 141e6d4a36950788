//! Values that are written as people write them, as [`text`](super::text), or not at all.

use core::fmt::Display;
use core::str::FromStr;

use serde::{Deserializer, Serialize as _, Serializer};

use super::text;

pub(crate) fn serialize<S: Serializer>(
    value: &Option<impl Display>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    value.as_ref().map(ToString::to_string).serialize(serializer)
}

pub(crate) fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    text::deserialize(deserializer).map(Some)
}
