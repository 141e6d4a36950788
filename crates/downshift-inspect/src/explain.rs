//! Answers to what people ask about digests and clients, each with a command that proves it.

use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeMap;
#[cfg(feature = "compare")]
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::chain::is_converted;
use crate::claims::is_manifest_answer;
use crate::command::{Word, command};
#[cfg(feature = "compare")]
use crate::image_ids::{RoundTrip, round_trip};
use crate::read::Read;
use crate::report::{DocumentReport, ExpectedVerdict, Explanation, Holds, Kind, Role, SignatureVerdict};
#[cfg(feature = "compare")]
use crate::text::Outside;

/// An explanation, if it is worth giving.
type Card = fn(&[Read<'_>], &[DocumentReport]) -> Option<Explanation>;

const CARDS: &[Card] = &[
    wrong_bytes,
    digest_of_payload,
    converted_digest,
    #[cfg(feature = "compare")]
    returned_image,
    signed_anew,
    old_client_by_digest,
    reported_digest_404,
    oci_only_accept,
    missing_signature_key,
    unknown_platform,
    cache_without_vary,
    whose_key,
];

/// The explanations that are worth giving about these documents.
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

/// The file of a document, as far as its name is known.
fn file<'d>(documents: &'d [Read<'_>], index: usize) -> Word<'d> {
    Word::File(documents.get(index).filter(|read| read.is_labelled).map(|read| read.label.as_str()))
}

/// The repository and the tag that schema 1 says.
fn name(report: Option<&DocumentReport>) -> Word<'_> {
    Word::Repository(report.and_then(|report| report.name.as_deref()))
}

fn tag(report: Option<&DocumentReport>) -> Word<'_> {
    Word::Tag(report.and_then(|report| report.tag.as_deref()))
}

fn wrong_bytes(reads: &[Read<'_>], reports: &[DocumentReport]) -> Option<Explanation> {
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
        "A digest is the SHA-256 of exact bytes: one more line break, space or escaped character changes it."
            .to_owned(),
        found.text.clone(),
    ];
    if found.verdict == ExpectedVerdict::None {
        text.push("A registry that converts serves each form under a digest of its own, so check what was asked for, too.".into());
    }
    let template = match found.variant.map(|variant| variant.code) {
        Some("final-newline-removed") => "printf %s \"$(cat {})\" | sha256sum",
        Some("crlf-to-lf") => "tr -d '\\r' < {} | sha256sum",
        Some("bom-removed") => "tail -c +4 {} | sha256sum",
        Some("compact-newline") => "jq -c . {} | sha256sum",
        Some("compact") => "jq -jc . {} | sha256sum",
        Some("indent-2-newline") => "jq . {} | sha256sum",
        _ => "sha256sum {}; skopeo manifest-digest {}",
    };
    let command = command(template, &[file(reads, first), file(reads, first)]);
    Some(Explanation {
        code: "wrong-bytes",
        title: "Why is this not the digest that I expected?",
        text,
        command,
        documents,
    })
}

fn digest_of_payload(reads: &[Read<'_>], reports: &[DocumentReport]) -> Option<Explanation> {
    let documents = those(reports, |report| report.digests.payload.is_some());
    let first = *documents.first()?;
    card(
        "digest-of-payload",
        "Why does `sha256sum` print another digest than the registry?",
        &[
            "A signed schema 1 manifest is named by the digest of its payload: the document before the signatures were added.",
            "Each signature says where to cut (`formatLength`) and how the payload ended (`formatTail`).",
            "Registries, `docker pull` and `skopeo manifest-digest` print that digest; `sha256sum` hashes the signatures as well.",
        ],
        command("sha256sum {}; skopeo manifest-digest {}", &[file(reads, first), file(reads, first)]),
        documents,
    )
}

/// The layers of a manifest that are not empty, lowest first.
fn blobs(report: &DocumentReport) -> Vec<&str> {
    report.layers.iter().filter(|layer| !layer.empty).map(|layer| layer.part.digest.as_str()).collect()
}

/// A schema 1 manifest and another one of the same image, by their layers.
fn same_image(reports: &[DocumentReport]) -> Option<(usize, usize)> {
    let mut others: BTreeMap<Vec<&str>, usize> = BTreeMap::new();
    let is_other = |report: &DocumentReport| matches!(report.kind, Kind::Schema2 | Kind::Oci);
    for (index, report) in reports.iter().enumerate().filter(|(_, report)| is_other(report)) {
        others.entry(blobs(report)).or_insert(index);
    }
    let schema1 = reports.iter().enumerate().filter(|(_, report)| report.kind.is_schema1());
    schema1.filter_map(|(index, report)| Some((index, *others.get(&blobs(report))?))).next()
}

fn converted_digest(_: &[Read<'_>], reports: &[DocumentReport]) -> Option<Explanation> {
    let (schema1, other) = same_image(reports)?;
    let report = reports.get(schema1);
    card(
        "converted-digest",
        "Why do two manifests of one image have two digests?",
        &[
            "The layers are the same, but schema 1 and its successors are different documents, and the digest is that of the document.",
            "Schema 1 also has the repository's name and the tag in it: under another name the same image has a third digest.",
            "A registry that converts reports the digest of the result, not of the stored manifest.",
        ],
        command(
            "for accept in '*/*' application/vnd.docker.distribution.manifest.v2+json; do curl -sSI -H \"Accept: $accept\" https://REGISTRY/v2/{}/manifests/{} | grep -i -e content-type -e content-digest; done",
            &[name(report), tag(report)],
        ),
        vec![schema1, other],
    )
}

/// Schema 2 or OCI to schema 1 and back, as far as a manifest of each is given.
#[cfg(feature = "compare")]
fn returned_image(reads: &[Read<'_>], reports: &[DocumentReport]) -> Option<Explanation> {
    let RoundTrip { schema1, manifest, id, own_id, members } = round_trip(reads, reports)?;
    let mut text =
        vec![format!("Converted upwards as Docker does it, this schema 1 manifest gets the config `{id}`.")];
    let (code, title) = if id == own_id {
        text.push("That is the config which the other manifest names: both are one image, with one id, whichever of them is pulled.".into());
        ("same-image", "Is this schema 1 manifest the same image as the other one?")
    } else {
        text.push(format!("The layers are the same, but the other manifest names the config `{own_id}`: it is an image with another id."));
        text.push(match &*members {
            [] => "What the two configs say is the same: only how the JSON is written differs, which schema 1 does not keep.".into(),
            members => format!("The two configs differ in {}.", quoted(members)),
        });
        if !members.is_empty() {
            text.push(RE_ENCODED.into());
        }
        ("other-image-id", "Why does the image get another id on the way back from schema 1?")
    };
    let command = command("downshift convert {} --layout DIR --to schema2", &[file(reads, schema1)]);
    Some(Explanation { code, title, text, command, documents: vec![schema1, manifest] })
}

#[cfg(feature = "compare")]
const RE_ENCODED: &str = "Docker decodes a config of no `docker_version`, or of one before 1.8.3, and encodes it again: blank members are added, and those that it does not know go.";

/// Names that a document has, for a sentence.
#[cfg(feature = "compare")]
fn quoted(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{}`", Outside(name))).collect();
    quoted.join(", ")
}

fn signed_anew(_: &[Read<'_>], reports: &[DocumentReport]) -> Option<Explanation> {
    let documents = those(reports, |report| {
        report.digests.payload.is_some()
            && reports.iter().any(|other| {
                other.digests.payload == report.digests.payload && other.digests.bytes != report.digests.bytes
            })
    });
    let report = reports.get(*documents.first()?);
    card(
        "signed-anew",
        "Why do two downloads with the same digest differ?",
        &[
            "Distribution signs schema 1 again for each response, with another time and a random number in the signature.",
            "The digest is that of the payload, which stays the same; so does the ETag, although the bytes differ.",
            "Downshift's signatures are deterministic: the same key makes the same bytes.",
        ],
        command(
            "for i in 1 2; do curl -sS https://REGISTRY/v2/{}/manifests/{} | sha256sum; done",
            &[name(report), tag(report)],
        ),
        documents,
    )
}

fn old_client_by_digest(_: &[Read<'_>], reports: &[DocumentReport]) -> Option<Explanation> {
    let documents = those(reports, |report| {
        matches!(report.kind, Kind::Schema2 | Kind::List | Kind::Oci | Kind::Index)
            && report.artifact.is_none()
    });
    let report = reports.get(*documents.first()?)?;
    card(
        "old-client-by-digest",
        "Why does a pull by digest fail on Docker 1.6 to 1.9?",
        &[
            "These engines read only schema 1, and this digest names a document in another form.",
            "A registry may convert what a tag points to, but must serve exactly the bytes of a digest: the engine gets a manifest that it cannot read.",
            "Pull by tag, and use the digest that is reported then: Downshift serves it, Distribution answers 404.",
        ],
        command(
            "curl -sSI -A docker/1.9.1 https://REGISTRY/v2/NAME/manifests/{}",
            &[Word::Digest(&report.digests.registry)],
        ),
        documents,
    )
}

fn reported_digest_404(_: &[Read<'_>], reports: &[DocumentReport]) -> Option<Explanation> {
    let documents = those(reports, |report| report.kind.is_schema1() && is_converted(&report.chain));
    let report = reports.get(*documents.first()?)?;
    card(
        "reported-digest-404",
        "Why is the digest that Docker 1.9 printed not found?",
        &[
            "The ids in this manifest follow from its layers: a registry converted it from schema 2 on request.",
            "Distribution does not store the result, so the digest that it reports cannot be pulled later.",
            "Downshift records each digest that it reports, and serves it again.",
        ],
        command(
            "curl -sSI https://REGISTRY/v2/{}/manifests/{}",
            &[name(Some(report)), Word::Digest(&report.digests.registry)],
        ),
        documents,
    )
}

fn oci_only_accept(_: &[Read<'_>], reports: &[DocumentReport]) -> Option<Explanation> {
    let documents = those(reports, |report| report.kind.is_schema1() && report.response.is_some());
    let report = reports.get(*documents.first()?);
    card(
        "oci-only-accept",
        "Why did a modern client get schema 1?",
        &[
            "Distribution 2 looks for exactly `application/vnd.docker.distribution.manifest.v2+json` in Accept: without it, stored schema 2 is converted to schema 1.",
            "Neither `*/*` nor the OCI types count.",
            "Name every type that you can use.",
        ],
        command(
            "curl -sSI -H 'Accept: application/vnd.docker.distribution.manifest.v2+json' https://REGISTRY/v2/{}/manifests/{}",
            &[name(report), tag(report)],
        ),
        documents,
    )
}

fn missing_signature_key(reads: &[Read<'_>], reports: &[DocumentReport]) -> Option<Explanation> {
    let documents = those(reports, |report| report.kind == Kind::Schema1Unsigned);
    let first = *documents.first()?;
    card(
        "missing-signature-key",
        "Why does Docker say `missing signature key`?",
        &[
            "Docker 1.6 to 1.8.2, and 1.10 and later, accept schema 1 only with a signature, by any key.",
            "This manifest has none: a registry or a tool has removed it, and has to sign again.",
            "Downshift signs manifests that are stored without a signature; the digest stays the same, as it is that of the payload.",
        ],
        command("jq 'has(\"signatures\")' {}", &[file(reads, first)]),
        documents,
    )
}

fn unknown_platform(reads: &[Read<'_>], reports: &[DocumentReport]) -> Option<Explanation> {
    let documents =
        those(reports, |report| report.manifests.iter().any(|entry| entry.role == Role::Attestation));
    let first = *documents.first()?;
    card(
        "unknown-platform",
        "What are the entries for `unknown/unknown`?",
        &[
            "They are attestations: BuildKit's notes on how an image was built, or what is in it.",
            "They are in the index so that they are copied with it, under a platform that nobody runs.",
            "Each names its image in the annotation `vnd.docker.reference.digest`; no client pulls them by platform.",
        ],
        command("jq '.manifests[] | {digest, platform, annotations}' {}", &[file(reads, first)]),
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
                claims.iter().any(|claim| claim.code == "vary" && claim.holds == Holds::False)
            })
    };
    let documents: Vec<usize> = (0..reports.len()).filter(|&index| fails(index)).collect();
    let report = reports.get(*documents.first()?);
    card(
        "cache-without-vary",
        "Is this response safe in a shared cache?",
        &[
            "By tag, a registry's response depends on Accept, and this one does not say so.",
            "A cache with the URL as its only key serves the first client's form to all others: old engines get a manifest that they cannot read, or modern ones schema 1.",
            "Add the types that Accept names to the cache key, or cache only responses by digest.",
        ],
        command(
            "for accept in '*/*' application/vnd.oci.image.index.v1+json; do curl -sSI -H \"Accept: $accept\" https://REGISTRY/v2/{}/manifests/{} | grep -i -e content-type -e vary -e age; done",
            &[name(report), tag(report)],
        ),
        documents,
    )
}

fn whose_key(reads: &[Read<'_>], reports: &[DocumentReport]) -> Option<Explanation> {
    let documents = those(reports, |report| {
        report.signatures.iter().any(|signature| signature.verdict == SignatureVerdict::Valid)
    });
    let first = *documents.first()?;
    card(
        "whose-key",
        "What does a valid signature prove?",
        &[
            "That the payload has not changed since the holder of this key signed it.",
            "The key came in the document itself, so anybody can sign anything; engines of those days checked no more than that either.",
            "You can tell who it was only if you know the key's id from another source.",
        ],
        command("downshift verify {}", &[file(reads, first)]),
        documents,
    )
}
