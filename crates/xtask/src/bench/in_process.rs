//! The core alone, without a server around it.

use core::hint::black_box;
use core::time::Duration;
use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context, bail};
use downshift::answer::{Documents, MAX_ROUNDS, Prepared, Request, Step};
use downshift::{Digest, Limits, Policy};
use downshift_sign::{P256Signer, PrivateKey, RingSigner, Signer};
use downshift_tests::images::{Image, built};
use downshift_tests::implementation::schema1_request;

use super::document::{Chapter, Row, Section, Table, Unit};

const TEXT: &str = "\
Microseconds for one image, from schema 2 to signed schema 1, by one thread.

* convert: all calls of `downshift::answer` for one request, from the first, which says what is needed, to the one that
  gives what is to be signed. Documents are in memory; fetching and checking them is not in it.
* sign: put together the bytes to sign, and sign them.
* seal: put the signature into the document.";

/// The row that others are compared with.
const CONVERT_NATIVE: &str = "convert, native";

/// How long an operation is repeated in each round.
const BATCH: Duration = Duration::from_millis(100);

/// Measures all images.
pub(super) fn measure(rounds: u32) -> anyhow::Result<Chapter> {
    let key = PrivateKey::generate()?;
    let signers = Signers { p256: P256Signer::new(&key), ring: RingSigner::new(&key)? };
    let images = [
        ("5 layers", "A config of 2.4 KB.", built::layers(5, 0)),
        ("40 layers", "A config of 12.6 KB.", built::layers(40, 0)),
        (
            "4 MiB",
            "One layer, and a config of 4 MiB, nearly all of them plain text.",
            built::text(Limits::default().document_bytes),
        ),
    ];
    let section = |(title, text, image): &(&str, &str, Image)| -> anyhow::Result<_> {
        eprintln!("in process, {title}");
        let table = table(&Case::new(image), &signers, rounds)?;
        Ok(Section { title: (*title).to_owned(), text: (*text).to_owned(), table })
    };
    let sections = images.iter().map(section).collect::<Result<_, _>>()?;
    Ok(Chapter { title: "In process", text: TEXT.to_owned(), sections, left_out: Vec::new() })
}

struct Signers {
    p256: P256Signer,
    ring: RingSigner,
}

/// An image on its way to an old client.
struct Case {
    request: Request,
    documents: BTreeMap<Digest, Vec<u8>>,
}

/// Something that is measured: does it once, and says how long it took.
type Operation<'o> = Box<dyn FnMut() -> Duration + 'o>;

impl Case {
    fn new(image: &Image) -> Self {
        Self {
            request: schema1_request("library/sample", "latest", image.manifest.digest(), Policy::Strict),
            documents: image.documents(),
        }
    }

    /// Converts it with `step`, the core's step function, wherever that runs.
    fn convert<'c>(
        &'c self,
        mut step: impl FnMut(&Request, &Documents<'c>) -> Step<'c>,
    ) -> anyhow::Result<Prepared> {
        let mut at_hand = Vec::new();
        for _ in 0..MAX_ROUNDS {
            let documents: Documents<'c> = at_hand.iter().copied().collect();
            match step(&self.request, &documents) {
                Step::Sign(prepared) => return Ok(prepared),
                Step::Need(needs) => {
                    for need in needs {
                        let (digest, bytes) =
                            self.documents.get_key_value(&need.digest).context("a document is missing")?;
                        at_hand.push((digest, Some(bytes.as_slice())));
                    }
                }
                Step::Done(_) => bail!("the image was not converted"),
                Step::Refused(refusal) => bail!("the image was refused: {}", refusal.failure.cause),
            }
        }
        bail!("there is no answer after {MAX_ROUNDS} rounds")
    }

    fn convert_natively(&self) -> anyhow::Result<Prepared> {
        self.convert(downshift::answer)
    }
}

/// Measures what is done to one image.
fn table(case: &Case, signers: &Signers, rounds: u32) -> anyhow::Result<Table> {
    let prepared = case.convert_natively()?;
    let signature = signers.ring.sign(&prepared.signing_input())?;
    let mut operations: Vec<(&str, Operation<'_>)> = vec![
        (CONVERT_NATIVE, Box::new(|| timed(|| case.convert_natively()))),
        ("sign, with p256 (RFC 6979)", Box::new(|| timed(|| signers.p256.sign(&prepared.signing_input())))),
        ("sign, with ring", Box::new(|| timed(|| signers.ring.sign(&prepared.signing_input())))),
        (
            "seal",
            Box::new(|| {
                let (prepared, signature) = (prepared.clone(), signature.clone());
                timed(|| prepared.seal(signature))
            }),
        ),
    ];
    for (_, operation) in &mut operations {
        mean(operation);
    }
    let mut rows: Vec<Row> = operations.iter().map(|(name, _)| Row::new(name)).collect();
    for _ in 0..rounds {
        for ((_, operation), row) in operations.iter_mut().zip(&mut rows) {
            row.figures.push(mean(operation));
        }
    }
    Ok(Table { subject: "step", unit: Unit::Microseconds, bases: &[CONVERT_NATIVE], rows })
}

/// How long an operation takes on average, in microseconds.
fn mean(operation: &mut Operation<'_>) -> f64 {
    let start = Instant::now();
    let (mut sum, mut count) = (Duration::ZERO, 0_u32);
    while start.elapsed() < BATCH {
        sum += operation();
        count += 1;
    }
    sum.as_secs_f64() * 1e6 / f64::from(count)
}

/// How long `run` takes, to the end of what it gives.
fn timed<T>(run: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    drop(black_box(run()));
    start.elapsed()
}
