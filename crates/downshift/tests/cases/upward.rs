//! Schema 1 upwards: `tests/vectors/upward*.jsonl`, images of schema 1 with the id that Docker 20.10 gave them when it
//! pulled them, which is the digest of the config that is made here; and what is refused.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use downshift::answer::{Record, Request, Root};
use downshift::{
    Capabilities, Digest, EMPTY_LAYER, Failure, Form, Permission, PlainLayers, Policy, UnsignedSchema1,
};
use downshift_cases::images::sample;
use downshift_cases::implementation::{Answered, Implementation, Native, Outcome, schema1_request};
use downshift_cases::signed::{key_id, signed};
use downshift_cases::upward::{self, Upward};
use serde_json::{Value, json};

const NAME: &str = "library/archive";

/// Tars of nothing.
const LAYER: &[u8] = &[0; 1024];
const OTHER: &[u8] = &[0; 2048];

fn request(manifest: &[u8], client: Capabilities) -> Request {
    Request { client, ..schema1_request(NAME, "latest", Digest::of(manifest), Policy::Strict) }
}

fn answered(request: &Request, documents: &BTreeMap<Digest, Vec<u8>>) -> anyhow::Result<Answered> {
    match Native.answer(request, documents) {
        Outcome::Answered(answered) => Ok(answered),
        outcome => bail!("there is no answer: {outcome:?}"),
    }
}

fn refused(request: &Request, documents: &BTreeMap<Digest, Vec<u8>>) -> anyhow::Result<Failure> {
    match Native.answer(request, documents) {
        Outcome::Refused { failure, .. } => Ok(failure),
        outcome => bail!("it is not refused: {outcome:?}"),
    }
}

fn oci() -> Capabilities {
    Capabilities::of(&[Form::Oci, Form::Index, Form::Schema2, Form::List]).with_any()
}

/// A manifest that is signed by nobody, of records from the newest down, each with its blob.
fn manifest(records: &[(Value, &[u8])]) -> (Vec<u8>, BTreeMap<Digest, Vec<u8>>) {
    let layers: Vec<Value> =
        records.iter().map(|(_, blob)| json!({"blobSum": Digest::of(blob).as_str()})).collect();
    let history: Vec<Value> =
        records.iter().map(|(record, _)| json!({"v1Compatibility": record.to_string()})).collect();
    let manifest = json!({
        "schemaVersion": 1, "name": NAME, "tag": "latest", "architecture": "amd64",
        "fsLayers": layers, "history": history,
    });
    let manifest = manifest.to_string().into_bytes();
    let blobs = records.iter().map(|(_, blob)| (Digest::of(blob), blob.to_vec()));
    let documents = blobs.chain([(Digest::of(&manifest), manifest.clone())]).collect();
    (manifest, documents)
}

fn id(digit: char) -> String {
    digit.to_string().repeat(64)
}

/// The config that was made with an answer.
fn config(answer: &Answered) -> anyhow::Result<&Record> {
    answer.records.iter().find(|record| record.is_config()).context("no config is recorded")
}

#[test]
fn each_image_has_the_id_that_docker_gave_it() -> anyhow::Result<()> {
    judge(&upward::read()?, 120)
}

#[test]
fn each_random_image_has_the_id_that_docker_gave_it() -> anyhow::Result<()> {
    judge(&upward::read_random()?, 300)
}

#[test]
fn each_image_at_the_edges_has_the_id_that_docker_gave_it() -> anyhow::Result<()> {
    judge(&upward::read_edges()?, 130)
}

/// Holds images, of which at least so many have an id, to what Docker made of them.
fn judge(vectors: &[Upward], count: usize) -> anyhow::Result<()> {
    let with_id = vectors.iter().filter(|vector| vector.docker_error.is_none()).count();
    ensure!(with_id >= count, "there are only {with_id} vectors");
    let mut problems = Vec::new();
    for vector in vectors {
        for form in [Form::Oci, Form::Schema2] {
            if let Err(error) = check(vector, form) {
                problems.push(format!("{} ({}) as {form}: {error:#}", vector.id, vector.note));
            }
        }
    }
    ensure!(
        problems.is_empty(),
        "{} fail\n{}",
        problems.len(),
        problems[..problems.len().min(10)].join("\n")
    );
    Ok(())
}

