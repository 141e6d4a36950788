//! Platforms: what a manifest of a list or index was built for.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use core::fmt;
use core::str::FromStr;

use serde::Serialize;

use crate::Error;

/// An operating system and architecture, as Go names them (`linux`, `amd64`), and a variant of it (`v7`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Platform {
    /// Go's `GOOS`.
    pub os: String,
    /// Go's `GOARCH`.
    pub architecture: String,
    /// The variant of the architecture, such as `v7` for `arm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    /// A platform without a variant.
    #[must_use]
    pub fn new(os: &str, architecture: &str) -> Self {
        Self { os: os.to_string(), architecture: architecture.to_string(), variant: None }
    }

    /// `linux/amd64`: what Distribution picks from a list for a client that cannot read lists.
    #[must_use]
    pub fn linux_amd64() -> Self {
        Self::new("linux", "amd64")
    }

    /// Whether an entry built for `entry` is for where `self` asks: for its architecture, in a variant that runs there.
    #[must_use]
    pub fn accepts(&self, entry: &Self) -> bool {
        self.fit(entry).is_some()
    }

    /// How well an entry built for `entry` suits where `self` asks: the least is best, nothing if it does not run.
    ///
    /// The order is that of containerd (`platforms/compare.go`): the variant that is asked for, then the lower ones. A
    /// platform without a variant says nothing of its machine, and so it gets first what runs on every one of its
    /// architecture.
    pub(crate) fn fit(&self, entry: &Self) -> Option<u16> {
        let (asked, found) = (Normal::of(self), Normal::of(entry));
        if asked.os != found.os || asked.architecture != found.architecture {
            return None;
        }
        let Some(own) = asked.variant else { return Some(found.generality()) };
        match (own, found.variant.or(found.usual_variant())?) {
            (own, variant) if own == variant => Some(0),
            (Variant::Version(own), Variant::Version(version)) if version.runs_on(own) => {
                Some(own.place().saturating_sub(version.place()))
            }
            _ => None,
        }
    }

    /// How well an entry built for an older architecture suits where `self` asks, whose machines run that as well: the least
    /// is best, nothing if they do not. It is for where there is nothing [of its own](Self::fit).
    ///
    /// So does containerd (`platforms/compare.go`, `Only`): amd64 takes 386, and arm64 takes arm/v8, v7, v6 and v5.
    pub(crate) fn fit_at_last(&self, entry: &Self) -> Option<u16> {
        let (asked, found) = (Normal::of(self), Normal::of(entry));
        if asked.os != found.os || matches!(asked.variant, Some(Variant::Other(_))) {
            return None;
        }
        match (&*asked.architecture, &*found.architecture) {
            ("amd64", "386") => found.variant.is_none().then_some(0),
            ("arm64", "arm") => match found.variant.or(found.usual_variant())? {
                Variant::Version(version @ Version { major: 5..=8, minor: 0 }) => {
                    Some(u16::MAX.saturating_sub(version.place()))
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether an entry built for `entry` runs where `self` asks, be it at last.
    pub(crate) fn runs(&self, entry: &Self) -> bool {
        self.accepts(entry) || self.fit_at_last(entry).is_some()
    }

    /// The same platform without its variant, which is in the name of some: `armel` is an `arm` of a variant.
    pub(crate) fn without_variant(&self) -> Self {
        let normal = Normal::of(self);
        Self::new(&normal.os, &normal.architecture)
    }

    /// Whether it says its variant, be it in the name of its architecture.
    pub(crate) fn says_variant(&self) -> bool {
        Normal::of(self).variant.is_some()
    }

    /// Whether `self` is the same platform as `wider`, and says its variant as well.
    pub(crate) fn narrows(&self, wider: &Self) -> bool {
        let (own, wide) = (Normal::of(self), Normal::of(wider));
        wide.variant.is_none()
            && own.variant.is_some()
            && own.os == wide.os
            && own.architecture == wide.architecture
    }

    /// Whether it has both its parts.
    pub(crate) fn is_whole(&self) -> bool {
        !self.os.is_empty() && !self.architecture.is_empty()
    }

    /// Whether it says that what has it runs nowhere, as BuildKit says of attestations.
    pub(crate) fn is_unknown(&self) -> bool {
        [&self.os, &self.architecture].into_iter().any(|part| part.eq_ignore_ascii_case("unknown"))
    }
}

/// A platform in containerd's normal form (`platforms/database.go`), in which each has one spelling.
struct Normal<'p> {
    os: Cow<'p, str>,
    architecture: Cow<'p, str>,
    variant: Option<Variant<'p>>,
}

impl<'p> Normal<'p> {
    fn of(platform: &'p Platform) -> Self {
        let (os, architecture) = (lower_case(&platform.os), lower_case(&platform.architecture));
        let variant = platform.variant.as_deref();
        let (architecture, variant) = match &*architecture {
            "x86_64" | "x86-64" => ("amd64".into(), variant),
            "aarch64" => ("arm64".into(), variant),
            "i386" => ("386".into(), None),
            "armhf" => ("arm".into(), Some("v7")),
            "armel" => ("arm".into(), Some("v6")),
            _ => (architecture, variant),
        };
        let variant = variant.map(|variant| Variant::of(&architecture, variant));
        Self { os: if os == "macos" { "darwin".into() } else { os }, architecture, variant }
    }
}

impl Normal<'_> {
    /// The variant that an entry without one is of.
    fn usual_variant(&self) -> Option<Variant<'static>> {
        let major = match &*self.architecture {
            "amd64" => 1,
            "arm" => 7,
            "arm64" => 8,
            _ => return None,
        };
        Some(Variant::Version(Version { major, minor: 0 }))
    }

    /// The place of an entry for who does not say their variant: what runs on most machines comes first.
    fn generality(&self) -> u16 {
        // Of ARM's an entry without a variant may be for any: it comes after those that run everywhere, and before v7.
        const ANY_ARM: Version = Version { major: 6, minor: u8::MAX };
        match self.variant {
            None if self.architecture == "arm" => ANY_ARM.place(),
            None => 0,
            Some(Variant::Version(version)) if self.architecture == "arm" => version.place(),
            variant if variant == self.usual_variant() => 0,
            Some(Variant::Version(version)) => version.place(),
            Some(Variant::Other(_)) => u16::MAX,
        }
    }
}

