//! The step function, with the documents that it was given. Signatures are verified by the engine, but for those of which
//! this module knows how.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use downshift::answer::{Answer, Documents, LayerReading, Prepared, Record, Request, Step, answer};
use downshift::jwk::Jwk;
use downshift::jws::{self, Signature, SignatureBlock, SignedDocument};
use downshift::{Digest, SignatureReading};
use downshift_json::{Object, array};
use downshift_sign::{VERIFIED_SIGNATURES, unsupported_key, verify_with};
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
    signatures: Vec<(Digest, SignatureReading)>,
    unverified: Option<Unverified>,
    prepared: Option<Prepared>,
    body: Vec<u8>,
    payloads: Vec<Vec<u8>>,
}

/// A document with signatures that the engine has to verify: which of them, each with its key.
struct Unverified {
    digest: Digest,
    document: SignedDocument,
    keys: Vec<(usize, Vec<u8>)>,
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
        let (body, payloads, signatures) = <(Vec<_>, Vec<_>, Vec<_>)>::default();
        Ok(Self { request, documents, layers, signatures, unverified: None, prepared, body, payloads })
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

    /// Takes a step: `{need}`, `{verify}`, `{sign}`, `{answer}` or `{refused, records}`. What is to be verified are signatures,
    /// each `{algorithm}`.
    pub fn step(&mut self) -> String {
        let documents: Documents<'_> =
            self.documents.iter().map(|(digest, bytes)| (digest, bytes.as_deref())).collect();
        let documents = documents
            .with_layers(self.layers.iter().map(|(digest, reading)| (digest, reading)))
            .with_signatures(self.signatures.iter().map(|(digest, reading)| (digest, reading)));
        let answered = match answer(&self.request, &documents) {
            Step::Need(needs) => {
                let Some(digest) = needs.signatures.first() else { return encode::needs(&needs) };
                let bytes = documents.get(digest).unwrap_or_default();
                match jws::parse(bytes, &self.request.limits) {
                    Ok(document) => return self.verify(Unverified::of(digest.clone(), document)),
                    Err(error) => {
                        let problem = error.to_string();
                        self.signatures.push((digest.clone(), SignatureReading::Invalid { problem }));
                        return Object::new().json("verify", "[]").finish();
                    }
                }
            }
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

    /// Of one of the signatures that are to be verified: the key as a SubjectPublicKeyInfo.
    #[wasm_bindgen(js_name = keyOf)]
    pub fn key_of(&self, index: usize) -> Vec<u8> {
        self.unverified(index).map(|(_, key, _)| key.to_vec()).unwrap_or_default()
    }

    /// Of one of them: the signed bytes.
    #[wasm_bindgen(js_name = inputOf)]
    pub fn input_of(&self, index: usize) -> Vec<u8> {
        let input = |(block, _, payload): (&SignatureBlock, _, &[u8])| block.signing_input(payload);
        self.unverified(index).map(input).unwrap_or_default()
    }

    /// Of one of them: the signature.
    #[wasm_bindgen(js_name = signatureOf)]
    pub fn signature_of(&self, index: usize) -> Vec<u8> {
        self.unverified(index).map(|(block, ..)| block.signature.clone()).unwrap_or_default()
    }

    /// What came of verifying them: 1 for each that holds, 0 for one that does not, and another number for one of which the
    /// engine cannot tell. Then another step is to be taken.
    pub fn verified(&mut self, found: &[u8]) {
        let Some(Unverified { digest, document, keys }) = self.unverified.take() else { return };
        let decide = |index: usize| {
            let place = keys.iter().position(|(own, _)| *own == index)?;
            found.get(place).filter(|holds| **holds < 2).map(|holds| *holds == 1)
        };
        self.signatures.push((digest, verify_with(&document, decide).reading()));
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

impl Unverified {
    fn of(digest: Digest, document: SignedDocument) -> Self {
        let blocks = document.signatures.iter().enumerate().take(VERIFIED_SIGNATURES);
        let keys = blocks.filter_map(|(index, block)| Some((index, unsupported_key(block)?))).collect();
        Self { digest, document, keys }
    }
}

impl Conversion {
    fn verify(&mut self, unverified: Unverified) -> String {
        let Unverified { document, keys, .. } = &unverified;
        let blocks = keys.iter().filter_map(|(index, _)| document.signatures.get(*index));
        let verify = array(blocks.map(|block| Object::new().text("algorithm", &block.algorithm).finish()));
        self.unverified = Some(unverified);
        Object::new().json("verify", &verify).finish()
    }

    fn unverified(&self, index: usize) -> Option<(&SignatureBlock, &[u8], &[u8])> {
        let Unverified { document, keys, .. } = self.unverified.as_ref()?;
        let (block, key) = keys.get(index)?;
        Some((document.signatures.get(*block)?, key, &document.payload))
    }

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