fn check(vector: &Upward, form: Form) -> anyhow::Result<()> {
    let documents = vector.documents()?;
    let manifest = vector.manifest.as_bytes();
    let request = request(manifest, Capabilities::of(&[form]));
    if let Some(error) = &vector.docker_error {
        let failure = refused(&request, &documents).with_context(|| format!("Docker says: {error}"))?;
        ensure!(["broken-schema1", "invalid-json"].contains(&&*failure.code), "{failure}");
        return Ok(());
    }
    let answer = answered(&request, &documents)?;
    ensure!(answer.form == form, "it is {}", answer.form);
    ensure!(answer.source == Some(Digest::of(manifest)), "it is made of {:?}", answer.source);
    let config = config(&answer)?;
    let text = String::from_utf8_lossy(&config.payload);
    ensure!(config.digest.as_str() == vector.docker_image_id, "the config is {}: {text}", config.digest);
    ensure!(config.digest.matches(&config.payload), "the config has another digest");
    let body: Value = serde_json::from_slice(&answer.body)?;
    ensure!(body["config"]["digest"] == config.digest.as_str(), "{body}");
    ensure!(body["config"]["size"] == config.payload.len(), "{body}");
    for layer in body["layers"].as_array().context("there are no layers")? {
        let digest = Digest::parse(layer["digest"].as_str().unwrap_or_default())?;
        if let Some(plain) = answer.layers.iter().find(|plain| plain.facts.diff_id == digest) {
            ensure!(layer["size"] == plain.facts.plain_size, "{digest} has another size: {layer}");
            continue;
        }
        let empty = EMPTY_LAYER.to_vec();
        let blob = documents.get(&digest).or_else(|| (digest == Digest::empty_layer()).then_some(&empty));
        let blob = blob.with_context(|| format!("there is no blob {digest}"))?;
        let is_gzip = blob.starts_with(&[0x1f, 0x8b]);
        let media_type = layer["mediaType"].as_str().unwrap_or_default();
        ensure!(media_type.ends_with("gzip") == is_gzip, "{digest} is said to be {media_type}");
        ensure!(layer["size"] == blob.len(), "{digest} has another size: {layer}");
    }
    Ok(())
}

#[test]
fn schema_2_is_laid_out_as_docker_push_does_and_oci_compact() -> anyhow::Result<()> {
    let layer = LAYER;
    let (stored, documents) = manifest(&[(json!({"id": id('a'), "created": "2015-01-02T03:04:05Z"}), layer)]);
    let answer = answered(&request(&stored, Capabilities::of(&[Form::Schema2])), &documents)?;
    let made = config(&answer)?;
    let expected = format!(
        r#"{{
   "schemaVersion": 2,
   "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
   "config": {{
      "mediaType": "application/vnd.docker.container.image.v1+json",
      "size": {},
      "digest": "{}"
   }},
   "layers": [
      {{
         "mediaType": "application/vnd.docker.image.rootfs.diff.tar",
         "size": 1024,
         "digest": "{}"
      }}
   ]
}}"#,
        made.payload.len(),
        made.digest,
        Digest::of(layer)
    );
    ensure!(String::from_utf8(answer.body)? == expected);
    let answer = answered(&request(&stored, oci()), &documents)?;
    ensure!(answer.form == Form::Oci && !answer.body.contains(&b' '), "{answer:?}");
    Ok(())
}

