//! URLs, as the engine reads them: what is fetched is what was looked at.

use alloc::string::String;

use downshift_pull::Url;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = URL)]
    type EngineUrl;

    #[wasm_bindgen(constructor, catch, js_class = "URL")]
    fn new(url: &str) -> Result<EngineUrl, JsValue>;

    #[wasm_bindgen(constructor, catch, js_class = "URL")]
    fn below(url: &str, base: &str) -> Result<EngineUrl, JsValue>;

    #[wasm_bindgen(method, getter)]
    fn href(this: &EngineUrl) -> String;

    #[wasm_bindgen(method, getter)]
    fn hostname(this: &EngineUrl) -> String;

    #[wasm_bindgen(method, getter)]
    fn origin(this: &EngineUrl) -> String;
}

/// Reads a URL of the web, against a base if there is one.
pub(crate) fn resolve(base: Option<&str>, url: &str) -> Option<Url> {
    let read = match base {
        Some(base) => EngineUrl::below(url, base),
        None => EngineUrl::new(url),
    };
    let (text, origin, host) = read.map(|url| (url.href(), url.origin(), url.hostname())).ok()?;
    Url::of_web(text, origin, host)
}
