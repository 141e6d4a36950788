//! Pulls in a world whose clock jumps: which effects are carried out when, and what clients received.

use core::fmt;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use downshift::Digest;
use downshift::answer::Record;
use downshift::layer::LayerFacts;
use downshift_cases::response::Response;
use downshift_layer::Limits;
use downshift_pull::{
    BlobAt, BodyId, CallerId, Done, Effect, Event, Key, Memory, Pull, Scope, Settings, Step, Ticket, Value,
};
use downshift_registry::{Body, Method, Request, Route};

use crate::net::{End, Host, Net};
use crate::repository::Repository;

/// When the clock begins, in milliseconds since 1970: 2020-03-01T12:00:00Z.
const BEGINNING: u64 = 1_583_064_000_000;

/// Tasks of one run after which it is taken for one without an end. The longest honest pull has some hundred.
const MAX_TASKS: u32 = 100_000;

/// A request as a client sends it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// The method.
    pub method: String,
    /// The path and query.
    pub target: String,
    /// The headers.
    pub headers: Vec<(String, String)>,
}

/// What a client received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The response, as far as it came.
    pub response: Response,
    /// Whether the body ended before its end.
    pub is_broken: bool,
}

/// The number of a pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PullId(pub usize);

/// Something that a pull wants.
#[derive(Debug)]
pub struct Task {
    /// Whose it is.
    pub pull: PullId,
    /// Its number there.
    pub ticket: Ticket,
    /// What it is.
    pub effect: Effect,
    /// How far it has come.
    pub progress: Progress,
}

/// How far a [`Task`] has come.
#[derive(Debug)]
pub enum Progress {
    /// Nothing was done.
    New,
    /// It was done, and its pull has not heard of it.
    Done(Done),
    /// It is done at a time, in milliseconds since 1970.
    At(u64, Done),
    /// Another pull does it.
    By(PullId),
    /// Nothing will come of it.
    Never,
}

/// What happened, for the [oracle](crate::oracle), in its order.
#[derive(Clone, Debug)]
pub enum Happened {
    /// A pull began.
    Began(PullId),
    /// A pull asked a host: the number of the exchange.
    Asked(PullId, usize),
    /// It was kept that a registry lets a caller pull.
    Permitted(CallerId, Scope),
    /// It was noted that a registry turned a caller away.
    Revoked(CallerId, Scope),
    /// A login was checked, and is that of a user.
    LoggedIn(PullId),
    /// The head of a response went out.
    Responded(PullId),
}

/// A pull, and what its client received.
#[derive(Default)]
pub(crate) struct Running {
    pub(crate) pull: Option<Pull>,
    /// What it is for, if it has no client.
    pub(crate) errand: Option<Errand>,
    pub(crate) sent: Sent,
    pub(crate) request: Option<Arc<Request>>,
    pub(crate) response: Option<downshift_registry::Response>,
    pub(crate) body: Vec<u8>,
    /// Whether the whole body is there.
    pub(crate) is_whole: bool,
    /// Whether the client knows that it is not, or has left.
    pub(crate) is_ended: bool,
    /// After how many bytes of the body the client leaves.
    pub(crate) leaves_after: Option<usize>,
}

impl Running {
    /// Whether the client has all that its response says, as far as that is all in one piece or says how long it is.
    pub(crate) fn has_all(&self) -> bool {
        match self.response.as_ref().map(|response| &response.body) {
            Some(Body::Parts(parts)) => parts.length() == self.body.len() as u64,
            _ => true,
        }
    }
}

/// What a pull is for that has no client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    /// To read a layer.
    Read(BlobAt),
    /// To fill the cache with a blob.
    Fill(BlobAt),
}

/// A body that is open.
pub(crate) struct OpenBody {
    pub(crate) bytes: Vec<u8>,
    pub(crate) end: End,
    /// The digest that it must have, if it is a stored blob.
    pub(crate) digest: Option<Digest>,
}

/// Answers an effect in the place of the shell, if it likes.
pub type Instead = Box<dyn FnMut(&Effect) -> Option<Done>>;

/// Says which effects are held back.
pub type Holds = Box<dyn Fn(&Effect) -> bool>;

/// What is known of layers, and of blobs.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// What is known of a layer, by the digest that it is stored under.
    pub facts: BTreeMap<Digest, LayerFacts>,
    /// The layers that unpack to what was reported, by repository and diff id.
    pub sources: BTreeMap<(String, Digest), Vec<Digest>>,
    /// The blobs that origins have answered for, by repository.
    pub seen: BTreeSet<(String, Digest)>,
    /// The blobs that are cached.
    pub cached: BTreeMap<Digest, Vec<u8>>,
    /// Those that are there in part.
    pub begun: BTreeMap<Digest, Vec<u8>>,
    /// How much one may be that is read.
    pub limits: Limits,
    /// What was read of layers that broke off.
    pub half_read: BTreeMap<PullId, Vec<u8>>,
}