#[test]
fn who_reads_schema_1_gets_it_and_nobody_else() -> anyhow::Result<()> {
    let (stored, documents) = manifest(&[(json!({"id": id('a')}), LAYER)]);
    let docker_27 = || Capabilities::of(&[Form::Schema1, Form::Schema2, Form::List, Form::Oci, Form::Index]);
    let refuses =
        |client: Capabilities| client.with_unreadable(Form::Schema1).with_unreadable(Form::Schema1Unsigned);
    for (client, form) in [
        (Capabilities::default(), Some(Form::Schema1)),
        (Capabilities::default().with_any(), Some(Form::Schema1)),
        (docker_27(), Some(Form::Schema1)),
        (refuses(docker_27()), Some(Form::Oci)),
        (refuses(Capabilities::default()), Some(Form::Oci)),
        (oci(), Some(Form::Oci)),
        (Capabilities::of(&[Form::Schema2, Form::List]), Some(Form::Schema2)),
        (Capabilities::of(&[Form::Schema2]).with_any(), Some(Form::Schema2)),
        (Capabilities::of(&[Form::List]).with_any(), Some(Form::Oci)),
        (Capabilities::of(&[Form::List, Form::Index]), None),
        (
            Capabilities::default().with_form(Form::Schema1, 0).with_form(Form::Schema2, 1),
            Some(Form::Schema2),
        ),
        (Capabilities::default().with_form(Form::Schema1, 0), None),
    ] {
        let request = request(&stored, client.clone());
        match form {
            Some(form) => ensure!(answered(&request, &documents)?.form == form, "{client:?}"),
            None => ensure!(refused(&request, &documents)?.code == "not-acceptable", "{client:?}"),
        }
    }
    // The reference gives it to everybody.
    let reference = Request { policy: Policy::Reference, ..request(&stored, oci()) };
    ensure!(answered(&reference, &documents)?.form == Form::Schema1);
    Ok(())
}

#[test]
fn a_digest_gives_its_bytes_or_names_the_one_to_pull() -> anyhow::Result<()> {
    let (stored, documents) = manifest(&[(json!({"id": id('a')}), LAYER)]);
    let by_digest = |digest: &Digest, client: Capabilities, record: Option<&Record>| Request {
        root: Root::Digest {
            name: NAME.into(),
            digest: digest.clone(),
            tag: None,
            record: record.cloned().map(Box::new),
        },
        ..request(&stored, client)
    };
    let digest = Digest::of(&stored);
    let bytes = answered(&by_digest(&digest, Capabilities::of(&[Form::Oci]), None), &documents)?;
    ensure!(bytes.form == Form::Schema1 && bytes.digest == digest, "{bytes:?}");

    let refuser = oci().with_unreadable(Form::Schema1).with_unreadable(Form::Schema1Unsigned);
    let Outcome::Refused { failure, records, .. } =
        Native.answer(&by_digest(&digest, refuser.clone(), None), &documents)
    else {
        bail!("it is not refused")
    };
    ensure!(failure.code == "unreadable-digest", "{failure}");
    let made = records.iter().find(|record| record.form == Form::Oci).context("nothing was recorded")?;
    ensure!(failure.cause.contains(made.digest.as_str()), "{failure}");
    let pulled = answered(&by_digest(&made.digest, refuser, Some(made)), &documents)?;
    ensure!(pulled.body == made.payload, "{pulled:?}");
    // A config is not a manifest.
    let config = records.iter().find(|record| record.is_config()).context("no config was recorded")?;
    match Native.answer(&by_digest(&config.digest, oci(), Some(config)), &documents) {
        Outcome::Missing(missing) => ensure!(missing == config.digest),
        outcome => bail!("the config is a manifest: {outcome:?}"),
    }
    Ok(())
}

