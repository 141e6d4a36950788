//! The `Accept` header (RFC 9110, 12.5.1): what the client understands.

use core::str;

use downshift::{Capabilities, Form};

use crate::UserAgent;

/// Types of manifests that are passed on as they are (OCI image specification 1.1-rc, artifact.md; ORAS artifact manifests):
/// registries that have them give them to who names them.
const ARTIFACTS: [&str; 2] =
    ["application/vnd.oci.artifact.manifest.v1+json", "application/vnd.cncf.oras.artifact.manifest.v1+json"];

/// Every type of a manifest that can be used: what upstream registries are asked for. Each is to have a line of `Accept` of
/// its own, as Docker and skopeo send them: Distribution before 2.6 and Harbor 1.1 know no type that shares a line with
/// others (containerd, issue 5632).
pub fn every_type() -> impl Iterator<Item = &'static str> {
    let forms = [Form::Oci, Form::Index, Form::Schema2, Form::List, Form::Schema1, Form::Schema1Unsigned];
    forms.into_iter().map(Form::media_type).chain(ARTIFACTS)
}

/// What a client understands, by all lines of its `Accept` header in any order and by its `User-Agent`.
///
/// Types compare without regard to case, weights count, `*/*` and `application/*` are the wildcards that fit a
/// manifest. Parameters other than `q` are passed over, as Distribution does, and so are elements that are no media
/// range. The work grows with the bytes of the header and little is kept of them, so that [`Request`](crate::Request)
/// limits the bytes alone.
#[must_use]
pub fn capabilities<'a>(
    accept: impl IntoIterator<Item = &'a [u8]>,
    user_agent: Option<&str>,
) -> Capabilities {
    let mut capabilities = Capabilities::default();
    let (mut any, mut any_application) = (None, None);
    for element in accept.into_iter().flat_map(|line| split(line, b',')) {
        // No media range that means anything here has a quoted string in it.
        let end = element.iter().position(|&byte| byte == b';').unwrap_or(element.len());
        let (range, parameters) = element.split_at(end);
        let range = str::from_utf8(range.trim_ascii()).unwrap_or_default();
        let weight = weight(split(parameters, b';').map(<[u8]>::trim_ascii));
        if range.eq_ignore_ascii_case("application/*") {
            any_application = any_application.max(Some(weight));
        } else if range == "*/*" {
            any = any.max(Some(weight));
        } else {
            capabilities = capabilities.with_type(range, weight);
        }
    }
    // The more specific range decides: `application/*;q=0, */*` takes no manifest that it does not name.
    if any_application.or(any).is_some_and(|weight| weight > 0) {
        capabilities = capabilities.with_any();
    }
    match user_agent {
        Some(user_agent) => UserAgent::parse(user_agent).describe(capabilities),
        None => capabilities,
    }
}

/// `text` at each `separator` that stands outside of a quoted string (RFC 9110, 5.6.4).
pub(crate) fn split(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |&byte| {
        if !quoted {
            quoted = byte == b'"';
            return byte == separator;
        }
        if escaped {
            escaped = false;
        } else {
            (escaped, quoted) = (byte == b'\\', byte != b'"');
        }
        false
    })
}

/// The weight among a media range's parameters, in thousandths. One that cannot be read is none: the client has
/// named the type all the same.
pub(crate) fn weight<'a>(mut parameters: impl Iterator<Item = &'a [u8]>) -> u16 {
    let value =
        parameters.find_map(|parameter| parameter.strip_prefix(b"q=").or(parameter.strip_prefix(b"Q=")));
    value.and_then(|value| thousandths(str::from_utf8(value).ok()?)).unwrap_or(1000)
}

