//! The values of labels, so few that there is a place for each.

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RouteName {
    Manifest,
    Blob,
    Tags,
    Referrers,
    Base,
    Token,
    Other,
}

/// What comes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// What was asked for, or where it is.
    Given,
    /// The client has it.
    Unchanged,
    /// It cannot be given to this client, or is none that can be asked.
    Refused,
    /// The client may not have it.
    Denied,
    /// There is none.
    Missing,
    /// There is too much to do.
    Busy,
    /// The upstream registry failed.
    Upstream,
    /// This server failed.
    Failed,
}

/// A cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cache {
    /// Of answers.
    Answers,
    /// Of upstream registries' documents, in memory.
    Documents,
    /// Of the same, on disk.
    Disk,
    /// Of upstream registries' tags.
    Tags,
    /// Of blobs, on disk.
    Blobs,
}

impl RouteName {
    /// Every name, in the order of its number.
    pub(crate) const ALL: [Self; 7] =
        [Self::Manifest, Self::Blob, Self::Tags, Self::Referrers, Self::Base, Self::Token, Self::Other];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Blob => "blob",
            Self::Tags => "tags",
            Self::Referrers => "referrers",
            Self::Base => "base",
            Self::Token => "token",
            Self::Other => "other",
        }
    }
}

impl Outcome {
    /// Every outcome, in the order of its number.
    pub(crate) const ALL: [Self; 8] = [
        Self::Given,
        Self::Unchanged,
        Self::Refused,
        Self::Denied,
        Self::Missing,
        Self::Busy,
        Self::Upstream,
        Self::Failed,
    ];

    /// The outcome of a request that was answered with `status`.
    pub(crate) const fn of(status: u16) -> Self {
        match status {
            304 => Self::Unchanged,
            200..400 => Self::Given,
            401 | 403 => Self::Denied,
            404 => Self::Missing,
            429 | 503 => Self::Busy,
            502 | 504 => Self::Upstream,
            400..500 => Self::Refused,
            _ => Self::Failed,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
            Self::Denied => "denied",
            Self::Missing => "missing",
            Self::Busy => "busy",
            Self::Upstream => "upstream",
            Self::Failed => "failed",
        }
    }
}

impl Cache {
    /// Every cache, in the order of its number.
    pub(crate) const ALL: [Self; 5] = [Self::Answers, Self::Documents, Self::Disk, Self::Tags, Self::Blobs];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Answers => "answers",
            Self::Documents => "documents",
            Self::Disk => "disk",
            Self::Tags => "tags",
            Self::Blobs => "blobs",
        }
    }
}
