//! A token service as Docker's clients and registries know them (Distribution, "Token Authentication Specification").

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use downshift_sign::{P256Signer, PrivateKey, Signer};
use rcgen::{CertificateParams, KeyPair};
use serde_json::json;

use crate::proxy::SeenRequest;
use crate::web::{Web, respond};

/// The name under which the service knows the registry.
pub const SERVICE: &str = "test-registry";

/// Who issues the tokens.
pub const ISSUER: &str = "test-issuer";

/// How long a token is good, in seconds.
const LIFETIME: u64 = 300;

/// A user: name, password, and the repositories that may be pulled, where `*` stands for all, pushed to as well.
pub type User = (&'static str, &'static str, &'static [&'static str]);

/// A token service, for as long as this value lives.
#[derive(Debug)]
pub struct TokenService {
    web: Web,
    certificate: String,
}

impl TokenService {
    /// Starts a service that knows `users`. One without a name is who says nothing of itself.
    ///
    /// # Errors
    /// If no key can be made, or there is no free port.
    pub fn start(users: &'static [User]) -> anyhow::Result<Self> {
        let pair = KeyPair::generate()?;
        let certificate = CertificateParams::new(Vec::new())?.self_signed(&pair)?.pem();
        let key = PrivateKey::parse(pair.serialize_pem().as_bytes())?;
        let (id, signer) = (key.public_key().kid().to_string(), P256Signer::new(&key));
        let issuer = Arc::new(Issuer { users, id, signer });
        let web = Web::start(move |request, client| issuer.answer(request, client))?;
        Ok(Self { web, certificate })
    }

    /// The URL that registries name.
    #[must_use]
    pub fn realm(&self) -> String {
        format!("{}/token", self.web.url())
    }

    /// The certificate of its key, in PEM.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// The requests so far.
    #[must_use]
    pub fn seen(&self) -> Vec<SeenRequest> {
        self.web.seen()
    }

    /// A token for `user` to do with `repository` what it may.
    ///
    /// # Errors
    /// If the service does not give one.
    pub fn token(&self, user: &User, repository: &str) -> anyhow::Result<String> {
        let target = format!("/token?service={SERVICE}&scope=repository:{repository}:pull,push");
        let basic = format!("Basic {}", STANDARD.encode(format!("{}:{}", user.0, user.1)));
        let response = crate::http::send(self.web.address(), "GET", &target, &[("Authorization", &basic)])?;
        Ok(response.json()?["token"].as_str().context("there is no token")?.to_string())
    }
}

struct Issuer {
    users: &'static [User],
    id: String,
    signer: P256Signer,
}

impl Issuer {
    fn answer(&self, request: &SeenRequest, client: &mut TcpStream) -> io::Result<()> {
        if request.method != "GET" {
            // Clients that try OAuth2 first go on with GET then.
            return respond(client, 405, &[], b"");
        }
        let Some((_, _, repositories)) = self.user(request) else {
            return respond(client, 401, &[("Content-Type", "application/json")], b"{\"details\":\"no\"}");
        };
        let access: Vec<_> = scopes(&request.path)
            .filter_map(|scope| {
                let (name, actions) = scope.strip_prefix("repository:")?.rsplit_once(':')?;
                let mut allowed: Vec<&str> = actions.split(',').collect();
                if !repositories.contains(&"*") {
                    allowed.retain(|action| *action == "pull" && repositories.contains(&name));
                }
                Some(json!({ "type": "repository", "name": name, "actions": allowed }))
            })
            .collect();
        let token = self.token(&access);
        let body = json!({ "token": token, "access_token": token, "expires_in": LIFETIME }).to_string();
        respond(client, 200, &[("Content-Type", "application/json")], body.as_bytes())
    }

    /// Who asks, if it is anybody.
    fn user(&self, request: &SeenRequest) -> Option<&User> {
        let Some(authorization) = request.values("authorization").next() else {
            return self.users.iter().find(|(name, ..)| name.is_empty()).or(Some(&("", "", &[])));
        };
        let decoded = STANDARD.decode(authorization.strip_prefix("Basic ")?).ok()?;
        let decoded = String::from_utf8(decoded).ok()?;
        self.users.iter().find(|(name, password, _)| decoded == format!("{name}:{password}"))
    }

    fn token(&self, access: &[serde_json::Value]) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        let header = json!({ "typ": "JWT", "alg": "ES256", "kid": self.id });
        let claims = json!({
            "iss": ISSUER, "sub": "", "aud": SERVICE, "exp": now + LIFETIME, "nbf": now - 10, "iat": now,
            "jti": "1", "access": access,
        });
        let encode = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let input = format!("{}.{}", encode(header), encode(claims));
        let signature = self.signer.sign(input.as_bytes()).expect("P-256 signs everything");
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature.bytes))
    }
}

fn scopes(path: &str) -> impl Iterator<Item = String> {
    let (_, query) = path.split_once('?').unwrap_or_default();
    query.split('&').filter_map(|pair| {
        let scope = pair.strip_prefix("scope=")?;
        Some(scope.replace("%3A", ":").replace("%2F", "/").replace("%2C", ",").replace("%2D", "-"))
    })
}
