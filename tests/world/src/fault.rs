//! What goes wrong at a host of the [network](crate::net).

use core::ops::Range;

use downshift::Digest;

use crate::message::{End, Host, Reply, Request, Response, error};

/// Bytes of a body that is larger than any document may be.
const HUGE: usize = 5 * 1024 * 1024;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection is closed without a word.
    Close,
    /// There is no answer, ever.
    Hang,
    /// Something else than HTTP comes.
    NotHttp,
    /// There is a head, and the body never comes.
    HangInBody,
    /// The body breaks off in the middle.
    Cut,
    /// The body breaks off after so many bytes.
    CutAt(usize),
    /// The last byte of the body is another one.
    WrongByte,
    /// The body is longer than it should be, and its length says so.
    Longer,
    /// The digest in the header is that of something else.
    WrongDigest,
    /// The digest in the header cannot be one.
    BadDigest,
    /// These headers come as well.
    Headers(Vec<(&'static str, &'static str)>),
    /// The right digest is in the header, but malformed.
    SpeltDigest(DigestSpelling),
    /// `Docker-Content-Digest` is missing.
    NoDigest,
    /// This is what the header says of the type, if anything.
    ContentType(Option<&'static str>),
    /// There is no length in the header.
    NoLength,
    /// This is what the header says of the length.
    Length(&'static str),
    /// The head is right, but for a length of 0, and nothing follows.
    Empty,
    /// This part of the right body comes as a part, whatever was asked for.
    Part(Range<usize>),
    /// The part that is asked for comes, and its header names another one.
    OtherPart,
    /// The whole comes, whatever part was asked for.
    WholeForPart,
    /// The same without its length, with another last byte if it is not right.
    Unsized {
        /// Whether it is right.
        is_right: bool,
    },
    /// A body of 5 MiB comes, with its length or without.
    Huge {
        /// Whether the length is announced.
        is_announced: bool,
    },
    /// An answer with this status and these headers comes. In values `{registry}`, `{tokens}`, `{elsewhere}` and
    /// `{second}` stand for the URLs of hosts.
    Status(u16, Vec<(&'static str, String)>),
    /// A redirect to the same URL comes.
    RedirectLoop,
    /// This body comes with status 200.
    Body(Vec<u8>),
    /// A body comes with status 200, under this type.
    Typed(&'static str, Vec<u8>),
}

/// How a digest is spelt that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestSpelling {
    /// In quotes, as an `ETag` is.
    Quoted,
    /// In capitals.
    Capitals,
    /// Not at all.
    Empty,
}

/// For which requests something goes wrong, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The host.
    pub host: Host,
    /// The method; any if there is none.
    pub method: Option<&'static str>,
    /// What is in the path and query.
    pub part: String,
    /// How often it still happens; always if there is no number.
    pub times: Option<u32>,
    /// What happens.
    pub fault: Fault,
}

impl Rule {
    /// It goes wrong each time that the registry is asked for a path with `part` in it.
    #[must_use]
    pub fn at(part: &str, fault: Fault) -> Self {
        Self { host: Host::Registry, method: None, part: part.to_owned(), times: None, fault }
    }

    /// It goes wrong so many times.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }

    /// It goes wrong for this method only.
    #[must_use]
    pub fn method(self, method: &'static str) -> Self {
        Self { method: Some(method), ..self }
    }

    /// It goes wrong at this host.
    #[must_use]
    pub fn of(self, host: Host) -> Self {
        Self { host, ..self }
    }

    pub(crate) fn fits(&self, request: &Request) -> bool {
        self.host == request.host
            && self.method.is_none_or(|method| method == request.method)
            && request.target.contains(&self.part)
            && self.times != Some(0)
    }
}

impl Fault {
    /// The reply in the place of the right one, where that does not matter.
    pub(crate) fn instead(&self, request: &Request, url: impl Fn(&str) -> String) -> Option<Reply> {
        Some(match self {
            Self::Close => Reply::Closed,
            Self::Hang => Reply::Silence,
            Self::NotHttp => Reply::NotHttp,
            Self::Status(status, headers) => {
                let mut response = error(*status);
                for (name, value) in headers {
                    response.set(name, &url(value));
                }
                response.into()
            }
            Self::RedirectLoop => error(307).with("location", &request.target).into(),
            Self::Huge { is_announced } => {
                let response = Response::new(200, vec![b' '; HUGE]).with("content-type", "application/json");
                if *is_announced { response.into() } else { response.without("content-length").into() }
            }
            Self::Body(body) => Response::new(200, body.clone()).into(),
            Self::Typed(media_type, body) => {
                Response::new(200, body.clone()).with("content-type", media_type).into()
            }
            _ => return None,
        })
    }

    /// The right response, spoilt; `whole` is what comes where no part is asked for.
    pub(crate) fn spoil(&self, mut response: Response, whole: impl FnOnce() -> Response) -> Response {
        let length = response.body.len();
        match self {
            Self::HangInBody => response.end = End::Silence(0),
            Self::Cut => response.end = End::Cut(length / 2),
            Self::CutAt(at) => response.end = End::Cut((*at).min(length)),
            Self::WrongByte => {
                if let Some(last) = response.body.last_mut() {
                    *last ^= 1;
                }
            }
            Self::Longer => {
                response.body.push(b'\n');
                response = response.without("docker-content-digest");
                response.set("content-length", &(length + 1).to_string());
            }
            Self::WrongDigest => {
                response.set("docker-content-digest", Digest::of(b"something else").as_str());
            }
            Self::BadDigest => response.set("docker-content-digest", "sha256:something"),
            Self::Headers(headers) => headers.iter().for_each(|(name, value)| response.set(name, value)),
            Self::SpeltDigest(spelling) => {
                let digest = response.header("docker-content-digest").unwrap_or_default();
                let spelt = match spelling {
                    DigestSpelling::Quoted => format!("\"{digest}\""),
                    DigestSpelling::Capitals => digest.to_ascii_uppercase(),
                    DigestSpelling::Empty => String::new(),
                };
                response.set("docker-content-digest", &spelt);
            }
            Self::NoDigest => response = response.without("docker-content-digest"),
            Self::ContentType(media_type) => {
                response = response.without("content-type");
                if let Some(media_type) = media_type {
                    response.set("content-type", media_type);
                }
            }
            Self::NoLength => response = response.without("content-length"),
            Self::Length(said) => response.set("content-length", said),
            Self::Empty => {
                response.body.clear();
                response.set("content-length", "0");
            }
            Self::Part(part) => {
                let whole = whole();
                let body = whole.body.get(part.clone()).unwrap_or_default().to_vec();
                let range = format!("bytes {}-{}/{}", part.start, part.end.max(1) - 1, whole.body.len());
                response = Response::new(206, body).with("content-range", &range);
            }
            Self::OtherPart if response.header("content-range").is_some() => {
                let range = format!("bytes 0-{}/{}", length.max(1) - 1, whole().body.len());
                response.set("content-range", &range);
            }
            Self::WholeForPart => response = whole(),
            Self::Unsized { is_right } => {
                response = whole().without("content-length");
                if let Some(last) = response.body.last_mut().filter(|_| !is_right) {
                    *last ^= 1;
                }
            }
            _ => {}
        }
        response
    }
}