fn lower_case(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        text.to_ascii_lowercase().into()
    } else {
        text.into()
    }
}

/// The variant of an architecture.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Variant<'v> {
    /// One of those of which the higher run what was built for the lower.
    Version(Version),
    /// One that runs nothing but its own.
    Other(&'v str),
}

/// A variant such as `v7` or `v8.2`.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Version {
    major: u8,
    minor: u8,
}

impl<'v> Variant<'v> {
    fn of(architecture: &str, text: &'v str) -> Self {
        let version = match architecture {
            "amd64" | "arm" | "arm64" => Version::parse(text),
            _ => None,
        };
        version.map_or(Self::Other(text), Self::Version)
    }
}

impl Version {
    /// Reads `v7`, `7` and `v8.2`.
    fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| text.parse::<u8>().ok().filter(|_| !text.starts_with('+'));
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
        Some(Self { major: number(major)?, minor: number(minor)? })
    }

    /// Its place among those of its architecture.
    fn place(self) -> u16 {
        u16::from(self.major).saturating_mul(256).saturating_add(self.minor.into())
    }

    /// Whether what was built for it runs on `own`. ARMv9.0 is an ARMv8.5 with more (Arm ARM, A2.1).
    fn runs_on(self, own: Self) -> bool {
        let level = |version: Self| match version.major {
            9 => version.minor.saturating_add(5),
            _ => version.minor,
        };
        match (self.major, own.major) {
            (8, 8 | 9) => level(self) <= level(own),
            _ => self.place() <= own.place(),
        }
    }
}

