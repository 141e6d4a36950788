//! Whole pulls, which a shell in JavaScript steps: what they want goes out as JSON, what came of it comes in as JSON, and
//! bytes go beside both.

mod effects;
mod names;
mod outcomes;
mod url;

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::RefCell;

use bytes::Bytes;
use downshift_json::{Object, array};
use downshift_pull::{Memory, Settings, Step, Ticket, Variables};
use downshift_registry::error;
use wasm_bindgen::prelude::wasm_bindgen;

use self::names::Names;
use crate::argument::{self, Argument, Problems};
use crate::decode;
use crate::js_error::JsError;

/// What all pulls of an instance have in common: the settings, and what is remembered of callers and tokens.
#[wasm_bindgen]
pub struct Edge {
    settings: Arc<Settings>,
    common: Rc<Common>,
}

struct Common {
    memory: RefCell<Memory>,
    names: Names,
}

/// A pull on its way.
#[wasm_bindgen]
pub struct Pull {
    pull: downshift_pull::Pull,
    common: Rc<Common>,
    /// Bytes that came with the next outcome, and those that go with what was wanted last, in their order.
    given: VecDeque<Bytes>,
    wanted: VecDeque<Bytes>,
}

#[wasm_bindgen]
impl Edge {
    /// Reads the platform's variables, a JSON object; `key` is the name of the signing key.
    #[wasm_bindgen(constructor)]
    pub fn new(variables: &str, key: &str) -> Result<Self, JsError> {
        let variables = Variables::read(variables, url::resolve)?;
        let names = Names::new(&variables, key);
        let memory = RefCell::new(Memory::at_edge());
        Ok(Self { settings: Arc::new(variables.settings), common: Rc::new(Common { memory, names }) })
    }

    /// Begins a pull with a request: `{method, target, headers, isSecure, address}`.
    pub fn pull(&self, request: &str) -> Result<Pull, JsError> {
        let (json, problems) = (argument::parse(request)?, Problems::default());
        let given = Argument::of(&json, &problems);
        let scheme = if given.is("isSecure") { "https" } else { "http" };
        let (settings, read) = (Arc::clone(&self.settings), decode::http_request(given));
        let pull = downshift_pull::Pull::of_read(settings, read, scheme);
        Ok(Pull::of(problems.check(pull)?, Rc::clone(&self.common)))
    }
}

/// A pull by a request for which nothing can be done, as the settings cannot be used or the shell has failed: unless it is
/// refused as it stands, the response says that.
#[wasm_bindgen(js_name = failedPull)]
pub fn failed_pull(request: &str) -> Result<Pull, JsError> {
    let (json, problems) = (argument::parse(request)?, Problems::default());
    let given = Argument::of(&json, &problems);
    let response = decode::http_request(given)
        .map_or_else(|response| response, |request| error::internal().for_method(request.method));
    let common = Common { memory: RefCell::new(Memory::at_edge()), names: Names::default() };
    Ok(Pull::of(downshift_pull::Pull::responding(problems.check(response)?), Rc::new(common)))
}

#[wasm_bindgen]
impl Pull {
    /// Hands over bytes that belong to the next outcome.
    pub fn give(&mut self, bytes: Vec<u8>) {
        self.given.push_back(bytes.into());
    }

    /// Goes on at `now`, in milliseconds since 1970, with what came of something, if anything did: `{ticket, done, …}`.
    /// Gives what is wanted by now: `{new, dropped, isOver}`, where each of `new` has its `ticket`, its `kind`, and how many
    /// `bytes` belong to it.
    pub fn step(&mut self, now: f64, outcome: Option<String>) -> Result<String, JsError> {
        let mut done = None;
        if let Some(outcome) = outcome {
            let (json, problems) = (argument::parse(&outcome)?, Problems::default());
            done = Some(outcomes::read(Argument::of(&json, &problems), &mut self.given));
            done = problems.check(done)?;
        }
        self.given.clear();
        self.wanted.clear();
        let step = self.pull.step_with(&mut self.common.memory.borrow_mut(), now as u64, done);
        let mut wants = Object::new();
        if let Step::Wants { new, dropped } = step {
            let effect =
                |(ticket, effect)| effects::write(ticket, &effect, &self.common.names, &mut self.wanted);
            wants.json("new", &array(new.into_iter().map(effect)));
            wants.json("dropped", &array(dropped.iter().map(|Ticket(number)| alloc::format!("{number}"))));
        }
        Ok(wants.flag("isOver", self.pull.is_over()).finish())
    }

    /// The next bytes that belong to what was wanted last.
    pub fn bytes(&mut self) -> Vec<u8> {
        self.wanted.pop_front().map(Vec::from).unwrap_or_default()
    }
}

impl Pull {
    fn of(pull: downshift_pull::Pull, common: Rc<Common>) -> Self {
        let (given, wanted) = <(VecDeque<_>, VecDeque<_>)>::default();
        Self { pull, common, given, wanted }
    }
}
