//! Verdicts on two documents.

use downshift::Form;
use downshift_inspect::{DiffVerdict, diff};

use crate::support::{CONFIG, manifest, schema1, schema2};

const OTHER: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

#[test]
fn each_verdict_has_its_sentence() {
    let docker = schema2();
    let oci = manifest(Form::Oci, "application/vnd.oci.image.layer.v1.tar+gzip");
    let spaced = docker.replace(",\"", ", \"");
    let annotated = format!("{},\"annotations\":{{}}}}", docker.strip_suffix('}').unwrap());
    let config = docker.replacen(&downshift::Digest::of(CONFIG.as_bytes()).to_string(), OTHER, 1);
    let layer = docker.replacen(&downshift::Digest::of(b"layer").to_string(), OTHER, 1);
    let schema1 = String::from_utf8(schema1(Form::Schema1)).unwrap();
    let cases = [
        (&docker, DiffVerdict::SameBytes, "the bytes are the same"),
        (
            &spaced,
            DiffVerdict::SameContent,
            "the same JSON, written differently: only white space or escapes differ",
        ),
        (&annotated, DiffVerdict::SameImage, "the same config and layers; other members differ"),
        (&oci, DiffVerdict::SameImage, "the same config and layers; the form differs"),
        (&schema1, DiffVerdict::SameImage, "the same layers; the form differs"),
        (&config, DiffVerdict::SameLayers, "the same layers, but another config"),
        (&layer, DiffVerdict::OtherLayers, "other layers: 1 removed, 1 added, 0 layers the same"),
        (&CONFIG.to_owned(), DiffVerdict::Other, "the content differs"),
    ];
    for (other, verdict, text) in cases {
        let diff = diff(docker.as_bytes(), other.as_bytes());
        assert_eq!((diff.verdict, diff.text.as_str()), (verdict, text));
    }
}

#[test]
fn a_diff_is_exact() {
    let (before, after) = (b"a\nb c\nd\n", b"a\nb  c\nd\n");
    let found = serde_json::to_string(&diff(before, after)).unwrap();
    let expected = r#"{"verdict":"other","text":"the content differs","layers":[],"chunks":[{"kind":"same","before":{"start":0,"end":2},"after":{"start":0,"end":2},"before_line":1,"after_line":1,"before_lines":1,"after_lines":1,"parts":[]},{"kind":"changed","before":{"start":2,"end":6},"after":{"start":2,"end":7},"before_line":2,"after_line":2,"before_lines":1,"after_lines":1,"parts":[{"kind":"same","before":{"start":2,"end":3},"after":{"start":2,"end":3}},{"kind":"removed","before":{"start":3,"end":4},"after":{"start":3,"end":3}},{"kind":"added","before":{"start":4,"end":4},"after":{"start":3,"end":5}},{"kind":"same","before":{"start":4,"end":6},"after":{"start":5,"end":7}}]},{"kind":"same","before":{"start":6,"end":8},"after":{"start":7,"end":9},"before_line":3,"after_line":3,"before_lines":1,"after_lines":1,"parts":[]}],"coarse":false}"#;
    assert_eq!(found, expected);
}
