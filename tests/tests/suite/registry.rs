//! Conversions side by side with the running reference.

use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::BTreeMap;
use std::env;
use std::sync::Arc;
use std::thread;

use anyhow::{Context, ensure};
use downshift::Policy;
use downshift_cases::images::{Family, Image, random, sample};
use downshift_cases::implementation::{Implementation, Outcome, schema1_request};
use downshift_cases::vectors::{Expected, Fetched};
use downshift_tests::programs::{DOCKER_REGISTRY, case_with};
use downshift_tests::registry::Registry;
use libtest_mimic::Trial;

use crate::Named;

/// Which random images there are, unless `DOWNSHIFT_SEED` says otherwise.
pub(crate) const SEED: u64 = 1893;

/// How many there are, unless `DOWNSHIFT_IMAGES` says otherwise.
const IMAGES: u64 = 1000;

/// How many of them are pushed at a time.
const THREADS: usize = 4;

/// How many differences are told in full.
const TOLD: usize = 10;

pub(crate) fn trials(implementation: &Arc<dyn Implementation>) -> Vec<Trial> {
    let trial = |(name, run): Named<fn(&dyn Implementation) -> anyhow::Result<()>>| {
        let implementation = Arc::clone(implementation);
        let name = format!("{}::registry::{name}", implementation.name());
        let programs = [&[DOCKER_REGISTRY], implementation.programs()].concat();
        case_with(programs, name, move || run(implementation.as_ref()))
    };
    vec![
        trial(named!(differential)),
        trial(named!(schema_2_is_converted_alike)),
        trial(named!(a_list_is_converted_alike)),
        trial(named!(an_image_without_layers_is_converted_alike)),
        trial(named!(oci_gives_what_its_twin_gives)),
    ]
}

fn schema_2_is_converted_alike(implementation: &dyn Implementation) -> anyhow::Result<()> {
    is_converted_alike(implementation, &sample::schema2())
}

fn a_list_is_converted_alike(implementation: &dyn Implementation) -> anyhow::Result<()> {
    is_converted_alike(implementation, &sample::list())
}

fn an_image_without_layers_is_converted_alike(implementation: &dyn Implementation) -> anyhow::Result<()> {
    is_converted_alike(implementation, &sample::without_layers())
}

fn oci_gives_what_its_twin_gives(implementation: &dyn Implementation) -> anyhow::Result<()> {
    gives_what_its_twin_gives(implementation, &sample::oci())
}

fn differential(implementation: &dyn Implementation) -> anyhow::Result<()> {
    let seed = number("DOWNSHIFT_SEED", SEED)?;
    let images = number("DOWNSHIFT_IMAGES", IMAGES)?;
    let registry = Registry::start()?;
    let next = AtomicU64::new(0);
    let work = || -> anyhow::Result<Vec<Compared>> {
        let mut compared = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= images {
                return Ok(compared);
            }
            compared.push(compare(implementation, &registry, seed, index)?);
        }
    };
    let compared: Vec<Compared> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        let results: anyhow::Result<Vec<_>> =
            threads.into_iter().map(|thread| thread.join().expect("a comparison does not panic")).collect();
        results.map(|all| all.into_iter().flatten().collect())
    })?;

    let mut counts = BTreeMap::new();
    for image in &compared {
        *counts.entry(image.reference).or_insert(0_usize) += 1;
    }
    println!("seed {seed}: {images} images; the reference: {counts:?}");
    let differences: Vec<&String> = compared.iter().filter_map(|image| image.difference.as_ref()).collect();
    for difference in differences.iter().take(TOLD) {
        println!("{difference}");
    }
    ensure!(differences.is_empty(), "{} of {images} images of seed {seed} differ", differences.len());
    Ok(())
}

/// What came of one random image.
struct Compared {
    reference: &'static str,
    difference: Option<String>,
}

fn compare(
    implementation: &dyn Implementation,
    registry: &Registry,
    seed: u64,
    index: u64,
) -> anyhow::Result<Compared> {
    let random = random::image(seed, index);
    let what = format!("image {index} of seed {seed} ({})", random.note);
    let fetched =
        push_and_fetch(registry, random.repository, &random.tag, &random.image).context(what.clone())?;
    let checked = check(implementation, random.repository, &random.tag, &random.image, &fetched);
    let reference = match &fetched {
        Fetched::Dropped => "crashed",
        Fetched::Answer { status: 200, .. } => "converted",
        Fetched::Answer { .. } => "refused",
    };
    Ok(Compared { reference, difference: checked.err().map(|error| format!("{what}: {error:#}")) })
}

fn is_converted_alike(implementation: &dyn Implementation, image: &Image) -> anyhow::Result<()> {
    let fetched = push_and_fetch(&Registry::start()?, "library/sample", "latest", image)?;
    ensure!(fetched.expected()? != Expected::Refusal, "the reference does not convert it: {fetched:?}");
    check(implementation, "library/sample", "latest", image, &fetched)
}

fn gives_what_its_twin_gives(implementation: &dyn Implementation, image: &Image) -> anyhow::Result<()> {
    let [config] = image.configs.as_slice() else { anyhow::bail!("the image has not one config") };
    let twin = Image::single(Family::Docker, config.clone(), image.layers.clone());
    let fetched = push_and_fetch(&Registry::start()?, "library/sample", "latest", &twin)?;
    ensure!(fetched.expected()? != Expected::Refusal, "the reference does not convert the twin: {fetched:?}");
    check(implementation, "library/sample", "latest", image, &fetched)
}

fn push_and_fetch(
    registry: &Registry,
    repository: &str,
    tag: &str,
    image: &Image,
) -> anyhow::Result<Fetched> {
    registry.push(repository, tag, image)?;
    registry.fetch(repository, tag, &[])
}

/// Whatever the strict policy converts, it converts as the reference does, but where it completes the history, or picks
/// another entry of a list.
fn check(
    implementation: &dyn Implementation,
    repository: &str,
    tag: &str,
    image: &Image,
    fetched: &Fetched,
) -> anyhow::Result<()> {
    let expected = fetched.expected()?;
    let documents = image.documents();
    let answer = |policy| {
        implementation.answer(&schema1_request(repository, tag, image.manifest.digest(), policy), &documents)
    };
    let reference = answer(Policy::Reference);
    expected.check(&reference)?;
    match (answer(Policy::Strict), &expected) {
        (Outcome::Answered(strict), _) if strict.is_completed() => Ok(()),
        // Of several entries for the platform the reference takes the first, whatever its variant.
        (Outcome::Answered(strict), _) if matches!(&reference, Outcome::Answered(reference) if reference.source != strict.source) => {
            Ok(())
        }
        (strict @ Outcome::Answered(_), Expected::Payload(_)) => expected.check(&strict),
        _ => Ok(()),
    }
}

pub(crate) fn number(variable: &str, default: u64) -> anyhow::Result<u64> {
    match env::var(variable) {
        Ok(text) => text.parse().with_context(|| format!("{variable} is `{text}`, which is no number")),
        Err(_) => Ok(default),
    }
}
