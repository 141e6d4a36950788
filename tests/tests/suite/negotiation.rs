//! What a tag gives, by what is stored and what the client accepts; and that all that is reported with it holds.

use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use downshift::{Digest, Form};
use downshift_tests::difference;
use downshift_tests::front::{self, Engine, Front, digest_of, manifest_path};
use downshift_tests::http::Response;
use downshift_tests::images::{Image, sample};
use downshift_tests::programs::case;
use libtest_mimic::Trial;

/// A line of the table `tests/cases/negotiation.md`.
struct Client {
    name: String,
    /// The lines of its `Accept` header.
    accept: Vec<String>,
    /// For each stored form, the name of the form that comes back, or the reason of a refusal.
    answers: Vec<(Form, String)>,
}

pub(crate) fn trials(engine: Engine) -> anyhow::Result<Vec<Trial>> {
    let trial = |client: Client| {
        case(format!("{}::front::negotiation::{}", engine.name, client.name), move || {
            gets_what_the_table_says(engine, &client)
        })
    };
    Ok(read_table()?.into_iter().map(trial).collect())
}

fn gets_what_the_table_says(engine: Engine, client: &Client) -> anyhow::Result<()> {
    let images = [
        Image::bare(Form::Schema1, front::signed_schema1()?),
        Image::bare(Form::Schema1Unsigned, front::unsigned_schema1()?),
        sample::schema2(),
        sample::list(),
        sample::oci(),
        sample::index(),
    ];
    let tagged: Vec<_> = images.iter().map(|image| (image.manifest.form.name(), image.clone())).collect();
    let front = Front::start(engine, &tagged)?;
    let accept: Vec<_> = client.accept.iter().map(|line| ("Accept", line.as_str())).collect();
    let mut problems = Vec::new();
    for (stored, expected) in &client.answers {
        let image = images.iter().find(|image| image.manifest.form == *stored);
        let checked = check(&front, image.context("there is no such image")?, &accept, expected);
        problems.extend(checked.err().map(|error| format!("{stored}: {error:#}")));
    }
    ensure!(problems.is_empty(), "{}", problems.join("\n"));
    Ok(())
}

fn check(front: &Front, image: &Image, accept: &[(&str, &str)], expected: &str) -> anyhow::Result<()> {
    let path = manifest_path(image.manifest.form.name());
    let response = front.send("GET", &path, accept)?;
    match Form::ALL.into_iter().find(|form| form.name() == expected) {
        Some(form) => {
            is_from(image, form, &response)?;
            repeats(front, &path, accept, &response)?;
            holds_by_digest(front, &response).context("by digest")
        }
        None => front::is_refused(&response, 400, expected),
    }
}

/// Checks a manifest of `form` against the image that it is of.
fn is_from(image: &Image, form: Form, response: &Response) -> anyhow::Result<()> {
    let root = &image.manifest;
    if form == root.form {
        difference::compare("manifest", &root.bytes, &response.body)?;
    }
    let digest = digest_of(form, &response.body)?;
    front::is_manifest(response, form, &digest)?;
    let vary = if root.form.is_index() { "Accept, User-Agent" } else { "Accept" };
    ensure!(response.header("vary") == Some(vary), "Vary is not `{vary}`: {response:?}");

    let mut stored = Vec::new();
    for manifest in core::iter::once(root).chain(&image.children) {
        stored.push(digest_of(manifest.form, &manifest.bytes)?.to_string());
    }
    match response.header("downshift-source-digest") {
        Some(source) => ensure!(stored.iter().any(|digest| digest == source), "the source is not stored"),
        None => ensure!(stored.contains(&digest.to_string()), "a converted manifest names no source"),
    }
    Ok(())
}

