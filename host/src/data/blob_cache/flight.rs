//! A blob that is being fetched: one writes it, and any number read what is there.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use rustix::io::{Errno, ReadWriteFlags};
use tokio::sync::watch;
use tokio::task;

use super::pin::Pin;

/// Bytes at the end that nobody gets before the digest is known: who does not check it must not take a wrong blob for whole.
/// A blob of no more than that is given out as a whole or not at all.
pub(super) const HELD_BACK: u64 = 64 * 1024;

/// A blob that is being fetched.
#[derive(Debug)]
pub(crate) struct Flight {
    /// Its file, once that is open.
    file: OnceLock<Arc<File>>,
    progress: watch::Sender<Progress>,
    /// Keeps the blob where it is for whoever reads it.
    pub(super) pin: Pin,
}

/// How far it is.
#[derive(Clone, Debug, Default)]
struct Progress {
    /// The bytes of the blob, once somebody has said that.
    size: Option<u64>,
    /// Whether it is known how many bytes were there before, and they can be read.
    is_begun: bool,
    /// How many bytes can be read.
    readable: u64,
    end: Option<End>,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Whole,
    Broken(Why),
}

/// A blob that ended before it was whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    /// How many bytes could be read, which are all there will be.
    pub(crate) good: u64,
    /// Why there are no more.
    pub(crate) why: Why,
}

/// Why a blob ended before it was whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Who wrote it has stopped. What is there is kept: the next fill goes on with it.
    Interrupted,
    /// It has another digest or size, and is removed. What was read of it is wrong.
    Corrupt,
    /// It has no place in the cache, or the disk fails: it can be had without the cache only.
    Uncached,
}

/// A reader of a blob that may still be coming. As long as there is one, the blob is wanted.
#[derive(Debug)]
pub(crate) struct Reader {
    flight: Arc<Flight>,
    progress: watch::Receiver<Progress>,
}

impl Flight {
    pub(super) fn new() -> Self {
        let (progress, _) = watch::channel(Progress::default());
        Self { file: OnceLock::new(), progress, pin: Pin::default() }
    }

    /// Another reader of it.
    pub(super) fn reader(self: &Arc<Self>) -> Reader {
        Reader { flight: Arc::clone(self), progress: self.progress.subscribe() }
    }

    /// Has the file to read from. There is one only.
    pub(super) fn opened(&self, file: Arc<File>) {
        let _ = self.file.set(file);
    }

    /// Says how large it is.
    pub(super) fn has_size(&self, size: u64) {
        self.progress.send_modify(|progress| progress.size = Some(size));
    }

    /// Says that it is about to be written.
    pub(super) fn begun(&self) {
        self.progress.send_modify(|progress| progress.is_begun = true);
    }

    /// Says how many bytes are there.
    pub(super) fn written(&self, bytes: u64) {
        self.progress.send_modify(|progress| {
            let readable = bytes.saturating_sub(HELD_BACK);
            // Of one that is known to be longer, all of that.
            let known = progress.size.map_or(0, |size| bytes.min(size.saturating_sub(HELD_BACK)));
            progress.readable = progress.readable.max(readable).max(known);
        });
    }

    /// Says that all of it is there, and right.
    pub(super) fn whole(&self, bytes: u64) {
        self.progress.send_modify(|progress| {
            (progress.size, progress.readable) = (Some(bytes), bytes);
            progress.end = Some(End::Whole);
        });
    }

    /// Says that there will be no more, unless it has ended already.
    pub(super) fn broken(&self, why: Why) {
        self.progress.send_modify(|progress| {
            progress.end.get_or_insert(End::Broken(why));
        });
    }

    /// Whether it has a reader.
    #[cfg(test)]
    pub(super) fn is_wanted(&self) -> bool {
        !self.progress.is_closed()
    }

    /// Waits until it has no reader.
    pub(super) async fn unwanted(&self) {
        self.progress.closed().await;
    }

