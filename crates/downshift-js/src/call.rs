//! The functions on plain data.

use alloc::string::String;

use wasm_bindgen::prelude::wasm_bindgen;

use crate::given::{self, Given, Problems};
use crate::thrown::Thrown;
use crate::{registry, upstream};

/// Calls the function of this name with its argument as JSON, and gives its result as JSON; nothing for `undefined`.
///
/// One for all, for each one that JavaScript sees takes some hundred bytes on both sides.
#[wasm_bindgen]
pub fn call(function: &str, argument: &str) -> Result<Option<String>, Thrown> {
    let (json, problems) = (given::parse(argument)?, Problems::default());
    let given = Given::of(&json, &problems);
    let result = match function {
        "answerPath" => registry::answer_path(given),
        "asksFor" => registry::asks_for(given),
        "authorization" => registry::authorization(given),
        "checkLimits" => registry::check_limits(given),
        "contentRange" => upstream::content_range(given),
        "demand" => upstream::demand(given),
        "everyType" => Some(upstream::every_type()),
        "fault" => upstream::fault_of(given),
        "isDockerHub" => upstream::is_docker_hub(given),
        "nextQuery" => upstream::next_query(given),
        "readRequest" => registry::read(given),
        "registryHost" => upstream::registry_host(given),
        "remoteName" => upstream::remote(given),
        "tokenUrl" => upstream::token_url(given),
        _ => {
            given.refuse("function");
            None
        }
    };
    problems.check(result)
}
