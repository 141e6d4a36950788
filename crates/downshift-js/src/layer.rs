//! A layer that is unpacked, from compressed bytes to plain ones. What reads the one and sends the other is the package's.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use downshift::{Digest, Failure, Fault};
use downshift_json::Object;
use downshift_layer::{Error, Limits, Unpacker};
use sha2::{Digest as _, Sha256};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::js_error::JsError;
use crate::json;

/// Plain bytes that are made at a time.
const OUTPUT_BYTES: usize = 256 * 1024;

/// One layer on its way. Whoever calls hashes both sides of it, for most engines do that faster.
#[wasm_bindgen]
pub struct Layer {
    unpacker: Unpacker,
    input: Vec<u8>,
    /// How many bytes of the input have been unpacked.
    read: usize,
    output: Box<[u8]>,
    /// Why it cannot be unpacked, where the rest is read all the same: its digest says whether it came as it is stored.
    error: Option<Error>,
    reads_on: bool,
    limits: Limits,
}

#[wasm_bindgen]
impl Layer {
    /// A layer of which nothing has been read. `reads_on` is whether what is damaged is read to its end, so that the digest
    /// says who has damaged it.
    #[wasm_bindgen(constructor)]
    pub fn new(reads_on: bool) -> Self {
        let limits = Limits::edge();
        Self {
            unpacker: Unpacker::new(&limits),
            input: Vec::new(),
            read: 0,
            output: vec![0; OUTPUT_BYTES].into_boxed_slice(),
            error: None,
            reads_on,
            limits,
        }
    }

    /// Sets a limit, before anything is read.
    pub fn limit(&mut self, name: &str, value: f64) -> Result<(), JsError> {
        self.limits.set(name, value as u64).map_err(Failure::from)?;
        self.unpacker = Unpacker::new(&self.limits);
        Ok(())
    }

    /// Takes the next bytes of the blob. Those before have been unpacked.
    pub fn feed(&mut self, bytes: Vec<u8>) {
        self.input = bytes;
        self.read = 0;
    }

    /// Plain bytes, if there are more before it takes the next bytes of the blob.
    pub fn step(&mut self) -> Result<Option<Vec<u8>>, JsError> {
        if self.error.is_some() {
            return Ok(None);
        }
        let rest = self.input.get(self.read..).unwrap_or_default();
        match self.unpacker.step(rest, &mut self.output) {
            Ok(progress) => {
                self.read = self.read.saturating_add(progress.read);
                let plain = self.output.get(..progress.written).unwrap_or_default();
                Ok(if plain.is_empty() { None } else { Some(plain.to_vec()) })
            }
            // A limit is passed whoever has damaged it, and there may be no end of it.
            Err(error) if self.reads_on && error.fault() == Fault::Document => {
                self.error = Some(error);
                Ok(None)
            }
            Err(error) => Err(Failure::from(error).into()),
        }
    }

    /// What is known of the layer, all of which has been read, with the SHA-256 of its blob and of its plain bytes: `{facts}`,
    /// or `{isCorrupt}` where it is not the blob of `digest`, or not the one of `diff_id`.
    pub fn finish(
        self,
        digest: &str,
        diff_id: Option<String>,
        blob: &[u8],
        plain: &[u8],
    ) -> Result<String, JsError> {
        let (blob, plain) = (sha256(blob)?, sha256(plain)?);
        let is_right = blob.as_str() == digest && diff_id.is_none_or(|diff_id| plain.as_str() == diff_id);
        if let Some(error) = self.error.filter(|_| is_right) {
            return Err(Failure::from(error).into());
        }
        let mut object = Object::new();
        if is_right {
            let unpacked = self.unpacker.finish().map_err(Failure::from)?;
            object.json("facts", &json::layer_facts(&unpacked.facts(blob, plain)));
        } else {
            object.flag("isCorrupt", true);
        }
        Ok(object.finish())
    }
}

fn sha256(hash: &[u8]) -> Result<Digest, JsError> {
    let digest = hash.iter().fold(String::from("sha256:"), |text, byte| text + &alloc::format!("{byte:02x}"));
    Digest::parse(&digest).map_err(JsError::from)
}

/// SHA-256, for engines that have none that takes bytes one after the other.
#[wasm_bindgen]
pub struct Hash(Sha256);

#[wasm_bindgen]
impl Hash {
    /// The hash of nothing.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self(Sha256::new())
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash.
    pub fn finish(self) -> Vec<u8> {
        self.0.finalize().to_vec()
    }
}