/// A weight (RFC 9110, 12.4.2), which may have more than its three decimals.
fn thousandths(value: &str) -> Option<u16> {
    let (whole, decimals) = value.split_once('.').unwrap_or((value, ""));
    if !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match whole {
        "1" => Some(1000),
        "0" => {
            let digits = decimals.bytes().map(|digit| u16::from(digit & 0xf)).chain([0; 3]);
            let cut = digits.take(3).fold(0_u16, |cut, digit| cut.wrapping_mul(10).wrapping_add(digit));
            // However small, a weight above 0 excludes nothing.
            Some(cut.max(u16::from(decimals.bytes().any(|digit| digit != b'0'))))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;

    use Form::{Index, List, Oci, Schema1, Schema1Unsigned, Schema2};

    use super::*;

    const SCHEMA2: &str = "application/vnd.docker.distribution.manifest.v2+json";

    fn accept(lines: &[&str]) -> Capabilities {
        capabilities(lines.iter().map(|line| line.as_bytes()), None)
    }

    /// The weight of schema 2, where `parameters` follow its type.
    fn schema2(parameters: &str) -> Option<u16> {
        accept(&[&format!("{SCHEMA2}{parameters}")]).weight(Schema2)
    }

    #[test]
    fn docker_1_9_sends_no_accept() {
        assert_eq!(accept(&[]), Capabilities::default());
    }

    #[test]
    fn docker_1_10_sends_four_lines_in_random_order() {
        let mut lines = [
            "application/vnd.docker.distribution.manifest.list.v2+json",
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
            "application/json",
            "application/vnd.docker.distribution.manifest.v2+json",
        ];
        for _ in 0..lines.len() {
            lines.rotate_left(1);
            assert_eq!(accept(&lines), Capabilities::of(&[Schema1, Schema2, List]));
        }
    }

    #[test]
    fn docker_20_10_sends_six_lines() {
        let lines = [
            "application/vnd.docker.distribution.manifest.v2+json",
            "application/vnd.docker.distribution.manifest.list.v2+json",
            "application/vnd.oci.image.index.v1+json",
            "application/vnd.oci.image.manifest.v1+json",
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
            "application/json",
        ];
        assert_eq!(accept(&lines), Capabilities::of(&[Schema1, Schema2, List, Oci, Index]));
    }

    #[test]
    fn containerd_sends_one_line_with_a_wildcard() {
        let head = "application/vnd.docker.distribution.manifest.v2+json, \
                    application/vnd.docker.distribution.manifest.list.v2+json, \
                    application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, */*";
        assert_eq!(accept(&[head]), Capabilities::of(&[Schema2, List, Oci, Index]).with_any());
    }

    #[test]
    fn skopeo_and_podman_name_unsigned_schema_1_too() {
        let lines = [
            "application/vnd.oci.image.manifest.v1+json",
            "application/vnd.docker.distribution.manifest.v2+json",
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
            "application/vnd.docker.distribution.manifest.v1+json",
            "application/vnd.docker.distribution.manifest.list.v2+json",
            "application/vnd.oci.image.index.v1+json",
        ];
        assert_eq!(accept(&lines), Capabilities::of(&[Oci, Schema2, Schema1, Schema1Unsigned, List, Index]));
    }

    #[test]
    fn curl_takes_anything_and_names_nothing() {
        assert_eq!(accept(&["*/*"]), Capabilities::default().with_any());
    }

    #[test]
    fn wildcards_are_those_that_fit_a_manifest() {
        for line in ["application/*", "Application/*;q=0.1", "text/html, */*;q=0.8", "application/*, */*;q=0"]
        {
            assert_eq!(accept(&[line]), Capabilities::default().with_any(), "{line}");
        }
        let none =
            ["*/*;q=0", "application/*;q=0, */*", "application/vnd.*", "*", "text/*", "application/json", ""];
        for line in none {
            assert_eq!(accept(&[line]), Capabilities::default(), "{line}");
        }
    }

    #[test]
    fn types_compare_without_regard_to_case() {
        let line = "Application/VND.docker.Distribution.manifest.v2+JSON";
        assert_eq!(accept(&[line]), Capabilities::of(&[Schema2]));
    }

    #[test]
    fn weights_are_thousandths() {
        for (weight, parameters) in [
            (1000, ";q=1|; Q=1.000|;q=1.5"),
            (500, "; Q=0.5 |;q=0.5;x=y|;charset=utf-8; q=0.5; q=0.9"),
            (987, ";q=0.98765"),
            (1, ";q=0.001|;q=0.0001"),
            (0, ";q=0|;q=0.|;q=0.000"),
            // Those that cannot be read are none.
            (1000, "|;q|;q=|;q=.|;q=.2|;q=2|;q=-1|;q=high|;q=\"0\"|;q=0.5x|;;;"),
        ] {
            for parameters in parameters.split('|') {
                assert_eq!(schema2(parameters), Some(weight), "{parameters}");
            }
        }
    }

    #[test]
    fn the_greater_weight_counts_where_a_type_is_named_twice() {
        assert_eq!(schema2(&format!(";q=0.2, {SCHEMA2};q=0.7, {SCHEMA2};q=0")), Some(700));
    }

    #[test]
    fn types_of_no_form_are_kept_if_they_may_be_a_manifests() {
        let line = "Application/vnd.OCI.artifact.manifest.v1+json;q=0.5, application/x+json;q=0, text/html, \
                    application/json, application/octet-stream, application/a b+json, application/vnd.*";
        let client = accept(&[line]);
        let types = [("application/vnd.oci.artifact.manifest.v1+json", 500), ("application/x+json", 0)];
        assert!(client.types().eq(types), "{client:?}");
        // However many somebody names.
        let line: String = (0..100).map(|number| format!("application/x{number}+json,")).collect();
        assert_eq!(accept(&[&line]).types().count(), 16);
    }

    #[test]
    fn quoted_parameters_may_contain_commas() {
        assert_eq!(schema2(r#";a=", application/vnd.oci.image.index.v1+json;q=0, \" ,;";q=0.5"#), Some(500));
        let line = format!(r#"text/x;a="\\", {SCHEMA2}, text/y;a="not closed, application/*"#);
        assert_eq!(accept(&[&line]), Capabilities::of(&[Schema2]));
    }

    #[test]
    fn bytes_that_are_no_text_are_passed_over() {
        let line = [b"\xff\xfe/\x00, ", SCHEMA2.as_bytes(), b";x=\xff, ,;,\xc3"].concat();
        assert_eq!(capabilities([line.as_slice()], None), Capabilities::of(&[Schema2]));
    }
}
