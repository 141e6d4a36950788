//! Comparisons: of documents, and of what clients get.

use alloc::string::String;
use alloc::vec::Vec;

use downshift::Form;
use downshift_inspect::{diff, facts, matrix};
use downshift_json::{Object, array};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::argument::{self, Argument, Problems};
use crate::inspect::encode;
use crate::js_error::JsError;
use crate::json;

/// A comparison of two documents.
#[wasm_bindgen(js_name = diff)]
pub fn diff_of(before: &[u8], after: &[u8]) -> Result<String, JsError> {
    encode(&diff(before, after))
}

/// Which client gets what; `own` is `{accept, user_agent}` or nothing.
#[wasm_bindgen(js_name = matrix)]
pub fn matrix_with(own: Option<String>) -> Result<String, JsError> {
    let Some(own) = own else { return encode(&matrix(None)) };
    let (json, problems) = (argument::parse(&own)?, Problems::default());
    let own = Argument::of(&json, &problems);
    let accept: Vec<String> = own.elements_of("accept").into_iter().filter_map(Argument::as_text).collect();
    let user_agent = own.optional_text("user_agent");
    let user_agent = problems.check(user_agent)?;
    encode(&matrix(Some((&accept, user_agent.as_deref()))))
}

/// Facts about layers, as `downshift layer --json` writes them: an array of what the package has for each.
#[wasm_bindgen(js_name = layerFacts)]
pub fn layer_facts(bytes: &[u8]) -> Result<String, JsError> {
    Ok(array(facts(bytes)?.iter().map(json::layer_facts)))
}

/// Every form and its media type: `[{name, mediaType}]`.
#[wasm_bindgen(js_name = mediaTypes)]
pub fn media_types() -> String {
    array(
        Form::ALL.map(|form| {
            Object::new().text("name", form.name()).text("mediaType", form.media_type()).finish()
        }),
    )
}
