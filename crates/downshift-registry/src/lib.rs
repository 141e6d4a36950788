//! A registry's side of HTTP as pure logic: what a request asks for, what its client understands, and how the
//! answers of [`downshift`] look as responses.
//!
//! There is no I/O here and no HTTP library: a native server, a CDN worker and a test feed [`Request::read`] with
//! what their own library gives them, look up what the [`Route`] names, and send the [`Response`] that [`response`]
//! or [`error`] makes.
//!
//! ```
//! use downshift_registry::{Reference, Request, Route, error};
//!
//! let headers = [("User-Agent", "docker/1.9.1 go/go1.4.3 os/linux arch/amd64".as_bytes())];
//! let request = Request::read("HEAD", "/v2/library/httpd/manifests/latest", headers).unwrap();
//!
//! let Route::Manifest { name, reference } = &request.route else { panic!("a manifest is asked for") };
//! assert_eq!(*reference, Reference::Tag("latest".to_string()));
//! assert!(request.client.is_schema1_engine());
//!
//! let response = error::manifest_unknown(name, reference).for_method(request.method);
//! assert_eq!(response.status, 404);
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![deny(
    // What comes from outside must never bring the program down.
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::panic_in_result_fn,
    clippy::string_slice,
    clippy::unreachable,
    clippy::unwrap_used
)]

extern crate alloc;

mod accept;
mod answer_key;
mod authorization;
mod challenge;
mod client_rules;
mod client_table;
mod coding;
mod conditions;
pub mod error;
mod fault;
mod limits;
pub mod link;
mod mapping;
mod message;
mod mirror;
mod name;
mod query;
mod registry_name;
mod request;
pub mod response;
mod route;
mod scope;
mod token;
mod user_agent;
pub mod v1;
mod v1_client;
pub mod v1_images;
mod v1_mode;
mod v1_token;

pub use accept::{capabilities, every_type};
pub use answer_key::{AnswerKey, Meaning};
pub use authorization::{Authorization, Credentials, IdentityToken};
pub use challenge::{Challenge, Demand};
pub use client_rules::{ClientRules, InvalidClientRule, MAX_CLIENT_RULES};
pub use client_table::{KnownClients, OF_LIBRARY, known_clients};
pub use coding::Coding;
pub use conditions::ContentRange;
pub use fault::{BadProxy, BadRedirect, BadTls, Fault, Problem};
pub use limits::{MAX_BODY_BYTES, MAX_HEADER_BYTES};
pub use mapping::Mapping;
pub use message::{Body, Method, Parts, Response, keep_private};
pub use mirror::HostPattern;
pub use name::{Reference, is_local_name, is_repository_name, is_tag, repository_of_image, tag_of_image};
pub use query::{CatalogQuery, ReferrersQuery};
pub use registry_name::{DOCKER_HUB, RegistryName, is_docker_hub, registry_host, split_registry};
pub use request::Request;
pub use route::{PAGE_PATH, Page, Route, TOKEN_PATH, V1Part, is_v1_id};
pub use scope::{Resource, Scope};
pub use token::{Token, TokenForm, TokenRequest};
pub use user_agent::UserAgent;
pub use v1::PullFailure;
pub use v1_client::V1Client;
pub use v1_images::{V1Image, V1Images};
pub use v1_mode::{UnknownV1Mode, V1Mode};
pub use v1_token::{MAX_V1_TOKEN_BYTES, V1Token, is_code};
