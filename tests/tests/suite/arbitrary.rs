//! Arbitrary images, clients and damage, from proptest: wherever the core runs, it gives the same to the byte.
//!
//! What comes is decided by a seed. Where two implementations differ, the smallest case that shows it is told.

use core::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{anyhow, ensure};
use downshift::answer::{Record, Request, Root};
use downshift::{
    Capabilities, Digest, Form, Limits, Permissions, PlainLayers, Platform, Policy, UnsignedSchema1,
    ZstdSupport, jws,
};
use downshift_cases::images::{Family, Image};
use downshift_cases::implementation::{Answered, Implementation, Outcome};
use downshift_tests::programs::case;
use libtest_mimic::Trial;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use serde_json::{Map, Value, json};

use super::registry::{SEED, number};
use crate::Named;

/// How many cases there are, unless `DOWNSHIFT_IMAGES` says otherwise.
const CASES: u64 = 1000;

/// A comparison of two implementations.
type Check = fn(&dyn Implementation, &dyn Implementation) -> anyhow::Result<()>;

pub(crate) fn trials(one: &Arc<dyn Implementation>, other: &Arc<dyn Implementation>) -> Vec<Trial> {
    let (one, other) = (Arc::clone(one), Arc::clone(other));
    let (name, run): Named<Check> = named!(agree);
    let name = format!("{}::arbitrary::{name}::{}", other.name(), one.name());
    vec![case(name, move || run(one.as_ref(), other.as_ref()))]
}

fn agree(one: &dyn Implementation, other: &dyn Implementation) -> anyhow::Result<()> {
    let cases = u32::try_from(number("DOWNSHIFT_IMAGES", CASES)?)?;
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number("DOWNSHIFT_SEED", SEED)?.to_le_bytes());
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let counts = RefCell::new(BTreeMap::new());
    let test = |case: Case| {
        let (request, documents) = case.ask();
        let (left, right) = (one.answer(&request, &documents), other.answer(&request, &documents));
        prop_assert_eq!(&left, &right);
        *counts.borrow_mut().entry(kind(&left)).or_insert(0_usize) += 1;
        match left {
            Outcome::Answered(answered) => is_sound(&request, &documents, &answered)
                .map_err(|error| TestCaseError::fail(format!("{error:#}"))),
            Outcome::Refused { .. } | Outcome::Missing(_) => Ok(()),
        }
    };
    runner.run(&case_strategy(), test).map_err(|error| anyhow!("{error}"))?;
    println!("{cases} cases: {:?}", counts.take());
    Ok(())
}

fn kind(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Answered(answered) if answered.source.is_some() => format!("converted to {}", answered.form),
        Outcome::Answered(_) => "as stored".to_owned(),
        Outcome::Refused { failure, .. } => failure.code.to_string(),
        Outcome::Missing(_) => "missing".to_owned(),
    }
}

/// Whatever is converted has the digest that is reported for it, and is recorded under that.
fn is_sound(
    request: &Request,
    documents: &BTreeMap<Digest, Vec<u8>>,
    answered: &Answered,
) -> anyhow::Result<()> {
    let payload = match answered.form {
        Form::Schema1 => jws::parse(&answered.body, &Limits::default())?.payload,
        _ => answered.body.clone(),
    };
    ensure!(answered.digest.matches(&payload), "the digest is another");
    if let Some(source) = &answered.source {
        let kept = |record: &Record| record.digest == answered.digest && record.payload == payload;
        ensure!(answered.records.first().is_some_and(kept), "it is not recorded");
        let is_root = source == request.root.digest();
        // The only entry of a list or index is for everybody, if it says no platform.
        let root = documents.get(request.root.digest()).map(|bytes| String::from_utf8_lossy(bytes));
        let is_listed = root.is_some_and(|root| root.contains(source.as_str()));
        ensure!(is_root || answered.by_platform || is_listed, "it was made of something else");
    }
    Ok(())
}

/// A request for an image, and what has happened to that.
#[derive(Clone, Debug)]
struct Case {
    images: Vec<(Platform, Image)>,
    is_list: bool,
    family: Family,
    client: Capabilities,
    policy: Policy,
    by_tag: bool,
    tag: String,
    damage: Option<(usize, u8)>,
}

impl Case {
    fn ask(&self) -> (Request, BTreeMap<Digest, Vec<u8>>) {
        let mut image = match self.images.first() {
            Some((_, first)) if !self.is_list => first.clone(),
            _ => Image::index(self.family, self.images.clone()),
        };
        if let Some((place, byte)) = self.damage {
            let length = image.manifest.bytes.len().max(1);
            if let Some(damaged) = image.manifest.bytes.get_mut(place % length) {
                *damaged = byte;
            }
        }
        let (name, digest) = ("library/sample".to_owned(), image.manifest.digest());
        let tag = self.tag.clone();
        let request = Request {
            root: if self.by_tag {
                Root::Tag { name, tag, digest }
            } else {
                Root::Digest { name, digest, tag: Some(tag), record: None }
            },
            client: self.client.clone(),
            policy: self.policy,
            allow: Permissions::default(),
            plain_layers: PlainLayers::default(),
            unsigned_schema1: UnsignedSchema1::default(),
            default_platform: Platform::linux_amd64(),
            time: None,
            limits: Limits::default(),
        };
        (request, image.documents())
    }
}

