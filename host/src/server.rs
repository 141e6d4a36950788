//! The server: connections, and HTTP/1.0, 1.1 and 2 on them.

use core::convert::Infallible;
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::fs::File;
use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use downshift_registry::{Body, Request, Response, Route, error as http};
use http_body_util::{Either, Full};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::http::uri::PathAndQuery;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::{task, time};
use tokio_util::io::poll_read_buf;

use crate::log;
use crate::registry::{Registry, Reply};
use crate::workers::{Busy, Workers};

/// How long a client may take to send the headers of a request, and how long a connection may be idle.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How long requests under way may take to end when the server is told to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// How long to wait after a connection could not be accepted, for lack of file descriptors most of the time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Bytes of a request's line and headers, several times what the registry reads of them.
const HEADER_BYTES: u32 = 64 * 1024;

/// Bytes of a blob that are read at once.
const CHUNK_BYTES: usize = 128 * 1024;

type HttpResponse = hyper::Response<Either<Full<Bytes>, FileBody>>;

/// The signals that stop a server: `SIGINT` and `SIGTERM`.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Listens for the signals from now on.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Serves `registry` until a signal comes; then requests under way are finished, unless there is another signal.
pub(crate) async fn run(listener: TcpListener, registry: Registry, workers: Workers, mut signals: Signals) {
    let server = Arc::new(Server::new(registry, workers));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = signals.next() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = Arc::clone(&server).connection(stream, graceful.watcher());
                tokio::spawn(connection);
            }
            Err(error) => {
                log::notice(format_args!("downshift: a connection could not be accepted: {error}"));
                time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = time::sleep(STOP_TIMEOUT) => log::notice("downshift: requests under way were cut off"),
        () = signals.next() => {}
    }
}

/// What every connection works with.
struct Server {
    registry: Registry,
    workers: Workers,
    http: Builder<TokioExecutor>,
}

impl Server {
    fn new(registry: Registry, workers: Workers) -> Self {
        let mut http = Builder::new(TokioExecutor::new());
        http.http1()
            .timer(TokioTimer::new())
            .header_read_timeout(REQUEST_TIMEOUT)
            .max_buf_size(HEADER_BYTES as usize);
        http.http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(REQUEST_TIMEOUT)
            .keep_alive_timeout(REQUEST_TIMEOUT)
            .max_header_list_size(HEADER_BYTES);
        Self { registry, workers, http }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, watcher: Watcher) {
        // Otherwise the end of a response can wait until the client has acknowledged its beginning.
        let _ = stream.set_nodelay(true);
        let is_used = Arc::new(AtomicBool::new(false));
        let service = service_fn(|request| {
            is_used.store(true, Ordering::Relaxed);
            Arc::clone(&self).respond(request)
        });
        let mut served = pin!(watcher.watch(self.http.serve_connection(TokioIo::new(stream), service)));
        // What goes wrong on a connection is the client's affair: it went away, or spoke no HTTP.
        tokio::select! {
            _ = &mut served => return,
            () = time::sleep(REQUEST_TIMEOUT) => {}
        }
        // hyper's own timeout begins when it knows the version of HTTP, which takes a first line.
        if is_used.load(Ordering::Relaxed) {
            let _ = served.await;
        }
    }

    async fn respond(self: Arc<Self>, request: hyper::Request<Incoming>) -> Result<HttpResponse, Infallible> {
        let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let target = request.uri().path_and_query().map_or("", PathAndQuery::as_str);
        let (response, file) = match Request::read(request.method().as_str(), target, headers) {
            Ok(request) => self.answer(request).await,
            Err(response) => (response, None),
        };
        Ok(into_http(response, file))
    }

    async fn answer(self: Arc<Self>, request: Request) -> Reply {
        let method = request.method;
        if let Some(response) = self.registry.at_hand(&request) {
            return (response.for_method(method), None);
        }
        let server = Arc::clone(&self);
        let answered = if matches!(request.route, Route::Manifest { .. }) {
            // Converting is work for the processor; all else waits for the disk at most.
            match self.workers.submit(move || server.registry.answer(&request)) {
                Ok(reply) => reply.await.ok(),
                Err(Busy) => Some((http::busy(), None)),
            }
        } else {
            task::spawn_blocking(move || server.registry.answer(&request)).await.ok()
        };
        // Only a panic, which is on stderr already, leaves no reply.
        let (response, file) = answered.unwrap_or_else(|| (http::internal(), None));
        (response.for_method(method), file)
    }
}

fn into_http(response: Response, file: Option<File>) -> HttpResponse {
    let body = match (response.body, file) {
        (Body::Bytes(bytes), _) => Either::Left(Full::new(bytes)),
        (Body::Blob(range), Some(file)) => Either::Right(FileBody::new(file, range.end - range.start)),
        (Body::Blob(_), None) => unreachable!("a blob comes with its file"),
    };
    let mut builder = hyper::Response::builder().status(response.status);
    for (name, value) in response.headers {
        builder = builder.header(name, value);
    }
    builder.body(body).expect("headers are made of names, digests and numbers")
}

/// The next bytes of a file, as the body of a response.
struct FileBody {
    file: tokio::fs::File,
    left: u64,
    chunk: BytesMut,
}

impl FileBody {
    fn new(file: File, length: u64) -> Self {
        let mut file = tokio::fs::File::from_std(file);
        file.set_max_buf_size(CHUNK_BYTES);
        Self { file, left: length, chunk: BytesMut::new() }
    }
}

impl hyper::body::Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let body = &mut *self;
        if body.left == 0 {
            return Poll::Ready(None);
        }
        body.chunk.reserve(CHUNK_BYTES);
        let read = ready!(poll_read_buf(Pin::new(&mut body.file), context, &mut body.chunk))?;
        if read == 0 {
            // The client must not take a file that was cut short for the whole.
            return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
        }
        let mut chunk = body.chunk.split().freeze();
        chunk.truncate(usize::try_from(body.left).unwrap_or(usize::MAX));
        body.left -= chunk.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
