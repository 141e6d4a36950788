//! What Pulp 2 has published for Crane: up to three manifests by one tag, each in a form of its own, as a registry with
//! conversions of its own gave them to Pulp.
//!
//! Crane gives each client one of them (`crane/views/v2.py`), and people have its digest: so does Downshift, and where none
//! of them is what a client takes, or the client is not on the platform that Pulp assumes, it converts.

use alloc::vec::Vec;

use downshift::{Capabilities, Digest, Form, Platform};

use crate::effect::StoredManifest;

/// The forms in Crane's order.
const FORMS: [Form; 6] =
    [Form::List, Form::Index, Form::Schema2, Form::Oci, Form::Schema1, Form::Schema1Unsigned];

/// The digest of what a tag has for a client.
pub(crate) fn choose<'s>(stored: &'s StoredManifest, client: &Capabilities, usual: &Platform) -> &'s Digest {
    let of_form = |form: Form| stored.variants.iter().find(|(own, _)| *own == form);
    let forms: Vec<Form> = FORMS.into_iter().filter(|form| of_form(*form).is_some()).collect();
    // Pulp asks for lists, and beside them for what registries give to who knows none, which is for this platform.
    let platform = client.platform().unwrap_or(usual);
    let is_pulps = platform.os == "linux" && platform.architecture == "amd64";
    let list = forms.first().copied().filter(|form| form.is_index() && !is_pulps);
    let form = list.or_else(|| client.nearest(&forms));
    form.and_then(of_form).map_or(&stored.digest, |(_, digest)| digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(forms: &[Form]) -> StoredManifest {
        let variants: Vec<_> = forms.iter().map(|form| (*form, digest(*form))).collect();
        let digest = variants.first().map_or_else(|| Digest::of(b""), |(_, digest)| digest.clone());
        StoredManifest { digest, reading: 0, variants }
    }

    fn digest(form: Form) -> Digest {
        Digest::of(form.media_type().as_bytes())
    }

    #[test]
    fn who_reads_lists_gets_the_list_and_who_names_nothing_schema_1() {
        use Form::{Index, List, Oci, Schema1, Schema2};
        let arm = Platform::new("linux", "arm64");
        let client = Capabilities::of;
        let (old, docker) = (Capabilities::default(), client(&[Schema1, Schema2, List]));
        let all = &[Schema1, List, Schema2][..];
        for (forms, client, expected) in [
            (all, docker.clone(), List),
            (all, old.clone(), Schema1),
            (all, client(&[Schema1, Schema2]), Schema2),
            (all, client(&[Schema1]), Schema1),
            // Nothing is as these take it: a list becomes an index, and has an image of each form.
            (all, client(&[Index, Oci]), List),
            (all, client(&[Oci]), List),
            (&[Schema2, Schema1], docker.clone(), Schema2),
            (&[Schema2, Schema1], old.clone(), Schema1),
            (&[Schema2, Schema1], client(&[Oci]), Schema2),
            (&[Schema1], docker.clone(), Schema1),
            (&[Schema2], old.clone(), Schema2),
            (&[List], old.clone(), List),
            // Schema 1 is for another platform.
            (all, old.with_platform(arm.clone()), List),
            (&[Schema2, Schema1], docker.with_platform(arm), Schema2),
        ] {
            let usual = Platform::default();
            assert_eq!(*choose(&stored(forms), &client, &usual), digest(expected), "{forms:?} {client:?}");
        }
        // Of a layout there is one.
        let single = StoredManifest { digest: Digest::of(b"x"), reading: 1, variants: Vec::new() };
        assert_eq!(*choose(&single, &Capabilities::default(), &Platform::default()), single.digest);
    }
}
