//! Stored schema 1 whose signatures are of other algorithms than the usual one: each place has its own way to verify them.

use anyhow::{Context, ensure};
use downshift::Form;
use downshift_cases::fixed_key::unsigned_schema1;
use downshift_cases::images::{Image, REPOSITORY};
use downshift_tests::front::{Engine, Front};
use downshift_tests::programs::case_with;
use downshift_tests::scripted::ScriptedNetwork;
use downshift_tests::signed::{ALGORITHMS, sign_payload};
use downshift_world::net::{Change, Host};
use libtest_mimic::Trial;

use crate::Named;

pub(crate) fn trials(engine: Engine) -> Vec<Trial> {
    let (function, run): Named<fn(Engine) -> anyhow::Result<()>> = named!(every_algorithm_is_verified);
    let name = format!("{}::upward::{function}", engine.name);
    vec![case_with(engine.programs(&[]), name, move || run(engine))]
}

/// A sound signature lets an image through as far as to its layers, which are missing; a wrong one does not.
fn every_algorithm_is_verified(engine: Engine) -> anyhow::Result<()> {
    let network = ScriptedNetwork::start()?;
    let front = Front::start_before_url(engine, &["--tag-ttl", "0"], &network.url(Host::Registry))?;
    let payload = String::from_utf8(unsigned_schema1()?)?;
    for (index, algorithm) in ALGORITHMS.into_iter().enumerate() {
        let payload = |tag: &str| payload.replace("x.Y_z-1", tag);
        let (tag, wrong) = (format!("sound-{index}"), format!("wrong-{index}"));
        let sound = sign_payload(payload(&tag).as_bytes(), algorithm)?;
        let wrong = String::from_utf8(sound.clone())?.replace(&tag, &wrong).into_bytes();
        for (bytes, expected) in [(sound, "missing-layer"), (wrong, "wrong-signature")] {
            let image = Image::bare(Form::Schema1, bytes);
            let push = Change::Push(REPOSITORY, algorithm, Box::new(image));
            network.with(|net| net.change(&push));
            let response = front.manifest(algorithm, &[Form::Oci.media_type()])?;
            ensure!(response.status == 400, "{algorithm}: it is not refused: {response:?}");
            let reason = &response.json()?["errors"][0]["detail"]["reason"];
            let reason = reason.as_str().context("there is no reason")?;
            ensure!(reason == expected, "{algorithm}: {reason} and not {expected}");
        }
    }
    Ok(())
}
