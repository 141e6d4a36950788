//! The versions of Docker.

/// A version of Docker, in the order of their age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Docker {
    /// 1.6.2 of May 2015: the first with this API.
    V1_6_2,
    /// 1.7.1 of July 2015.
    V1_7_1,
    /// 1.8.3 of October 2015: the first that checks the chain of parents.
    V1_8_3,
    /// 1.9.1 of November 2015: the last that reads schema 1 only.
    V1_9_1,
    /// 1.10.3 of March 2016.
    V1_10_3,
    /// 1.13.1 of February 2017, which RHEL 7 has.
    V1_13_1,
    /// 20.10.24 of April 2023.
    V20_10_24,
}

impl Docker {
    /// Every version whose schema 1 rules are here.
    pub const ALL: [Self; 5] = [Self::V1_6_2, Self::V1_7_1, Self::V1_8_3, Self::V1_9_1, Self::V1_10_3];

    /// The version, such as `1.6.2`.
    #[must_use]
    pub const fn version(self) -> &'static str {
        match self {
            Self::V1_6_2 => "1.6.2",
            Self::V1_7_1 => "1.7.1",
            Self::V1_8_3 => "1.8.3",
            Self::V1_9_1 => "1.9.1",
            Self::V1_10_3 => "1.10.3",
            Self::V1_13_1 => "1.13.1",
            Self::V20_10_24 => "20.10.24",
        }
    }
}
