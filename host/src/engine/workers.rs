//! The threads that convert what takes long, behind queues with an end: one for each client.
//!
//! Clients take turns, so that nobody waits for all that another one has asked for. Of one client's jobs the smallest
//! comes first, for behind a proxy that names nobody all clients are one; each fourth is the oldest, so that the large
//! ones come as well. And one thread is for small jobs alone: a large one cannot be put off once it runs.

use core::net::IpAddr;
use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicU8, Ordering};
use core::time::Duration;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::panic::catch_unwind;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::oneshot;
use tokio::time;

/// How many jobs may wait: at some 10,000 conversions a second, about as long as a client cares to wait.
const QUEUE_LENGTH: usize = 1024;

/// How many of them may be one client's, so that it takes several to fill the queue.
const CLIENT_QUEUE_LENGTH: usize = 256;

/// Bytes of the documents from which on a job is large. It takes a tenth of a second where every byte of them has to be
/// escaped, which the largest honest images come nowhere near.
const LARGE_BYTES: usize = 512 * 1024;

/// Each job of a client with this number is its oldest, and not its smallest.
const OLDEST_EACH: u32 = 4;

/// How long a job may wait before it is given up: clients have better things to do than to wait longer, and come again.
const MAX_WAIT: Duration = Duration::from_secs(20);

/// Threads that work off a queue. They end when this is dropped and the queue is empty.
pub(crate) struct Workers(Arc<Shared>);

/// There is no result of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoResult {
    /// The queue is full, or the job was not begun in time.
    Busy,
    /// The job panicked.
    Panicked,
}

struct Shared {
    queues: Mutex<Queues>,
    has_changed: Condvar,
    /// How many large jobs may run at once.
    max_large: usize,
}

struct Job {
    bytes: usize,
    waiter: Waiter,
    run: Box<dyn FnOnce() + Send>,
}

/// Whoever waits for the result of a job, as the job sees it.
#[derive(Clone)]
pub(crate) struct Waiter(Arc<AtomicU8>);

const WAITING: u8 = 0;
const RUNNING: u8 = 1;
const GONE: u8 = 2;

