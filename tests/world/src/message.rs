//! What goes between hosts and those who ask them.

/// A host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// The registry.
    Registry,
    /// The token service that it names.
    Tokens,
    /// Where it may keep its blobs: everybody gets them by their digest.
    Elsewhere,
    /// Another registry, with the same content.
    Second,
}

/// A request as it comes to a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The host.
    pub host: Host,
    /// The method.
    pub method: String,
    /// The path and query.
    pub target: String,
    /// The headers, named in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, which only a form has.
    pub form: String,
}

/// What comes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The connection is closed.
    Closed,
    /// Nothing, ever.
    Silence,
    /// Something else than HTTP.
    NotHttp,
    /// A response.
    Response(Response),
}

/// A response of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers, named in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, which is there for `HEAD` as well: whoever sends it leaves it out.
    pub body: Vec<u8>,
    /// How the body ends.
    pub end: End,
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// After its last byte.
    Whole,
    /// After so many bytes the connection is closed.
    Cut(usize),
    /// After so many bytes nothing comes any more.
    Silence(usize),
}

impl Host {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Registry, Self::Tokens, Self::Elsewhere, Self::Second];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Registry => "registry",
            Self::Tokens => "tokens",
            Self::Elsewhere => "elsewhere",
            Self::Second => "second",
        }
    }

    pub(crate) fn is_registry(self) -> bool {
        matches!(self, Self::Registry | Self::Second)
    }
}

impl Request {
    /// The value of a header, which is named in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn path(&self) -> &str {
        self.target.split_once('?').map_or(&self.target, |(path, _)| path)
    }
}

impl Response {
    pub(crate) fn new(status: u16, body: Vec<u8>) -> Self {
        let length = ("content-length".to_owned(), body.len().to_string());
        Self { status, headers: vec![length], body, end: End::Whole }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(header, _)| header != name);
        self
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.headers.retain(|(header, _)| header != name);
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    /// The value of a header, which is named in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// The body as whoever reads it gets it: no more bytes than its length says, and cut where that says more.
    #[must_use]
    pub fn framed(mut self) -> Self {
        let announced = self.header("content-length").and_then(|length| length.parse::<usize>().ok());
        if let Some(length) = announced {
            self.body.truncate(length);
            if self.body.len() < length && self.end == End::Whole {
                self.end = End::Cut(self.body.len());
            }
        }
        if let End::Cut(at) | End::Silence(at) = self.end {
            self.body.truncate(at);
        }
        self
    }
}

impl From<Response> for Reply {
    fn from(response: Response) -> Self {
        Self::Response(response)
    }
}

/// An error of a registry.
pub(crate) fn error(status: u16) -> Response {
    if status == 204 {
        // It has no body, nor a length (RFC 9110, 8.6).
        return Response::new(status, Vec::new()).without("content-length");
    }
    Response::new(status, br#"{"errors":[]}"#.to_vec()).with("content-type", "application/json")
}