/// Checks that HEAD and a conditional GET say the same.
fn repeats(front: &Front, path: &str, accept: &[(&str, &str)], get: &Response) -> anyhow::Result<()> {
    let head = front.send("HEAD", path, accept)?;
    ensure!(head.status == 200 && without_date(&head) == without_date(get), "HEAD differs: {head:?}");

    let etag = get.header("etag").context("there is no ETag")?;
    let unchanged = front.send("GET", path, &[accept, &[("If-None-Match", etag)]].concat())?;
    ensure!(unchanged.status == 304, "it is not 304: {unchanged:?}");
    for name in ["etag", "vary", "docker-content-digest", "cache-control"] {
        ensure!(unchanged.header(name) == get.header(name), "304 has another `{name}`: {unchanged:?}");
    }
    Ok(())
}

/// Checks that the reported digest gives the same whatever is accepted, and that so do the digests that it lists.
fn holds_by_digest(front: &Front, response: &Response) -> anyhow::Result<()> {
    let digest = response.header("docker-content-digest").context("no digest is reported")?;
    for accept in [&[] as &[&str], &["*/*"], &[Form::Oci.media_type()], &[Form::Schema1Unsigned.media_type()]]
    {
        let again = front.manifest(digest, accept)?;
        ensure!(again.status == 200, "the status is not 200: {again:?}");
        ensure!(again.header("docker-content-digest") == Some(digest), "the digest is another: {again:?}");
        if again.header("content-type") == response.header("content-type") {
            difference::compare("manifest", &response.body, &again.body)?;
        } else {
            // Both have the digest of the payload.
            let forms = [form_of(&again)?, form_of(response)?];
            ensure!(forms.iter().all(|form| form.is_schema1()), "the form is another: {again:?}");
            ensure!(
                digest_of(forms[0], &again.body)?.as_str() == digest,
                "the payload is another: {again:?}"
            );
        }
    }
    let listed = response.json()?;
    for entry in listed["manifests"].as_array().into_iter().flatten() {
        let digest = entry["digest"].as_str().context("an entry has no digest")?;
        let child = front.manifest(digest, &[])?;
        ensure!(Some(child.body.len() as u64) == entry["size"].as_u64(), "`{digest}` has another size");
        ensure!(child.header("content-type") == entry["mediaType"].as_str(), "`{digest}`: {child:?}");
        ensure!(Digest::of(&child.body).as_str() == digest, "`{digest}` gives another manifest");
    }
    Ok(())
}

fn form_of(response: &Response) -> anyhow::Result<Form> {
    let media_type = response.header("content-type").context("there is no Content-Type")?;
    Form::from_media_type(media_type).with_context(|| format!("`{media_type}` is no manifest"))
}

fn without_date(response: &Response) -> Vec<&(String, String)> {
    response.headers.iter().filter(|(name, _)| name != "date").collect()
}

fn read_table() -> anyhow::Result<Vec<Client>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/negotiation.md");
    let text = fs::read_to_string(&path).with_context(|| format!("`{}` cannot be read", path.display()))?;
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let header: Vec<&str> = lines.next().context("there is no table")?.split(" | ").collect();
    let forms = header.iter().skip(2).map(|name| form(name).context("a column is no form"));
    let forms: Vec<Form> = forms.collect::<anyhow::Result<_>>()?;
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split(" | ").collect();
            let [name, accept, answers @ ..] = cells.as_slice() else {
                anyhow::bail!("`{line}` is too short")
            };
            ensure!(answers.len() == forms.len(), "`{line}` has another number of columns");
            let accept = accept.split(" + ").filter(|line| *line != "-").map(written_out).collect();
            let answers = forms.iter().copied().zip(answers.iter().map(ToString::to_string)).collect();
            Ok(Client { name: name.to_string(), accept, answers })
        })
        .collect()
}

/// A line of an `Accept` header, with media types in the place of the names of forms.
fn written_out(line: &str) -> String {
    let element = |element: &str| {
        let (name, parameters) = element.split_at(element.find(';').unwrap_or(element.len()));
        form(name).map_or_else(|| element.to_string(), |form| format!("{}{parameters}", form.media_type()))
    };
    line.split(", ").map(element).collect::<Vec<_>>().join(", ")
}

fn form(name: &str) -> Option<Form> {
    Form::ALL.into_iter().find(|form| form.name() == name)
}
