//! What the fuzz targets have found, held to an implementation.

use anyhow::{bail, ensure};
use downshift::answer::Request;
use downshift::{Capabilities, Form, Platform, Policy};

use crate::images::{Family, Image, sample};
use crate::implementation::{Implementation, Outcome, schema1_request};

/// A list names one manifest twice, under two media types: it is converted, and the manifest is asked for once.
///
/// # Errors
/// If it is not converted.
pub fn a_manifest_listed_under_two_types_is_needed_once(
    implementation: &dyn Implementation,
) -> anyhow::Result<()> {
    let platforms = [Platform::new("linux", "arm64"), Platform::linux_amd64()];
    let mut list = Image::index(Family::Docker, platforms.map(|platform| (platform, sample::oci())).into());
    let text = String::from_utf8(list.manifest.bytes)?;
    let text = text.replacen(Form::Oci.media_type(), Form::Schema2.media_type(), 1);
    ensure!(text.contains(Form::Oci.media_type()), "the list has one entry only");
    list.manifest.bytes = text.into_bytes();
    let request = schema1_request("library/sample", "latest", list.manifest.digest(), Policy::Strict);
    let request = Request { client: Capabilities::of(&[Form::Index]), ..request };
    match implementation.answer(&request, &list.documents()) {
        Outcome::Answered(answered) => {
            ensure!(answered.form == Form::Index, "it is `{}`", answered.form);
            Ok(())
        }
        outcome => bail!("it is not converted: {outcome:?}"),
    }
}