#[test]
fn what_engines_refuse_is_refused_by_name() -> anyhow::Result<()> {
    let record = |id: &str, parent: &str| json!({"id": id, "parent": parent});
    let (a, b, c) = (id('a'), id('b'), id('c'));
    for (records, word) in [
        (vec![record("A", "")], "64 hexadecimal"),
        (vec![record(&a, &b)], "the lowest layer has a parent"),
        (vec![record(&a, &c), record(&b, "")], "parent of `history[0]`"),
        (vec![record(&a, &b), record(&b, &a), record(&a, "")], "another place"),
        (vec![json!({"id": a, "config": {"Env": "A=1"}})], "`history[0].config.Env` is not an array"),
        (vec![json!({"id": a, "throwaway": "yes"})], "`history[0].throwaway` is not a boolean"),
        (vec![json!({"id": a, "created": "yesterday"})], "`history[0].created` is not an RFC 3339 time"),
        (
            vec![json!({"id": a, "created": "2015-01-02T03:04:05+99:60"})],
            "the offset in `history[0].created`",
        ),
        (
            vec![json!({"id": a, "docker_version": "1.9.1", "os.features": 1})],
            "`history[0].os.features` is not an",
        ),
        (
            vec![json!({"id": a, "docker_version": "1.9.1", "ROOTFS": []})],
            "`history[0].rootfs` is not an object",
        ),
        (
            vec![json!({"id": a, "docker_version": "1.9.1", "rootf\u{17f}": null})],
            "`history[0].rootfs` is not there once",
        ),
        (
            // It comes after the history that was made, and has more layers than there are.
            vec![
                json!({"id": a, "docker_version": "1.9.1", "hi\u{17f}tory": [{"empty_layer": true}, {}, {}]}),
            ],
            "`history[0].history` is not there once",
        ),
        (
            vec![json!({"id": a, "docker_version": "1.9.1", "History": [1]})],
            "`history[0].history` is not an object",
        ),
        (vec![json!([])], "`history[0]` is not an object"),
        (vec![], "there are no layers"),
    ] {
        let records: Vec<(Value, &[u8])> = records.into_iter().map(|record| (record, LAYER)).collect();
        let (stored, documents) = manifest(&records);
        let failure = refused(&request(&stored, oci()), &documents)?;
        ensure!(failure.code == "broken-schema1" && failure.cause.contains(word), "{word}: {failure}");
    }
    Ok(())
}