    /// Whether it has ended, however that was.
    pub(super) fn is_over(&self) -> bool {
        self.progress.borrow().end.is_some()
    }

    /// How many bytes can be read.
    pub(super) fn readable(&self) -> u64 {
        self.progress.borrow().readable
    }
}

impl Reader {
    /// The bytes of the blob. It waits until they are known, or it is known that nobody knows them: nothing then.
    ///
    /// # Errors
    /// [`Broken`], if it ended before.
    pub(crate) async fn size(&mut self) -> Result<Option<u64>, Broken> {
        loop {
            {
                let progress = self.progress.borrow_and_update();
                match progress.end {
                    Some(End::Broken(why)) if !progress.is_begun => {
                        return Err(Broken { good: progress.readable, why });
                    }
                    _ if progress.size.is_some() || progress.is_begun => return Ok(progress.size),
                    _ => {}
                }
            }
            self.changed().await?;
        }
    }

    /// Up to where the bytes from `offset` on can be read. It waits until there is one; where the blob has no more, this is
    /// no more than `offset`.
    ///
    /// # Errors
    /// [`Broken`], if there will be none.
    pub(crate) async fn available(&mut self, offset: u64) -> Result<u64, Broken> {
        loop {
            {
                let progress = self.progress.borrow_and_update();
                match progress.end {
                    _ if offset < progress.readable => return Ok(progress.readable),
                    Some(End::Whole) => return Ok(progress.readable),
                    Some(End::Broken(why)) => return Err(Broken { good: progress.readable, why }),
                    None => {}
                }
            }
            self.changed().await?;
        }
    }

    /// At the most `most` bytes from `offset` on, once there are any; none where the blob has ended.
    ///
    /// # Errors
    /// [`Broken`].
    pub(crate) async fn read_at(&mut self, offset: u64, most: usize) -> Result<Bytes, Broken> {
        let end = self.available(offset).await?;
        let length = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX).min(most);
        let unreadable = Broken { good: offset, why: Why::Uncached };
        let file = self.file().ok_or(unreadable)?;
        read(file, offset, length).await.map_err(|_| unreadable)
    }

    /// The file, in which what is [available](Self::available) can be read; none before that is anything.
    pub(crate) fn file(&self) -> Option<&Arc<File>> {
        self.flight.file.get()
    }

    async fn changed(&mut self) -> Result<(), Broken> {
        // The flight has the sender, and so it is there.
        let gone = Broken { good: 0, why: Why::Interrupted };
        self.progress.changed().await.map_err(|_| gone)
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.why {
            Why::Interrupted => "its transfer was interrupted",
            Why::Corrupt => "it has another digest or size",
            Why::Uncached => "it has no place in the cache",
        };
        write!(f, "the blob ended after `{}` bytes: {why}", self.good)
    }
}

/// Reads at the most `most` bytes of a file that has them, in memory at once and else on a thread.
pub(super) async fn read(file: &Arc<File>, offset: u64, most: usize) -> io::Result<Bytes> {
    if most == 0 {
        return Ok(Bytes::new());
    }
    let mut chunk = BytesMut::zeroed(most);
    let mut room = [io::IoSliceMut::new(&mut chunk)];
    let length = match rustix::io::preadv2(file.as_fd(), &mut room, offset, ReadWriteFlags::NOWAIT) {
        Ok(length) => length,
        Err(Errno::INTR | Errno::AGAIN | Errno::OPNOTSUPP) => {
            let file = Arc::clone(file);
            let read = task::spawn_blocking(move || {
                let length = rustix::io::retry_on_intr(|| rustix::io::pread(&*file, &mut chunk[..], offset));
                length.map(|length| (length, chunk))
            });
            let (length, read) = read.await.map_err(io::Error::other)??;
            chunk = read;
            length
        }
        Err(error) => return Err(error.into()),
    };
    if length == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    chunk.truncate(length);
    Ok(chunk.freeze())
}