impl Waiter {
    /// True if nobody waits for the result any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.0.load(Ordering::Relaxed) == GONE
    }

    /// Begins the job, if somebody still waits for it.
    fn begin(&self) -> bool {
        self.0.compare_exchange(WAITING, RUNNING, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Gives the job up, if it has not begun.
    fn give_up(&self) -> bool {
        self.0.compare_exchange(WAITING, GONE, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// A job that was queued. When this is dropped, the job is not begun any more.
pub(crate) struct Ticket<T> {
    result: oneshot::Receiver<T>,
    waiter: Waiter,
}

impl<T> Ticket<T> {
    /// Waits for the result.
    pub(crate) async fn result(self) -> Result<T, NoResult> {
        self.result_within(MAX_WAIT).await
    }

    async fn result_within(mut self, wait: Duration) -> Result<T, NoResult> {
        let result = match time::timeout(wait, &mut self.result).await {
            Err(_) if self.waiter.give_up() => return Err(NoResult::Busy),
            Err(_) => (&mut self.result).await,
            Ok(result) => result,
        };
        // Without a result only if the job panicked.
        result.map_err(|_| NoResult::Panicked)
    }
}

impl<T> Drop for Ticket<T> {
    fn drop(&mut self) {
        self.waiter.0.store(GONE, Ordering::Relaxed);
    }
}

impl Workers {
    /// How many threads it takes to convert with so many processors: one of them is for what is small.
    pub(crate) fn threads(processors: usize) -> usize {
        processors.max(2)
    }

    /// Starts `threads` threads.
    pub(crate) fn start(threads: usize) -> io::Result<Self> {
        let max_large = threads.saturating_sub(1).max(1);
        let shared = Arc::new(Shared { queues: Mutex::default(), has_changed: Condvar::new(), max_large });
        let workers = Self(Arc::clone(&shared));
        for number in 0..threads {
            let shared = Arc::clone(&shared);
            thread::Builder::new().name(format!("convert-{number}")).spawn(move || shared.work())?;
        }
        Ok(workers)
    }

    /// Queues `job` for `client`, with how many bytes of documents it has to do.
    pub(crate) fn submit<T: Send + 'static>(
        &self,
        client: IpAddr,
        bytes: usize,
        job: impl FnOnce(&Waiter) -> T + Send + 'static,
    ) -> Result<Ticket<T>, NoResult> {
        let (sender, result) = oneshot::channel();
        let waiter = Waiter(Arc::new(AtomicU8::new(WAITING)));
        let of_job = waiter.clone();
        let run = Box::new(move || {
            let _ = sender.send(job(&of_job));
        });
        let is_queued = self.0.lock().push(client, Job { bytes, waiter: waiter.clone(), run });
        if !is_queued {
            return Err(NoResult::Busy);
        }
        self.0.has_changed.notify_one();
        Ok(Ticket { result, waiter })
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.0.lock().is_closed = true;
        self.0.has_changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        while let Some(Job { bytes, run, .. }) = self.next() {
            // A panic is on stderr, and ends this job only.
            let _ = catch_unwind(AssertUnwindSafe(run));
            if is_large(bytes) {
                self.lock().large_running -= 1;
            }
        }
    }

    /// Waits for the next job. There is none after the end.
    fn next(&self) -> Option<Job> {
        let mut queues = self.lock();
        loop {
            let max_bytes = if queues.large_running < self.max_large { usize::MAX } else { LARGE_BYTES };
            if let Some(job) = queues.take(max_bytes) {
                queues.large_running += usize::from(is_large(job.bytes));
                return Some(job);
            }
            if queues.is_closed {
                return None;
            }
            queues = self.has_changed.wait(queues).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn is_large(bytes: usize) -> bool {
    bytes > LARGE_BYTES
}

/// The jobs that wait.
#[derive(Default)]
struct Queues {
    clients: HashMap<IpAddr, Queue>,
    /// The clients with jobs that wait, by whose turn it is.
    turns: VecDeque<IpAddr>,
    length: usize,
    /// How many jobs there were so far.
    count: u64,
    large_running: usize,
    is_closed: bool,
}

/// The jobs of one client, by their size and number.
#[derive(Default)]
struct Queue {
    jobs: BTreeMap<(usize, u64), Job>,
    taken: u32,
}

impl Queues {
    /// Adds a job, if there is room for it.
    fn push(&mut self, client: IpAddr, job: Job) -> bool {
        if self.is_full_for(client) {
            self.drop_abandoned();
            if self.is_full_for(client) {
                return false;
            }
        }
        let queue = self.clients.entry(client).or_default();
        if queue.jobs.is_empty() {
            self.turns.push_back(client);
        }
        self.count += 1;
        queue.jobs.insert((job.bytes, self.count), job);
        self.length += 1;
        true
    }

    fn is_full_for(&self, client: IpAddr) -> bool {
        let own = self.clients.get(&client).map_or(0, |queue| queue.jobs.len());
        self.length >= QUEUE_LENGTH || own >= CLIENT_QUEUE_LENGTH
    }

    fn drop_abandoned(&mut self) {
        self.clients.retain(|_, queue| {
            queue.jobs.retain(|_, job| !job.waiter.is_gone());
            !queue.jobs.is_empty()
        });
        self.turns.retain(|client| self.clients.contains_key(client));
        self.length = self.clients.values().map(|queue| queue.jobs.len()).sum();
    }

    /// Takes the next job of at most `max_bytes` whose result somebody waits for, and begins it.
    fn take(&mut self, max_bytes: usize) -> Option<Job> {
        let mut turn = 0;
        while let Some(&client) = self.turns.get(turn) {
            let queue = self.clients.get_mut(&client)?;
            let job = match queue.take(max_bytes) {
                Some(job) => {
                    self.length -= 1;
                    job
                }
                None => {
                    turn += 1;
                    continue;
                }
            };
            let is_empty = queue.jobs.is_empty();
            let is_begun = job.waiter.begin();
            // What nobody waits for is no turn.
            if is_begun || is_empty {
                self.turns.remove(turn);
            }
            if is_empty {
                self.clients.remove(&client);
            } else if is_begun {
                self.turns.push_back(client);
            }
            if is_begun {
                return Some(job);
            }
        }
        None
    }
}

impl Queue {
    fn take(&mut self, max_bytes: usize) -> Option<Job> {
        let fitting = || self.jobs.range(..=(max_bytes, u64::MAX)).map(|(key, _)| *key);
        let key = if self.taken % OLDEST_EACH == OLDEST_EACH - 1 {
            fitting().min_by_key(|(_, number)| *number)
        } else {
            fitting().next()
        };
        let job = self.jobs.remove(&key?);
        self.taken = self.taken.wrapping_add(1);
        job
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    fn client(number: u8) -> IpAddr {
        Ipv4Addr::new(192, 0, 2, number).into()
    }

    /// Has the threads of `workers` run something until what this gives is dropped.
    fn occupy(workers: &Workers, threads: usize, bytes: usize) -> Vec<(Sender<()>, Ticket<()>)> {
        let busy = (0..threads).map(|_| {
            let (go_on, wait) = channel::<()>();
            let (begun, has_begun) = channel();
            let ticket = workers.submit(client(0), bytes, move |_| {
                begun.send(()).unwrap();
                let _ = wait.recv();
            });
            has_begun.recv().unwrap();
            (go_on, ticket.ok().unwrap())
        });
        busy.collect()
    }

    /// Queues a job that notes its name.
    fn note(
        workers: &Workers,
        from: u8,
        bytes: usize,
        name: &'static str,
        notes: &Sender<&'static str>,
    ) -> Ticket<()> {
        let notes = notes.clone();
        workers.submit(client(from), bytes, move |_| notes.send(name).unwrap()).ok().unwrap()
    }

    async fn done(tickets: Vec<Ticket<()>>) {
        for ticket in tickets {
            ticket.result().await.unwrap();
        }
    }

    #[tokio::test]
    async fn past_the_end_of_the_queue_it_is_busy() {
        let workers = Workers::start(1).unwrap();
        let held = occupy(&workers, 1, 1);
        let waiting: Vec<_> = (0..QUEUE_LENGTH)
            .map(|number| {
                let from = u8::try_from(number / CLIENT_QUEUE_LENGTH).unwrap();
                workers.submit(client(from), 1, move |_| number).ok().unwrap()
            })
            .collect();
        assert_eq!(workers.submit(client(9), 1, |_| ()).err(), Some(NoResult::Busy));
        drop(held);
        for (number, result) in waiting.into_iter().enumerate() {
            assert_eq!(result.result().await, Ok(number));
        }
        assert!(workers.submit(client(9), 1, |_| ()).is_ok());
    }

    #[tokio::test]
    async fn one_client_does_not_fill_the_queue() {
        let workers = Workers::start(1).unwrap();
        let _held = occupy(&workers, 1, 1);
        let submit = |from| workers.submit(client(from), 1, |_| ()).ok();
        let waiting: Vec<_> = (0..CLIENT_QUEUE_LENGTH).map(|_| submit(1).unwrap()).collect();
        assert!(submit(1).is_none());
        assert!(submit(2).is_some());
        // Those that are gone make room.
        drop(waiting);
        assert!(submit(1).is_some());
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_not_done() {
        let workers = Workers::start(1).unwrap();
        let held = occupy(&workers, 1, 1);
        let (notes, noted) = channel();
        let gone: Vec<_> = (0..60).map(|_| note(&workers, 1, 1 << 22, "gone", &notes)).collect();
        let other = note(&workers, 2, 1, "other", &notes);
        drop(gone);
        drop(held);
        other.result().await.unwrap();
        drop((workers, notes));
        assert_eq!(noted.iter().collect::<Vec<_>>(), ["other"]);
    }

    #[tokio::test]
    async fn a_job_sees_that_nobody_waits_any_more() {
        let workers = Workers::start(1).unwrap();
        let (begun, has_begun) = channel();
        let (ended, has_ended) = channel();
        let ticket = workers.submit(client(1), 1, move |waiter| {
            begun.send(waiter.is_gone()).unwrap();
            while !waiter.is_gone() {
                thread::yield_now();
            }
            ended.send(()).unwrap();
        });
        assert!(!has_begun.recv().unwrap());
        drop(ticket);
        has_ended.recv().unwrap();
    }

    #[tokio::test]
    async fn clients_take_turns_and_small_jobs_come_first() {
        let workers = Workers::start(1).unwrap();
        let held = occupy(&workers, 1, 1);
        let (notes, noted) = channel();
        let mut tickets = Vec::new();
        for (from, bytes, name) in [
            (1, 900, "1 oldest"),
            (1, 10, "1 a"),
            (1, 20, "1 b"),
            (1, 30, "1 c"),
            (1, 40, "1 d"),
            (2, 800, "2 a"),
            (2, 900, "2 b"),
            (3, 700, "3"),
        ] {
            tickets.push(note(&workers, from, bytes, name, &notes));
        }
        drop(held);
        done(tickets).await;
        drop(notes);
        let expected = ["1 a", "2 a", "3", "1 b", "2 b", "1 c", "1 oldest", "1 d"];
        assert_eq!(noted.iter().collect::<Vec<_>>(), expected);
    }

    #[tokio::test]
    async fn a_small_job_finds_a_thread_however_many_large_ones_there_are() {
        let workers = Workers::start(Workers::threads(1)).unwrap();
        let held = occupy(&workers, 1, LARGE_BYTES + 1);
        let (notes, noted) = channel();
        let large: Vec<_> = (0..60).map(|_| note(&workers, 1, LARGE_BYTES + 1, "large", &notes)).collect();
        note(&workers, 2, LARGE_BYTES, "small", &notes).result().await.unwrap();
        assert_eq!(noted.try_iter().collect::<Vec<_>>(), ["small"]);
        drop(held);
        done(large).await;
    }

    #[tokio::test]
    async fn a_job_that_waits_too_long_is_given_up() {
        let workers = Workers::start(1).unwrap();
        let held = occupy(&workers, 1, 1);
        let (notes, noted) = channel();
        let late = note(&workers, 1, 1, "late", &notes);
        assert_eq!(late.result_within(Duration::ZERO).await, Err(NoResult::Busy));
        drop((held, workers, notes));
        assert_eq!(noted.iter().next(), None);
    }

    #[tokio::test]
    async fn a_panic_ends_one_job() {
        let workers = Workers::start(1).unwrap();
        let panicked = workers.submit::<()>(client(1), LARGE_BYTES + 1, |_| panic!("as it should"));
        assert_eq!(panicked.ok().unwrap().result().await, Err(NoResult::Panicked));
        let next = workers.submit(client(1), LARGE_BYTES + 1, |_| 7).ok().unwrap();
        assert_eq!(next.result().await, Ok(7));
    }
}
