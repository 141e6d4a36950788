//! What clients name in `Accept`, as far as a web server looks at it.

/// What a client names in `Accept`, as far as a web server looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Naming {
    /// An OCI form.
    Oci,
    /// Schema 2 or its list, and no OCI form.
    Schema2,
    /// Neither.
    Neither,
}

impl Naming {
    /// What these lines name.
    pub(crate) fn of(accept: &[&str]) -> Self {
        let has = |part: &str| accept.iter().any(|line| line.contains(part));
        if has("vnd.oci.image.manifest.v1") || has("vnd.oci.image.index.v1") {
            Self::Oci
        } else if has("vnd.docker.distribution.manifest.v2")
            || has("vnd.docker.distribution.manifest.list.v2")
        {
            Self::Schema2
        } else {
            Self::Neither
        }
    }

    /// By what a web server knows it, in any case; of who names neither, everything.
    #[must_use]
    pub const fn pattern(self) -> &'static str {
        match self {
            Self::Oci => r"application/vnd[.]oci[.]image[.](?:manifest|index)[.]v1[+]json",
            Self::Schema2 => r"application/vnd[.]docker[.]distribution[.]manifest[.](?:list[.])?v2[+]json",
            Self::Neither => "",
        }
    }
}
