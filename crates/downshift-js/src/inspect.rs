//! Reports on documents.

use alloc::string::String;
use alloc::vec::Vec;

use downshift::check;
use downshift_inspect::{Checked, Given, Limits, Unchecked, inspect, pack, secrets, unchecked, unpack};
use downshift_json::{Object, array};
use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::js_error::JsError;

/// Documents that are looked at together.
#[wasm_bindgen]
#[derive(Default)]
pub struct Documents {
    given: Vec<(Vec<u8>, String, String)>,
    unchecked: Vec<Unchecked>,
}

#[wasm_bindgen]
impl Documents {
    /// None yet.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a document, its name, and the digest that it is expected to have: both may be empty.
    pub fn add(&mut self, bytes: Vec<u8>, label: String, expected: String) {
        self.given.push((bytes, label, expected));
    }

    /// The signatures that the engine has to verify: `[{document, signature, algorithm}]`.
    pub fn unchecked(&mut self) -> String {
        self.unchecked = unchecked(&self.given());
        array(self.unchecked.iter().map(|one| {
            let mut object = Object::new();
            object.number("document", one.document as u64).number("signature", one.signature as u64);
            object.text("algorithm", &one.algorithm).finish()
        }))
    }

    /// Of one of these: the key as a SubjectPublicKeyInfo.
    #[wasm_bindgen(js_name = keyOf)]
    pub fn key_of(&self, index: usize) -> Vec<u8> {
        self.unchecked.get(index).map(|one| one.key.clone()).unwrap_or_default()
    }

    /// Of one of these: the signed bytes.
    #[wasm_bindgen(js_name = inputOf)]
    pub fn input_of(&self, index: usize) -> Vec<u8> {
        self.unchecked.get(index).map(|one| one.input.clone()).unwrap_or_default()
    }

    /// Of one of these: the signature.
    #[wasm_bindgen(js_name = signatureOf)]
    pub fn signature_of(&self, index: usize) -> Vec<u8> {
        self.unchecked.get(index).map(|one| one.bytes.clone()).unwrap_or_default()
    }

    /// The report: the JSON of `downshift inspect --json`. `checked` is what the engine says of signatures: three numbers
    /// for each, its document, its index there, and 1 if it holds.
    pub fn report(&self, checked: &[u32]) -> Result<String, JsError> {
        encode(&inspect(&self.given(), &decode(checked))?)
    }

    /// What comes of the signatures of the first document.
    pub fn verify(&self, checked: &[u32]) -> Result<String, JsError> {
        let bytes = self.given.first().map(|(bytes, ..)| &**bytes).unwrap_or_default();
        let (valid, payload, signatures) = downshift_inspect::verify(bytes, &decode(checked))?;
        let mut object = Object::new();
        object.flag("valid", valid).json("payload", &encode(&payload)?);
        Ok(object.json("signatures", &encode(&signatures)?).finish())
    }

    /// What looks secret.
    pub fn secrets(&self) -> Result<String, JsError> {
        encode(&secrets(&self.given()))
    }

    /// All in one piece.
    pub fn pack(&self) -> Result<Vec<u8>, JsError> {
        Ok(pack(&self.given())?)
    }

    /// What was in one piece.
    pub fn unpack(bytes: &[u8]) -> Result<Self, JsError> {
        let given = unpack(bytes)?.into_iter().map(|given| {
            (given.bytes.to_vec(), given.label.unwrap_or_default(), given.expected.unwrap_or_default())
        });
        Ok(Self { given: given.collect(), unchecked: Vec::new() })
    }

    /// How many there are.
    #[wasm_bindgen(getter)]
    pub fn length(&self) -> usize {
        self.given.len()
    }

    /// The bytes of one.
    pub fn bytes(&mut self, index: usize) -> Vec<u8> {
        self.given.get_mut(index).map(|(bytes, ..)| core::mem::take(bytes)).unwrap_or_default()
    }

    /// The name of one.
    pub fn label(&self, index: usize) -> String {
        self.given.get(index).map(|(_, label, _)| label.clone()).unwrap_or_default()
    }

    /// The digest that one is expected to have.
    pub fn expected(&self, index: usize) -> String {
        self.given.get(index).map(|(.., expected)| expected.clone()).unwrap_or_default()
    }
}

impl Documents {
    fn given(&self) -> Vec<Given<'_>> {
        let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let given = self.given.iter();
        given
            .map(|(bytes, label, expected)| Given { bytes, label: some(label), expected: some(expected) })
            .collect()
    }
}

/// Document, signature, and whether it holds: three numbers for each.
fn decode(checked: &[u32]) -> Vec<Checked> {
    let index = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let (triples, _) = checked.as_chunks::<3>();
    let triples = triples.iter();
    triples
        .map(|&[document, signature, holds]| Checked {
            document: index(document),
            signature: index(signature),
            holds: holds == 1,
        })
        .collect()
}

pub(crate) fn encode(report: &impl Serialize) -> Result<String, JsError> {
    Ok(serde_json::to_string(report).unwrap_or_default())
}

/// The bytes of a variant.
#[wasm_bindgen]
pub fn variant(bytes: &[u8], code: &str) -> Option<Vec<u8>> {
    downshift_inspect::variant(bytes, code)
}

/// The payload of a signed document.
#[wasm_bindgen]
pub fn payload(bytes: &[u8]) -> Result<Vec<u8>, JsError> {
    Ok(downshift_inspect::payload(bytes)?)
}

/// What old engines would refuse in a document.
#[wasm_bindgen]
pub fn check(bytes: &[u8]) -> Result<String, JsError> {
    let mut limits = downshift::Limits::default();
    limits.document_bytes = Limits::READ_BYTES;
    encode(&check::check(bytes, &limits)?)
}
