//! The answer of a command, which its exit status tells.

/// The answer of a command that was carried out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is done, or the answer is yes.
    Yes,
    /// The answer is no.
    No,
}

impl From<bool> for Verdict {
    fn from(is_yes: bool) -> Self {
        if is_yes { Self::Yes } else { Self::No }
    }
}
