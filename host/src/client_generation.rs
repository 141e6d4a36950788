//! Which generation of clients a request comes from.

use downshift::{Capabilities, Form};

/// A generation of clients, by what they understand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientGeneration {
    /// Docker 1.6 to 1.9, by their own words.
    Schema1Engine,
    /// Others that name nothing newer than schema 1: that is how these engines ask, and so does `curl`.
    Schema1,
    /// Docker 1.10 to 18.05, which name schema 2 and not OCI.
    Schema2,
    /// Those that name both.
    Current,
    /// Those that name OCI only.
    OciOnly,
}

impl ClientGeneration {
    /// Every generation, the oldest first.
    pub(crate) const ALL: [Self; 5] =
        [Self::Schema1Engine, Self::Schema1, Self::Schema2, Self::Current, Self::OciOnly];

    /// The generation of a client that understands `client`.
    pub(crate) fn of(client: &Capabilities) -> Self {
        let names = |form| client.weight(form).is_some_and(|weight| weight > 0);
        let oci = names(Form::Oci) || names(Form::Index);
        let docker = names(Form::Schema2) || names(Form::List);
        match (oci, docker) {
            (true, true) => Self::Current,
            (true, false) => Self::OciOnly,
            (false, true) => Self::Schema2,
            (false, false) if client.is_schema1_engine() => Self::Schema1Engine,
            (false, false) => Self::Schema1,
        }
    }

    /// Its name in figures.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Schema1Engine => "docker-1.6-1.9",
            Self::Schema1 => "schema1",
            Self::Schema2 => "schema2",
            Self::Current => "current",
            Self::OciOnly => "oci-only",
        }
    }

    /// Whether it knows nothing of OCI.
    pub(crate) const fn is_old(self) -> bool {
        matches!(self, Self::Schema1Engine | Self::Schema1 | Self::Schema2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_are_told_apart_by_what_they_name() {
        let of = |forms: &[Form]| ClientGeneration::of(&Capabilities::of(forms));
        assert_eq!(
            ClientGeneration::of(&Capabilities::default().with_schema1_engine()),
            ClientGeneration::Schema1Engine
        );
        assert_eq!(ClientGeneration::of(&Capabilities::default().with_any()), ClientGeneration::Schema1);
        assert_eq!(of(&[Form::Schema1, Form::Schema2, Form::List]), ClientGeneration::Schema2);
        assert_eq!(of(&[Form::Schema2, Form::Oci, Form::Index]), ClientGeneration::Current);
        assert_eq!(of(&[Form::Oci, Form::Index]), ClientGeneration::OciOnly);
        assert_eq!(
            ClientGeneration::of(&Capabilities::default().with_form(Form::Oci, 0)),
            ClientGeneration::Schema1
        );
    }
}
