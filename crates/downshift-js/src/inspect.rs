//! Reports on documents.

use downshift::{Limits, check, inspect, jws};
use serde_json::{Value, json};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::thrown::Thrown;

/// What a document is: the JSON of `downshift inspect --json`.
#[wasm_bindgen]
pub fn inspect(bytes: &[u8]) -> Result<String, Thrown> {
    let inspection = inspect::inspect(bytes, &Limits::default())?;
    Ok(serde_json::to_string(&inspection).unwrap_or_default())
}

/// What old engines would refuse in a document.
#[wasm_bindgen]
pub fn check(bytes: &[u8]) -> Result<String, Thrown> {
    let findings = check::check(bytes, &Limits::default())?;
    Ok(serde_json::to_string(&findings).unwrap_or_default())
}

/// What comes of each signature of a document.
#[wasm_bindgen]
pub fn verify(bytes: &[u8]) -> Result<String, Thrown> {
    let document = jws::parse(bytes, &Limits::default())?;
    let verification = downshift_sign::verify(&document);
    let verdicts: Vec<Value> = verification
        .verdicts()
        .iter()
        .map(|verdict| {
            let problem = verdict.outcome.as_ref().err();
            json!({
                "keyId": verdict.key_id,
                "algorithm": verdict.algorithm,
                "valid": problem.is_none(),
                "code": problem.map(|problem| problem.code()),
                "cause": problem.map(ToString::to_string),
            })
        })
        .collect();
    let digest = downshift::Digest::of(&document.payload);
    Ok(json!({ "valid": verification.is_valid(), "payload": digest.as_str(), "signatures": verdicts })
        .to_string())
}
