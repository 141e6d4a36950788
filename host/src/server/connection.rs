//! A connection, from its handshake to its end.

use core::net::SocketAddr;
use core::pin::pin;
use core::time::Duration;
use std::sync::Arc;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time;

use super::activity::Activity;
use super::refusal::Refusal;
use super::request::{refuse, respond};
use super::state::Server;
use super::stream::{StreamTimes, TimedStream};
use crate::metrics::METRICS;

/// How long a connection may take that is only told that it is one too many.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(5);

/// Serves a connection: one that is refused is told so, and that is all.
pub(super) async fn serve(
    server: Arc<Server>,
    stream: TcpStream,
    peer: SocketAddr,
    refusal: Option<Refusal>,
    ending: watch::Receiver<bool>,
) {
    // Otherwise the end of a response can wait until the client has acknowledged its beginning.
    let _ = stream.set_nodelay(true);
    let service = server.service();
    let timeout = Duration::from_secs(service.settings.request_timeout);
    let idle = Duration::from_secs(service.settings.idle_timeout);
    let times = StreamTimes { request: timeout, idle };
    let times = match refusal {
        Some(_) => StreamTimes { request: REFUSAL_TIMEOUT, idle: REFUSAL_TIMEOUT },
        None => times,
    };
    let Some(tls) = &service.tls else {
        drop(service);
        return serve_http(server, stream, peer, refusal, ending, times).await;
    };
    let acceptor = tls.acceptor().clone();
    drop(service);
    let handshake = async move {
        if is_plain_http(&stream).await { Err(stream) } else { Ok(acceptor.accept(stream).await) }
    };
    match time::timeout(times.request, Box::pin(handshake)).await {
        // Boxed, for a connection without TLS has the room for this as well.
        Ok(Ok(Ok(stream))) => Box::pin(serve_http(server, stream, peer, refusal, ending, times)).await,
        Ok(Err(stream)) => {
            METRICS.refused.with_label_values(&["tls"]).inc();
            let times = StreamTimes { request: REFUSAL_TIMEOUT, idle: REFUSAL_TIMEOUT };
            Box::pin(serve_http(server, stream, peer, Some(Refusal::NotTls), ending, times)).await;
        }
        // The client went away, spoke no TLS, or one that is too old: that is its affair.
        Ok(Ok(Err(_))) => METRICS.refused.with_label_values(&["tls"]).inc(),
        Err(_) => METRICS.refused.with_label_values(&["slow"]).inc(),
    }
}

/// Whether a client begins with a method of HTTP, where TLS begins with the byte 22 (RFC 8446, 5.1). Nothing is taken from
/// the stream.
async fn is_plain_http(stream: &TcpStream) -> bool {
    let mut first = [0];
    stream.peek(&mut first).await.is_ok() && first.iter().all(u8::is_ascii_uppercase)
}

async fn serve_http<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    server: Arc<Server>,
    stream: S,
    peer: SocketAddr,
    refusal: Option<Refusal>,
    mut ending: watch::Receiver<bool>,
    times: StreamTimes,
) {
    let activity = Arc::new(Activity::new());
    let stream = TokioIo::new(TimedStream::new(stream, Arc::clone(&activity), times));
    let respond = service_fn(|request| {
        let (server, activity) = (Arc::clone(&server), Arc::clone(&activity));
        async move {
            if let Some(refusal) = refusal {
                return Ok(refuse(server, activity, &request, refusal, times.request));
            }
            respond(server, activity, peer.ip(), request).await
        }
    });
    let mut served = pin!(server.http.serve_connection(stream, respond));
    let mut is_ending = false;
    loop {
        tokio::select! {
            // What goes wrong on a connection is the client's affair: it went away, or spoke no HTTP.
            _ = &mut served => return,
            _ = ending.wait_for(|ends| *ends), if !is_ending => is_ending = true,
            () = activity.too_long.notified(), if !is_ending => {}
        }
        served.as_mut().graceful_shutdown();
    }
}
