//! Whole pulls, which a shell in JavaScript steps: what they want goes out as JSON, what came of it comes in as JSON, and
//! bytes go beside both.

mod effects;
mod layers;
mod names;
mod outcomes;
mod url;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::rc::Rc;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::RefCell;

use bytes::Bytes;
use downshift_json::{Object, array};
use downshift_pull::{BlobAt, Done, Effect, Learnt, Memory, Settings, Step, Ticket, Variables};
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
    /// None where no pull can want anything.
    settings: Option<Arc<Settings>>,
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
    /// The layers that it wants read, by their tickets.
    errands: BTreeMap<u32, Errand>,
    /// Where what it has learnt goes, if it is one that reads a layer.
    learnt: LearntOf,
}

/// What has come of reading a layer, for the pull that wants it and for the one that reads.
type LearntOf = Rc<RefCell<Option<Learnt>>>;

struct Errand {
    settings: Arc<Settings>,
    layer: BlobAt,
    learnt: LearntOf,
}

#[wasm_bindgen]
impl Edge {
    /// Reads the platform's variables, a JSON object; `key` is the name of the signing key.
    #[wasm_bindgen(constructor)]
    pub fn new(variables: &str, key: &str) -> Result<Self, JsError> {
        let variables = Variables::read(variables, url::resolve)?;
        let names = Names::new(&variables, key);
        let memory = RefCell::new(Memory::at_edge());
        let settings = Arc::new(variables.settings);
        let common = Common { settings: Some(Arc::clone(&settings)), memory, names };
        Ok(Self { settings, common: Rc::new(common) })
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
    let memory = RefCell::new(Memory::at_edge());
    let common = Common { settings: None, memory, names: Names::default() };
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
        if let Some((Ticket(number), done)) = &mut done
            && let Some(errand) = self.errands.remove(number)
        {
            *done = Done::Learnt(errand.learnt.take().unwrap_or(Learnt::Busy));
        }
        self.given.clear();
        self.wanted.clear();
        let step = self.pull.step_with(&mut self.common.memory.borrow_mut(), now as u64, done);
        let mut wants = Object::new();
        if let Step::Wants { new, dropped } = step {
            new.iter().for_each(|(ticket, effect)| self.note(*ticket, effect));
            let effect =
                |(ticket, effect)| effects::write(ticket, &effect, &self.common.names, &mut self.wanted);
            wants.json("new", &array(new.into_iter().map(effect)));
            wants.json("dropped", &array(dropped.iter().map(|Ticket(number)| alloc::format!("{number}"))));
        }
        Ok(wants.flag("isOver", self.pull.is_over()).finish())
    }

    /// The pull that reads the layer which is wanted by this ticket. What it learns is the outcome of that, whatever else is
    /// said of it; it has its share of the subrequests that this pull may make.
    pub fn reading(&self, ticket: u32) -> Result<Self, JsError> {
        let Errand { settings, layer, learnt } =
            self.errands.get(&ticket).ok_or_else(|| JsError::invalid("ticket"))?;
        let reading = downshift_pull::Pull::reading(Arc::clone(settings), layer.clone());
        let pull = reading.on_behalf_of(&self.pull);
        Ok(Self { learnt: Rc::clone(learnt), ..Self::of(pull, Rc::clone(&self.common)) })
    }

    /// The next bytes that belong to what was wanted last.
    pub fn bytes(&mut self) -> Vec<u8> {
        self.wanted.pop_front().map(Vec::from).unwrap_or_default()
    }
}

impl Pull {
    fn of(pull: downshift_pull::Pull, common: Rc<Common>) -> Self {
        let (given, wanted) = <(VecDeque<_>, VecDeque<_>)>::default();
        Self { pull, common, given, wanted, errands: BTreeMap::new(), learnt: LearntOf::default() }
    }

    /// Notes what other pulls have to do with.
    fn note(&mut self, Ticket(number): Ticket, effect: &Effect) {
        match (effect, &self.common.settings) {
            (Effect::Learn(layer), Some(settings)) => {
                let (settings, layer) = (Arc::clone(settings), layer.clone());
                self.errands.insert(number, Errand { settings, layer, learnt: LearntOf::default() });
            }
            (Effect::Learnt(learnt), _) => {
                self.learnt.replace(Some(learnt.clone()));
            }
            _ => {}
        }
    }
}
