//! Images of any size, with configs as builders write them: for measurements.

use core::iter;

use downshift::{Digest, EMPTY_LAYER, Form, Policy};
use serde_json::{Value, json};

use super::{Family, Image, REPOSITORY};
use crate::implementation::{Answered, Implementation as _, Native, Outcome, schema1_request};

/// When everything in these images was made.
const CREATED: &str = "2024-05-14T09:30:21.123456789Z";

/// A schema 2 image with so many layers. Images with different numbers share their layers, but no document.
///
/// The config has about 950 bytes, and 290 more for each layer: 2.4 KB with 5 layers, 12.6 KB with 40.
#[must_use]
pub fn layers(count: usize, number: usize) -> Image {
    image(count, &number.to_string())
}

/// A schema 2 image with one layer, whose config has `bytes` bytes, nearly all of them plain text in a label.
#[must_use]
pub fn text(bytes: usize) -> Image {
    const LINE: &str = "Plain text, as people write it into labels, with nothing in it that JSON escapes. ";
    let rest = config(1, "").len();
    let label: String = LINE.chars().cycle().take(bytes.saturating_sub(rest)).collect();
    image(1, &label)
}

/// The same image as [`layers`] makes, as it was stored in schema 1.
///
/// # Errors
/// If it cannot be made.
pub fn schema1(count: usize) -> anyhow::Result<Image> {
    in_schema1(layers(count, 0))
}

/// A schema 2 image as it was stored in schema 1.
///
/// # Errors
/// If it cannot be made.
pub fn in_schema1(image: Image) -> anyhow::Result<Image> {
    let request = schema1_request(REPOSITORY, "latest", image.manifest.digest(), Policy::Strict);
    let Outcome::Answered(Answered { body, .. }) = Native.answer(&request, &image.documents()) else {
        anyhow::bail!("the image is not converted")
    };
    // Of the entries without a layer.
    let layers = image.layers.into_iter().chain([EMPTY_LAYER.to_vec()]).collect();
    Ok(Image { layers, ..Image::bare(Form::Schema1, body) })
}

fn image(layers: usize, label: &str) -> Image {
    Image::single(Family::Docker, config(layers, label).into_bytes(), (0..layers).map(layer).collect())
}

/// Conversion looks at a layer's digest only.
fn layer(number: usize) -> Vec<u8> {
    format!("layer {number}").into_bytes()
}

/// The config as Docker's builder writes it. Each layer comes from a line of a Dockerfile; two more lines made none.
fn config(layers: usize, label: &str) -> String {
    let settings = json!({
        "Hostname": "6f1d2c3b4a59", "Domainname": "", "User": "srv",
        "AttachStdin": false, "AttachStdout": false, "AttachStderr": false,
        "Tty": false, "OpenStdin": false, "StdinOnce": false,
        "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"],
        "Cmd": ["serve"],
        "Image": "sha256:9b1c7a2e58403f9d6b1e8d7c6f5a4b3c2d1e0f9a8b7c6d5e4f3a2b1c0d9e8f7a",
        "Volumes": null, "WorkingDir": "/srv", "Entrypoint": null, "OnBuild": null,
        "Labels": { "org.opencontainers.image.description": label },
    });
    let with_layer = |number: usize| {
        let command = format!(
            "/bin/sh -c apt-get update && apt-get install --yes --no-install-recommends package-{number:04} && \
             apt-get clean && rm -rf /var/lib/apt/lists/* /var/log/* /var/tmp/*"
        );
        json!({ "created": CREATED, "created_by": command })
    };
    let without_layer =
        |command: &str| json!({ "created": CREATED, "created_by": command, "empty_layer": true });
    let history: Vec<Value> = (0..layers)
        .map(with_layer)
        .chain(iter::once(without_layer("/bin/sh -c #(nop) WORKDIR /srv")))
        .chain(iter::once(without_layer("/bin/sh -c #(nop)  CMD [\"serve\"]")))
        .collect();
    let diff_ids: Vec<Digest> = (0..layers).map(|number| Digest::of(&layer(number))).collect();
    json!({
        "architecture": "amd64",
        "config": settings,
        "container": "6f1d2c3b4a5968778695a4b3c2d1e0f00f1e2d3c4b5a69788796a5b4c3d2e1f0",
        "created": CREATED,
        "docker_version": "20.10.24",
        "history": history,
        "os": "linux",
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    })
    .to_string()
}
