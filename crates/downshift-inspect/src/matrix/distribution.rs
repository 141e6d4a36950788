//! How Distribution chooses, by its sources (`registry/handlers/manifests.go` of 2.8.3 and 3.0). The suite holds the
//! real one of version 2 against the same table of outcomes as this.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::vec;

use downshift::Form;

use super::clients::Client;
use super::samples::Sample;
use super::words::words;
use crate::report::{AskedBy, Cell, Outcome, Pair};

/// Whether `Accept` names a form: types are compared exactly, and parameters are cut off, so that `q=0` still counts.
fn names(client: &Client<'_>, form: Form) -> bool {
    let pieces = client.accept.iter().flat_map(|line| line.split(','));
    pieces
        .map(|piece| piece.split(';').next().unwrap_or_default().trim())
        .any(|piece| piece == form.media_type())
}

/// Version 2.7 and 2.8.
pub(super) fn version_2(client: &Client<'_>, sample: &Sample, by: AskedBy) -> Cell {
    match sample.form {
        Form::Schema1 | Form::Schema1Unsigned => served(
            Outcome::Stored,
            Form::Schema1,
            "sha256:STORED",
            "schema 1 goes to everybody, signed again for each response",
        ),
        Form::Oci | Form::Index if !names(client, sample.form) => unknown(sample.form),
        Form::Schema2 if by == AskedBy::Tag && !names(client, Form::Schema2) => converted(),
        Form::List if by == AskedBy::Tag && !names(client, Form::List) => {
            if names(client, Form::Schema2) {
                let text = "Accept does not name lists: the manifest for linux/amd64, on any client";
                served(Outcome::Child, Form::Schema2, "sha256:CHILD", text)
            } else {
                converted()
            }
        }
        form => stored(form, by),
    }
}

/// Version 3.
pub(super) fn version_3(client: &Client<'_>, sample: &Sample, by: AskedBy) -> Cell {
    match sample.form {
        Form::Schema1 | Form::Schema1Unsigned => Cell {
            status: 404,
            word: "404".into(),
            ..error("schema 1 is no longer supported, and cannot be stored")
        },
        Form::Oci | Form::Index if !names(client, sample.form) => unknown(sample.form),
        Form::List if by == AskedBy::Tag && !names(client, Form::List) => {
            if names(client, Form::Schema2) {
                let text = "Accept does not name lists: the manifest for linux/amd64, on any client";
                served(Outcome::Child, Form::Schema2, "sha256:CHILD", text)
            } else {
                error("Accept names neither lists nor schema 2, and nothing is converted any longer")
            }
        }
        Form::Schema2 if by == AskedBy::Tag && !names(client, Form::Schema2) => served(
            Outcome::Stored,
            Form::Schema2,
            "sha256:STORED",
            "schema 2 goes to everybody, whatever Accept says",
        ),
        form => stored(form, by),
    }
}

fn stored(form: Form, by: AskedBy) -> Cell {
    let text = match by {
        AskedBy::Tag => format!("{} is stored, and Accept names it", words(form)),
        AskedBy::Digest => "by digest the response is the stored manifest".to_owned(),
    };
    served(Outcome::Stored, form, "sha256:STORED", &text)
}

fn converted() -> Cell {
    let text =
        "Accept does not name schema 2, so it is converted to schema 1; the reported digest cannot be pulled";
    served(Outcome::Converted, Form::Schema1, "sha256:CONVERTED", text)
}

fn served(outcome: Outcome, form: Form, digest: &str, text: &str) -> Cell {
    let response = vec![
        Pair::new("Content-Type", form.media_type()),
        Pair::new("Docker-Content-Digest", digest),
        Pair::new("Etag", format!("\"{digest}\"")),
    ];
    Cell {
        outcome,
        word: words(form).to_owned(),
        form: Some(form),
        status: 200,
        response,
        text: text.to_owned(),
    }
}

fn unknown(form: Form) -> Cell {
    let text = format!("{} is stored, and Accept does not name it, by tag or by digest", words(form));
    Cell { status: 404, word: "404".into(), ..error(&text) }
}

fn error(text: &str) -> Cell {
    Cell {
        outcome: Outcome::Refused,
        word: "400".into(),
        form: None,
        status: 400,
        response: vec![Pair::new("Content-Type", "application/json; charset=utf-8")],
        text: text.to_owned(),
    }
}
