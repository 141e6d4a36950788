//! Who this server is towards an upstream registry: from its own settings or from Docker's `config.json`.

use std::collections::BTreeMap;
use std::path::Path;

use downshift_registry::{Credentials, IdentityToken, registry_host};
use serde::Deserialize;
use zeroize::{Zeroize, Zeroizing};

use crate::bounded;
use crate::error::Error;

/// Bytes of a file with passwords. Docker's has some hundred for each registry.
const MAX_FILE_BYTES: usize = 1024 * 1024;

/// Docker's `config.json`, as far as it holds passwords.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, Auth>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

/// An entry of it. What is secret in it is cleared from memory when it is dropped.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
struct Auth {
    /// The user's name, a colon and the password, in base64.
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

/// Reads a password from the first line of a file.
pub(crate) fn password(path: &Path) -> Result<Zeroizing<String>, Error> {
    let bytes = read(path)?;
    let text = str::from_utf8(&bytes).map_err(|_| Error::unusable(path, "it is not UTF-8"))?;
    match text.lines().next() {
        Some(password) if !password.is_empty() => Ok(password.to_owned().into()),
        _ => Err(Error::unusable(path, "its first line is empty")),
    }
}

/// Reads a file with passwords, if it is not too large for one.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let bytes = bounded::read_secrets(path, MAX_FILE_BYTES)?;
    if bytes.len() > MAX_FILE_BYTES { Err(Error::too_large(path, MAX_FILE_BYTES as u64)) } else { Ok(bytes) }
}

/// The hosts that Docker's `config.json` says something of.
pub(crate) fn hosts_in_docker(path: &Path) -> Result<Vec<String>, Error> {
    let DockerConfig { auths, cred_helpers, .. } = docker_config(path)?;
    Ok(auths.keys().chain(cred_helpers.keys()).map(|key| host_of(key).to_owned()).collect())
}

/// Reads from Docker's `config.json` who to be at the registry `host`, if the file says so.
pub(crate) fn from_docker(path: &Path, host: &str) -> Result<Option<Credentials>, Error> {
    let config = docker_config(path)?;
    let is_meant = |key: &&String| registry_host(host_of(key)) == registry_host(host);
    let auth = config.auths.iter().find(|(key, _)| is_meant(key)).map(|(_, auth)| auth);
    if let Some(credentials) = auth.and_then(Auth::credentials) {
        return Ok(Some(credentials));
    }
    let helper = config.cred_helpers.keys().any(|key| is_meant(&key));
    if helper || (auth.is_some() && config.creds_store.is_some()) {
        return Err(Error::unusable(
            path,
            "a credential helper has the password; only what is in the file is supported",
        ));
    }
    Ok(None)
}

fn docker_config(path: &Path) -> Result<DockerConfig, Error> {
    serde_json::from_slice(&read(path)?).map_err(|_| {
        // What serde says of it can have a password in it.
        Error::unusable(path, "it is not a config.json of Docker")
    })
}

impl Auth {
    fn credentials(&self) -> Option<Credentials> {
        // `az acr login` writes a name of zeros beside it, without a password.
        if let Some(token) = self.identitytoken.as_ref().filter(|token| !token.is_empty()) {
            return Some(IdentityToken::from(token.clone()).into());
        }
        if let (Some(username), Some(password)) = (&self.username, &self.password) {
            return Some(Credentials { username: username.clone(), password: password.clone().into() });
        }
        let Credentials { username, password } = Credentials::decode(self.auth.as_ref()?)?;
        // Docker's own files once ended with zeros.
        let password = Zeroizing::new(password.trim_end_matches('\0').to_owned());
        Some(Credentials { username, password })
    }
}

impl Drop for Auth {
    fn drop(&mut self) {
        let Self { auth, username: _, password, identitytoken } = self;
        for secret in [auth, password, identitytoken] {
            secret.zeroize();
        }
    }
}

/// The host of a key, which may be a URL such as `https://index.docker.io/v1/`.
fn host_of(key: &str) -> &str {
    let rest = key.split_once("://").map_or(key, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read_for(json: &str, host: &str) -> Result<Option<(String, String)>, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(json.as_bytes()).unwrap();
        let credentials = from_docker(file.path(), host).map_err(|error| error.to_string())?;
        Ok(credentials.map(|Credentials { username, password }| (username, password.to_string())))
    }

    #[test]
    fn docker_keeps_passwords_in_many_ways() {
        let json = r#"{"auths":{"https://index.docker.io/v1/":{"auth":"YTpiOmM="},
            "quay.io":{"username":"u","password":"p"},"localhost:5000":{},
            "a.azurecr.io":{"auth":"MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwOg==","identitytoken":"t"}},
            "credsStore":"x",
            "credHelpers":{"gcr.io":"gcloud"}}"#;
        let pair = |a: &str, b: &str| Ok(Some((a.to_owned(), b.to_owned())));
        assert_eq!(read_for(json, "registry-1.docker.io"), pair("a", "b:c"));
        assert_eq!(read_for(json, "quay.io"), pair("u", "p"));
        assert_eq!(read_for(json, "a.azurecr.io"), pair("<token>", "t"));
        assert_eq!(read_for(json, "ghcr.io"), Ok(None));
        for host in ["gcr.io", "localhost:5000"] {
            assert!(read_for(json, host).unwrap_err().contains("helper"), "{host}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_said_without_the_secret() {
        for json in [
            r#"{"auths":{"a":{"auth":7,"password":"secret"}}}"#,
            r#"{"auths":{"a":{"identitytoken":["secret"]}}}"#,
        ] {
            let error = read_for(json, "a").unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
