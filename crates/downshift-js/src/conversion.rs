//! The step function, with the documents that it was given.

use alloc::string::String;
use alloc::vec::Vec;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use downshift::Digest;
use downshift::answer::{Answer, Documents, LayerReading, Prepared, Record, Request, Step, answer};
use downshift::jwk::Jwk;
use downshift::jws::Signature;
use downshift_json::Object;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::argument::{self, Argument, Problems};
use crate::js_error::JsError;
use crate::{decode, encode};

/// One request on its way to an answer.
#[wasm_bindgen]
pub struct Conversion {
    request: Request,
    documents: Vec<(Digest, Option<Vec<u8>>)>,
    layers: Vec<(Digest, LayerReading)>,
    prepared: Option<Prepared>,
    body: Vec<u8>,
    payloads: Vec<Vec<u8>>,
}

#[wasm_bindgen]
impl Conversion {
    /// Begins with a request; `payload` is that of its record, if it has one.
    #[wasm_bindgen(constructor)]
    pub fn new(request: &str, payload: Option<Vec<u8>>) -> Result<Self, JsError> {
        let (json, problems) = (argument::parse(request)?, Problems::default());
        let request = decode::request(Argument::of(&json, &problems), payload.unwrap_or_default());
        let request = problems.check(request)?;
        let (documents, layers, prepared) = <(Vec<_>, Vec<_>, Option<_>)>::default();
        let (body, payloads) = <(Vec<_>, Vec<_>)>::default();
        Ok(Self { request, documents, layers, prepared, body, payloads })
    }

    /// Adds a document that was needed, or that there is none.
    pub fn add(&mut self, digest: &str, bytes: Option<Vec<u8>>) -> Result<(), JsError> {
        self.documents.push((digest.parse()?, bytes));
        Ok(())
    }

    /// Adds what came of reading a layer: `{facts}`, `{missing: true}` or `{refused: {code, cause}}`.
    #[wasm_bindgen(js_name = addLayer)]
    pub fn add_layer(&mut self, digest: &str, reading: &str) -> Result<(), JsError> {
        let (json, problems) = (argument::parse(reading)?, Problems::default());
        let reading = decode::layer_reading(Argument::of(&json, &problems));
        self.layers.push((digest.parse()?, problems.check(reading)?));
        Ok(())
    }

    /// Takes a step: `{need}`, `{sign}`, `{answer}` or `{refused, records}`.
    pub fn step(&mut self) -> String {
        let documents: Documents<'_> =
            self.documents.iter().map(|(digest, bytes)| (digest, bytes.as_deref())).collect();
        let documents = documents.with_layers(self.layers.iter().map(|(digest, reading)| (digest, reading)));
        let answered = match answer(&self.request, &documents) {
            Step::Need(needs) => return encode::needs(&needs),
            Step::Sign(prepared) => {
                self.prepared = Some(prepared);
                return Object::new().flag("sign", true).finish();
            }
            Step::Refused(refusal) => {
                let encoded = encode::refusal(&refusal);
                self.payloads = payloads(refusal.records);
                return encoded;
            }
            Step::Done(draft) => draft.finish().into_owned(),
        };
        self.answered(answered)
    }

    /// The bytes to sign.
    #[wasm_bindgen(js_name = signingInput)]
    pub fn signing_input(&self) -> Result<Vec<u8>, JsError> {
        let prepared = self.prepared.as_ref().ok_or_else(|| JsError::invalid("sign"))?;
        Ok(prepared.signing_input())
    }

    /// Puts in a signature of ES256, by the public key with these coordinates in base64url: `{answer}`.
    pub fn seal(&mut self, signature: Vec<u8>, x: &str, y: &str) -> Result<String, JsError> {
        let prepared = self.prepared.take().ok_or_else(|| JsError::invalid("sign"))?;
        let key = Jwk::p256(&coordinate(x, "x")?, &coordinate(y, "y")?);
        let answer = prepared.seal(Signature { key, algorithm: "ES256", bytes: signature })?;
        Ok(self.answered(answer))
    }

    /// The exact bytes of the answer.
    pub fn body(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.body)
    }

    /// The payload of the record at `index`.
    pub fn payload(&mut self, index: usize) -> Vec<u8> {
        self.payloads.get_mut(index).map(core::mem::take).unwrap_or_default()
    }
}

impl Conversion {
    fn answered(&mut self, answer: Answer<'static>) -> String {
        let encoded = encode::answer(&answer);
        self.body = answer.body.into_owned();
        self.payloads = payloads(answer.records);
        encoded
    }
}

fn payloads(records: Vec<Record>) -> Vec<Vec<u8>> {
    records.into_iter().map(|record| record.payload).collect()
}

fn coordinate(text: &str, name: &str) -> Result<[u8; 32], JsError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| JsError::invalid(name))
}
