//! Conditional requests and ranges (RFC 9110, 13 and 14), on digests as entity tags.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use downshift::Digest;

/// The headers of a request that ask for less than the whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Conditions {
    pub(crate) if_none_match: Vec<String>,
    pub(crate) if_range: Option<String>,
    pub(crate) range: Option<String>,
}

/// Which bytes of a blob are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    Whole,
    Part(Range<u64>),
    /// Several, none of which touches another, in the order in which they were asked for.
    Parts(Vec<Range<u64>>),
    Unsatisfiable,
}

/// How many parts are given at once. Podman asks for those chunks of a zstd:chunked layer that it lacks, and for the whole
/// where it gets none; more parts than this are no way to have less sent (RFC 9110, 14.2).
pub(crate) const MAX_PARTS: usize = 16;

impl Conditions {
    /// Whether the client has the representation with this digest already.
    ///
    /// Tags compare weakly here (RFC 9110, 13.1.2). A digest without quotes is taken as well, as by Distribution.
    pub(crate) fn has(&self, digest: &Digest) -> bool {
        self.names(digest.as_str())
    }

    /// Whether the client has what has this entity tag, weak or not.
    pub(crate) fn has_tag(&self, entity_tag: &str) -> bool {
        self.names(opaque(entity_tag))
    }

    fn names(&self, meant: &str) -> bool {
        let is_meant = |tag: &str| {
            let tag = opaque(tag.trim());
            tag == "*" || tag == meant
        };
        self.if_none_match.iter().any(|line| line.split(',').any(is_meant))
    }

    /// Whether less than the whole of the blob with this digest is asked for, in a way that can be read.
    pub(crate) fn has_range(&self, digest: &Digest) -> bool {
        // How many bytes there are does not matter to that.
        self.range(digest).is_some_and(|range| parsed_range(range, u64::MAX).is_some())
    }

    /// Which of the `size` bytes of the blob with this digest are asked for.
    ///
    /// More than [`MAX_PARTS`] ranges, ranges that overlap, other units and what cannot be read are no ranges, which RFC 9110,
    /// 14.2 leaves to the server.
    pub(crate) fn select(&self, digest: &Digest, size: u64) -> Selection {
        self.range(digest).and_then(|range| parsed_range(range, size)).unwrap_or(Selection::Whole)
    }

    /// The range that is asked for of the blob with this digest, if it is one of bytes, as it is spelt.
    pub(crate) fn one_range(&self, digest: &Digest) -> Option<&str> {
        // How many bytes there are does not matter to that.
        self.range(digest)
            .filter(|range| !range.as_bytes().contains(&b',') && parsed_range(range, u64::MAX).is_some())
    }

    /// The range that is asked for of the blob with this digest, whatever it says.
    fn range(&self, digest: &Digest) -> Option<&str> {
        // Only the strong entity tag says that the bytes are still the same; a date cannot (RFC 9110, 13.1.5).
        let is_current = |tag: &str| {
            let tag = tag.trim().strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
            tag == Some(digest.as_str())
        };
        self.range.as_deref().filter(|_| self.if_range.as_deref().is_none_or(is_current))
    }
}

/// What the `Content-Range` of a response says (RFC 9110, 14.4): which bytes come, and of how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// The first byte that comes and the one after the last; none where no byte of what was asked for is there.
    pub part: Option<Range<u64>>,
    /// How many bytes the whole has.
    pub size: u64,
}

impl ContentRange {
    /// Reads the header; `None` if it is of another unit, or says what cannot be.
    #[must_use]
    pub fn parse(header: &str) -> Option<Self> {
        let (range, size) = header.strip_prefix("bytes ")?.split_once('/')?;
        let size = size.parse().ok()?;
        if range == "*" {
            return Some(Self { part: None, size });
        }
        let (first, last) = range.split_once('-')?;
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        (first <= last && last < size).then(|| Self { part: Some(first..last.saturating_add(1)), size })
    }
}

fn parsed_range(header: &str, size: u64) -> Option<Selection> {
    let (unit, ranges) = header.split_once('=')?;
    if !trimmed(unit).eq_ignore_ascii_case("bytes") {
        return None;
    }
    let ranges = ranges.split(',').map(trimmed).filter(|range| !range.is_empty());
    let mut parts = Vec::new();
    let mut count = 0_usize;
    for range in ranges {
        let (start, end) = bounds(range, size)?;
        count = count.saturating_add(1);
        if count > MAX_PARTS {
            return None;
        }
        // What is not there is left out of several (RFC 9110, 15.5.17).
        if start < end {
            parts.push(start..end);
        }
    }
    let touches = |one: &Range<u64>, other: &Range<u64>| one.start < other.end && other.start < one.end;
    let is_apart = (1..)
        .zip(&parts)
        .all(|(next, part)| parts.get(next..).unwrap_or_default().iter().all(|other| !touches(part, other)));
    match parts.len() {
        _ if count == 0 || !is_apart => None,
        0 => Some(Selection::Unsatisfiable),
        1 => parts.pop().map(Selection::Part),
        _ => Some(Selection::Parts(parts)),
    }
}

/// The first byte of a range and the one after its last.
fn bounds(range: &str, size: u64) -> Option<(u64, u64)> {
    Some(match range.split_once('-')? {
        ("", length) => (size.saturating_sub(number(length)?), size),
        (first, "") => (number(first)?, size),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            (first, last.saturating_add(1).min(size))
        }
    })
}

