//! Values in DER (X.690), read one after the other.

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode as _, Reader as _, SliceReader, Tag, TagNumber};

/// What is left to read of several values.
pub(crate) struct Values<'a>(SliceReader<'a>);

impl<'a> Values<'a> {
    pub(crate) fn new(der: &'a [u8]) -> Option<Self> {
        SliceReader::new(der).ok().map(Self)
    }

    /// The values of a sequence, provided that nothing follows it.
    pub(crate) fn of_sequence(der: &'a [u8]) -> Option<Self> {
        let mut outer = Self::new(der)?;
        let inner = Self::new(outer.take(Tag::Sequence)?)?;
        outer.is_empty().then_some(inner)
    }

    /// The next value.
    #[inline(never)]
    pub(crate) fn next(&mut self) -> Option<AnyRef<'a>> {
        AnyRef::decode(&mut self.0).ok()
    }

    /// The content of the next value, if it has this tag; else it stays the next.
    #[inline(never)]
    pub(crate) fn take(&mut self, tag: Tag) -> Option<&'a [u8]> {
        let before = self.0.clone();
        let value = self.next().filter(|value| value.header().tag() == tag);
        if value.is_none() {
            self.0 = before;
        }
        value.map(AnyRef::value)
    }

    /// An `AlgorithmIdentifier` (RFC 5280, 4.1.1.2): the algorithm, and the identifier that follows it if one does, which
    /// for elliptic curves is the curve.
    pub(crate) fn take_algorithm(&mut self) -> Option<(ObjectIdentifier, Option<ObjectIdentifier>)> {
        let mut members = Self::new(self.take(Tag::Sequence)?)?;
        Some((members.take_identifier()?, members.take_identifier()))
    }

    pub(crate) fn take_identifier(&mut self) -> Option<ObjectIdentifier> {
        ObjectIdentifier::from_bytes(self.take(Tag::ObjectIdentifier)?).ok()
    }

    /// The bytes of a bit string that has no unused bits.
    pub(crate) fn take_bytes(&mut self) -> Option<&'a [u8]> {
        self.take(Tag::BitString)?.strip_prefix(&[0])
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_finished()
    }
}

/// The tag of a member of its own kind, which only its number names.
pub(crate) fn context_specific(number: u32, constructed: bool) -> Tag {
    Tag::ContextSpecific { constructed, number: TagNumber(number) }
}
