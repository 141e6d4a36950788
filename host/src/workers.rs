//! The threads that convert: as many as there are processors, behind a queue with an end.

use core::panic::AssertUnwindSafe;
use std::io;
use std::panic::catch_unwind;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::oneshot;

/// How many jobs may wait: at some 10,000 conversions a second, about as long as a client cares to wait.
const QUEUE_LENGTH: usize = 1024;

type Job = Box<dyn FnOnce() + Send>;

/// Threads that work off a queue. They end when this is dropped and the queue is empty.
pub(crate) struct Workers {
    queue: SyncSender<Job>,
}

/// The queue is full.
pub(crate) struct Busy;

impl Workers {
    /// Starts `threads` threads.
    pub(crate) fn start(threads: usize) -> io::Result<Self> {
        let (queue, jobs) = sync_channel(QUEUE_LENGTH);
        let jobs = Arc::new(Mutex::new(jobs));
        for number in 0..threads {
            let jobs = Arc::clone(&jobs);
            thread::Builder::new().name(format!("convert-{number}")).spawn(move || work(&jobs))?;
        }
        Ok(Self { queue })
    }

    /// Queues `job`. What comes back gives its result, or an error if it panicked.
    pub(crate) fn submit<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<oneshot::Receiver<T>, Busy> {
        let (sender, result) = oneshot::channel();
        let job = Box::new(move || {
            // Nobody waits for the result if the client is gone.
            let _ = sender.send(job());
        });
        self.queue.try_send(job).map_err(|_| Busy)?;
        Ok(result)
    }
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        // A panic is on stderr, and ends this job only.
        let _ = catch_unwind(AssertUnwindSafe(job));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_is_past_the_end_of_the_queue_is_told_so() {
        let workers = Workers::start(1).unwrap();
        let (go_on, wait) = sync_channel::<()>(0);
        let (begun, has_begun) = sync_channel(0);
        let first = workers.submit(move || (begun.send(()), wait.recv())).ok().unwrap();
        has_begun.recv().unwrap();
        let waiting: Vec<_> =
            (0..QUEUE_LENGTH).map(|number| workers.submit(move || number).ok().unwrap()).collect();
        assert!(workers.submit(|| ()).is_err());
        go_on.send(()).unwrap();
        first.await.unwrap().1.unwrap();
        for (number, result) in waiting.into_iter().enumerate() {
            assert_eq!(result.await.unwrap(), number);
        }
        assert!(workers.submit(|| ()).is_ok());
    }
}