/// What stands between the quotes of an entity tag, weak or not.
fn opaque(tag: &str) -> &str {
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap_or(tag)
}

/// Without white space around it, as headers have it (RFC 9110, 5.6.3).
fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// A number of decimal digits. One that is too large is as good as the largest.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use Selection::{Part, Parts, Unsatisfiable, Whole};

    use super::*;

    /// The entity tag of no bytes.
    const ETAG: &str = "\"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"";

    fn has(lines: &[&str]) -> bool {
        let if_none_match = lines.iter().map(|&line| line.into()).collect();
        Conditions { if_none_match, ..Conditions::default() }.has(&Digest::of(b""))
    }

    fn select(range: &str, if_range: Option<&str>, size: u64) -> Selection {
        let (range, if_range) = (Some(range.into()), if_range.map(Into::into));
        Conditions { range, if_range, ..Conditions::default() }.select(&Digest::of(b""), size)
    }

    #[test]
    fn if_none_match_is_a_list_of_weak_or_strong_tags() {
        let weak = ["\"x\", W/", ETAG, " ,\t"].concat();
        for line in [ETAG, ETAG.trim_matches('"'), &weak, "*"] {
            assert!(has(&[line]), "{line}");
            assert!(has(&["\"other\"", line]), "{line}");
        }
        for line in ["", ",", "\"\"", "\"x\"", "\"sha256:e3b0\"", "e3b0c44298fc1c14", &ETAG.to_uppercase()] {
            assert!(!has(&[line]), "{line}");
        }
        assert!(!has(&[]));
    }

    #[test]
    fn one_range_of_bytes_is_selected() {
        for (range, selection) in [
            ("bytes=0-0", Part(0..1)),
            ("bytes=0-", Part(0..10)),
            ("bytes=3-5", Part(3..6)),
            ("bytes=5-99999999999999999999999", Part(5..10)),
            ("bytes=-3", Part(7..10)),
            ("bytes=-11", Part(0..10)),
            ("Bytes = 1-2 , ", Part(1..3)),
            ("bytes=10-", Unsatisfiable),
            ("bytes=10-11", Unsatisfiable),
            ("bytes=99999999999999999999999-", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
        ] {
            assert_eq!(select(range, None, 10), selection, "{range}");
        }
    }

    #[test]
    fn what_is_not_one_range_selects_the_whole() {
        let ranges = " 1- bytes bytes= bytes=- bytes=1 bytes=5-4 bytes=0-3,3-4 bytes=0-1,x bytes=+1-2 bytes=a-b \
                      bytes=1-2-3 bytes=0x1-2 items=0-1 bytes=5-,-2 bytes=0-0,0-0";
        for range in ranges.split(' ').chain(["bytes=\r0-1", "bytes=0-1\u{a0}"]) {
            assert_eq!(select(range, None, 10), Whole, "{range}");
            let conditions = Conditions { range: Some(range.into()), ..Conditions::default() };
            assert_eq!(conditions.one_range(&Digest::of(b"")), None, "{range}");
        }
    }

    #[test]
    fn several_ranges_are_parts_if_they_are_few_and_apart() {
        let parts = |range: &str| select(range, None, 100);
        assert_eq!(parts("bytes=0-1,3-4"), Parts([0..2, 3..5].into()));
        // In the order that is asked for; those that meet do not overlap.
        assert_eq!(parts("bytes=50-59, -10 ,40-49"), Parts([50..60, 90..100, 40..50].into()));
        // What is not there is left out.
        assert_eq!(parts("bytes=0-1,100-"), Part(0..2));
        assert_eq!(parts("bytes=100-,200-300"), Unsatisfiable);
        let ranges = |count: usize| {
            let ranges: Vec<_> = (0..count).map(|at| alloc::format!("{0}-{0}", 2 * at)).collect();
            ["bytes=", &ranges.join(",")].concat()
        };
        assert!(matches!(parts(&ranges(MAX_PARTS)), Parts(parts) if parts.len() == MAX_PARTS));
        assert_eq!(parts(&ranges(MAX_PARTS + 1)), Whole);
        let conditions = Conditions { range: Some("bytes=0-1,3-4".into()), ..Conditions::default() };
        assert_eq!(conditions.one_range(&Digest::of(b"")), None);
        assert!(conditions.has_range(&Digest::of(b"")));
    }

    #[test]
    fn content_ranges_are_of_what_there_is() {
        let parse = |header| ContentRange::parse(header).map(|range| (range.part, range.size));
        assert_eq!(parse("bytes 0-3/10"), Some((Some(0..4), 10)));
        assert_eq!(parse("bytes */10"), Some((None, 10)));
        for header in ["", "bytes 0-3", "bytes 4-3/10", "bytes 0-10/10", "items 0-3/10", "bytes 0-3/*"] {
            assert_eq!(parse(header), None, "{header}");
        }
    }

    #[test]
    fn if_range_needs_the_strong_tag() {
        assert_eq!(select("bytes=1-2", Some(ETAG), 10), Part(1..3));
        for if_range in [&["W/", ETAG].concat(), "*", "\"x\"", "", "Wed, 21 Oct 2015 07:28:00 GMT"] {
            assert_eq!(select("bytes=1-2", Some(if_range), 10), Whole, "{if_range}");
        }
    }
}
