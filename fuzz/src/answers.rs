//! What has to hold for every answer, whatever was asked.

use downshift::answer::{Documents, Record, Request, Root, Step, answer};
use downshift::document::{Descriptor, Document};
use downshift::jwk::Jwk;
use downshift::jws::Signature;
use downshift::{Capabilities, Digest, Failure, Limits, check};
use downshift_cases::implementation::{Answered, Outcome, answered, run_with_seal};

use crate::images::Asked;

/// What the core answers in this process.
pub fn native(asked: &Asked) -> Outcome {
    drive(asked, |fetched| Ok(answer(&asked.request, fetched)))
}

/// Runs `step`, which is the core's step function in some place, to its end. As it is not the signature that is looked
/// at, it is none: to make one takes longer than all else.
pub fn drive(
    Asked { request, documents }: &Asked,
    step: impl for<'a> FnMut(&Documents<'a>) -> Result<Step<'a>, Failure>,
) -> Outcome {
    run_with_seal(request, documents, step, |prepared| {
        answered(prepared.seal(signature()).expect("it has its length"))
    })
}

fn signature() -> Signature {
    Signature { key: Jwk::p256(&[1; 32], &[2; 32]), algorithm: "ES256", bytes: vec![7; 64] }
}

/// Checks what holds for every outcome.
pub fn is_sound(asked: &Asked, outcome: &Outcome) {
    match outcome {
        Outcome::Answered(answered) => {
            is_sound_answer(asked, answered);
            can_be_pulled(asked, &answered.records);
        }
        Outcome::Refused { failure, records, .. } => {
            for text in [failure.code.as_ref(), &failure.cause, failure.remedy.as_ref()] {
                assert!(!text.is_empty() && !text.contains(['\n', '\r']), "`{failure:?}` is not on one line");
            }
            can_be_pulled(asked, records);
        }
        Outcome::Missing(_) => {}
    }
}

fn is_sound_answer(asked: &Asked, answered: &Answered) {
    let limits = &asked.request.limits;
    let payload = payload(answered, limits);
    assert!(
        answered.digest.matches(&payload) || answered.digest.matches(&answered.body),
        "the digest is another"
    );
    let Some(source) = &answered.source else {
        let of_signed = |document: &[u8]| match Document::parse(document, limits) {
            Ok(Document::Schema1(schema1)) => schema1.payload() == payload,
            _ => false,
        };
        let is_stored =
            |document: &Vec<u8>| *document == answered.body || *document == payload || of_signed(document);
        assert!(asked.documents.values().any(is_stored), "something is served that is not stored");
        return;
    };
    assert!(answered.body.len() <= limits.output_bytes * 2, "the answer has {} bytes", answered.body.len());
    let kept = |record: &Record| record.digest == answered.digest && record.payload == payload;
    assert!(answered.records.first().is_some_and(kept), "what is reported is not recorded");
    // Our own output has other limits: a config is a string in it.
    let own = Limits::default();
    let made = Document::parse(&answered.body, &own).expect("what is made can be read");
    assert_eq!(made.form(), answered.form);
    let stored = Document::parse(&asked.documents[source], &own).expect("what it was made of can be read");
    match (&stored, &made) {
        (Document::Manifest(stored), Document::Manifest(made)) => {
            assert_eq!(names_in(answered, &stored.layers), names(&made.layers), "the layers are others");
            assert_eq!(stored.config.digest, made.config.digest);
        }
        (Document::Manifest(stored), Document::Schema1(made)) => {
            let blobs: Vec<&str> = made
                .layers
                .iter()
                .rev()
                .map(String::as_str)
                .filter(|layer| *layer != Digest::EMPTY_LAYER)
                .collect();
            let layers = names_in(answered, &stored.layers).into_iter().map(|(name, _)| name);
            let layers: Vec<&str> = layers.collect();
            if asked.request.policy.is_strict() {
                assert_eq!(blobs, layers, "layers are lost");
                let findings = check::check(&answered.body, &own).expect("it can be read");
                let is_known =
                    |finding: &check::Finding| finding.rule == "signature" || finding.rule == "depth";
                assert!(findings.iter().all(is_known), "{findings:?}");
            } else {
                assert!(layers.starts_with(&blobs), "the layers are others");
            }
        }
        (Document::Schema1(stored), Document::Manifest(made)) => {
            let config = answered.records.iter().find(|record| record.is_config());
            assert_eq!(
                config.map(|config| &config.digest),
                Some(&made.config.digest),
                "the config is not kept"
            );
            let is_stored =
                |layer: &Descriptor| stored.layers.iter().any(|blob| layer.digest.as_str() == blob);
            let is_plain =
                |layer: &Descriptor| answered.layers.iter().any(|plain| plain.facts.diff_id == layer.digest);
            let are_theirs = made.layers.iter().all(|layer| is_stored(layer) || is_plain(layer));
            assert!(are_theirs && made.layers.len() <= stored.layers.len(), "the layers are others");
        }
        (Document::Index(stored), Document::Index(made)) => {
            // Lists in it are opened.
            let most = stored.entries.len().max(limits.converted_children);
            assert!(made.entries.len() <= most && !made.entries.is_empty());
        }
        (stored, made) => panic!("`{}` was made of `{}`", made.form(), stored.form()),
    }
}

/// The names and sizes that stored layers have in an answer: some have those of their plain tars.
fn names_in<'a>(answered: &'a Answered, layers: &'a [Descriptor]) -> Vec<(&'a str, u64)> {
    let name = |layer: &'a Descriptor| {
        let mut plain = answered.layers.iter().filter(|plain| plain.facts.digest == layer.digest);
        plain.next().map_or((layer.digest.as_str(), layer.size), |plain| {
            (plain.facts.diff_id.as_str(), plain.facts.plain_size)
        })
    };
    layers.iter().map(name).collect()
}

fn names(layers: &[Descriptor]) -> Vec<(&str, u64)> {
    layers.iter().map(|layer| (layer.digest.as_str(), layer.size)).collect()
}

/// What the digest of an answer is of. Whether there is a key that a signature can be verified with does not matter.
fn payload(answered: &Answered, limits: &Limits) -> Vec<u8> {
    // A document that is stored may be deeper than the limits of this request, and is served all the same.
    let read = Document::parse(&answered.body, limits)
        .or_else(|_| Document::parse(&answered.body, &Limits::default()));
    match read {
        Ok(Document::Schema1(schema1)) => schema1.payload().to_vec(),
        _ => answered.body.clone(),
    }
}

/// Every digest that is recorded can be pulled, and gives the bytes that were recorded.
fn can_be_pulled(asked: &Asked, records: &[Record]) {
    for record in records {
        assert_eq!(record.digest, Digest::of(&record.payload), "a record has another digest");
        assert_eq!(record.name, asked.request.root.name());
        // A config is a blob.
        if record.is_config() {
            continue;
        }
        let root = Root::Digest {
            name: record.name.clone(),
            digest: record.digest.clone(),
            tag: None,
            record: Some(Box::new(record.clone())),
        };
        let request = Request { root, client: Capabilities::default(), ..asked.request.clone() };
        let pulled = native(&Asked { request, documents: asked.documents.clone() });
        let Outcome::Answered(pulled) = pulled else {
            panic!("a reported digest cannot be pulled: {pulled:?}")
        };
        assert_eq!(pulled.digest, record.digest);
        assert_eq!(payload(&pulled, &Limits::default()), record.payload);
    }
}