/// The world.
pub struct World {
    /// The time, in milliseconds since 1970.
    pub now: u64,
    /// The network.
    pub net: Net,
    /// By which pulls are answered.
    pub settings: Arc<Settings>,
    /// Stored repositories, by their names.
    pub store: BTreeMap<String, Repository>,
    /// The number of the reading of the store.
    pub reading: u64,
    /// Who is let in by a list of users.
    pub logins: Vec<crate::net::User>,
    /// Hosts whose addresses are not public: only a registry of its own may be there.
    pub private: Vec<Host>,
    /// Whether nothing is kept at all.
    pub is_forgetful: bool,
    /// What was recorded.
    pub records: BTreeMap<(String, Digest), Record>,
    /// What operators were told.
    pub events: Vec<Event>,
    /// What happened, and when.
    pub history: Vec<(u64, Happened)>,
    /// What a shell must not do or see, and did or saw.
    pub violations: Vec<String>,
    /// Answers effects in the place of the shell.
    pub instead: Option<Instead>,
    pub(crate) kept: HashMap<Key, (Value, u64)>,
    pub(crate) memory: Memory,
    pub(crate) made: Vec<Record>,
    /// What is known of layers, and of blobs.
    pub layers: Layers,
    pub(crate) bodies: BTreeMap<BodyId, OpenBody>,
    pub(crate) next_body: u32,
    pub(crate) pulls: Vec<Running>,
    tasks: Vec<Task>,
    holds: Option<Holds>,
}

impl Default for Received {
    fn default() -> Self {
        let response = Response { status: 0, headers: Vec::new(), body: Vec::new() };
        Self { response, is_broken: true }
    }
}

impl Sent {
    /// A request.
    #[must_use]
    pub fn new(method: &str, target: &str) -> Self {
        Self { method: method.to_owned(), target: target.to_owned(), headers: Vec::new() }
    }

    /// The same with a header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The value of `Authorization`.
    #[must_use]
    pub fn authorization(&self) -> Option<&str> {
        let is_meant = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("authorization");
        self.headers.iter().find(is_meant).map(|(_, value)| value.as_str())
    }
}

impl World {
    /// A world with this network, in which nothing has happened.
    #[must_use]
    pub fn new(net: Net, settings: Settings) -> Self {
        Self {
            now: BEGINNING,
            net,
            settings: Arc::new(settings),
            store: BTreeMap::new(),
            reading: 1,
            logins: Vec::new(),
            private: Vec::new(),
            is_forgetful: false,
            records: BTreeMap::new(),
            events: Vec::new(),
            history: Vec::new(),
            violations: Vec::new(),
            instead: None,
            kept: HashMap::new(),
            memory: Memory::default(),
            made: Vec::new(),
            layers: Layers::default(),
            bodies: BTreeMap::new(),
            next_body: 0,
            pulls: Vec::new(),
            tasks: Vec::new(),
            holds: None,
        }
    }

    /// Begins a pull, up to what it wants first.
    pub fn begin(&mut self, sent: &Sent) -> PullId {
        let id = PullId(self.pulls.len());
        self.note(Happened::Began(id));
        let headers = sent.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let (pull, request, response) = match Request::read(&sent.method, &sent.target, headers) {
            Ok(request) => {
                let request = Arc::new(request);
                let pull = Pull::new(Arc::clone(&self.settings), Arc::clone(&request), "http");
                (Some(pull), Some(self.settings.local(request)), None)
            }
            Err(response) => (None, None, Some(response)),
        };
        let (body, is_whole) = match &response {
            Some(downshift_registry::Response { body: Body::Bytes(bytes), .. }) => (bytes.to_vec(), true),
            _ => (Vec::new(), false),
        };
        let sent = sent.clone();
        self.pulls.push(Running { pull, sent, request, response, body, is_whole, ..Running::default() });
        self.step(id, None);
        id
    }

