//! Documents as the field has them.

use downshift::Form;
use downshift_cases::images::{Family, sample};

use super::row::{Options, Row, get, manifest, push, row, schema1, status, stored};

pub(super) fn rows() -> Vec<Row> {
    [config_types(), vec![short_history()]].concat()
}

/// Types of configs that say nothing, as Docker 1.10 pushed them to some registries.
fn config_types() -> Vec<Row> {
    let types = [
        ("none", ""),
        ("octet-stream", "application/octet-stream"),
        ("json", "application/json"),
        ("html", "text/html"),
        ("html-with-charset", "text/html; charset=utf-8"),
    ];
    let with = |(name, media_type)| {
        let image = sample::with_config_type(Family::Docker, media_type);
        let oci = status(200).header("content-type", Form::Oci.media_type());
        let tag = manifest("latest");
        let steps = [
            push("latest", &image),
            get(&tag).comes(schema1(&image, "latest")),
            get(&tag).reading(Form::Schema2).comes(stored(&image)),
            get(&tag).reading(Form::Oci).comes(oci),
        ];
        row(format!("field/config-type/{name}"), Options::default(), steps)
    };
    types.into_iter().map(with).collect()
}

/// A layer that the history says nothing of.
fn short_history() -> Row {
    let image = sample::surplus_layer();
    let steps = [push("latest", &image), get(&manifest("latest")).comes(schema1(&image, "latest"))];
    row("field/short-history", Options::default(), steps)
}
