//! Answers to what people ask about digests and clients, each with a command that proves it.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec;
use alloc::vec::Vec;

use crate::chain::is_converted;
use crate::claims::is_manifest_answer;
use crate::digests::ExpectedVerdict;
use crate::kind::Kind;
use crate::read::Read;
use crate::report::{DocumentReport, Explanation};

/// What is explained, with when that is worth it.
type Card = fn(&[Read<'_>], &[DocumentReport]) -> Option<Explanation>;

const CARDS: [Card; 11] = [
    wrong_bytes,
    digest_of_payload,
    converted_digest,
    signed_anew,
    old_client_by_digest,
    reported_digest_404,
    oci_only_accept,
    missing_signature_key,
    unknown_platform,
    cache_without_vary,
    whose_key,
];

/// What is worth explaining about these documents.
pub(crate) fn explain(documents: &[Read<'_>], reports: &[DocumentReport]) -> Vec<Explanation> {
    CARDS.iter().filter_map(|card| card(documents, reports)).collect()
}

fn card(
    code: &'static str,
    title: &'static str,
    text: &[&str],
    command: String,
    documents: Vec<usize>,
) -> Option<Explanation> {
    let text = text.iter().map(|&sentence| sentence.to_owned()).collect();
    (!documents.is_empty()).then_some(Explanation { code, title, text, command, documents })
}

fn those(reports: &[DocumentReport], is: impl Fn(&DocumentReport) -> bool) -> Vec<usize> {
    reports.iter().enumerate().filter(|(_, report)| is(report)).map(|(index, _)| index).collect()
}

/// A name for a shell: in quotes, so that nothing in it means something there.
fn file(reports: &[DocumentReport], index: usize) -> String {
    let label = reports.get(index).map_or("", |report| report.label.as_str());
    if label.starts_with("document ") || label.is_empty() {
        return "manifest.json".into();
    }
    quoted(label)
}

fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._/:@-".contains(&byte);
    if !text.is_empty() && !text.starts_with('-') && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    let one_line: String = text.chars().filter(|c| !c.is_control()).collect();
    format!("'{}'", one_line.replace('\'', r"'\''"))
}

/// `name` and `tag` of a path: what schema 1 says of itself, else words for the reader to replace.
fn reference(report: Option<&DocumentReport>) -> (String, String) {
    let name = report
        .and_then(|report| report.name.clone())
        .filter(|name| downshift_registry::is_repository_name(name));
    let tag = report.and_then(|report| report.tag.clone()).filter(|tag| downshift_registry::is_tag(tag));
    (name.unwrap_or_else(|| "NAME".into()), tag.unwrap_or_else(|| "TAG".into()))
}

fn is_schema1(report: &DocumentReport) -> bool {
    matches!(report.kind, Kind::Schema1 | Kind::Schema1Unsigned)
}

fn wrong_bytes(_: &[Read<'_>], reports: &[DocumentReport]) -> Option<Explanation> {
    let expected = |report: &DocumentReport| {
        let claim = report
            .response
            .iter()
            .flat_map(|response| &response.claims)
            .find_map(|claim| claim.expected.clone());
        report.digests.expected.clone().or(claim)
    };
    let documents = those(reports, |report| {
        expected(report).is_some_and(|expected| {
            matches!(expected.verdict, ExpectedVerdict::Variant | ExpectedVerdict::None)
        })
    });
    let first = *documents.first()?;
    let found = reports.get(first).and_then(expected)?;
    let mut text = vec![
        "A digest is the SHA-256 of exact bytes: one line break, one space or one escaped character more, and it is another.".to_owned(),
        found.text.clone(),
    ];
    if found.verdict == ExpectedVerdict::None {
        text.push("A registry that converts gives each form under a digest of its own, so compare what was asked for, too.".into());
    }
    let name = file(reports, first);
    let command = match found.variant.map(|variant| variant.code) {
        Some("final-newline-removed") => format!("printf %s \"$(cat {name})\" | sha256sum"),
        Some("crlf-to-lf") => format!("tr -d '\\r' < {name} | sha256sum"),
        Some("bom-removed") => format!("tail -c +4 {name} | sha256sum"),
        Some("compact-newline") => format!("jq -c . {name} | sha256sum"),
        Some("compact") => format!("jq -jc . {name} | sha256sum"),
        Some("indent-2-newline") => format!("jq . {name} | sha256sum"),
        _ => format!("sha256sum {name}; skopeo manifest-digest {name}"),
    };
    Some(Explanation {
        code: "wrong-bytes",
        title: "Why is this not the digest that I expected?",
        text,
        command,
        documents,
    })
}

fn digest_of_payload(_: &[Read<'_>], reports: &[DocumentReport]) -> Option<Explanation> {
    let documents = those(reports, |report| report.digests.payload.is_some());
    let name = file(reports, *documents.first()?);
    card(
        "digest-of-payload",
        "Why does `sha256sum` print another digest than the registry?",
        &[
            "A signed schema 1 manifest is named by the digest of its payload: the document before its signatures were put in.",
            "Each signature says where to cut (`formatLength`) and how the payload ended (`formatTail`).",
            "Registries, `docker pull` and `skopeo manifest-digest` print that digest; `sha256sum` hashes the signatures, too.",
        ],
        format!("sha256sum {name}; skopeo manifest-digest {name}"),
        documents,
    )
}

/// The schema 1 manifest and the other one that are of one image, by their layers.
fn same_image(reports: &[DocumentReport]) -> Option<(usize, usize)> {
    let blobs = |report: &DocumentReport| -> Vec<String> {
        report.layers.iter().filter(|layer| !layer.empty).map(|layer| layer.part.digest.clone()).collect()
    };
    for (index, schema1) in reports.iter().enumerate().filter(|(_, report)| is_schema1(report)) {
        let own = blobs(schema1);
        let other = reports
            .iter()
            .position(|report| matches!(report.kind, Kind::Schema2 | Kind::Oci) && blobs(report) == own);
        if let Some(other) = other {
            return Some((index, other));
        }
    }
    None
}

fn converted_digest(_: &[Read<'_>], reports: &[DocumentReport]) -> Option<Explanation> {
    let (schema1, other) = same_image(reports)?;
    let (name, tag) = reference(reports.get(schema1));
    card(
        "converted-digest",
        "Why do two manifests of one image have two digests?",
        &[
            "The layers are the same, but schema 1 and its successors are different documents, and a digest is of the document.",
            "Schema 1 holds the repository's name and the tag, too: under another name the same image has a third digest.",
            "A registry that converts reports the digest of what it has made, not that of what is stored.",
        ],
        format!(
            "for accept in '*/*' application/vnd.docker.distribution.manifest.v2+json; do\n  curl -sSI -H \"Accept: $accept\" https://REGISTRY/v2/{name}/manifests/{tag} | grep -i -e content-type -e content-digest\ndone"
        ),
        vec![schema1, other],
    )
}

fn signed_anew(_: &[Read<'_>], reports: &[DocumentReport]) -> Option<Explanation> {
    let documents = those(reports, |report| {
        report.digests.payload.is_some()
            && reports.iter().any(|other| {
                other.digests.payload == report.digests.payload && other.digests.bytes != report.digests.bytes
            })
    });
    let (name, tag) = reference(reports.get(*documents.first()?));
    card(
        "signed-anew",
        "Why do two downloads differ, and have the same digest?",
        &[
            "Distribution signs schema 1 anew for each answer, with another time and a random number in the signature.",
            "The digest is that of the payload, which stays; so is the ETag, although the bytes are others.",
            "Downshift signs so that the same key makes the same bytes.",
        ],
        format!("for i in 1 2; do curl -sS https://REGISTRY/v2/{name}/manifests/{tag} | sha256sum; done"),
        documents,
    )
}

fn old_client_by_digest(_: &[Read<'_>], reports: &[DocumentReport]) -> Option<Explanation> {
    let documents = those(reports, |report| {
        matches!(report.kind, Kind::Schema2 | Kind::List | Kind::Oci | Kind::Index)
            && report.artifact.is_none()
    });
    let report = reports.get(*documents.first()?)?;
    let digest = report.digests.registry.clone();
    card(
        "old-client-by-digest",
        "Why does a pull by digest fail on Docker 1.6 to 1.9?",
        &[
            "These engines read schema 1 only, and this digest names a document of another form.",
            "A registry may convert what a tag points to, but must give exactly the bytes of a digest: the engine gets what it cannot read.",
            "Pull by tag, and use the digest that is then reported: with Downshift it can be pulled, with Distribution it is a 404.",
        ],
        format!("curl -sSI -A docker/1.9.1 https://REGISTRY/v2/NAME/manifests/{digest}"),
        documents,
    )
}

fn reported_digest_404(_: &[Read<'_>], reports: &[DocumentReport]) -> Option<Explanation> {
    let documents = those(reports, |report| is_schema1(report) && is_converted(&report.chain));
    let report = reports.get(*documents.first()?);
    let (name, _) = reference(report);
    let digest = report.map(|report| report.digests.registry.to_string()).unwrap_or_default();
    card(
        "reported-digest-404",
        "Why is the digest that Docker 1.9 printed not found?",
        &[
            "The ids in this manifest follow from its layers: a registry made it from schema 2 when it was asked for.",
            "Distribution keeps no such manifest, so the digest that it reports cannot be pulled afterwards.",
            "Downshift records what it reports, and serves it again by that digest.",
        ],
        format!("curl -sSI https://REGISTRY/v2/{name}/manifests/{digest}"),
        documents,
    )
}

fn oci_only_accept(_: &[Read<'_>], reports: &[DocumentReport]) -> Option<Explanation> {
    let documents = those(reports, |report| is_schema1(report) && report.response.is_some());
    let (name, tag) = reference(reports.get(*documents.first()?));
    card(
        "oci-only-accept",
        "Why did a modern client get schema 1?",
        &[
            "Distribution 2 looks in Accept for exactly `application/vnd.docker.distribution.manifest.v2+json`: without it, what is stored as schema 2 is converted to schema 1.",
            "Neither `*/*` nor the OCI types count for that.",
            "Name every type that you can use.",
        ],
        format!(
            "curl -sSI -H 'Accept: application/vnd.docker.distribution.manifest.v2+json' https://REGISTRY/v2/{name}/manifests/{tag}"
        ),
        documents,
    )
}

fn missing_signature_key(_: &[Read<'_>], reports: &[DocumentReport]) -> Option<Explanation> {
    let documents = those(reports, |report| report.kind == Kind::Schema1Unsigned);
    let name = file(reports, *documents.first()?);
    card(
        "missing-signature-key",
        "Why does Docker say `missing signature key`?",
        &[
            "Docker 1.6 to 1.8.2, and 1.10 and later, take schema 1 only with a signature, whoever made that.",
            "This manifest has none: a registry or a tool has removed it, and has to sign anew.",
            "Downshift signs what is stored without a signature; the digest stays, as it is of the payload.",
        ],
        format!("jq 'has(\"signatures\")' {name}"),
        documents,
    )
}

fn unknown_platform(_: &[Read<'_>], reports: &[DocumentReport]) -> Option<Explanation> {
    let documents = those(reports, |report| report.manifests.iter().any(|entry| entry.role == "attestation"));
    let name = file(reports, *documents.first()?);
    card(
        "unknown-platform",
        "What are the entries for `unknown/unknown`?",
        &[
            "They are attestations: what BuildKit writes down of how an image was built, or what is in it.",
            "They stand in the index so that they are copied with it, under a platform that nobody runs.",
            "Each names its image in the annotation `vnd.docker.reference.digest`; no client pulls them by platform.",
        ],
        format!("jq '.manifests[] | {{digest, platform, annotations}}' {name}"),
        documents,
    )
}

fn cache_without_vary(reads: &[Read<'_>], reports: &[DocumentReport]) -> Option<Explanation> {
    let fails = |index: usize| {
        let is_answer = reads.get(index).is_some_and(is_manifest_answer);
        let claims =
            reports.get(index).and_then(|report| report.response.as_ref()).map(|response| &response.claims);
        is_answer
            && claims.is_some_and(|claims| {
                claims.iter().any(|claim| claim.code == "vary" && claim.holds == "false")
            })
    };
    let documents: Vec<usize> = (0..reports.len()).filter(|&index| fails(index)).collect();
    let (name, tag) = reference(reports.get(*documents.first()?));
    card(
        "cache-without-vary",
        "Is this answer safe in a shared cache?",
        &[
            "What a registry answers to a tag depends on Accept, and this answer does not say so.",
            "A cache that goes by the URL alone gives the first client's form to all others: old engines then get what they cannot read, or modern ones schema 1.",
            "Let the cache's key hold the types that Accept names, or cache answers by digest only.",
        ],
        format!(
            "for accept in '*/*' application/vnd.oci.image.index.v1+json; do\n  curl -sSI -H \"Accept: $accept\" https://REGISTRY/v2/{name}/manifests/{tag} | grep -i -e content-type -e vary -e age\ndone"
        ),
        documents,
    )
}

fn whose_key(_: &[Read<'_>], reports: &[DocumentReport]) -> Option<Explanation> {
    let documents =
        those(reports, |report| report.signatures.iter().any(|signature| signature.verdict == "valid"));
    let name = file(reports, *documents.first()?);
    card(
        "whose-key",
        "What does a valid signature prove?",
        &[
            "That the payload has not changed since somebody with this key signed it.",
            "The key came in the document itself, so anybody can sign anything: engines of those days checked no more either.",
            "Who it was, you can only tell if you know the key's id from elsewhere.",
        ],
        format!("downshift verify {name}"),
        documents,
    )
}
