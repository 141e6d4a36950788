//! Reports on documents: what they have to say, and the same from everywhere.

use std::sync::Arc;

use anyhow::{Context, ensure};
use downshift::Form;
use downshift_cases::outcomes::{Cell, Outcomes, title};
use downshift_inspect::{AskedBy, ChunkKind, DiffPartKind, Stored, diff, matrix, pack, unpack};
use downshift_tests::javascript::{JavaScript, Place};
use downshift_tests::program::run;
use downshift_tests::programs::{NODE, case, case_with};
use downshift_tests::reports::{ReportCase, cases};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::Named;

pub(crate) fn trials() -> anyhow::Result<Vec<Trial>> {
    let node = Arc::new(JavaScript::new(Place::Node));
    let mut trials = Vec::new();
    for report_case in cases()? {
        let (native, program, script) = (report_case.clone(), report_case.clone(), Arc::clone(&node));
        let (name, check): Named<fn(&ReportCase) -> anyhow::Result<()>> = named!(reports_what_it_must);
        let name = format!("native::inspect::{name}::{}", native.name);
        trials.push(case(name, move || check(&native)));
        let (name, check): Named<fn(&ReportCase) -> anyhow::Result<()>> = named!(says_the_same);
        let name = format!("command_line::inspect::{name}::{}", program.name);
        trials.push(case(name, move || check(&program)));
        let (name, check): Named<fn(&ReportCase, &JavaScript) -> anyhow::Result<()>> =
            named!(says_the_same_in);
        let name = format!("node::inspect::{name}::{}", report_case.name);
        trials.push(case_with([NODE], name, move || check(&report_case, &script)));
    }
    let trial =
        |(name, run): Named<fn() -> anyhow::Result<()>>| case(format!("native::inspect::{name}"), run);
    trials.push(trial(named!(the_matrix_is_that_of_the_outcomes)));
    trials.push(trial(named!(differences_make_one_of_the_other)));
    trials.push(trial(named!(what_is_packed_is_unpacked)));
    let (name, run): Named<fn(&JavaScript) -> anyhow::Result<()>> = named!(matrix_diff_share_and_conversions);
    trials.push(case_with([NODE], format!("node::inspect::{name}"), move || run(&node)));
    Ok(trials)
}

fn reports_what_it_must(report_case: &ReportCase) -> anyhow::Result<()> {
    report_case.check(&report_case.report()?)
}

fn says_the_same_in(report_case: &ReportCase, script: &JavaScript) -> anyhow::Result<()> {
    same(&report_case.report()?, &script.inspect(&report_case.documents)?)
}

fn matrix_diff_share_and_conversions(node: &JavaScript) -> anyhow::Result<()> {
    let own = node.run_script()?;
    ensure!(own == json!({ "ok": true }), "{own}");
    Ok(())
}

fn same(expected: &Value, found: &Value) -> anyhow::Result<()> {
    ensure!(expected == found, "the reports differ:\n{expected:#}\n{found:#}");
    Ok(())
}

/// The report of the program, which names documents by their files.
fn says_the_same(report_case: &ReportCase) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut arguments = vec!["inspect".to_owned(), "--json".to_owned()];
    let mut expected = report_case.report()?.to_string();
    for (label, bytes, digest) in &report_case.documents {
        let path = folder.path().join(label);
        std::fs::write(&path, bytes)?;
        let path = path.display().to_string();
        expected = expected.replace(label, &path);
        arguments.push(path);
        arguments.extend(digest.iter().map(|digest| format!("--expect={digest}")));
    }
    let output = run(arguments.iter().map(String::as_str).collect::<Vec<_>>())?;
    ensure!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let found = String::from_utf8(output.stdout)?;
    same(&serde_json::from_str(&expected)?, &serde_json::from_str(&found)?)
}

