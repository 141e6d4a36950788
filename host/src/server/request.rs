//! A request: whether there is room for it, what it is answered, and what is noted of it.

use core::convert::Infallible;
use core::net::IpAddr;
use core::pin::Pin;
use core::sync::atomic::Ordering;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use downshift::Form;
use downshift_registry::{MAX_BODY_BYTES, Request, Response, Route, error};
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONNECTION, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::http::response::Parts;
use hyper::http::uri::{Authority, PathAndQuery};
use hyper::{StatusCode, Version};

use super::activity::Activity;
use super::client::{Origin, Permit};
use super::http2::{Paced, Reader};
use super::refusal::Refusal;
use super::state::Server;
use crate::client_generation::ClientGeneration;
use crate::log::{self, REQUEST, RequestId, printable};
use crate::metrics::{METRICS, Outcome, RouteName};
use crate::page;
use crate::pull::{PullBody, Reply, ReplyBody};
use crate::service::Service;
use crate::work_budget::{Charge, charged};

pub(super) type HttpResponse = hyper::Response<ResponseBody>;

/// The header by which an error is found in the log.
const REQUEST_ID: &str = "x-request-id";

/// Answers a request.
pub(super) async fn respond(
    server: Arc<Server>,
    activity: Arc<Activity>,
    peer: IpAddr,
    request: hyper::Request<Incoming>,
) -> Result<HttpResponse, Infallible> {
    let begun = Instant::now();
    if request.version() == Version::HTTP_2 {
        activity.set_http2();
    }
    let service = server.service();
    let origin = Origin::of(peer, request.headers(), &service.settings.trusted_proxy);
    let address = origin.address;
    server.advice.give(origin.shared);
    let mut under_way = UnderWay::begin(server, activity);
    let id = RequestId::next();
    let read = match under_way.admit(&service, origin) {
        Ok(()) => read(&request),
        Err(response) => Err(response),
    };
    let registry = read.as_ref().ok().and_then(|read| read.registry.as_ref().map(ToString::to_string));
    let (route, mut reply) = match read {
        // The page is for everybody: what it asks of the registry is answered as anybody else's questions are.
        Ok(Request { method, route: Route::Page { path }, .. }) => {
            (RouteName::Other, page::answer(&path, request.headers()).for_method(method).into())
        }
        Ok(read) => {
            let route = RouteName::of(&read.route);
            // Nobody else's is of use.
            let own = read.v1.as_ref().map(|_| address.to_string());
            let read = service.front.local(read.from_address(own).into());
            // Boxed, for an idle connection has the room for this as well.
            let reply = REQUEST
                .scope(id, Box::pin(service.front.answer(Arc::clone(&read), address, origin.asker())))
                .await;
            note_manifest(&service, &request, &read, &reply, address);
            (route, reply)
        }
        Err(response) => (RouteName::Other, response.into()),
    };
    let status = reply.status;
    METRICS.answered(route, Outcome::of(status), begun);
    if status >= 400 {
        reply.headers.push((REQUEST_ID, id.to_string()));
    }
    if service.settings.access_log {
        under_way.line = Some(Box::new(Line { registry, ..Line::of(&request, id, address, status, begun) }));
    }
    let timeout = Duration::from_secs(service.settings.request_timeout);
    let mut response = into_http(reply, under_way, timeout);
    // A body is not read. What would be the next request may be a part of it for whoever sits in between.
    if request.version() <= Version::HTTP_11 && !request.body().is_end_stream() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// Answers a request on a connection that is one too many. The client may take so long to read it.
pub(super) fn refuse(
    server: Arc<Server>,
    activity: Arc<Activity>,
    request: &hyper::Request<Incoming>,
    refusal: Refusal,
    timeout: Duration,
) -> HttpResponse {
    let response = match refusal {
        Refusal::Full => error::busy(),
        Refusal::Client => error::too_many_connections(),
        Refusal::NotTls => error::tls_required(),
    };
    let mut response = for_method(response, request);
    response.headers.push(("connection", "close".to_owned()));
    let mut under_way = UnderWay::begin(server, activity);
    under_way.uncount();
    into_http(response.into(), under_way, timeout)
}

fn read(request: &hyper::Request<Incoming>) -> Result<Request, Response> {
    let hosts = request.headers().get_all(HOST).iter().map(HeaderValue::as_bytes);
    let authority = request.uri().authority().map(Authority::as_str);
    if !is_host_sound(request.version(), authority, hosts) {
        return Err(for_method(error::host_invalid(), request));
    }
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    // HTTP/2 has the host in the URI.
    let authority = authority.map(|authority| ("host", authority.as_bytes()));
    let target = request.uri().path_and_query().map_or("", PathAndQuery::as_str);
    let mut read = Request::read(request.method().as_str(), target, headers.chain(authority))?;
    // What comes is not read. A little is passed over; for more the connection ends.
    if request.body().size_hint().lower() > MAX_BODY_BYTES {
        return Err(for_method(error::body_too_large(), request));
    }
    if request.version() < Version::HTTP_11 {
        read = read.without_codings();
    }
    Ok(read)
}

/// True if a request with these `Host` headers says soundly which host it is for: HTTP/1.1 with one of them, HTTP/2 by its
/// `:authority`, which one of them may repeat, and HTTP/1.0 maybe not at all (RFC 9112, 3.2; RFC 9113, 8.3.1). With two, or with
/// what no host has in it, who sits in between may take it for another host's.
fn is_host_sound<'h>(
    version: Version,
    authority: Option<&str>,
    mut hosts: impl Iterator<Item = &'h [u8]>,
) -> bool {
    // A host and a port, or nothing (RFC 3986, 3.2).
    let is_in_host = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(byte);
    // With HTTP/1.1 it is in the target, and counts before the header.
    let authority = authority.map(str::as_bytes).filter(|_| version > Version::HTTP_11);
    let is_host = |host: &[u8]| host.iter().all(is_in_host);
    if !authority.is_none_or(is_host) {
        return false;
    }
    match (hosts.next(), hosts.next()) {
        (None, _) => version != Version::HTTP_11,
        (Some(host), None) => is_host(host) && authority.is_none_or(|own| own.eq_ignore_ascii_case(host)),
        (Some(_), Some(_)) => false,
    }
}

