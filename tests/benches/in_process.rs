//! How long the core takes, without a server around it. `cargo xtask bench` makes tables of it.
//!
//! The argument is the number of rounds. Each line of the output has an image, an operation, and how many microseconds
//! the operation took on average, for each round.

use core::hint::black_box;
use core::time::Duration;
use std::collections::BTreeMap;
use std::env;
use std::time::Instant;

use anyhow::{Context, anyhow, bail, ensure};
use downshift::answer::{Answer, Documents, LayerReading, MAX_ROUNDS, Prepared, Request, Step};
use downshift::layer::LayerFacts;
use downshift::{Capabilities, Digest, EMPTY_LAYER, Failure, Form, Limits, Policy, SignatureReading};
use downshift_cases::images::{Image, built};
use downshift_cases::implementation::schema1_request;
use downshift_cases::layers;
use downshift_host::engine::GUEST;
use downshift_host::engine::wasm::Sandbox;
use downshift_sign::{P256Signer, PrivateKey, RingSigner, Signer, read_signatures};

/// How long an operation is repeated in each round.
const BATCH: Duration = Duration::from_millis(100);

/// Instances that live at the same time: the one that stays, and one that does not.
const INSTANCES: u32 = 2;

fn main() -> anyhow::Result<()> {
    let rounds: u32 = env::args().nth(1).and_then(|argument| argument.parse().ok()).unwrap_or(1);
    let key = PrivateKey::generate()?;
    let (p256, ring) = (P256Signer::new(&key), RingSigner::new(&key)?);
    let sandbox = Sandbox::new(GUEST, INSTANCES, None)?;
    let images = [
        ("1 layer, a config of 1.2 KB", built::layers(1, 0)),
        ("5 layers, a config of 2.4 KB", built::layers(5, 0)),
        ("10 layers, a config of 3.9 KB", built::layers(10, 0)),
        ("40 layers, a config of 12.6 KB", built::layers(40, 0)),
        ("100 layers, a config of 30 KB", built::layers(100, 0)),
        ("1,000 layers, a config of 291 KB", built::layers(1000, 0)),
        ("A config of 4 MiB of plain text", built::text(Limits::default().document_bytes)),
    ];
    for (name, image) in &images {
        let case = Case::new(image);
        let mut operations = case.conversions(&sandbox)?;
        operations.extend(signing(&case.prepare()?, &p256, &ring)?);
        measure(name, &mut operations, rounds)?;
    }
    for layers in [5, 40] {
        let case = Case::upwards(layers)?;
        measure(&format!("From schema 1 to OCI, {layers} layers"), &mut case.conversions(&sandbox)?, rounds)?;
    }
    Ok(())
}

/// Something that is measured: does it once, and says how long it took.
struct Operation<'o> {
    name: &'static str,
    run: Box<dyn FnMut() -> anyhow::Result<Duration> + 'o>,
}

impl<'o> Operation<'o> {
    /// An operation of which everything counts, to the end of what it gives.
    fn new<T>(name: &'static str, mut run: impl FnMut() -> anyhow::Result<T> + 'o) -> Self {
        let run = move || {
            let start = Instant::now();
            drop(black_box(run()?));
            Ok(start.elapsed())
        };
        Self { name, run: Box::new(run) }
    }

    /// How long it takes on average, in microseconds.
    fn mean(&mut self) -> anyhow::Result<f64> {
        let start = Instant::now();
        let (mut sum, mut count) = (Duration::ZERO, 0_u32);
        while start.elapsed() < BATCH {
            sum += (self.run)()?;
            count += 1;
        }
        Ok(sum.as_secs_f64() * 1e6 / f64::from(count))
    }
}

