//! Forms in words.

use downshift::Form;

/// A form in a word or two.
pub(super) const fn words(form: Form) -> &'static str {
    match form {
        Form::Schema1 => "signed schema 1",
        Form::Schema1Unsigned => "unsigned schema 1",
        Form::Schema2 => "schema 2",
        Form::List => "manifest list",
        Form::Oci => "OCI manifest",
        Form::Index => "OCI index",
        Form::Other => "another manifest",
    }
}
