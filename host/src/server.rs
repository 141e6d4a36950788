//! The server: connections, and HTTP/1.0, 1.1 and 2 on them.

use core::convert::Infallible;
use core::pin::pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use downshift_registry::{Body, Request, Route};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::http::uri::PathAndQuery;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time;

use crate::blob::BlobBody;
use crate::front::{Front, Reply};
use crate::log;
use crate::page;

/// How long a client may take to send the headers of a request, and how long a connection may be idle.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How long requests under way may take to end when the server is told to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// How long to wait after a connection could not be accepted, for lack of file descriptors most of the time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Bytes of a request's line and headers, several times what the registry reads of them.
const HEADER_BYTES: u32 = 64 * 1024;

type HttpResponse = hyper::Response<Either<Full<Bytes>, BlobBody>>;

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

/// Serves `front` until a signal comes; then requests under way are finished, unless there is another signal.
pub(crate) async fn run(listener: TcpListener, front: Front, mut signals: Signals) {
    let server = Arc::new(Server::new(front));
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
    front: Front,
    http: Builder<TokioExecutor>,
}

impl Server {
    fn new(front: Front) -> Self {
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
        Self { front, http }
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
        // HTTP/2 has the host in the URI.
        let authority = request.uri().authority().map(|authority| ("host", authority.as_str().as_bytes()));
        let target = request.uri().path_and_query().map_or("", PathAndQuery::as_str);
        let reply = match Request::read(request.method().as_str(), target, headers.chain(authority)) {
            // The page is for everybody: what it asks of the registry is answered as anybody else's questions are.
            Ok(Request { method, route: Route::Page { path }, .. }) => {
                page::answer(&path, request.headers()).for_method(method).into()
            }
            // Boxed, for an idle connection has the room for this as well.
            Ok(request) => Box::pin(self.front.answer(&request)).await,
            Err(response) => response.into(),
        };
        Ok(into_http(reply))
    }
}

fn into_http(Reply { response, content }: Reply) -> HttpResponse {
    let body = match (response.body, content) {
        (Body::Bytes(bytes), _) => Either::Left(Full::new(bytes)),
        (Body::Blob(range), Some(content)) => {
            Either::Right(BlobBody::new(content, range.end.saturating_sub(range.start)))
        }
        (Body::Blob(_), None) => unreachable!("a blob comes with its bytes"),
    };
    let mut builder = hyper::Response::builder().status(response.status);
    for (name, value) in response.headers {
        builder = builder.header(name, value);
    }
    builder.body(body).expect("headers are made of names, digests, numbers and URLs")
}