/// Measures `operations` in turn, and prints what they took.
fn measure(image: &str, operations: &mut [Operation<'_>], rounds: u32) -> anyhow::Result<()> {
    eprintln!("in process: {image}");
    for operation in &mut *operations {
        // What is done for the first time takes longer.
        operation.mean()?;
    }
    let mut figures = vec![String::new(); operations.len()];
    for _ in 0..rounds {
        for (operation, figures) in operations.iter_mut().zip(&mut figures) {
            figures.push_str(&format!(" {:.3}", operation.mean()?));
        }
    }
    for (operation, figures) in operations.iter().zip(figures) {
        println!("{image}\t{}\t{}", operation.name, figures.trim_start());
    }
    Ok(())
}

/// An image on its way to a client.
struct Case {
    request: Request,
    documents: BTreeMap<Digest, Vec<u8>>,
    /// What is known of its layers.
    layers: BTreeMap<Digest, LayerReading>,
    /// What came of verifying its signatures.
    signatures: BTreeMap<Digest, SignatureReading>,
}

impl Case {
    fn new(image: &Image) -> Self {
        let client = Capabilities::of(&[Form::Schema1Unsigned]);
        let request = schema1_request("library/sample", "latest", image.manifest.digest(), Policy::Strict);
        let (request, documents) = (Request { client, ..request }, image.documents());
        Self { request, documents, layers: BTreeMap::new(), signatures: BTreeMap::new() }
    }

    /// An image that is stored in schema 1, for a client that has dropped it.
    fn upwards(layers: usize) -> anyhow::Result<Self> {
        let Image { manifest, layers, .. } = built::schema1(layers)?;
        let documents = BTreeMap::from([(manifest.digest(), manifest.bytes)]);
        // No layer is read here: what is known of it could be that of any.
        let known = layers::facts(&EMPTY_LAYER)?;
        let reading = |layer: &Vec<u8>| {
            let (digest, size) = (Digest::of(layer), layer.len() as u64);
            let diff_id = Digest::of(digest.as_str().as_bytes());
            (digest.clone(), LayerReading::Facts(LayerFacts { digest, size, diff_id, ..known.clone() }))
        };
        let digest = documents.keys().next().context("there is no manifest")?.clone();
        let request = schema1_request("library/sample", "latest", digest, Policy::Strict);
        let request = Request { client: Capabilities::of(&[Form::Oci]), ..request };
        let read =
            |(digest, bytes): (&Digest, &Vec<u8>)| (digest.clone(), read_signatures(bytes, &request.limits));
        let signatures = documents.iter().map(read).collect();
        Ok(Self { layers: layers.iter().map(reading).collect(), signatures, request, documents })
    }

    fn conversions<'o>(&'o self, sandbox: &'o Sandbox) -> anyhow::Result<Vec<Operation<'o>>> {
        let mut warm = sandbox.open().map_err(|failure| error(&failure))?;
        let mut convert_warm = move || self.convert(|request, documents| warm.step(request, documents));
        let convert_fresh = || {
            let mut fresh = sandbox.open().map_err(|failure| error(&failure))?;
            self.convert(|request, documents| fresh.step(request, documents))
        };
        let expected = self.convert_natively()?;
        for converted in [convert_warm()?, convert_fresh()?] {
            ensure!(converted.body == expected.body, "the sandbox makes something else of the image");
        }
        Ok(vec![
            Operation::new("convert, native", || self.convert_natively()),
            Operation::new("convert, warm wasm", convert_warm),
            Operation::new("convert, fresh wasm", convert_fresh),
        ])
    }

    fn convert_natively(&self) -> anyhow::Result<Answer<'_>> {
        self.convert(|request, documents| Ok(downshift::answer(request, documents)))
    }

    /// The same image, ready to be signed.
    fn prepare(&self) -> anyhow::Result<Prepared> {
        let request = Request { client: Capabilities::default(), ..self.request.clone() };
        let documents = self.documents.iter().map(|(digest, bytes)| (digest, Some(bytes.as_slice())));
        match downshift::answer(&request, &documents.collect()) {
            Step::Sign(prepared) => Ok(prepared),
            step => bail!("there is nothing to sign: {step:?}"),
        }
    }

    /// Converts it with `step`, the core's step function, wherever that runs, to an answer without a signature.
    fn convert<'c>(
        &'c self,
        mut step: impl FnMut(&Request, &Documents<'c>) -> Result<Step<'c>, Failure>,
    ) -> anyhow::Result<Answer<'c>> {
        // As the server does it: it knows what is needed first of all.
        let root = self.documents.get_key_value(self.request.root.digest()).context("the root is missing")?;
        let mut at_hand = vec![(root.0, Some(root.1.as_slice()))];
        let (mut layers, mut signatures) = (Vec::new(), Vec::new());
        for _ in 0..MAX_ROUNDS {
            let documents: Documents<'c> = at_hand.iter().copied().collect();
            let documents = documents.with_layers(layers.iter().copied());
            let documents = documents.with_signatures(signatures.iter().copied());
            match step(&self.request, &documents).map_err(|failure| error(&failure))? {
                Step::Done(draft) => return Ok(draft.finish()),
                Step::Need(needs) => {
                    for need in needs.layers {
                        layers.push(self.layers.get_key_value(&need.digest).context("a layer is missing")?);
                    }
                    for digest in needs.signatures {
                        let found = self.signatures.get_key_value(&digest);
                        signatures.push(found.context("nothing is known of a signature")?);
                    }
                    for need in needs.documents {
                        let found = self.documents.get_key_value(&need.digest);
                        let (digest, bytes) = found.context("a document is missing")?;
                        at_hand.push((digest, Some(bytes.as_slice())));
                    }
                }
                Step::Sign(_) => bail!("an unsigned manifest was asked for"),
                Step::Refused(refusal) => return Err(error(&refusal.failure)),
            }
        }
        bail!("there is no answer after {MAX_ROUNDS} rounds")
    }
}

/// What is done after a conversion.
fn signing<'o>(
    prepared: &Prepared,
    p256: &'o P256Signer,
    ring: &'o RingSigner,
) -> anyhow::Result<Vec<Operation<'o>>> {
    let signature = ring.sign(&prepared.signing_input())?;
    let [for_p256, for_ring, for_seal] = [(); 3].map(|()| prepared.clone());
    let seal = move || {
        let (prepared, signature) = (for_seal.clone(), signature.clone());
        let start = Instant::now();
        drop(black_box(prepared.seal(signature)?));
        Ok(start.elapsed())
    };
    Ok(vec![
        Operation::new("sign, p256 (RFC 6979)", move || Ok(p256.sign(&for_p256.signing_input())?)),
        Operation::new("sign, ring", move || Ok(ring.sign(&for_ring.signing_input())?)),
        Operation { name: "seal", run: Box::new(seal) },
    ])
}

fn error(failure: &Failure) -> anyhow::Error {
    anyhow!("{}: {}", failure.code, failure.cause)
}
