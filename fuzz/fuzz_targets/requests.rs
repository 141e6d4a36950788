//! Requests, as their lines and headers come: paths, `Accept`, `User-Agent`, conditions, ranges; and the responses.
//!
//! The input is text: a line `METHOD TARGET`, and a line for each header; after an empty line, another request.

#![no_main]

use downshift::{Digest, Form};
use downshift_fuzz::responses::is_sound;
use downshift_registry::{
    AnswerKey, Authorization, CatalogQuery, Demand, MAX_V1_TOKEN_BYTES, Meaning, Method, Page, PullFailure,
    Reference, ReferrersQuery, Request, Response, Route, Scope, UserAgent, V1Token, error, is_local_name,
    is_tag, response, v1,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut keys: Vec<AnswerKey> = Vec::new();
    for request in input.split(|&byte| byte == 0xff).take(4) {
        let Some(request) = read(request) else { continue };
        is_sound_request(&request);
        for response in responses(&request) {
            is_sound(&response);
            is_sound(&response.for_method(Method::Head));
        }
        keys.extend(key(&request));
    }
    // What is kept for one request is given to another only if all is the same.
    for (index, one) in keys.iter().enumerate() {
        for other in &keys[..index] {
            assert_eq!(one == other, one.path() == other.path(), "{one:?} {other:?}");
        }
    }
});

/// The request that the lines of `input` are; a refusal is looked at here.
fn read(input: &[u8]) -> Option<Request> {
    let mut lines = input.split(|&byte| byte == b'\n');
    let first = str::from_utf8(lines.next()?).ok()?;
    let (method, target) = first.split_once(' ')?;
    let headers: Vec<(&str, &[u8])> = lines
        .filter_map(|line| {
            let colon = line.iter().position(|&byte| byte == b':')?;
            Some((str::from_utf8(&line[..colon]).ok()?, line[colon + 1..].trim_ascii()))
        })
        .collect();
    match Request::read(method, target, headers) {
        Ok(request) => Some(request),
        Err(response) => {
            assert!(response.status >= 300);
            is_sound(&response);
            None
        }
    }
}

fn is_sound_request(request: &Request) {
    let names = match &request.route {
        Route::Manifest { name, reference } => {
            match reference {
                Reference::Tag(tag) => assert!(is_tag(tag)),
                Reference::Digest(digest) => assert_eq!(Digest::parse(digest.as_str()).as_ref(), Ok(digest)),
            }
            Some(name)
        }
        Route::Blob { name, digest } | Route::Referrers { name, digest, .. } => {
            assert_eq!(Digest::parse(digest.as_str()).as_ref(), Ok(digest));
            Some(name)
        }
        Route::Tags { name, .. } | Route::V1Images { name } | Route::V1Tags { name } => Some(name),
        _ => None,
    };
    if let Some(name) = names {
        assert!(is_local_name(name), "`{name}` is no name");
        if let Some(scope) = request.route.scope() {
            assert_eq!(Scope::parse(&scope.to_string()), Some(scope));
        }
    }
    if let Some(host) = &request.host {
        assert!(
            host.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#@\\\"'<>".contains(&byte)),
            "{host}"
        );
    }
    if let Some(authorization) = &request.authorization {
        assert_eq!(format!("{authorization:?}"), "Authorization(…)");
        if let Some(credentials) = authorization.credentials() {
            let again = credentials.authorization();
            assert_eq!(again.credentials().as_ref(), Some(&credentials));
        }
    }
    if let Some(token) = &request.v1_token {
        assert!(token.len() <= MAX_V1_TOKEN_BYTES);
        if let Some(read) = V1Token::split(token).and_then(|(text, _)| V1Token::read(text)) {
            assert_eq!(V1Token::read(&read.text()), Some(read));
        }
    }
    for (_, weight) in request.client.forms() {
        assert!(weight <= 1000);
    }
}

