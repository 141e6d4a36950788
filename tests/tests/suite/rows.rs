//! The table of access and faults of `downshift-world`, put to servers on real sockets: the same rows that the crate of
//! pulls is tested with.

use core::time::Duration;
use std::{fs, thread};

use anyhow::Context as _;
use downshift::{Permissions, UnsignedSchema1};
use downshift_cases::response::Response;
use downshift_pull::Delivery;
use downshift_registry::V1Mode;
use downshift_tests::front::{Engine, Front, NATIVE, WORKERD};
use downshift_tests::http;
use downshift_tests::programs::case_with;
use downshift_tests::registry::htpasswd;
use downshift_tests::scripted::ScriptedNetwork;
use downshift_world::net::{Host, Net, User};
use downshift_world::rows::{self, AccessOption, Options, Place, Row, Step, Upstream};
use downshift_world::world::{Received, Sent};
use libtest_mimic::{Completion, Trial};
use serde_json::json;

/// How much longer a registry may take than in a world without load, so that no row hangs on how busy a machine is.
const PATIENCE: u64 = 4;

/// For how long what tags point to has to be told at the least, where that is told at all.
const LIFETIME: Duration = Duration::from_secs(10);

/// The rows that cannot be put to the worker, by how their names begin, and why.
const NOT_AT_THE_EDGE: &[(&str, &str)] = &[
    ("blobs/resumed/", "the platform copies on its own, and does not say how much it has copied"),
    ("blobs/faults/hang-in-body", "the platform decides for how long a body may be silent"),
    ("blobs/faults/wrong-byte", HASHES),
    ("blobs/faults/length-too-short", HASHES),
    ("blobs/unknown-length", HASHES),
    ("layers/limits/server/", "it calls its limits something else"),
    ("v1/at-a-server/", "layers are unpacked for who does not check them, for what is copied is not checked"),
];

const HASHES: &str =
    "to hash each byte on its way would take the processor time that an edge has not: clients do it";

pub(crate) fn trials() -> Vec<Trial> {
    // Where conversions run does not matter to them.
    [NATIVE, WORKERD].into_iter().flat_map(of).collect()
}

fn of(engine: Engine) -> impl Iterator<Item = Trial> {
    let trial = move |row: Row| {
        let name = format!("{}::rows::{}", engine.name, row.name.replace('/', "::"));
        match not_here(engine, &row) {
            Some(reason) => Trial::ignorable_test(name, move || Ok(Completion::ignored_with(reason))),
            None => case_with(engine.programs(&[]), name, move || run(engine, &row)),
        }
    };
    rows::all().into_iter().map(trial)
}

/// Why a row cannot be put to a place, if it cannot.
fn not_here(engine: Engine, Row { name, options, steps }: &Row) -> Option<&'static str> {
    let is_timed = steps.iter().any(|step| matches!(step, Step::Pass(_)))
        || (Duration::from_millis(1)..LIFETIME).contains(&options.tag_lifetime);
    let times = [options.tag_lifetime, options.stale_for, options.timeout];
    if is_timed {
        return Some("the clock of a server does not jump");
    }
    if times.iter().any(|time| time.subsec_nanos() > 0) {
        return Some("servers count in seconds");
    }
    if engine.is_worker {
        if let Some((_, reason)) = NOT_AT_THE_EDGE.iter().find(|(row, _)| name.starts_with(row)) {
            return Some(reason);
        }
        let has_users = matches!(options.access, AccessOption::Users(_));
        has_users
            .then_some("there are no files of users")
            .or_else(|| (options.delivery == Delivery::Cache).then_some("there is no cache of blobs"))
            .or_else(|| (!options.stale_for.is_zero()).then_some("the edge does not tell what may be stale"))
    } else {
        let is_limited = options.subrequests.is_some() || options.layer_bytes.is_some();
        is_limited.then_some("a server limits neither requests of its own nor how large a layer is")
    }
}

/// A server with the scripted network behind it.
struct Served {
    network: ScriptedNetwork,
    front: Front,
}