    /// Has a pull that has no client do something, unless one does that already.
    pub(crate) fn on_errand(&mut self, by: PullId, errand: Errand) -> PullId {
        let is_same = |running: &Running| running.pull.is_some() && running.errand.as_ref() == Some(&errand);
        if let Some(at) = self.pulls.iter().position(is_same) {
            return PullId(at);
        }
        let id = PullId(self.pulls.len());
        let settings = Arc::clone(&self.settings);
        let pull = match &errand {
            Errand::Read(at) => Pull::reading(settings, at.clone()),
            Errand::Fill(at) => Pull::filling(settings, at.clone()),
        };
        let asker = self.pulls.get(by.0).and_then(|running| running.pull.as_ref());
        let pull = match asker {
            Some(asker) => pull.on_behalf_of(asker),
            None => pull,
        };
        // It is on behalf of the same client.
        let sent = self.pulls.get(by.0).map(|running| running.sent.clone()).unwrap_or_default();
        self.pulls.push(Running {
            pull: Some(pull),
            sent,
            errand: Some(errand),
            is_whole: true,
            ..Running::default()
        });
        self.step(id, None);
        id
    }

    /// Tells those who wait for a pull on an errand what has come of it.
    pub(crate) fn tell_all(&mut self, id: PullId, done: &Done) {
        for task in &mut self.tasks {
            if matches!(task.progress, Progress::By(by) if by == id) {
                task.progress = Progress::Done(done.clone());
            }
        }
    }

    fn step(&mut self, id: PullId, done: Option<(Ticket, Done)>) {
        let Some(running) = self.pulls.get_mut(id.0) else { return };
        let Some(pull) = &mut running.pull else { return };
        match pull.step(self.now, done) {
            Step::Finished => {
                running.pull = None;
                if !running.is_whole && !running.is_ended {
                    let what =
                        format!("the client cannot tell that the body is not whole: {:?}", running.sent);
                    self.violations.push(what);
                }
            }
            Step::Wants { new, dropped } => {
                self.tasks.retain(|task| task.pull != id || !dropped.contains(&task.ticket));
                self.tasks.extend(new.into_iter().map(|(ticket, effect)| Task {
                    pull: id,
                    ticket,
                    effect,
                    progress: Progress::New,
                }));
                let is_over = self.tasks.iter().all(|task| task.pull != id);
                if is_over {
                    // It wanted to be rid of something, and nothing else.
                    self.step(id, None);
                }
            }
        }
    }

    /// What pulls want by now.
    #[must_use]
    pub fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    /// Does something for a task, by its place among [`Self::tasks`]: carries it out if that was not done, else has its pull
    /// hear of it. False if there is nothing to do before the clock has moved.
    pub fn advance(&mut self, index: usize) -> bool {
        let Some(task) = self.tasks.get(index) else { return false };
        match &task.progress {
            Progress::New => self.carry_out(index),
            Progress::Done(_) => self.deliver(index),
            Progress::At(at, _) if *at <= self.now => self.deliver(index),
            Progress::At(..) | Progress::By(_) | Progress::Never => return false,
        }
        true
    }

    fn carry_out(&mut self, index: usize) {
        let Some(task) = self.tasks.get(index) else { return };
        let (pull, effect) = (task.pull, task.effect.clone());
        let progress = self.perform(pull, &effect);
        if let Some(task) = self.tasks.get_mut(index) {
            task.progress = progress;
        }
    }

    fn deliver(&mut self, index: usize) {
        let Task { pull, ticket, progress, .. } = self.tasks.remove(index);
        if let Progress::Done(done) | Progress::At(_, done) = progress {
            self.step(pull, Some((ticket, done)));
        }
    }

    /// Holds back every effect for which this is true: it is not carried out, until it is [released](Self::release).
    pub fn hold(&mut self, holds: impl Fn(&Effect) -> bool + 'static) {
        self.holds = Some(Box::new(holds));
    }

    /// Holds nothing back any more.
    pub fn release(&mut self) {
        self.holds = None;
    }

    /// Does what can be done. Where nothing is left but to wait, the clock jumps, unless something is held back.
    ///
    /// # Panics
    /// If there is no end to it.
    pub fn run(&mut self) {
        for _ in 0..MAX_TASKS {
            if let Some(index) = (0..self.tasks.len()).find(|&index| self.is_ready(index)) {
                self.advance(index);
                continue;
            }
            let is_held = self.tasks.iter().any(|task| self.is_held(task));
            let Some(next) = self.next_time().filter(|_| !is_held) else { return };
            self.now = self.now.max(next);
        }
        panic!("there is no end to what pulls want: {:?}", self.tasks);
    }

    fn is_ready(&self, index: usize) -> bool {
        self.tasks.get(index).is_some_and(|task| match &task.progress {
            Progress::New => !self.is_held(task),
            Progress::Done(_) => true,
            Progress::At(at, _) => *at <= self.now,
            Progress::By(_) | Progress::Never => false,
        })
    }

