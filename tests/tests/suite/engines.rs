//! What the suite itself stands on: that its rules of old engines are theirs, by what was measured with each.

use anyhow::{Context, ensure};
use downshift::{Digest, Form, Limits, jws};
use downshift_cases::fixed_key::{FixedKey, signed_schema1};
use downshift_cases::response::Response;
use downshift_sign::Signer;
use downshift_tests::engines::Docker;
use downshift_tests::programs::case;
use libtest_mimic::Trial;
use serde_json::Value;

use crate::Named;

/// Which of 1.6.2, 1.7.1, 1.8.3, 1.9.1 and 1.10.3 take a manifest.
type TakenBy = [bool; 5];

const ALL: TakenBy = [true; 5];
const NONE: TakenBy = [false; 5];
const UP_TO_1_7: TakenBy = [true, true, false, false, false];
const SINCE_1_8: TakenBy = [false, false, true, true, true];
const ONLY_1_8_AND_1_9: TakenBy = [false, false, true, true, false];

/// An id that no image has.
const NOBODY: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A change to a manifest, which is then signed again; `None` if there is nothing to change.
type Change = fn(&mut Value) -> Option<()>;

/// What was changed, how, and who takes it.
const CHANGES: &[(&str, Change, TakenBy)] = &[
    ("nothing", |_| Some(()), ALL),
    ("another name", |manifest| set(manifest, "name", "some/other"), ALL),
    ("an empty tag", |manifest| set(manifest, "tag", ""), ALL),
    ("no architecture", |manifest| remove(manifest, "architecture"), ALL),
    ("no created", |manifest| image(manifest, 0, |image| remove(image, "created")), ALL),
    ("no config", |manifest| image(manifest, 0, |image| remove(image, "config")), ALL),
    ("no parent", |manifest| image(manifest, 0, |image| remove(image, "parent")), UP_TO_1_7),
    ("an unknown parent", |manifest| image(manifest, 0, |image| set(image, "parent", NOBODY)), NONE),
    ("a parent of the base", |manifest| image(manifest, 1, |image| set(image, "parent", NOBODY)), NONE),
    ("no id", |manifest| image(manifest, 0, |image| remove(image, "id")), NONE),
    ("fewer layers", |manifest| list(manifest, "fsLayers")?.pop().map(drop), NONE),
    ("fewer entries", |manifest| list(manifest, "history")?.pop().map(drop), NONE),
    ("no layers", |manifest| clear(manifest, "fsLayers").and(clear(manifest, "history")), NONE),
];

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |(name, run): Named<fn() -> anyhow::Result<()>>| case(format!("engines::{name}"), run);
    vec![
        trial(named!(take_and_refuse_manifests_as_measured)),
        trial(named!(take_and_refuse_signatures_and_digests_as_measured)),
        trial(named!(refuse_other_bytes_under_a_pinned_digest)),
    ]
}

fn take_and_refuse_manifests_as_measured() -> anyhow::Result<()> {
    let fixed_key = FixedKey::read()?;
    for (what, change, expected) in CHANGES {
        let mut manifest: Value = serde_json::from_slice(&payload(&signed_schema1()?)?)?;
        change(&mut manifest).with_context(|| format!("{what}: there is nothing to change"))?;
        let unsigned =
            jws::prepare(serde_json::to_vec_pretty(&manifest)?, fixed_key.time()?, &Limits::default())?;
        let signature = fixed_key.signer()?.sign(&unsigned.signing_input())?;
        let signed = unsigned.seal(&[signature])?;
        let digest = Digest::of(&payload(&signed)?).to_string();
        judge(what, &response(signed, Some(digest)), *expected)?;
    }
    Ok(())
}

fn take_and_refuse_signatures_and_digests_as_measured() -> anyhow::Result<()> {
    let signed = signed_schema1()?;
    let digest = Some(Digest::of(&payload(&signed)?).to_string());
    let text = String::from_utf8(signed.clone())?;
    let first = text.split_once("\"signature\": \"").and_then(|(_, signature)| signature.chars().next());
    let first = first.context("there is no signature")?;
    let (from, to) = (format!("\"signature\": \"{first}"), if first == 'A' { 'B' } else { 'A' });
    let flipped = text.replace(&from, &format!("\"signature\": \"{to}")).into_bytes();
    let mut without: Value = serde_json::from_slice(&signed)?;
    remove(&mut without, "signatures").context("there is no member `signatures`")?;
    let without = without.to_string().into_bytes();
    let whole = Digest::of(&signed).to_string();

    judge("a flipped bit in the signature", &response(flipped, digest.clone()), SINCE_1_8)?;
    judge("no signatures", &response(without, digest), ONLY_1_8_AND_1_9)?;
    judge("the digest of the whole body", &response(signed.clone(), Some(whole)), SINCE_1_8)?;
    judge("no digest", &response(signed, None), ALL)
}

fn refuse_other_bytes_under_a_pinned_digest() -> anyhow::Result<()> {
    let signed = signed_schema1()?;
    let pinned = Digest::of(&payload(&signed)?);
    let (whole, response) = (Digest::of(&signed), response(signed, Some(pinned.to_string())));
    for docker in Docker::ALL {
        docker.takes(&response, Some(&pinned)).context(docker.version())?;
        for other in [&whole, &Digest::empty_layer()] {
            ensure!(docker.takes(&response, Some(other)).is_err(), "{} takes `{other}`", docker.version());
        }
    }
    Ok(())
}

/// Checks which engines take a manifest that they asked for by tag.
fn judge(what: &str, response: &Response, expected: TakenBy) -> anyhow::Result<()> {
    for (docker, expected) in Docker::ALL.into_iter().zip(expected) {
        let taken = docker.takes(response, None);
        ensure!(taken.is_ok() == expected, "{what}, {}: {taken:?}", docker.version());
    }
    Ok(())
}

fn response(body: Vec<u8>, digest: Option<String>) -> Response {
    let media_type = ("content-type".to_string(), Form::Schema1.media_type().to_string());
    let digest = digest.map(|digest| ("docker-content-digest".to_string(), digest));
    Response { status: 200, headers: core::iter::once(media_type).chain(digest).collect(), body }
}

fn payload(signed: &[u8]) -> anyhow::Result<Vec<u8>> {
    Ok(jws::parse(signed, &Limits::default())?.payload)
}

fn set(object: &mut Value, member: &str, value: &str) -> Option<()> {
    object.as_object_mut()?.insert(member.to_string(), value.into());
    Some(())
}

fn remove(object: &mut Value, member: &str) -> Option<()> {
    object.as_object_mut()?.remove(member).map(drop)
}

fn clear(manifest: &mut Value, member: &str) -> Option<()> {
    list(manifest, member)?.clear();
    Some(())
}

fn list<'a>(manifest: &'a mut Value, member: &str) -> Option<&'a mut Vec<Value>> {
    manifest.get_mut(member)?.as_array_mut()
}

/// Changes what a history entry says of its image; the newest is 0.
fn image(manifest: &mut Value, index: usize, change: Change) -> Option<()> {
    let entry = list(manifest, "history")?.get_mut(index)?;
    let mut image: Value = serde_json::from_str(entry["v1Compatibility"].as_str()?).ok()?;
    change(&mut image)?;
    set(entry, "v1Compatibility", &image.to_string())
}