impl Default for Platform {
    fn default() -> Self {
        Self::linux_amd64()
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Platform {
    type Err = Error;

    /// Reads `os/architecture` or `os/architecture/variant`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let mut parts = text.split('/');
        let (os, architecture, variant) = (parts.next(), parts.next(), parts.next());
        match (os, architecture, parts.next()) {
            (Some(os), Some(architecture), None)
                if !os.is_empty() && !architecture.is_empty() && variant != Some("") =>
            {
                Ok(Self { variant: variant.map(ToString::to_string), ..Self::new(os, architecture) })
            }
            _ => Err(Error::InvalidPlatform { value: text.to_string() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn a_platform_has_two_or_three_parts() {
        for text in ["linux/amd64", "linux/arm/v7"] {
            assert_eq!(text.parse::<Platform>().map(|platform| platform.to_string()).as_deref(), Ok(text));
        }
        for text in ["", "linux", "linux/", "/amd64", "linux/arm/", "linux/arm/v7/x"] {
            let error = Error::InvalidPlatform { value: text.to_string() };
            assert_eq!(text.parse::<Platform>(), Err(error));
        }
    }

    fn platform(text: &str) -> Platform {
        let parsed: Result<Platform, Error> = text.parse();
        assert!(parsed.is_ok(), "{text}");
        parsed.unwrap_or_default()
    }

    /// The entries that run where `asked` says, the best first.
    fn in_order<'e>(asked: &str, entries: &[&'e str]) -> Vec<&'e str> {
        let asked = platform(asked);
        let mut fitting: Vec<_> =
            entries.iter().filter_map(|entry| Some((asked.fit(&platform(entry))?, *entry))).collect();
        fitting.sort_by_key(|(fit, _)| *fit);
        fitting.into_iter().map(|(_, entry)| entry).collect()
    }

    #[test]
    fn variants_have_the_order_of_containerd() {
        let arm = ["linux/arm/v8", "linux/arm64", "linux/arm/v7", "linux/arm/v5", "linux/arm/v6"];
        assert_eq!(in_order("linux/arm/v7", &arm), ["linux/arm/v7", "linux/arm/v6", "linux/arm/v5"]);
        assert_eq!(in_order("linux/arm/v6", &arm), ["linux/arm/v6", "linux/arm/v5"]);
        let arm64 =
            ["linux/arm64/v8", "linux/arm64/v9", "linux/arm64", "linux/arm64/v8.5", "linux/arm64/v8.6"];
        assert_eq!(in_order("linux/arm64/v8", &arm64), ["linux/arm64/v8", "linux/arm64"]);
        assert_eq!(
            in_order("linux/arm64/v9", &arm64),
            ["linux/arm64/v9", "linux/arm64/v8.5", "linux/arm64/v8", "linux/arm64"]
        );
        let amd64 = ["linux/amd64/v3", "linux/amd64", "linux/amd64/v2", "linux/amd64/v1"];
        assert_eq!(in_order("linux/amd64/v2", &amd64), ["linux/amd64/v2", "linux/amd64", "linux/amd64/v1"]);
        assert_eq!(in_order("linux/amd64/v1", &amd64), ["linux/amd64", "linux/amd64/v1"]);
        assert_eq!(in_order("linux/ppc64le/power9", &["linux/ppc64le/power8", "linux/ppc64le"]), [""; 0]);
        assert_eq!(in_order("linux/386/sse2", &["linux/386/SSE2", "linux/386/sse2"]), ["linux/386/sse2"]);
        assert_eq!(in_order("windows/arm", &arm), [""; 0]);
    }

    #[test]
    fn who_says_no_variant_gets_what_runs_everywhere() {
        let arm = ["linux/arm/v8", "linux/arm/v7", "linux/arm", "linux/arm/v6", "linux/arm/v5"];
        let mut reversed = arm;
        reversed.reverse();
        assert_eq!(in_order("linux/arm", &arm), reversed);
        let amd64 = ["linux/amd64/v4", "linux/amd64/v2", "linux/amd64/v1", "linux/amd64"];
        assert_eq!(
            in_order("linux/amd64", &amd64),
            ["linux/amd64/v1", "linux/amd64", "linux/amd64/v2", "linux/amd64/v4"]
        );
        let arm64 = ["linux/arm64/v9", "linux/arm64/v8", "linux/arm64"];
        assert_eq!(in_order("linux/arm64", &arm64), ["linux/arm64/v8", "linux/arm64", "linux/arm64/v9"]);
        let riscv = ["linux/riscv64/rva23u64", "linux/riscv64"];
        assert_eq!(in_order("linux/riscv64", &riscv), ["linux/riscv64", "linux/riscv64/rva23u64"]);
    }

    #[test]
    fn an_older_architecture_is_the_last_choice_of_some() {
        let in_order = |asked: &str, entries: &[&'static str]| {
            let asked = platform(asked);
            let fit = |entry: &&'static str| Some((asked.fit_at_last(&platform(entry))?, *entry));
            let mut fitting: Vec<_> = entries.iter().filter_map(fit).collect();
            fitting.sort_unstable();
            fitting.into_iter().map(|(_, entry)| entry).collect::<Vec<_>>()
        };
        let arm =
            ["linux/arm/v5", "linux/arm/v7", "linux/arm64", "linux/arm/v8", "linux/386", "linux/arm/v6"];
        let all_of_arm = ["linux/arm/v8", "linux/arm/v7", "linux/arm/v6", "linux/arm/v5"];
        for asked in ["linux/arm64", "linux/aarch64/v8", "linux/arm64/v9", "linux/arm64/v8.5"] {
            assert_eq!(in_order(asked, &arm), all_of_arm, "{asked}");
        }
        assert_eq!(in_order("linux/arm64", &["linux/arm/v6", "linux/arm"]), ["linux/arm", "linux/arm/v6"]);
        for asked in ["linux/amd64", "linux/x86_64/v3"] {
            assert_eq!(in_order(asked, &["linux/arm", "linux/386/sse2", "linux/i386"]), ["linux/i386"]);
        }
        for asked in ["linux/386", "linux/arm/v8", "windows/amd64", "linux/arm64/other", "linux/ppc64le"] {
            assert_eq!(
                in_order(asked, &["linux/386", "linux/amd64", "linux/arm64", "linux/arm/v7"]),
                [""; 0]
            );
        }
    }

    #[test]
    fn a_platform_has_several_spellings() {
        for (one, other) in [
            ("linux/amd64", "Linux/x86_64"),
            ("linux/amd64", "linux/x86-64/v1"),
            ("linux/arm64", "linux/aarch64"),
            ("linux/arm64/v8", "linux/AArch64/8"),
            ("linux/arm/v7", "linux/armhf"),
            ("linux/arm/7", "linux/arm/v7"),
            ("linux/arm/v6", "linux/armel"),
            ("linux/386", "linux/i386"),
            ("darwin/arm64", "macOS/arm64"),
        ] {
            assert_eq!(
                platform(one).fit(&platform(other)),
                platform(one).fit(&platform(one)),
                "{one} {other}"
            );
            assert!(platform(other).accepts(&platform(one)), "{one} {other}");
        }
        for (one, other) in
            [("linux/amd64", "linux/386"), ("linux/arm", "linux/arm64"), ("linux/arm", "linux/armeb")]
        {
            assert!(!platform(one).accepts(&platform(other)), "{one} {other}");
        }
    }

    #[test]
    fn a_narrower_platform_says_the_variant_too() {
        let narrows = |one, other| platform(one).narrows(&platform(other));
        assert!(narrows("linux/arm/v6", "linux/arm") && narrows("linux/aarch64/v8", "linux/arm64"));
        for other in ["linux/arm/v6", "linux/arm/v7", "linux/arm64", "windows/arm"] {
            assert!(!narrows("linux/arm/v6", other), "{other}");
        }
        assert!(!narrows("linux/arm", "linux/arm"));
    }
}