/// What this request can get, from a shell that has it.
fn responses(request: &Request) -> Vec<Response> {
    let digest = Digest::of(b"x");
    let mut all = vec![response::root(), response::base(), response::empty_layer(request), response::no_v1()];
    all.push(error::unauthorized(&demand(request), request.route.scope().as_ref()));
    all.extend(request.route.scope().as_ref().map(error::denied));
    for failure in [None, Some(PullFailure::NotFound), Some(PullFailure::Explained("why".to_owned()))] {
        all.push(v1::answer(request, failure.as_ref()));
    }
    for size in [0, 1, 32, u64::MAX] {
        all.push(response::blob(request, &digest, size));
    }
    let manifest = response::Manifest {
        media_type: None,
        form: Form::Oci,
        digest: digest.clone(),
        body: b"{}".to_vec().into(),
        source: Some(Digest::of(b"y")),
        signature: None,
    };
    let response = response::manifest(request, &manifest);
    assert!(matches!(response.status, 200 | 304), "{response:?}");
    assert_eq!(response.status == 304, request.has(&digest));
    all.push(response);
    match &request.route {
        Route::Manifest { name, reference } => {
            all.push(error::manifest_unknown(name, reference));
        }
        Route::Blob { digest, .. } => {
            all.push(error::blob_unknown(digest));
            // Whatever is passed on is one range.
            assert!(request.range(digest).is_none_or(|range| !range.contains([',', '\r', '\n'])));
        }
        Route::Tags { name, page, .. } => {
            let tags = ["a", "b", "latest", "../x", "not a tag"].map(str::to_owned);
            all.push(response::tags(name, page, tags.iter().map(String::as_str)));
            all.push(response::upstream_tags(name, page, &tags, None));
            pages_have_all(name, page);
        }
        Route::Catalog { query, .. } => {
            let query = CatalogQuery::parse(query);
            let again = CatalogQuery::parse(&query.text());
            assert_eq!((again.last(), again.n()), (query.last(), query.n()));
            all.push(response::catalog(["a", "b/c"], Some("n=2&last=b/c")));
            all.push(error::no_catalog());
        }
        Route::Referrers { name, digest, query } => {
            let query = ReferrersQuery::parse(query);
            let next = ReferrersQuery::parse(&query.after(digest));
            assert_eq!(next.artifact_type, query.artifact_type);
            assert_eq!(next.last.as_deref(), Some(digest.as_str()));

            all.push(response::referrers(name, digest, b"{}".to_vec(), None, Some("a=b")));
        }
        _ => {}
    }
    all
}

/// What a client that follows the links gets is all there is.
fn pages_have_all(name: &str, page: &Page) {
    let Some(n) = page.n.filter(|&n| n > 0) else { return };
    let tags: Vec<String> = (0..5).map(|number| format!("tag-{number}")).collect();
    let mut page = Page { n: Some(n), last: None };
    let mut seen = Vec::new();
    loop {
        let response = response::tags(name, &page, tags.iter().map(String::as_str));
        let downshift_registry::Body::Bytes(body) = &response.body else { panic!("a list is at hand") };
        let body: serde_json::Value = serde_json::from_slice(body).expect("a list is JSON");
        seen.extend(
            body["tags"]
                .as_array()
                .expect("there are tags")
                .iter()
                .map(|tag| tag.as_str().expect("text").to_owned()),
        );
        let Some((_, link)) = response.headers.iter().find(|(name, _)| *name == "link") else { break };
        let target =
            link.split_once('<').and_then(|(_, rest)| rest.split_once('>')).expect("a link has a target").0;
        let Ok(Route::Tags { name: again, page: next, .. }) = Route::parse(target) else {
            panic!("`{target}` is no list")
        };
        assert_eq!(again, name);
        page = next;
    }
    assert_eq!(seen, tags);
}

fn demand(request: &Request) -> Demand {
    let realm = format!("http://{}/_downshift/token", request.host.as_deref().unwrap_or_default());
    Demand::Bearer { realm, service: Some("downshift".to_owned()) }
}

fn key(request: &Request) -> Option<AnswerKey> {
    let Route::Manifest { name, reference } = &request.route else { return None };
    let meaning = Meaning::Upstream(Digest::of(b"x"));
    let _ = UserAgent::parse(name);
    let _ = Authorization::bearer(name);
    Some(AnswerKey {
        name: name.clone(),
        reference: reference.clone(),
        meaning,
        client: request.client.clone(),
    })
}
