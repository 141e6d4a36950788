//! Comparisons: of documents, and of what clients get.

use downshift_inspect::{diff, matrix};
use serde_json::json;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::given;
use crate::inspect::encode;
use crate::thrown::Thrown;

/// A comparison of two documents.
#[wasm_bindgen(js_name = diff)]
pub fn diff_of(before: &[u8], after: &[u8]) -> Result<String, Thrown> {
    encode(&diff(before, after))
}

/// Which client gets what; `own` is `{accept, user_agent}` or nothing.
#[wasm_bindgen(js_name = matrix)]
pub fn matrix_with(own: Option<String>) -> Result<String, Thrown> {
    let Some(own) = own else { return encode(&matrix(None)) };
    let own = given::Given::parse(&own)?;
    let lines = own.member("accept").into_iter().flat_map(given::Given::elements);
    let accept: Vec<String> = lines.filter_map(|line| line.as_text()).collect();
    let user_agent = own.optional_text("user_agent")?;
    encode(&matrix(Some((&accept, user_agent.as_deref()))))
}

/// Every form and its media type: `[{name, mediaType}]`.
#[wasm_bindgen(js_name = mediaTypes)]
pub fn media_types() -> String {
    let forms =
        downshift::Form::ALL.map(|form| json!({ "name": form.name(), "mediaType": form.media_type() }));
    json!(forms).to_string()
}