    fn is_held(&self, task: &Task) -> bool {
        matches!(task.progress, Progress::New) && self.holds.as_ref().is_some_and(|holds| holds(&task.effect))
    }

    /// When the clock moves something next, in milliseconds since 1970.
    #[must_use]
    pub fn next_time(&self) -> Option<u64> {
        let at = |task: &Task| match task.progress {
            Progress::At(at, _) => Some(at),
            _ => None,
        };
        self.tasks.iter().filter_map(at).min()
    }

    /// Carries out a pull to its end.
    pub fn pull(&mut self, sent: &Sent) -> Received {
        let id = self.begin(sent);
        self.run();
        self.received(id)
    }

    /// Whether a pull is over.
    #[must_use]
    pub fn is_over(&self, id: PullId) -> bool {
        self.pulls.get(id.0).is_none_or(|running| running.pull.is_none())
    }

    /// What the client of a pull sent.
    #[must_use]
    pub fn sent(&self, id: PullId) -> Option<&Sent> {
        self.pulls.get(id.0).map(|running| &running.sent)
    }

    /// What the request of a pull is about, by the name that its repository has here, if it could be read.
    #[must_use]
    pub fn route(&self, id: PullId) -> Option<&Route> {
        self.pulls.get(id.0)?.request.as_ref().map(|request| &request.route)
    }

    /// The response to a pull, as it left the registry's side, if there is one by now.
    #[must_use]
    pub fn response(&self, id: PullId) -> Option<&downshift_registry::Response> {
        self.pulls.get(id.0)?.response.as_ref()
    }

    /// How many pulls there were.
    #[must_use]
    pub fn pulls(&self) -> usize {
        self.pulls.len()
    }

    /// What the client of a pull received so far.
    #[must_use]
    pub fn received(&self, id: PullId) -> Received {
        let Some(running) = self.pulls.get(id.0) else { return Received::default() };
        let Some(response) = &running.response else { return Received::default() };
        let headers = response.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        let response =
            Response { status: response.status, headers: headers.collect(), body: running.body.clone() };
        Received { response, is_broken: !running.is_whole }
    }

    /// Has the client of a pull leave once it has so many bytes of the body.
    pub fn leave_after(&mut self, id: PullId, bytes: usize) {
        if let Some(running) = self.pulls.get_mut(id.0) {
            running.leaves_after = Some(bytes);
        }
    }

    /// Calls a pull off.
    pub fn drop_pull(&mut self, id: PullId) {
        if let Some(running) = self.pulls.get_mut(id.0) {
            running.pull = None;
        }
        self.tasks.retain(|task| task.pull != id);
    }

    /// Ends all pulls that are under way without a word, as a platform does.
    pub fn lose_pulls(&mut self) {
        self.tasks.clear();
        self.bodies.clear();
        for running in &mut self.pulls {
            running.pull = None;
        }
    }

    /// Lets time pass. What is due then is done with the next [`Self::run`].
    pub fn pass(&mut self, time: Duration) {
        self.now = self.now.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    }

    /// Loses what was kept, but for what is about callers, as caches do.
    pub fn lose(&mut self) {
        self.kept.clear();
    }

    /// Forgets everything but what was recorded, as a process does that starts anew: there are no pulls any more.
    pub fn restart(&mut self) {
        self.lose();
        self.memory = Memory::default();
        self.lose_pulls();
    }

    /// The keys of what is kept, but for that which is about callers.
    pub fn kept(&self) -> impl Iterator<Item = &Key> {
        self.kept.iter().filter(|(_, (_, until))| *until > self.now).map(|(key, _)| key)
    }

    pub(crate) fn note(&mut self, happened: Happened) {
        self.history.push((self.now, happened));
    }

    /// What stands for a caller's credentials.
    #[must_use]
    pub fn caller(authorization: Option<&str>) -> CallerId {
        let Some(authorization) = authorization else { return CallerId::default() };
        let hash = Digest::of(["a key that nobody has", authorization].concat().as_bytes());
        let byte = |index: usize| u8::from_str_radix(hash.hex().get(2 * index..2 * index + 2)?, 16).ok();
        CallerId(core::array::from_fn(|index| byte(index).unwrap_or_default()))
    }

    pub(crate) fn is_head(&self, id: PullId) -> bool {
        let request = self.pulls.get(id.0).and_then(|running| running.request.as_ref());
        request.is_some_and(|request| request.method == Method::Head)
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("now", &self.now).field("tasks", &self.tasks).finish_non_exhaustive()
    }
}