/// As Go does it, which Docker is written in.
#[test]
fn members_that_stand_twice_are_decoded_over_each_other() -> anyhow::Result<()> {
    let (plain, documents) = manifest(&[(json!({"id": id('a')}), LAYER), (json!({"id": id('a')}), OTHER)]);
    let id_of = |manifest: &[u8]| -> anyhow::Result<Digest> {
        let documents = documents.clone().into_iter().chain([(Digest::of(manifest), manifest.to_vec())]);
        Ok(config(&answered(&request(manifest, oci()), &documents.collect())?)?.digest.clone())
    };
    let with = |members: &str| [b"{", members.as_bytes(), b",", &plain[1..]].concat();
    let expected = id_of(&plain)?;
    for members in [
        r#""history":[{"v1Compatibility":"x"}]"#,
        r#""history":null,"fsLayers":[null,{"blobSum":"y"},{}]"#,
        r#""name":"x","name":null,"mediaType":null"#,
    ] {
        // The last array is the plain one, whose elements all say everything.
        ensure!(id_of(&with(members))? == expected, "{members}");
    }
    let after = |members: &str| [&plain[..plain.len() - 1], b",", members.as_bytes(), b"}"].concat();
    for members in [r#""history":[null,{}]"#, r#""fsLayers":[{"blobSum":null},null],"tag":null"#] {
        ensure!(id_of(&after(members))? == expected, "{members}");
    }
    let refused_with = |manifest: Vec<u8>| {
        let documents = documents.clone().into_iter().chain([(Digest::of(&manifest), manifest.clone())]);
        refused(&request(&manifest, oci()), &documents.collect())
    };
    for members in
        [r#""fsLayers":1"#, r#""history":[1]"#, r#""mediaType":[]"#, r#""name":{},"name":"x""#, r#""Tag":1"#]
    {
        let failure = refused_with(with(members))?;
        ensure!(["wrong-type", "duplicate-key"].contains(&&*failure.code), "{members}: {failure}");
    }
    // An empty one forgets what was there.
    let failure = refused_with(after(r#""history":[],"history":[{},{}]"#))?;
    ensure!(failure.code == "invalid-json", "{failure}");
    Ok(())
}

#[test]
fn duplicates_collapse_to_the_oldest_and_throwaway_alone_says_what_is_empty() -> anyhow::Result<()> {
    let (a, b) = (id('a'), id('b'));
    let (stored, documents) = manifest(&[
        (json!({"id": b, "parent": "x", "comment": "left out"}), LAYER),
        (json!({"id": b, "parent": a, "docker_version": "1.9.1", "odd": {"z": 1, "a": "<"}}), OTHER),
        (json!({"id": a, "throwaway": true, "Size": 7, "container_config": {"Cmd": ["a", "b"]}}), LAYER),
    ]);
    let answer = answered(&request(&stored, oci()), &documents)?;
    let config = String::from_utf8(config(&answer)?.payload.clone())?;
    let diff_id = Digest::of(OTHER);
    let expected = [
        r#"{"docker_version":"1.9.1","history":[{"created":"0001-01-01T00:00:00Z","created_by":"a b","empty_layer":true},"#,
        r#"{"created":"0001-01-01T00:00:00Z"}],"odd":{"a":"\u003c","z":1},"rootfs":{"type":"layers","diff_ids":[""#,
        diff_id.as_str(),
        r#""]}}"#,
    ];
    ensure!(config == expected.concat(), "{config}");
    ensure!(answer.report["lost"].to_string().contains("duplicate"), "{}", answer.report);
    Ok(())
}

#[test]
fn layers_without_a_media_type_go_by_their_diff_id() -> anyhow::Result<()> {
    // A stream of no blocks.
    let bzip2 = b"BZh9\x17\x72\x45\x38\x50\x90\0\0\0\0".as_slice();
    let (stored, documents) = manifest(&[(json!({"id": id('a')}), bzip2)]);
    let answer = answered(&request(&stored, oci()), &documents)?;
    let [layer] = answer.layers.as_slice() else { bail!("{:?}", answer.layers) };
    let body = String::from_utf8(answer.body)?;
    ensure!(body.contains(layer.facts.diff_id.as_str()) && body.contains(".layer.v1.tar\""), "{body}");
    let never = Request { plain_layers: PlainLayers::Never, ..request(&stored, oci()) };
    let failure = refused(&never, &documents)?;
    ensure!(failure.code == "unreadable-layer" && failure.cause.contains("bzip2"), "{failure}");
    Ok(())
}

#[test]
fn a_layer_that_is_not_there_is_named() -> anyhow::Result<()> {
    let (stored, mut documents) = manifest(&[(json!({"id": id('a')}), LAYER)]);
    documents.remove(&Digest::of(LAYER));
    let failure = refused(&request(&stored, oci()), &documents)?;
    ensure!(failure.code == "missing-layer", "{failure}");
    Ok(())
}

/// Engines before 1.10 wrote it into images as a layer like others, and every registry here has it.
#[test]
fn the_empty_layer_need_not_be_read() -> anyhow::Result<()> {
    let (stored, mut documents) = manifest(&[(json!({"id": id('a')}), EMPTY_LAYER.as_slice())]);
    documents.remove(&Digest::empty_layer());
    let answer = answered(&request(&stored, oci()), &documents)?;
    ensure!(answer.layers.is_empty(), "nobody has read it: {:?}", answer.layers);
    let config = String::from_utf8(config(&answer)?.payload.clone())?;
    ensure!(config.contains(Digest::of(&[0; 1024]).as_str()), "{config}");
    Ok(())
}

/// A manifest of one record, with as many signatures: each holds or does not.
fn with_signatures(holds: &[bool]) -> (Vec<u8>, BTreeMap<Digest, Vec<u8>>) {
    let (payload, mut documents) =
        manifest(&[(json!({"id": id('a'), "os": "linux", "architecture": "amd64"}), LAYER)]);
    let stored = signed(&payload, holds);
    documents.insert(Digest::of(&stored), stored.clone());
    (stored, documents)
}

/// What an answer says of the signatures of its source, which is the same as in the record of its digest.
fn signature(answer: &Answered) -> anyhow::Result<Option<String>> {
    let record = answer.records.iter().find(|record| !record.is_config()).context("it is not recorded")?;
    ensure!(serde_json::to_value(&record.signature)? == answer.report["signature"], "{}", answer.report);
    Ok(record.signature.as_ref().map(ToString::to_string))
}

#[test]
fn an_answer_says_what_the_signatures_of_its_source_prove() -> anyhow::Result<()> {
    for (count, text) in
        [(1, format!("valid; key={0}", key_id())), (2, format!("valid; key={0}; key={0}", key_id()))]
    {
        let (stored, documents) = with_signatures(&vec![true; count]);
        let answer = answered(&request(&stored, oci()), &documents)?;
        ensure!(signature(&answer)?.as_deref() == Some(&text), "{}", answer.report);
        ensure!(answer.report["lost"][0]["code"] == "signature", "{}", answer.report);
        // So it does later, when it is asked for by its digest.
        let record = answer.records.iter().find(|record| record.digest == answer.digest).cloned();
        let root = Root::Digest {
            name: NAME.into(),
            digest: answer.digest.clone(),
            tag: None,
            record: record.map(Box::new),
        };
        let again = answered(&Request { root, ..request(&stored, oci()) }, &documents)?;
        ensure!(again.report["signature"] == answer.report["signature"], "{}", again.report);
    }
    let (unsigned, documents) = manifest(&[(json!({"id": id('a')}), LAYER)]);
    let answer = answered(&request(&unsigned, oci()), &documents)?;
    ensure!(signature(&answer)?.as_deref() == Some("none"), "{}", answer.report);
    // Of what goes out as it is stored, and of what is made of anything else, there is nothing to say.
    let (stored, documents) = with_signatures(&[true]);
    let answer = answered(&request(&stored, Capabilities::default()), &documents)?;
    ensure!(answer.report.get("signature").is_none(), "{}", answer.report);
    Ok(())
}

/// As libtrust has it: all of them count.
#[test]
fn a_wrong_signature_is_refused_before_a_layer_is_read() -> anyhow::Result<()> {
    for holds in [&[false][..], &[true, false], &[false, true]] {
        let (stored, mut documents) = with_signatures(holds);
        let strict = request(&stored, oci());
        let allowed = Request { allow: [Permission::WrongSignature].into_iter().collect(), ..strict.clone() };
        let answer = answered(&allowed, &documents)?;
        ensure!(signature(&answer)?.as_deref() == Some("invalid"), "{}", answer.report);
        ensure!(answer.report["warnings"][0]["code"] == "wrong-signature", "{}", answer.report);
        documents.remove(&Digest::of(LAYER));
        let failure = refused(&strict, &documents)?;
        ensure!(failure.code == "wrong-signature" && failure.remedy.contains("operator"), "{failure:?}");
        // Who reads it verifies it.
        ensure!(answered(&request(&stored, Capabilities::default()), &documents)?.form == Form::Schema1);
    }
    // A key that is not the one which it says it is.
    let (stored, documents) = with_signatures(&[true]);
    let other = format!("{}{}", if key_id().starts_with('A') { "B" } else { "A" }, &key_id()[1..]);
    let stored = String::from_utf8(stored)?.replace(key_id(), &other).into_bytes();
    let documents = documents.into_iter().chain([(Digest::of(&stored), stored.clone())]).collect();
    let failure = refused(&request(&stored, oci()), &documents)?;
    ensure!(failure.code == "wrong-signature" && failure.cause.contains("kid"), "{failure}");
    Ok(())
}

#[test]
fn an_operator_may_want_a_signature() -> anyhow::Result<()> {
    let (stored, mut documents) = manifest(&[(json!({"id": id('a')}), LAYER)]);
    documents.remove(&Digest::of(LAYER));
    let refusing = |request: Request| Request { unsigned_schema1: UnsignedSchema1::Refuse, ..request };
    let by_digest = |client| {
        let root = Root::Digest { name: NAME.into(), digest: Digest::of(&stored), tag: None, record: None };
        Request { root, ..request(&stored, client) }
    };
    let refuser = || oci().with_unreadable(Form::Schema1).with_unreadable(Form::Schema1Unsigned);
    let policy = |request: Request| Request { policy: Policy::Reference, ..request };
    for request in [
        request(&stored, oci()),
        request(&stored, Capabilities::default()),
        by_digest(Capabilities::default()),
        by_digest(refuser()),
        policy(request(&stored, Capabilities::default())),
    ] {
        let failure = refused(&refusing(request), &documents)?;
        ensure!(failure.code == "unsigned-schema1" && failure.remedy.contains("operator"), "{failure:?}");
    }
    // Who takes it as it is gets that, and what is signed is not meant.
    let unsigned = request(&stored, Capabilities::of(&[Form::Schema1Unsigned]));
    ensure!(answered(&refusing(unsigned), &documents)?.body == stored);
    let (stored, documents) = with_signatures(&[true]);
    ensure!(answered(&refusing(request(&stored, oci())), &documents)?.form == Form::Oci);
    Ok(())
}

/// A list or index: each manifest with its media type and its platform.
fn listing(form: Form, entries: &[(&[u8], Form, &str)]) -> Vec<u8> {
    let entry = |(manifest, form, platform): &(&[u8], Form, &str)| {
        let (os, architecture) = platform.split_once('/').expect("platforms of tests are whole");
        json!({
            "mediaType": form.media_type(), "digest": Digest::of(manifest), "size": manifest.len(),
            "platform": {"os": os, "architecture": architecture},
        })
    };
    let entries: Vec<Value> = entries.iter().map(entry).collect();
    let listing = json!({"schemaVersion": 2, "mediaType": form.media_type(), "manifests": entries});
    listing.to_string().into_bytes()
}

/// The digests that a list names, by their platforms' architectures.
fn listed(answer: &Answered) -> anyhow::Result<BTreeMap<String, (String, String)>> {
    let json: Value = serde_json::from_slice(&answer.body)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let entries = json["manifests"].as_array().context("it lists nothing")?.iter();
    let entry = |entry: &Value| {
        let named = (text(&entry["mediaType"]), text(&entry["digest"]));
        (text(&entry["platform"]["architecture"]), named)
    };
    Ok(entries.map(entry).collect())
}

#[test]
fn in_a_list_the_manifest_that_is_opened_is_made_of_schema_1() -> anyhow::Result<()> {
    let (schema1, documents) = with_signatures(&[true]);
    let newer = sample::schema2();
    let others = newer.documents();
    let (unread, _) = with_signatures(&[true, true]);
    let other = (newer.manifest.bytes.as_slice(), Form::Schema2, "linux/arm64");
    let schema1_on_amd64 = (schema1.as_slice(), Form::Schema1, "linux/amd64");
    let entries = [schema1_on_amd64, other, (&unread, Form::Schema1, "linux/s390x")];
    let list = listing(Form::List, &entries);
    let documents: BTreeMap<_, _> = documents
        .into_iter()
        .chain(others)
        .chain([&list, &unread].map(|own: &Vec<u8>| (Digest::of(own), own.clone())))
        .collect();
    let on = |client: Capabilities, platform: &str| client.with_platform(platform.parse().unwrap());
    let refuser = || oci().with_unreadable(Form::Schema1).with_unreadable(Form::Schema1Unsigned);

    // Whoever does not say its platform may be on any.
    for client in [oci(), refuser(), on(oci(), "linux/amd64"), Capabilities::of(&[Form::List])] {
        let answer = answered(&request(&list, client.clone()), &documents)?;
        ensure!(answer.form == Form::List && answer.by_platform, "{client:?}: {answer:?}");
        let entries = listed(&answer)?;
        let (media_type, made) = &entries["amd64"];
        ensure!(media_type == Form::Schema2.media_type(), "{entries:?}");
        ensure!(entries["arm64"].1 == newer.manifest.digest().as_str(), "{entries:?}");
        ensure!(entries["s390x"] == (Form::Schema1.media_type().into(), Digest::of(&unread).to_string()));
        // It can be pulled, with its config, and says the same of its source as by a tag.
        let record =
            answer.records.iter().find(|record| record.digest.as_str() == made).context("no record")?;
        ensure!(record.source == Digest::of(&schema1), "{record:?}");
        ensure!(
            record.signature.as_ref().is_some_and(|own| own.to_string().starts_with("valid")),
            "{record:?}"
        );
        let json: Value = serde_json::from_slice(&record.payload)?;
        ensure!(config(&answer)?.digest.as_str() == json["config"]["digest"], "{json}");
    }
    // In the other family's form, and for who takes no list.
    let answer = answered(&request(&list, Capabilities::of(&[Form::Index])), &documents)?;
    ensure!(listed(&answer)?["amd64"].0 == Form::Oci.media_type(), "{answer:?}");
    let answer = answered(&request(&list, Capabilities::of(&[Form::Oci])), &documents)?;
    ensure!(answer.form == Form::Oci && answer.source == Some(Digest::of(&schema1)), "{answer:?}");
    // On another platform it is of use as it is, and no layer is read; the answer is for that platform alone.
    let answer = answered(&request(&list, on(oci(), "linux/arm64")), &documents)?;
    ensure!(answer.body == list && answer.records.is_empty(), "{answer:?}");
    ensure!(answer.report["platform"]["architecture"] == "arm64", "{}", answer.report);
    // So it is for who reads schema 1.
    let docker = Capabilities::of(&[Form::Schema1, Form::Schema2, Form::List, Form::Oci, Form::Index]);
    let answer = answered(&request(&list, on(docker, "linux/amd64")), &documents)?;
    ensure!(answer.body == list && answer.report.get("platform").is_none(), "{}", answer.report);
    // Also in a list that is made of an index (Docker 1.13, `distribution/pull_v2.go`, `pullManifestList`).
    let index = listing(Form::Index, &entries);
    let documents = documents.into_iter().chain([(Digest::of(&index), index.clone())]).collect();
    let docker = Capabilities::of(&[Form::Schema1, Form::Schema2, Form::List]);
    let answer = answered(&request(&index, on(docker, "linux/amd64")), &documents)?;
    ensure!(answer.form == Form::List, "{answer:?}");
    ensure!(listed(&answer)?["amd64"].1 == Digest::of(&schema1).as_str(), "{answer:?}");
    Ok(())
}

#[test]
fn a_list_whose_schema_1_is_refused_says_why_or_is_for_others() -> anyhow::Result<()> {
    let (schema1, documents) = with_signatures(&[false]);
    let newer = sample::schema2();
    let wrong = (schema1.as_slice(), Form::Schema1, "linux/amd64");
    let other = (newer.manifest.bytes.as_slice(), Form::Schema2, "linux/arm64");
    let (mixed, only) = (listing(Form::List, &[wrong, other]), listing(Form::List, &[wrong]));
    let lists = [&mixed, &only].map(|list| (Digest::of(list), list.clone()));
    let documents: BTreeMap<_, _> = documents.into_iter().chain(newer.documents()).chain(lists).collect();
    let answer = answered(&request(&mixed, oci()), &documents)?;
    ensure!(answer.body == mixed, "{answer:?}");
    let on_amd64 = || oci().with_platform("linux/amd64".parse().unwrap());
    for request in [request(&mixed, on_amd64()), request(&only, oci()), request(&only, on_amd64())] {
        let failure = refused(&request, &documents)?;
        ensure!(["wrong-signature", "children-refused"].contains(&&*failure.code), "{failure}");
        ensure!(failure.code == "wrong-signature" || failure.cause.contains("wrong-signature"), "{failure}");
    }
    Ok(())
}

/// An entry that does not say its platform has that of its newest history entry.
#[test]
fn schema_1_says_its_platform_itself() -> anyhow::Result<()> {
    let (schema1, documents) = with_signatures(&[true]);
    let newer = sample::oci();
    let mut index: Value = serde_json::from_slice(&listing(
        Form::Index,
        &[(&newer.manifest.bytes, Form::Oci, "linux/arm64"), (&schema1, Form::Schema1, "linux/amd64")],
    ))?;
    index["manifests"][1].as_object_mut().context("there is no entry")?.remove("platform");
    let index = index.to_string().into_bytes();
    let documents: BTreeMap<_, _> =
        documents.into_iter().chain(newer.documents()).chain([(Digest::of(&index), index.clone())]).collect();
    let answer = answered(&request(&index, Capabilities::of(&[Form::Oci])), &documents)?;
    ensure!(answer.source == Some(Digest::of(&schema1)), "{answer:?}");
    Ok(())
}
