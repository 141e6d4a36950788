//! Where the bytes of a blob come from: a file, or a registry as they come.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use downshift_pull::Copied;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use rustix::io::ReadWriteFlags;
use tokio::task::{self, JoinHandle};

use super::open_body::OpenBody;
use crate::data::blob_cache::{Broken, CachedBlob, Reader};
use crate::digest::DigestCheck;
use crate::error::Error;
use crate::origin::layout::Stamp;
use crate::origin::registry::ResponseBody;
use crate::origin::verified_blobs::{BlobState, VerifiedBlobs};

/// Bytes of a file that are read at once.
pub(super) const CHUNK_BYTES: usize = 128 * 1024;

/// A piece of a part.
#[derive(Debug)]
pub(super) enum Piece {
    Bytes(Bytes),
    /// The last ones.
    Last(Bytes),
    /// There is no more of it, and this is why.
    Ended(Copied),
}

/// Where bytes come from.
pub(super) enum Source {
    File(FileSource),
    /// A blob that is still on its way into the cache.
    Growing(GrowingSource),
    Response(ResponseBody),
}

/// Who keeps bytes.
pub(super) enum Keeper {
    Store,
    Cache,
    Nobody,
}

/// A blob that is still on its way into the cache, from some byte on.
pub(super) struct GrowingSource {
    at: u64,
    reading: BoxFuture<'static, (Reader, Result<Bytes, Broken>)>,
}

/// A file of a store, or of the cache.
pub(super) struct FileSource {
    file: Arc<File>,
    at: u64,
    chunk: BytesMut,
    /// A read that has to wait for the disk.
    reading: Option<JoinHandle<io::Result<BytesMut>>>,
    of: FileOf,
}

/// Whose a file is.
pub(super) enum FileOf {
    /// A store's, where anybody may change it.
    Store(BlobState, Arc<VerifiedBlobs>),
    /// The cache's, which keeps it as long as somebody has this.
    Cache { _blob: CachedBlob },
}

impl Source {
    /// Who keeps the bytes, so that they are there again for the next one.
    pub(super) fn keeper(&self) -> Keeper {
        match self {
            Self::File(FileSource { of: FileOf::Cache { .. }, .. }) => Keeper::Cache,
            Self::File(FileSource { of: FileOf::Store(..), .. }) => Keeper::Store,
            Self::Growing(_) | Self::Response(_) => Keeper::Nobody,
        }
    }

    /// The bytes of an open body from `start` on.
    pub(super) fn of(body: OpenBody, start: u64) -> Option<Self> {
        match body {
            OpenBody::File { blob, state, verified } => {
                let of = FileOf::Store(state, verified);
                Some(Self::File(FileSource::new(Arc::new(blob.file), start, of)))
            }
            OpenBody::Cached(blob) => {
                let file = Arc::clone(blob.file());
                Some(Self::File(FileSource::new(file, start, FileOf::Cache { _blob: blob })))
            }
            OpenBody::Growing(reader) => Some(Self::Growing(GrowingSource::new(reader, start))),
            // A response begins where it was asked for.
            OpenBody::Response(response) => (start == 0).then(|| Self::Response(response.into_body())),
        }
    }

    /// The next bytes; at the end none.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        match self {
            Self::File(file) => file.poll_next(context),
            Self::Growing(blob) => blob.poll_next(context),
            Self::Response(body) => body.poll_next(context),
        }
    }

    /// Checks what can be checked at the end.
    pub(super) fn finish(&self, check: Option<DigestCheck>) -> Result<(), Error> {
        let is_checked = check.is_some();
        check.map_or(Ok(()), DigestCheck::finish)?;
        self.finish_checked(is_checked)
    }

    /// The same where somebody else has checked the digest, or not.
    pub(super) fn finish_checked(&self, is_checked: bool) -> Result<(), Error> {
        match self {
            Self::File(file) => file.finish(is_checked),
            // Whoever fills the cache holds its end back until it is checked.
            Self::Growing(_) | Self::Response(_) => Ok(()),
        }
    }
}

impl FileSource {
    pub(super) fn new(file: Arc<File>, at: u64, of: FileOf) -> Self {
        Self { file, at, chunk: BytesMut::new(), reading: None, of }
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        if self.reading.is_none() {
            self.chunk.resize(CHUNK_BYTES, 0);
            // What the kernel has in memory is read at once, as nginx does: to hand it to a thread takes longer.
            let mut room = [io::IoSliceMut::new(&mut self.chunk)];
            match rustix::io::preadv2(self.file.as_fd(), &mut room, self.at, ReadWriteFlags::NOWAIT) {
                Ok(length) => return Poll::Ready(Ok(self.pass_on(length))),
                Err(rustix::io::Errno::INTR) => {}
                // File systems that know no such flag say so each time.
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::OPNOTSUPP) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
            let (file, at, mut chunk) = (Arc::clone(&self.file), self.at, core::mem::take(&mut self.chunk));
            self.reading = Some(task::spawn_blocking(move || {
                let length = loop {
                    match rustix::io::pread(file.as_fd(), &mut chunk[..], at) {
                        Err(rustix::io::Errno::INTR) => {}
                        read => break read?,
                    }
                };
                chunk.truncate(length);
                Ok(chunk)
            }));
        }
        let Some(reading) = &mut self.reading else { return Poll::Ready(Err(ErrorKind::Other.into())) };
        let read = ready!(Pin::new(reading).poll(context));
        self.reading = None;
        self.chunk = read.map_err(io::Error::other)??;
        let length = self.chunk.len();
        Poll::Ready(Ok(self.pass_on(length)))
    }

    fn pass_on(&mut self, length: usize) -> Bytes {
        self.at += length as u64;
        self.chunk.truncate(length);
        self.chunk.split().freeze()
    }

    /// What was checked is what was there then.
    fn finish(&self, is_checked: bool) -> Result<(), Error> {
        let FileOf::Store(state, verified) = &self.of else { return Ok(()) };
        let stamp = self.file.metadata().and_then(|metadata| Stamp::of(&metadata));
        if stamp.is_ok_and(|stamp| stamp.has_bytes_of(state.stamp)) {
            if is_checked {
                let (verified, state) = (Arc::clone(verified), state.clone());
                task::spawn(async move { verified.remember(state).await });
            }
            Ok(())
        } else {
            Err(Error::Corrupt { digest: state.digest.clone() })
        }
    }
}

impl GrowingSource {
    fn new(reader: Reader, at: u64) -> Self {
        Self { at, reading: Self::read(reader, at) }
    }

    fn read(mut reader: Reader, at: u64) -> BoxFuture<'static, (Reader, Result<Bytes, Broken>)> {
        async move {
            let read = reader.read_at(at, CHUNK_BYTES).await;
            (reader, read)
        }
        .boxed()
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let (reader, read) = ready!(self.reading.poll_unpin(context));
        let length = read.as_ref().map_or(0, |bytes| bytes.len() as u64);
        self.at += length;
        self.reading = Self::read(reader, self.at);
        Poll::Ready(read.map_err(|broken| io::Error::other(broken.to_string())))
    }
}
