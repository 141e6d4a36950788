//! Content codings of a blob on its way (RFC 9110, 8.4), and who takes which.

use alloc::string::String;

use downshift::Digest;

use crate::accept::{split, weight};

/// What names the codings that a client takes in `Vary`.
pub(crate) const DECIDES_CODING: &str = "Accept-Encoding";

/// A coding that a plain tar may have on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    /// Zstandard: the bytes as they are stored (RFC 8878; as a coding RFC 9659).
    Zstd,
    /// gzip, made on the way.
    Gzip,
}

impl Coding {
    /// The largest window that a client has to be able to decode where zstd is a coding, in bytes (RFC 9659, 3).
    pub const MAX_ZSTD_WINDOW: u64 = 8 * 1024 * 1024;

    /// Its name in headers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// The entity tag of the blob with this digest in this coding: another one than that of its bytes (RFC 9110, 8.8.3.3),
    /// and a weak one where two runs of an encoder may give other bytes.
    pub(crate) fn entity_tag(self, digest: &Digest) -> String {
        let weak = match self {
            Self::Zstd => "",
            Self::Gzip => "W/",
        };
        [weak, "\"", digest.as_str(), "+", self.name(), "\""].concat()
    }
}

/// The codings that a client takes, by all lines of its `Accept-Encoding` (RFC 9110, 12.5.3).
///
/// One without the header takes none: Go leaves it out of HEAD and of requests for a part, and counts on plain bytes there. Nor
/// does one that would rather have plain bytes, and says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Codings {
    zstd: bool,
    gzip: bool,
}

impl Codings {
    pub(crate) fn parse<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let (mut zstd, mut gzip, mut any, mut identity) = (None, None, None, None);
        for element in lines.into_iter().flat_map(|line| split(line, b',')) {
            let mut parts = split(element, b';').map(<[u8]>::trim_ascii);
            let coding = parts.next().unwrap_or_default();
            let weight = Some(weight(parts));
            if coding.eq_ignore_ascii_case(b"zstd") {
                zstd = zstd.max(weight);
            } else if coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip") {
                gzip = gzip.max(weight);
            } else if coding == b"*" {
                any = any.max(weight);
            } else if coding.eq_ignore_ascii_case(b"identity") {
                identity = identity.max(weight);
            }
        }
        let is_taken =
            |named: Option<u16>| named.or(any).is_some_and(|weight| weight > 0 && Some(weight) >= identity);
        Self { zstd: is_taken(zstd), gzip: is_taken(gzip) }
    }

    pub(crate) fn has(self, coding: Coding) -> bool {
        match coding {
            Coding::Zstd => self.zstd,
            Coding::Gzip => self.gzip,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(lines: &[&str]) -> (bool, bool) {
        let codings = Codings::parse(lines.iter().map(|line| line.as_bytes()));
        (codings.has(Coding::Zstd), codings.has(Coding::Gzip))
    }

    #[test]
    fn codings_are_taken_by_name_and_weight() {
        // containerd 2, Go, curl.
        assert_eq!(taken(&["zstd;q=1.0, gzip;q=0.8, deflate;q=0.5"]), (true, true));
        assert_eq!(taken(&["gzip"]), (false, true));
        assert_eq!(taken(&["deflate, gzip, br, zstd"]), (true, true));
        assert_eq!(taken(&["identity"]), (false, false));
        assert_eq!(taken(&[]), (false, false));
        assert_eq!(taken(&[""]), (false, false));
        assert_eq!(taken(&["gzip", "ZSTD ; q=0.001"]), (true, true));
        assert_eq!(taken(&["zstd;q=0, *"]), (false, true));
        assert_eq!(taken(&["*;q=0"]), (false, false));
        assert_eq!(taken(&["*"]), (true, true));
        assert_eq!(taken(&["zstdx, gzi"]), (false, false));
        assert_eq!(taken(&["zstd;q=0.5, gzip, Identity"]), (false, true));
        assert_eq!(taken(&["*;q=0.1, identity;q=0.2"]), (false, false));
        assert_eq!(taken(&["identity;q=0, zstd;q=0.1, gzip;q=0"]), (true, false));
    }

    #[test]
    fn each_coding_has_an_entity_tag_of_its_own() {
        let digest = Digest::empty_layer();
        assert_eq!(Coding::Zstd.entity_tag(&digest), alloc::format!("\"{digest}+zstd\""));
        assert_eq!(Coding::Gzip.entity_tag(&digest), alloc::format!("W/\"{digest}+gzip\""));
    }
}
