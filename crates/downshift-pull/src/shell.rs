//! The way from the code of a pull to its shell: a mailbox, and the one thing that is ever awaited.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicU32, Ordering};
use core::task::{Context, Poll};
use core::time::Duration;

use atomic_refcell::AtomicRefCell;

use crate::effect::{Done, Effect, Event, Ticket};
use crate::failure::Failure;
use crate::settings::Settings;

/// What a pull wants, and what has come of it. Both sides have it for the time of a look, one after the other, so that it
/// is never contended; only the compiler cannot know.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    tickets: u32,
    /// Milliseconds since 1970.
    pub(crate) now: u64,
    pub(crate) new: Vec<(Ticket, Effect)>,
    pub(crate) dropped: Vec<Ticket>,
    /// What is waited for, and has or has not come.
    waiting: Vec<(Ticket, Option<Done>)>,
    /// How many requests of its own the pull has made, with those that read layers for it.
    pub(crate) subrequests: Arc<AtomicU32>,
    /// What the registry said last of its limits.
    pub(crate) limits: Vec<(&'static str, String)>,
}

/// A pull's shell, as its code sees it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shell(Arc<AtomicRefCell<Mailbox>>);

impl Mailbox {
    fn post(&mut self, effect: Effect) -> Ticket {
        let ticket = Ticket(self.tickets);
        self.tickets = self.tickets.wrapping_add(1);
        if self.new.is_empty() {
            // Mostly there is one, and the shell takes the whole list each time.
            self.new.reserve_exact(1);
        }
        self.new.push((ticket, effect));
        ticket
    }

    /// Takes in what has come of something. What nobody waits for is passed over.
    pub(crate) fn deliver(&mut self, ticket: Ticket, done: Done) {
        if let Some((_, place)) = self.waiting.iter_mut().find(|(waiting, _)| *waiting == ticket) {
            *place = Some(done);
        }
    }

    /// Calls off what is still waited for.
    fn call_off(&mut self, ticket: Ticket) {
        let Some(at) = self.waiting.iter().position(|(waiting, _)| *waiting == ticket) else { return };
        self.waiting.swap_remove(at);
        match self.new.iter().position(|(new, _)| *new == ticket) {
            Some(at) => {
                self.new.remove(at);
            }
            None => self.dropped.push(ticket),
        }
    }

    /// True if nothing is waited for, and nothing new is wanted.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.new.is_empty()
    }
}

impl Shell {
    /// Does something with the mailbox.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Mailbox) -> T) -> T {
        act(&mut self.0.borrow_mut())
    }

    /// Has an effect done, and waits for what comes of it. It is called off where this is dropped.
    #[inline(never)]
    pub(crate) fn ask(&self, effect: Effect) -> Asking<'_> {
        let ticket = self.with(|mailbox| {
            let ticket = mailbox.post(effect);
            mailbox.waiting.push((ticket, None));
            ticket
        });
        Asking { shell: self, ticket }
    }

    /// Milliseconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        self.with(|mailbox| mailbox.now)
    }

    /// Tells the operator. Nobody waits for that.
    pub(crate) fn tell(&self, event: Event) {
        self.with(|mailbox| {
            mailbox.post(Effect::Tell(event));
        });
    }

    /// Counts a request of this server's own, where those are limited.
    pub(crate) fn count_subrequest(&self, settings: &Settings) -> Result<(), Failure> {
        self.count_subrequests(settings, 1)
    }

    /// Counts several of them.
    pub(crate) fn count_subrequests(&self, settings: &Settings, number: usize) -> Result<(), Failure> {
        let Some(limit) = settings.subrequests else { return Ok(()) };
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let count = |made: u32| made.checked_add(number).filter(|made| *made <= limit);
        let counted = self
            .with(|mailbox| mailbox.subrequests.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count));
        counted.map(drop).map_err(|_| Failure::too_many_subrequests(limit))
    }

    /// Has a share of the requests that another one may make.
    pub(crate) fn share_subrequests(&self, other: &Self) {
        let shared = other.with(|mailbox| Arc::clone(&mailbox.subrequests));
        self.with(|mailbox| mailbox.subrequests = shared);
    }

    pub(crate) async fn pause(&self, duration: Duration) {
        self.ask(Effect::Pause(duration)).await;
    }

    /// What comes of `work`, if it comes within `duration`; otherwise it is dropped.
    // No async fn: that would have room for all of `work` beside its box.
    pub(crate) fn within<F: Future>(&self, duration: Duration, work: F) -> Within<'_, F> {
        Within { work: Box::pin(work), timer: self.ask(Effect::Pause(duration)) }
    }
}

/// An effect that is waited for.
#[derive(Debug)]
pub(crate) struct Asking<'s> {
    shell: &'s Shell,
    ticket: Ticket,
}

impl Future for Asking<'_> {
    type Output = Done;

    #[inline(never)]
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Done> {
        let done = self.shell.with(|mailbox| {
            let is_meant = |(ticket, done): &(Ticket, Option<Done>)| *ticket == self.ticket && done.is_some();
            let at = mailbox.waiting.iter().position(is_meant)?;
            mailbox.waiting.swap_remove(at).1
        });
        done.map_or(Poll::Pending, Poll::Ready)
    }
}

impl Drop for Asking<'_> {
    #[inline(never)]
    fn drop(&mut self) {
        self.shell.with(|mailbox| mailbox.call_off(self.ticket));
    }
}

/// Work with a time limit.
pub(crate) struct Within<'s, F> {
    work: Pin<Box<F>>,
    timer: Asking<'s>,
}

impl<F: Future> Future for Within<'_, F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // What is done is done, also when the time is over.
        if let Poll::Ready(output) = self.work.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        Pin::new(&mut self.timer).poll(context).map(|_| None)
    }
}

/// What comes of several, side by side, in their order; or the first error, and then the others are dropped.
pub(crate) async fn all<F, T, E>(work: impl IntoIterator<Item = F>) -> Result<Vec<T>, E>
where
    F: Future<Output = Result<T, E>>,
{
    let running = work.into_iter().map(|work| Progress::Running(Box::pin(work))).collect();
    All(running).await
}

/// Work, or what came of it.
enum Progress<F, T> {
    Running(Pin<Box<F>>),
    Ended(T),
    Taken,
}

struct All<F, T>(Vec<Progress<F, T>>);

// Nothing in it is pinned but what has a box of its own.
impl<F, T> Unpin for All<F, T> {}

impl<F: Future<Output = Result<T, E>>, T, E> Future for All<F, T> {
    type Output = Result<Vec<T>, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut is_over = true;
        for progress in &mut self.0 {
            let Progress::Running(work) = progress else { continue };
            match work.as_mut().poll(context) {
                Poll::Ready(Ok(output)) => *progress = Progress::Ended(output),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => is_over = false,
            }
        }
        if !is_over {
            return Poll::Pending;
        }
        let output = |progress: &mut Progress<F, T>| match core::mem::replace(progress, Progress::Taken) {
            Progress::Ended(output) => Some(output),
            _ => None,
        };
        Poll::Ready(Ok(self.0.iter_mut().filter_map(output).collect()))
    }
}