fn run(engine: Engine, row: &Row) -> anyhow::Result<()> {
    let network = ScriptedNetwork::start()?;
    let folder = tempfile::tempdir()?;
    let file = |name: &str, text: &str| -> anyhow::Result<String> {
        let path = folder.path().join(name);
        fs::write(&path, text)?;
        Ok(path.display().to_string())
    };
    let Options {
        access,
        credentials,
        has_identity_token,
        tag_lifetime,
        stale_for,
        delivery,
        timeout,
        subrequests,
        layer_bytes,
        limits,
        allow,
        v1,
        unsigned_schema1,
        client,
        upstreams,
    } = &row.options;
    let mut arguments = vec![["--tag-ttl".to_owned(), tag_lifetime.as_secs().to_string()]];
    let timeout = PATIENCE * timeout.as_secs();
    if upstreams.is_empty() {
        arguments.push(["--upstream".to_owned(), network.url(Host::Registry)]);
    } else if engine.is_worker {
        for User { name, password } in upstreams.iter().filter_map(|upstream| upstream.credentials) {
            arguments.push(["--secret".to_owned(), format!("{}={}", secret_of(name), file(name, password)?)]);
        }
        arguments.push(["--upstreams".to_owned(), several_as_json(upstreams, &network)]);
    } else {
        let several = several_as_toml(upstreams, &network, timeout, &file)?;
        arguments.push(["--config".to_owned(), file("downshift.toml", &several)?]);
    }
    if engine.is_worker || upstreams.is_empty() {
        arguments.push(["--upstream-timeout".to_owned(), timeout.to_string()]);
    }
    if !engine.is_worker {
        arguments.push(["--stale-for".to_owned(), stale_for.as_secs().to_string()]);
    }
    match delivery {
        Delivery::Stream => {}
        Delivery::Redirect => arguments.push(["--blobs".to_owned(), "redirect".to_owned()]),
        Delivery::Cache => arguments.push(["--blobs".to_owned(), "cache".to_owned()]),
    }
    if let Some(user) = credentials.filter(|_| *has_identity_token) {
        let host = network.url(Host::Registry).replace("http://", "");
        // As `az acr login` writes it.
        let auth = downshift_registry::Credentials {
            username: "00000000-0000-0000-0000-000000000000".to_owned(),
            password: String::new().into(),
        };
        let auth = auth.authorization().as_str().replace("Basic ", "");
        let token = user.identity_token();
        let config =
            format!(r#"{{"auths":{{"{host}":{{"auth":"{auth}","identitytoken":"{}"}}}}}}"#, token.as_str());
        arguments.push(["--upstream-docker-config".to_owned(), file("config.json", &config)?]);
    } else if let Some(User { name, password }) = credentials {
        arguments.push(["--upstream-username".to_owned(), (*name).to_owned()]);
        arguments.push(["--upstream-password-file".to_owned(), file("password", password)?]);
    }
    match access {
        AccessOption::Open => {}
        AccessOption::Upstream => arguments.push(["--auth".to_owned(), "upstream".to_owned()]),
        AccessOption::Users(users) => {
            let lines = users.iter().map(|user| htpasswd(user.name, user.password));
            let users = file("users", &lines.collect::<anyhow::Result<Vec<_>>>()?.join("\n"))?;
            arguments.push(["--auth".to_owned(), format!("htpasswd:{users}")]);
        }
    }
    if *allow != Permissions::default() {
        arguments.push(["--allow".to_owned(), allow.to_string()]);
    }
    if *v1 != V1Mode::default() {
        arguments.push(["--v1".to_owned(), v1.to_string()]);
    }
    if *unsigned_schema1 != UnsignedSchema1::default() {
        arguments.push(["--unsigned-schema1".to_owned(), unsigned_schema1.to_string()]);
    }
    arguments.extend(client.iter().map(|rule| ["--client".to_owned(), (*rule).to_owned()]));
    if let Some(subrequests) = subrequests {
        arguments.push(["--subrequests".to_owned(), subrequests.to_string()]);
    }
    let limit = |(name, value): &(_, _)| ["--limit".to_owned(), format!("{name}={value}")];
    arguments.extend(limits.iter().map(limit));
    if let Some(bytes) = layer_bytes {
        arguments.push(["--layer-bytes".to_owned(), bytes.to_string()]);
    }
    let arguments: Vec<_> = arguments.iter().flatten().map(String::as_str).collect();
    let front = Front::start_before_several(engine, &arguments)?;
    let mut served = Served { network, front };
    rows::run(row, &mut served).with_context(|| served.front.said())
}

/// Several registries as a file of the server has them. `file` writes a file, and gives its path.
fn several_as_toml(
    upstreams: &[Upstream],
    network: &ScriptedNetwork,
    timeout: u64,
    file: &dyn Fn(&str, &str) -> anyhow::Result<String>,
) -> anyhow::Result<String> {
    let table = |upstream: &Upstream| {
        let Upstream { host, prefix, ns, slash, is_by_host, credentials, client } = upstream;
        let url = network.url(*host);
        let place = if *is_by_host { format!("hosts = [{url:?}]") } else { format!("url = {url:?}") };
        let mut table = format!(
            "[[upstream]]\n{place}\nprefix = {prefix:?}\nslash = {slash:?}\nns = {ns:?}\ntimeout = {timeout}\nclient = {client:?}\n"
        );
        if let Some(User { name, password }) = credentials {
            let path = file(name, password)?;
            table.push_str(&format!("username = {name:?}\npassword-file = {path:?}\n"));
        }
        anyhow::Ok(table)
    };
    upstreams.iter().map(table).collect()
}

/// The same as the worker's variable has them.
fn several_as_json(upstreams: &[Upstream], network: &ScriptedNetwork) -> String {
    let member = |upstream: &Upstream| {
        let Upstream { host, prefix, ns, slash, is_by_host, credentials, client } = upstream;
        let url = network.url(*host);
        let mut member = json!({ "prefix": prefix, "slash": slash, "ns": ns, "client": client });
        if *is_by_host {
            member["hosts"] = json!([url]);
        } else {
            member["url"] = url.into();
        }
        if let Some(User { name, .. }) = credentials {
            member["username"] = (*name).into();
            member["password"] = secret_of(name).into();
        }
        member
    };
    upstreams.iter().map(member).collect::<serde_json::Value>().to_string()
}

/// The name of the secret with a user's password.
fn secret_of(name: &str) -> String {
    format!("PASSWORD_OF_{}", name.to_uppercase())
}

impl Place for Served {
    fn send(&mut self, sent: &Sent) -> anyhow::Result<Received> {
        let headers: Vec<_> =
            sent.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        match http::receive(self.front.address(), &sent.method, &sent.target, &headers) {
            Ok(response) => {
                let is_broken = http::is_broken(&response, &sent.method);
                Ok(Received { response, is_broken })
            }
            // The head of a body that breaks off at once does not get out.
            Err(error) if error.is::<http::NothingCame>() => {
                let response = Response { status: 200, headers: Vec::new(), body: Vec::new() };
                Ok(Received { response, is_broken: true })
            }
            Err(error) => Err(error),
        }
    }

    fn with_net(&mut self, act: &mut dyn FnMut(&mut Net)) {
        self.network.with(act);
    }

    fn pass(&mut self, time: Duration) {
        thread::sleep(time);
    }
}