/// The clients of the matrix send what the table says, and get what the table says.
fn the_matrix_is_that_of_the_outcomes() -> anyhow::Result<()> {
    let outcomes = Outcomes::read()?;
    let matrix = matrix(None);
    for row in &matrix.clients {
        let client = outcomes.clients.iter().find(|client| client.name == row.id);
        let client = client.with_context(|| format!("`{}` is not in the table", row.id))?;
        let mut headers: Vec<(String, String)> =
            client.headers().iter().map(|(name, value)| (name.to_lowercase(), (*value).to_owned())).collect();
        let mut own: Vec<(String, String)> =
            row.request.iter().map(|pair| (pair.name.to_lowercase(), pair.value.clone())).collect();
        headers.sort();
        own.sort();
        ensure!(own == headers, "{}: {own:?} and not {headers:?}", row.id);
        // What the real one does is checked against the same table: where there is no OCI, as Downshift, but that it gives
        // schema 1 to those as well who refuse it.
        for form in [Stored::Schema2, Stored::List] {
            let answer = |registry: &str| row.answers[registry][&AskedBy::Tag][&form].form;
            ensure!(
                answer("distribution-2") == answer("downshift"),
                "{} of {form} from Distribution",
                row.id
            );
        }
        for (by, name) in [(AskedBy::Tag, title::BY_TAG), (AskedBy::Digest, title::BY_STORED_DIGEST)] {
            for stored in &matrix.stored {
                let cell =
                    outcomes.find(&[name], row.id, stored.name()).context("the table has no such cell")?;
                let found = &row.answers["downshift"][&by][stored];
                let form = match stored {
                    Stored::Zstd => Form::Oci,
                    stored => Form::named(stored.name()).context("it is of no form")?,
                };
                let expected = match cell {
                    Cell::Same => Some(form),
                    Cell::Signed => Some(Form::Schema1),
                    Cell::Unsigned => Some(Form::Schema1Unsigned),
                    Cell::Child(_) | Cell::ZstdChild(_) => {
                        Some(if form == Form::List { Form::Schema2 } else { Form::Oci })
                    }
                    Cell::Converted(form, _) | Cell::Plain(form, _) => Some(*form),
                    Cell::Refused(..) => None,
                };
                ensure!(found.form == expected, "{} by {by} of {stored}: {found:?} and not {cell:?}", row.id);
            }
        }
    }
    Ok(())
}

fn differences_make_one_of_the_other() -> anyhow::Result<()> {
    let documents: Vec<Vec<u8>> =
        cases()?.into_iter().flat_map(|one| one.documents.into_iter().map(|(_, bytes, _)| bytes)).collect();
    for (before, after) in documents.iter().zip(documents.iter().skip(1)) {
        let diff = diff(before, after);
        let mut made = Vec::new();
        let (mut at, mut other) = (0, 0);
        for chunk in &diff.chunks {
            ensure!((chunk.before.start, chunk.after.start) == (at, other), "there is a gap at {at}");
            (at, other) = (chunk.before.end, chunk.after.end);
            if chunk.kind == ChunkKind::Same {
                ensure!(chunk.before.of(before) == chunk.after.of(after), "what is the same differs");
            }
            let (mut part, mut other_part) = (chunk.before.start, chunk.after.start);
            for one in &chunk.parts {
                ensure!(
                    (one.before.start, one.after.start) == (part, other_part),
                    "there is a gap in a chunk"
                );
                (part, other_part) = (one.before.end, one.after.end);
                ensure!(
                    one.kind != DiffPartKind::Same || one.before.of(before) == one.after.of(after),
                    "a part differs"
                );
            }
            made.extend_from_slice(chunk.after.of(after));
        }
        ensure!((at, other) == (before.len(), after.len()) && made == *after, "it is not all there");
    }
    Ok(())
}

fn what_is_packed_is_unpacked() -> anyhow::Result<()> {
    use downshift_inspect::Given;

    let given = [
        Given { bytes: b"{}\r\n\0", label: Some("a".into()), expected: Some("sha256:0".into()) },
        Given::of(b""),
    ];
    let packed = pack(&given)?;
    let found = unpack(&packed)?;
    ensure!(
        found.len() == 2 && found[0].bytes == b"{}\r\n\0" && found[0].label.as_deref() == Some("a"),
        "{found:?}"
    );
    ensure!(found[1].bytes.is_empty() && found[1].label.is_none(), "{found:?}");
    for length in 1..packed.len() {
        let is_boundary = length == 1 || length == packed.len() - 12;
        ensure!(unpack(&packed[..length]).is_ok() == is_boundary, "cut at {length}");
    }
    ensure!(unpack(b"").is_err() && unpack(b"\x02").is_err(), "another version is read");
    Ok(())
}