fn for_method(response: Response, request: &hyper::Request<Incoming>) -> Response {
    let method = if request.method() == hyper::Method::HEAD {
        downshift_registry::Method::Head
    } else {
        downshift_registry::Method::Get
    };
    response.for_method(method)
}

/// Notes who asked for a manifest, and what it got.
fn note_manifest(
    service: &Service,
    request: &hyper::Request<Incoming>,
    read: &Request,
    reply: &Reply,
    address: IpAddr,
) {
    let name = match &read.route {
        Route::Manifest { name, .. } => name,
        // By version 1 it asks for them as images, where it does not only ask why it got none.
        Route::V1Images { name } if reply.forms.is_some() => name,
        _ => return,
    };
    let generation = ClientGeneration::of(&read.client);
    METRICS.manifests.count(generation, reply.forms, Outcome::of(reply.status));
    if let Some((_, served)) = reply.forms
        && generation.is_old()
    {
        note_old_client(service, request, name, served, address);
    }
}

fn note_old_client(
    service: &Service,
    request: &hyper::Request<Incoming>,
    name: &str,
    served: Form,
    address: IpAddr,
) {
    let user_agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
    service.old_clients.note(user_agent, name, served, address);
}

fn into_http(
    Reply { status, headers, body, charge, .. }: Reply,
    under_way: UnderWay,
    timeout: Duration,
) -> HttpResponse {
    let body = match body {
        ReplyBody::Bytes(bytes) => Either::Left(Full::new(charged(bytes, charge.clone()))),
        ReplyBody::Blob(body) => Either::Right(body),
    };
    let paced = Reader::current().map(|reader| Box::new(Paced::new(reader, timeout)));
    match head(status, headers) {
        Ok(head) => {
            hyper::Response::from_parts(head, ResponseBody { body, paced, under_way, _charge: charge })
        }
        Err(error) => {
            // Headers are made of names, digests, numbers and URLs; were an upstream registry to bring in anything else,
            // it costs this response.
            log::warn(format_args!("a response has a header that HTTP does not allow: {error}"));
            let body = Either::Left(Full::default());
            let mut response = hyper::Response::new(ResponseBody { body, paced, under_way, _charge: charge });
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    }
}

fn head(status: u16, headers: Vec<(&'static str, String)>) -> hyper::http::Result<Parts> {
    // Not by its builder, which is moved for every header.
    let (mut head, ()) = hyper::Response::new(()).into_parts();
    head.status = StatusCode::from_u16(status)?;
    head.headers.reserve(headers.len());
    for (name, value) in headers {
        head.headers.append(HeaderName::from_static(name), HeaderValue::try_from(value)?);
    }
    Ok(head)
}

/// A request that is under way until the last byte of its response is on its way, or its client is gone.
struct UnderWay {
    server: Arc<Server>,
    activity: Arc<Activity>,
    /// Whether it is one of [`Server::requests`].
    is_counted: bool,
    permit: Option<Permit>,
    line: Option<Box<Line>>,
}

impl UnderWay {
    fn begin(server: Arc<Server>, activity: Arc<Activity>) -> Self {
        server.requests.fetch_add(1, Ordering::Relaxed);
        activity.begin();
        Self { server, activity, is_counted: true, permit: None, line: None }
    }

    /// Whether there is room for the request. One that is refused does not count as under way: its client decides when
    /// the refusal is read, and takes room from nobody meanwhile.
    fn admit(&mut self, service: &Service, origin: Origin) -> Result<(), Response> {
        let settings = &service.settings;
        let (reason, response) = if self.server.requests.load(Ordering::Relaxed) > settings.max_requests {
            ("requests", error::busy())
        } else if let Some(limit) = settings.requests_of_one(origin.shared.is_some()) {
            match self.server.client_requests.admit(origin.address, limit) {
                None => ("client", error::too_many_requests()),
                permit => {
                    self.permit = permit;
                    return Ok(());
                }
            }
        } else {
            return Ok(());
        };
        METRICS.refused.with_label_values(&[reason]).inc();
        self.uncount();
        Err(response)
    }

    fn uncount(&mut self) {
        if core::mem::take(&mut self.is_counted) {
            self.server.requests.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.activity.end();
        self.uncount();
        if let Some(line) = &self.line {
            line.write();
        }
    }
}

/// The body of a response, as it is sent.
pub(super) struct ResponseBody {
    // A blob in its box: hyper moves what has a place in the response.
    body: Either<Full<Bytes>, Box<PullBody>>,
    /// With HTTP/2.
    paced: Option<Box<Paced>>,
    under_way: UnderWay,
    _charge: Option<Arc<Charge>>,
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Box<dyn core::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Self { body, paced, under_way, .. } = &mut *self;
        let frame = ready!(match paced {
            Some(paced) => paced.poll_frame(body, context),
            None => Pin::new(body).poll_frame(context),
        });
        if let Some(line) = &mut under_way.line {
            match &frame {
                Some(Ok(frame)) => line.bytes += frame.data_ref().map_or(0, Bytes::len) as u64,
                Some(Err(_)) => line.is_broken = true,
                None => {}
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.paced {
            Some(paced) => paced.is_end_stream(&self.body),
            None => self.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.paced {
            Some(paced) => paced.size_hint(&self.body),
            None => self.body.size_hint(),
        }
    }
}

/// What is logged of a request. No header that may have a secret in it is, and nothing of a query but the registry whose
/// mirror is asked.
struct Line {
    id: RequestId,
    address: IpAddr,
    method: hyper::Method,
    path: String,
    registry: Option<String>,
    user_agent: String,
    status: u16,
    bytes: u64,
    is_broken: bool,
    begun: Instant,
}

impl Line {
    fn of(
        request: &hyper::Request<Incoming>,
        id: RequestId,
        address: IpAddr,
        status: u16,
        begun: Instant,
    ) -> Self {
        let user_agent =
            request.headers().get(USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
        Self {
            id,
            address,
            method: request.method().clone(),
            path: printable(request.uri().path()),
            registry: None,
            user_agent: printable(&user_agent.unwrap_or_default()),
            status,
            bytes: 0,
            is_broken: false,
            begun,
        }
    }

    fn write(&self) {
        let Self { id, address, method, path, registry, user_agent, status, bytes, .. } = self;
        let seconds = self.begun.elapsed().as_secs_f64();
        let end = if self.is_broken { ", and broke off" } else { "" };
        tracing::info!(
            target: "downshift",
            request = %id, client = %address, %method, path, registry, status, bytes, seconds, user_agent,
            "{method} {path}: {status}{end}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_1_1_has_one_host_and_no_version_has_two() {
        let versions = [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2];
        let sound =
            |hosts: &[&[u8]]| versions.map(|version| is_host_sound(version, None, hosts.iter().copied()));
        assert_eq!(sound(&[]), [true, false, true]);
        assert_eq!(sound(&[b"a", b"a"]), [false; 3]);
        for host in ["", "a", "example.org:5000", "[::1]:5000", "a_b"] {
            assert_eq!(sound(&[host.as_bytes()]), [true; 3], "{host}");
        }
        for host in ["a, b", "a b", "a\tb", "user@a", "a/b", "a\\b", "a\"b", "a#b", "a?b", "<a>", "\u{e4}"] {
            assert_eq!(sound(&[host.as_bytes()]), [false; 3], "{host}");
        }
    }

    #[test]
    fn http_2_names_its_host_once() {
        let sound = |version, host: &str| is_host_sound(version, Some("a:80"), [host.as_bytes()].into_iter());
        assert!(sound(Version::HTTP_2, "a:80") && sound(Version::HTTP_2, "A:80"));
        assert!(
            !sound(Version::HTTP_2, "b:80") && !sound(Version::HTTP_2, "a") && !sound(Version::HTTP_2, "")
        );
        assert!(!is_host_sound(Version::HTTP_2, Some("user@a"), core::iter::empty()));
        // In the target of a request to a proxy.
        assert!(sound(Version::HTTP_11, "b"));
    }

    #[test]
    fn a_header_that_cannot_be_sent_is_an_error_and_no_panic() {
        assert!(head(200, vec![("link", "</v2/>".to_owned())]).is_ok());
        assert!(head(200, vec![("link", "a\r\nb: c".to_owned())]).is_err());
        assert!(head(0, Vec::new()).is_err());
    }
}
