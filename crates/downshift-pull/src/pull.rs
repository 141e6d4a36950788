//! A pull, as its shell sees it.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Waker};

use downshift_registry::{Request, Response};

use crate::blob_at::BlobAt;
use crate::effect::{Done, Effect, Reply, Ticket};
use crate::filling;
use crate::front::Front;
use crate::layers;
use crate::memory::Memory;
use crate::registry::probe;
use crate::settings::{OriginId, Settings};
use crate::shell::Shell;

/// One pull, from the head of its request to the last byte of its response.
///
/// To drop it is to call it off: then there is nothing to be done for it any more, and nothing is left behind but what was
/// kept.
pub struct Pull {
    /// None once it is over.
    work: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    shell: Shell,
}

/// How far a pull has come.
#[derive(Debug)]
pub enum Step {
    /// It goes on once anything comes of what it wants.
    Wants {
        /// What it wants done beside what it wanted before, in this order where that matters to anybody: each is begun
        /// before the next.
        new: Vec<(Ticket, Effect)>,
        /// What it does not want any more.
        dropped: Vec<Ticket>,
    },
    /// It is over.
    Finished,
}

impl Pull {
    /// A pull for `request`, which came by `scheme`: `http` or `https`.
    #[must_use]
    pub fn new(settings: Arc<Settings>, request: impl Into<Arc<Request>>, scheme: &'static str) -> Self {
        let shell = Shell::default();
        let request: Arc<Request> = request.into();
        let refusal = settings.local_name(&request).err();
        let request = settings.of_known_client(settings.local(request));
        let front = Front { settings, request, refusal, scheme, is_v1_layer: false, shell: shell.clone() };
        Self { work: Some(Box::pin(front.run())), shell }
    }

    /// A pull for a request as it came of [`Request::read`]: for one that cannot be answered as it stands, as
    /// [`Self::responding`] has it.
    #[must_use]
    pub fn of_read(settings: Arc<Settings>, read: Result<Request, Response>, scheme: &'static str) -> Self {
        match read {
            Ok(request) => Self::new(settings, request, scheme),
            Err(response) => Self::responding(response),
        }
    }

    /// A pull that has its response before it begins: its request was refused as it stands, or the shell cannot do anything
    /// for it. It only wants to respond.
    #[must_use]
    pub fn responding(reply: impl Into<Reply>) -> Self {
        let (shell, reply) = (Shell::default(), Box::new(reply.into()));
        let own = shell.clone();
        let work = async move {
            own.ask(Effect::Respond(reply)).await;
        };
        Self { work: Some(Box::pin(work)), shell }
    }

    /// No pull of a client's, but a look at the registry of an origin before anybody comes: whether it answers as one, and
    /// takes this server's credentials. What is wrong is told by [`Event::Failure`](crate::Event::Failure).
    #[must_use]
    pub fn probing(settings: Arc<Settings>, origin: OriginId) -> Self {
        let shell = Shell::default();
        let own = shell.clone();
        let work = async move { probe(&settings, &own, origin).await };
        Self { work: Some(Box::pin(work)), shell }
    }

    /// No pull of a client's, but one that reads a layer, to its last byte: what [`Effect::Learn`] is for. It may go on where
    /// nobody waits for it any more, and its end is [`Effect::Learnt`].
    #[must_use]
    pub fn reading(settings: Arc<Settings>, at: BlobAt) -> Self {
        let shell = Shell::default();
        Self { work: Some(Box::pin(layers::read(settings, shell.clone(), at))), shell }
    }

    /// The same, with its share of the requests that `other` may make: where those of one client's request are limited.
    #[must_use]
    pub fn on_behalf_of(self, other: &Self) -> Self {
        self.shell.share_subrequests(&other.shell);
        self
    }

    /// No pull of a client's, but one that fetches a blob into the cache: what [`Effect::Fill`] is for. It ends with
    /// [`Effect::NotFilled`] unless the blob is there.
    #[must_use]
    pub fn filling(settings: Arc<Settings>, at: BlobAt) -> Self {
        let shell = Shell::default();
        Self { work: Some(Box::pin(filling::fill(settings, shell.clone(), at))), shell }
    }

    /// Whether it is over: nothing that comes of what it wanted last is waited for.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.work.is_none()
    }

    /// Goes on as [`Self::step`] does, and has `memory` answer what it can, so that nothing of that reaches the shell.
    pub fn step_with(
        &mut self,
        memory: &mut Memory,
        now: u64,
        done: impl IntoIterator<Item = (Ticket, Done)>,
    ) -> Step {
        let mut step = self.step(now, done);
        let mut wanted = Vec::new();
        let mut called_off = Vec::new();
        while let Step::Wants { new, dropped } = step {
            let mut answers = Vec::new();
            for (ticket, effect) in new {
                match memory.answer(&effect, now) {
                    Some(done) => answers.push((ticket, done)),
                    None => wanted.push((ticket, effect)),
                }
            }
            called_off.extend(dropped);
            if answers.is_empty() {
                break;
            }
            step = self.step(now, answers);
        }
        if wanted.is_empty() && called_off.is_empty() && self.is_over() {
            return Step::Finished;
        }
        // What was wanted and called off in one go is not worth beginning.
        let (given_up, dropped): (Vec<_>, Vec<_>) =
            called_off.into_iter().partition(|ticket| wanted.iter().any(|(wanted, _)| wanted == ticket));
        wanted.retain(|(ticket, _)| !given_up.contains(ticket));
        Step::Wants { new: wanted, dropped }
    }

    /// Goes on, with what has come of what it wanted, as far as that goes. `now` is in milliseconds since 1970.
    pub fn step(&mut self, now: u64, done: impl IntoIterator<Item = (Ticket, Done)>) -> Step {
        let Some(work) = &mut self.work else { return Step::Finished };
        self.shell.with(|mailbox| {
            mailbox.now = now;
            for (ticket, done) in done {
                mailbox.deliver(ticket, done);
            }
        });
        // Nobody is woken: what is waited for comes with the next step.
        let mut context = Context::from_waker(Waker::noop());
        let is_over = work.as_mut().poll(&mut context).is_ready();
        let (new, dropped, is_idle) = self.shell.with(|mailbox| {
            let is_idle = mailbox.is_idle();
            (core::mem::take(&mut mailbox.new), core::mem::take(&mut mailbox.dropped), is_idle)
        });
        if is_over || is_idle {
            self.work = None;
        }
        if self.work.is_none() && new.is_empty() && dropped.is_empty() {
            return Step::Finished;
        }
        Step::Wants { new, dropped }
    }
}

impl fmt::Debug for Pull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pull").field("is_over", &self.work.is_none()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that a pull takes before anything of it is done.
    const MAX_PULL_BYTES: usize = 4_096;

    /// Bytes of something that a pull wants, or of what comes of it.
    const MAX_EFFECT_BYTES: usize = 192;

    #[test]
    fn an_effect_has_no_room_for_what_is_large_and_rare() {
        for bytes in [size_of::<Effect>(), size_of::<Done>()] {
            assert!(bytes <= MAX_EFFECT_BYTES, "{bytes} bytes");
        }
    }

    fn size_of_future<T, F: Future>(_: impl FnOnce(T) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_pull_has_no_room_for_what_is_rarely_done() {
        // All of it is allocated, and moved, for every request.
        let bytes = size_of_future(Front::run);
        assert!(bytes <= MAX_PULL_BYTES, "{bytes} bytes");
    }
}
