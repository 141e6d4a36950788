//! The driver of one pull: steps it, carries out what it wants, and stops where its client has to be told something.

use core::future::poll_fn;
use core::net::IpAddr;
use core::pin::Pin;
use core::task::{Context as TaskContext, Poll, ready};
use std::sync::Arc;

use bytes::Bytes;
use downshift_pull::{Copied, Copy, Done, Effect, Pull, Reply, Step, Ticket};
use downshift_registry::Request;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::context::Context;
use super::effects::{Later, Shared, When, take_in};
use super::open_body::OpenBody;
use crate::time;
use crate::work_budget::Asker;

/// A pull that is under way.
pub(super) struct Driver {
    shared: Arc<Shared>,
    pull: Pull,
    pub(super) context: Context,
    running: Vec<(Ticket, Later)>,
    done: Vec<(Ticket, Done)>,
}

/// Something that its client is to be told.
pub(super) enum News {
    /// The head of the response.
    Respond(Box<Reply>),
    /// Bytes of a body.
    Copy(Ticket, Copy, Option<Box<OpenBody>>),
    /// Bytes that are at hand.
    Send(Bytes),
    /// That the body is not whole.
    Abort,
    /// That this is the end.
    Finished,
}

/// Carries a pull without a client out to its end, and gives what it has of its own by then.
pub(crate) fn run_to_end(shared: &Arc<Shared>, pull: Pull, context: Context) -> BoxFuture<'static, Context> {
    let mut driver = Driver::of(shared, pull, context);
    async move {
        poll_fn(|task| driver.poll_end(task)).await;
        driver.context
    }
    .boxed()
}

impl Driver {
    pub(super) fn new(
        shared: &Arc<Shared>,
        request: Arc<Request>,
        scheme: &'static str,
        address: IpAddr,
        asker: Asker,
    ) -> Self {
        let context = shared.context(address, asker);
        Self::of(shared, Pull::new(Arc::clone(&shared.settings), request, scheme), context)
    }

    fn of(shared: &Arc<Shared>, pull: Pull, context: Context) -> Self {
        Self { pull, context, shared: Arc::clone(shared), running: Vec::new(), done: Vec::new() }
    }

    /// What all pulls have together.
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Says what came of something that the client was told.
    pub(super) fn tell(&mut self, ticket: Ticket, done: Done) {
        self.done.push((ticket, done));
    }

    /// Goes on to the next thing that the client is to be told.
    pub(super) fn poll_news(&mut self, task: &mut TaskContext<'_>) -> Poll<News> {
        // What it is still looking for may be kept meanwhile, and not be found: that is under way since the look began.
        if self.running.is_empty() {
            self.context.since = self.shared.registries.now();
        }
        let now = time::now_in_milliseconds();
        loop {
            self.poll_running(task);
            let (new, dropped) = match self.pull.step(now, self.done.drain(..)) {
                Step::Finished => return Poll::Ready(News::Finished),
                Step::Wants { new, dropped } => (new, dropped),
            };
            self.running.retain(|(ticket, _)| !dropped.contains(ticket));
            let mut news = None;
            for (ticket, effect) in new {
                news = self.begin(ticket, effect).or(news);
            }
            if let Some(news) = news {
                return Poll::Ready(news);
            }
            // What was begun has to be polled once, so that it wakes this task.
            self.poll_running(task);
            if self.done.is_empty() {
                return Poll::Pending;
            }
        }
    }

    /// Goes on to the end of a pull without a client.
    fn poll_end(&mut self, task: &mut TaskContext<'_>) -> Poll<()> {
        loop {
            if let News::Finished = ready!(self.poll_news(task)) {
                return Poll::Ready(());
            }
        }
    }

    fn begin(&mut self, ticket: Ticket, effect: Effect) -> Option<News> {
        match effect {
            Effect::Respond(reply) => {
                self.context.keeping.clear();
                self.done.push((ticket, Done::Responded));
                return Some(News::Respond(reply));
            }
            Effect::Copy(copy) => {
                let body = self.context.take(copy.body).map(Box::new);
                return Some(News::Copy(ticket, copy, body));
            }
            Effect::Send(bytes) => {
                self.done.push((ticket, Done::Copied(Copied::All)));
                return Some(News::Send(bytes));
            }
            Effect::Abort => return Some(News::Abort),
            effect => self.carry_out(ticket, effect),
        }
        None
    }

    fn carry_out(&mut self, ticket: Ticket, effect: Effect) {
        // By the time that it asks for something else, what registries have said before is kept.
        if let Effect::Ask(_) = effect {
            self.context.keeping.clear();
        }
        match self.shared.carry_out(effect, &mut self.context) {
            When::Now(done) => self.done.push((ticket, done)),
            When::Later(later) => self.running.push((ticket, later)),
        }
    }

    /// Polls what is under way, and what that begins.
    fn poll_running(&mut self, task: &mut TaskContext<'_>) {
        let mut at = 0;
        while let Some((ticket, later)) = self.running.get_mut(at) {
            let ticket = *ticket;
            let Poll::Ready(outcome) = Pin::new(later).poll(task) else {
                at += 1;
                continue;
            };
            drop(self.running.remove(at));
            match take_in(outcome, &mut self.context) {
                Ok(done) => self.done.push((ticket, done)),
                Err(effect) => self.carry_out(ticket, *effect),
            }
        }
    }
}