fn case_strategy() -> impl Strategy<Value = Case> {
    let image = (platform(), image());
    let policy = prop_oneof![Just(Policy::Strict), Just(Policy::Reference)];
    let damage = option::weighted(0.1, (any::<usize>(), any::<u8>()));
    let tag = "[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,20}";
    (vec(image, 1..4), any::<bool>(), family(), client(), policy, prop::bool::weighted(0.8), tag, damage)
        .prop_map(|(images, is_list, family, client, policy, by_tag, tag, damage)| Case {
            images,
            is_list,
            family,
            client,
            policy,
            by_tag,
            tag,
            damage,
        })
}

fn family() -> impl Strategy<Value = Family> {
    prop_oneof![Just(Family::Docker), Just(Family::Oci)]
}

fn platform() -> impl Strategy<Value = Platform> {
    let variant = option::of(Just("v8".to_owned()));
    (
        prop_oneof![Just("linux"), Just("windows")],
        prop_oneof![3 => Just("amd64"), 1 => Just("arm64")],
        variant,
    )
        .prop_map(|(os, architecture, variant)| Platform { variant, ..Platform::new(os, architecture) })
}

/// Some names no type at all, as Docker 1.6–1.9 do.
fn client() -> impl Strategy<Value = Capabilities> {
    let forms = vec((prop::sample::select(Form::ALL.to_vec()), 0..=1000_u16), 0..4);
    let zstd = option::weighted(0.2, prop::sample::select(ZstdSupport::ALL.to_vec()));
    let is_schema1_engine = prop::bool::weighted(0.2);
    (forms, prop::bool::weighted(0.2), option::weighted(0.3, platform()), is_schema1_engine, zstd).prop_map(
        |(forms, any, platform, is_schema1_engine, zstd)| {
            let named = Capabilities::default();
            let mut client =
                forms.into_iter().fold(named, |named, (form, weight)| named.with_form(form, weight));
            if any {
                client = client.with_any();
            }
            if is_schema1_engine {
                client = client.with_schema1_engine();
            }
            client = zstd.into_iter().fold(client, Capabilities::with_zstd);
            platform.into_iter().fold(client, Capabilities::with_platform)
        },
    )
}

fn image() -> impl Strategy<Value = Image> {
    let history = vec((history_entry(), prop::bool::weighted(0.3)), 0..8);
    let surplus = prop_oneof![9 => Just(0_usize), 1 => 1..3_usize];
    (family(), history, members(), surplus).prop_map(|(family, history, members, surplus)| {
        let count = history.iter().filter(|(_, is_empty)| !is_empty).count() + surplus;
        let layers: Vec<Vec<u8>> = (0..count).map(|number| format!("layer {number}").into_bytes()).collect();
        let diff_ids: Vec<String> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
        let entries = history.into_iter().map(|(mut entry, is_empty)| {
            if is_empty {
                entry.insert("empty_layer".to_owned(), Value::Bool(true));
            }
            Value::Object(entry)
        });
        let mut config = members;
        config.insert("history".to_owned(), entries.collect());
        config.insert("rootfs".to_owned(), json!({ "type": "layers", "diff_ids": diff_ids }));
        Image::single(family, Value::Object(config).to_string().into_bytes(), layers)
    })
}

fn history_entry() -> impl Strategy<Value = Map<String, Value>> {
    object(vec![
        ("created", time().boxed()),
        ("created_by", any::<String>().prop_map(Value::from).boxed()),
        ("author", any::<String>().prop_map(Value::from).boxed()),
        ("comment", any::<String>().prop_map(Value::from).boxed()),
    ])
}

fn members() -> impl Strategy<Value = Map<String, Value>> {
    let known = object(vec![
        ("architecture", prop_oneof![9 => Just(json!("amd64")), 1 => value()].boxed()),
        ("os", Just(json!("linux")).boxed()),
        ("created", time().boxed()),
        ("docker_version", any::<String>().prop_map(Value::from).boxed()),
        ("config", prop_oneof![9 => Just(json!({ "Cmd": ["sh"] })), 1 => value()].boxed()),
        ("parent", value().boxed()),
    ]);
    let others = vec((any::<String>(), value()), 0..3);
    (known, others).prop_map(|(known, others)| known.into_iter().chain(others).collect())
}

/// An object with some of `members`.
fn object(members: Vec<(&'static str, BoxedStrategy<Value>)>) -> impl Strategy<Value = Map<String, Value>> {
    let members: Vec<_> = members
        .into_iter()
        .map(|(name, value)| {
            let weight = if name == "parent" { 0.05 } else { 0.7 };
            option::weighted(weight, value).prop_map(move |value| Some((name.to_owned(), value?)))
        })
        .collect();
    members.prop_map(|members| members.into_iter().flatten().collect())
}

fn time() -> impl Strategy<Value = Value> {
    let well_formed =
        "20[0-9]{2}-0[1-9]-[0-2][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|\\+02:00)";
    prop_oneof![9 => well_formed.prop_map(Value::from), 1 => "[0-9T:Z.-]{0,25}".prop_map(Value::from)]
}

/// Any JSON, three levels deep.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((any::<String>(), inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}
