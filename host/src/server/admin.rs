//! What the operator is served, on a listener of its own: figures, health, old clients, and purging.

use core::convert::Infallible;
use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, ORIGIN};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use reqwest::Url;
use tokio::sync::Semaphore;
use tokio::task;

use super::activity::Activity;
use super::listener::Listener;
use super::state::Server;
use super::stream::{StreamTimes, TimedStream};
use crate::log;
use crate::metrics::{METRICS, number};

/// How many connections there may be at once. More wait.
const MAX_CONNECTIONS: usize = 64;

/// How long clients may take.
const TIMES: StreamTimes = StreamTimes { request: Duration::from_secs(10), idle: Duration::from_secs(60) };

/// The media type of Prometheus' text format.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json; charset=utf-8";

/// Serves until it is aborted.
pub(super) async fn serve(listener: Listener, server: Arc<Server>) {
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return };
        let (stream, _) = listener.accept().await;
        let server = Arc::clone(&server);
        task::spawn(async move {
            let activity = Arc::new(Activity::new());
            let stream = TokioIo::new(TimedStream::new(stream, Arc::clone(&activity), TIMES));
            let respond = service_fn(|request| {
                let (server, activity) = (Arc::clone(&server), Arc::clone(&activity));
                async move {
                    activity.begin();
                    let response = respond(&server, &request).await;
                    activity.end();
                    Ok::<_, Infallible>(response)
                }
            });
            // What goes wrong on a connection is the client's affair.
            let _ = server.http.serve_connection(stream, respond).await;
            drop(permit);
        });
    }
}

async fn respond(server: &Server, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let allowed = match request.uri().path() {
        "/metrics" | "/healthz" | "/readyz" | "/clients" => "GET, HEAD",
        "/purge" => "POST",
        _ => return response(StatusCode::NOT_FOUND, TEXT, "there is no such path\n"),
    };
    if !allowed.split(", ").any(|method| method == request.method().as_str()) {
        let mut response = response(StatusCode::METHOD_NOT_ALLOWED, TEXT, format!("use {allowed}\n"));
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
        return response;
    }
    let response = match request.uri().path() {
        "/metrics" => {
            figures(server).await;
            response(StatusCode::OK, PROMETHEUS, METRICS.render())
        }
        "/healthz" => response(StatusCode::OK, TEXT, "healthy\n"),
        "/readyz" => match server.service().is_ready() {
            Ok(()) => response(StatusCode::OK, TEXT, "ready\n"),
            Err(why) => response(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{why}\n")),
        },
        "/clients" => {
            let clients = serde_json::to_vec(&server.service().old_clients.all());
            match clients {
                Ok(clients) => response(StatusCode::OK, JSON, clients),
                Err(error) => response(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{error}\n")),
            }
        }
        _ => purge(server, request).await,
    };
    if request.method() == Method::HEAD { response.map(|_| Full::default()) } else { response }
}

/// Sets the figures that are not counted as they come.
async fn figures(server: &Server) {
    let (connections, requests) = server.load();
    METRICS.connections.set(number(connections as u64));
    METRICS.requests_under_way.set(number(requests as u64));
    let service = server.service();
    // Some are read from the disk.
    let _ = task::spawn_blocking(move || service.figures()).await;
}

/// Forgets what is kept of a repository or of all, but for what was reported.
async fn purge(server: &Server, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    // A page in the browser of somebody who can reach this must not.
    if request.headers().contains_key(ORIGIN) {
        return response(StatusCode::FORBIDDEN, TEXT, "requests of web pages are refused\n");
    }
    let query = request.uri().query().unwrap_or_default();
    let parsed = Url::parse(&format!("http://localhost/?{query}"));
    let mut name = None;
    for (key, value) in parsed.iter().flat_map(Url::query_pairs) {
        if key != "name" || name.is_some() || !downshift_registry::is_local_name(&value) {
            return response(
                StatusCode::BAD_REQUEST,
                TEXT,
                "write it as /purge?name=REPOSITORY, or /purge for all\n",
            );
        }
        name = Some(value.into_owned());
    }
    server.service().purge(name.as_deref()).await;
    let what = name.unwrap_or_else(|| "everything".to_owned());
    log::info(format_args!("{what} was purged"));
    response(StatusCode::OK, TEXT, format!("{what} was purged\n"))
}

fn response(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
