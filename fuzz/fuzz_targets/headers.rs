//! What upstream registries, token services and clients write into headers, queries and answers.
//!
//! The first byte says what the rest is.

#![no_main]

use downshift_fuzz::responses::is_value;
use downshift_registry::{
    Authorization, Challenge, ContentRange, Demand, Fault, Mapping, Problem, Scope, Token, TokenRequest,
    UserAgent, capabilities, error, is_local_name, is_repository_name, link, response,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&choice, bytes)) = input.split_first() else { return };
    let text = String::from_utf8_lossy(bytes);
    match choice % 8 {
        0 => challenges(bytes),
        1 => links(&text),
        2 => ranges(&text),
        3 => tokens(bytes),
        4 => token_requests(&text),
        5 => mappings(&text),
        6 => clients(bytes, &text),
        _ => faults(&text),
    }
});

fn challenges(bytes: &[u8]) {
    let challenges = Challenge::parse_all(bytes.split(|&byte| byte == b'\n'));
    assert!(challenges.len() <= 16);
    let Some(demand) = Demand::strongest(&challenges) else { return };
    let header = demand.header(Some(&Scope::pull("library/httpd")));
    assert!(is_value(&header) || header.ends_with(' '), "{header:?}");
    let again = Demand::strongest(&Challenge::parse_all([header.as_bytes()]));
    let without_control = |text: &str| text.chars().filter(|char| !char.is_control()).collect::<String>();
    let expected = match demand {
        Demand::Basic { realm } => Demand::Basic { realm: without_control(&realm) },
        Demand::Bearer { realm, service } => Demand::Bearer {
            realm: without_control(&realm),
            service: service.map(|service| without_control(&service)),
        },
    };
    // A line that is longer than those that are read.
    if header.len() <= 8 * 1024 {
        assert_eq!(again, Some(expected));
    }
}

fn links(header: &str) {
    let Some(query) = link::next_query(header) else { return };
    assert!(header.contains(&query) && query.len() <= 2048);
    assert!(query.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"#\\".contains(&byte)), "{query}");
    let own = format!("</v2/a/tags/list?{query}>; rel=\"next\"");
    assert_eq!(link::next_query(&own), Some(query));
}

fn ranges(header: &str) {
    let Some(ContentRange { part, size }) = ContentRange::parse(header) else { return };
    let Some(part) = part else { return };
    assert!(part.start < part.end && part.end <= size, "{header}");
    let digest = downshift::Digest::of(b"x");
    let response = response::blob_part(&digest, size, Some(part.clone()));
    let (_, value) =
        response.headers.iter().find(|(name, _)| *name == "content-range").expect("it is a part");
    assert_eq!(ContentRange::parse(value), Some(ContentRange { part: Some(part), size }));
}

fn tokens(bytes: &[u8]) {
    let Some(token) = Token::parse(bytes) else { return };
    assert!(token.lifetime > 0 && !token.value.is_empty());
    // What is shown of it is the same whatever its value is.
    let other = format!("{{\"token\":\"another\",\"expires_in\":{}}}", token.lifetime);
    let other = Token::parse(other.as_bytes()).expect("it is a token");
    assert_eq!(format!("{token:?}"), format!("{other:?}"));
    if let Some(authorization) = Authorization::bearer(&token.value) {
        assert!(is_value(authorization.as_str()));
    }
    let response = response::token(&token);
    let downshift_registry::Body::Bytes(body) = &response.body else { panic!("a token is at hand") };
    assert_eq!(Token::parse(body), Some(token));
}

fn token_requests(query: &str) {
    let request = TokenRequest::parse(query);
    assert!(request.scopes.len() <= 16);
    assert!(request.scopes.iter().all(|scope| is_local_name(&scope.name)));
    let url = request.url("https://auth.example.org/token");
    assert!(url.bytes().all(|byte| byte.is_ascii_graphic()), "{url}");
    let (_, again) = url.split_once('?').unwrap_or((&url, ""));
    assert_eq!(TokenRequest::parse(again), request);
}

fn mappings(text: &str) {
    let mut parts = text.split('\n').map(str::to_owned);
    let (prefix, remote_prefix) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let name = parts.next().unwrap_or_default();
    let mapping = Mapping { prefix, remote_prefix, library: text.len() % 2 == 0, ..Mapping::default() };
    if let Some(remote) = mapping.remote(&name) {
        assert!(is_repository_name(&remote), "{remote}");
        assert!(remote.starts_with(&mapping.remote_prefix));
        assert!(mapping.rest(&name).is_some_and(|rest| name.ends_with(rest)));
        // What is listed there is called by a name here that leads to it.
        if is_repository_name(&name) {
            let local = mapping.local(&remote).expect("there is a name here");
            assert_eq!(mapping.remote(&local), Some(remote));
        }
    }
}

fn clients(bytes: &[u8], text: &str) {
    let client = capabilities(bytes.split(|&byte| byte == b'\n'), Some(text));
    assert!(client.forms().all(|(_, weight)| weight <= 1000));
    // Another order of the lines, or the lines on one, is the same.
    let mut lines: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').collect();
    lines.reverse();
    assert_eq!(capabilities(lines, Some(text)), client);
    let agent = UserAgent::parse(text);
    if let Some(platform) = agent.platform() {
        assert!(
            platform
                .to_string()
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'/')
        );
    }
    assert!(!agent.prints_v1_only() || agent.is_schema1_engine());
}

/// What a registry says of itself may stand in a message, which stays on its line.
fn faults(text: &str) {
    let fault = Fault { host: text.to_owned(), problem: Problem::Invalid(text.to_owned()) };
    downshift_fuzz::responses::is_sound(&fault.response());
    downshift_fuzz::responses::is_sound(&error::denied(&Scope::pull(text)));
    downshift_fuzz::responses::is_sound(&error::name_unknown(text));
}
