//! What clients ask for, and what they get.

use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use anyhow::{Context, ensure};
use downshift::document::Document;
use downshift::{Digest, Form, Limits};
use downshift_cases::images::Image;
use downshift_cases::random::Random;

use super::client::{Answer, Client};
use super::flap::Calm;

/// Clients at a time.
const CLIENTS: u64 = 16;

/// How many of a hundred requests are broken off.
const BREAKS: usize = 5;

/// How many errors are shown in full.
const SHOWN: u64 = 5;

/// A request for something whose digest is known.
pub(super) struct Question {
    request: String,
    is_head: bool,
}

/// The questions, each with its answer.
pub(super) struct Load {
    address: SocketAddr,
    questions: Vec<(Question, Answer)>,
}

/// What came of all requests.
#[derive(Debug, Default)]
pub(super) struct Tally {
    right: u64,
    broken_off: u64,
    provoked: u64,
    pub(super) unprovoked: u64,
    pub(super) wrong: u64,
    late: u64,
}

/// Clients that ask.
pub(super) struct Asking(Vec<JoinHandle<Tally>>);

impl Question {
    fn new(method: &str, path: &str, accept: Option<Form>) -> Self {
        let accept = accept.map(|form| format!("Accept: {}\r\n", form.media_type())).unwrap_or_default();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: soak\r\n{accept}\r\n");
        Self { request, is_head: method == "HEAD" }
    }

    /// What is asked about an image: as schema 1 most of all, in its own form, by digest, and for its layers.
    pub(super) fn about(repository: &str, tag: &str, image: &Image) -> Vec<Self> {
        let manifest = |reference: &str| format!("/v2/{repository}/manifests/{reference}");
        let own = image.manifest.form;
        let mut all = vec![
            Self::new("GET", &manifest(tag), None),
            Self::new("GET", &manifest(tag), None),
            Self::new("HEAD", &manifest(tag), None),
            Self::new("GET", &manifest(tag), Some(own)),
            Self::new("GET", &manifest(tag), Some(own.sibling())),
            Self::new("GET", &manifest(image.manifest.digest().as_str()), Some(own)),
        ];
        let layers = image.layers.iter().take(1);
        all.extend(
            layers.map(|layer| {
                Self::new("GET", &format!("/v2/{repository}/blobs/{}", Digest::of(layer)), None)
            }),
        );
        all
    }
}

impl Load {
    /// Asks every question once, while nothing goes wrong, and checks the answers: each later one has to be the same.
    pub(super) fn learn(address: SocketAddr, questions: Vec<Question>) -> anyhow::Result<Self> {
        let mut client = Client::new(address);
        let mut learnt = Vec::new();
        for question in questions {
            let answer = client.ask(&question.request)?;
            ensure!(answer.status == 200, "{}{answer:?}", question.request);
            let digest = answer.digest.as_deref().context("there is no digest")?;
            let is_of_payload = || match Document::parse(&answer.body, &Limits::default()) {
                Ok(Document::Schema1(schema1)) => schema1.digest().as_str() == digest,
                _ => false,
            };
            let is_right = question.is_head || Digest::of(&answer.body).as_str() == digest || is_of_payload();
            ensure!(is_right, "{}the digest is another: {answer:?}", question.request);
            learnt.push((question, answer));
        }
        Ok(Self { address, questions: learnt })
    }

    /// How many requests a second the clients get answered if none of them waits.
    pub(super) fn measure(self: &Arc<Self>, time: Duration) -> anyhow::Result<f64> {
        let asking: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let load = Arc::clone(self);
                thread::spawn(move || -> anyhow::Result<u64> {
                    let (mut client, mut random) = (Client::new(load.address), Random::nth(1, number));
                    let (start, mut count) = (Instant::now(), 0);
                    while start.elapsed() < time {
                        let (question, answer) = load.pick(&mut random);
                        ensure!(client.ask(&question.request)?.body == answer.body, "an answer is another");
                        count += 1;
                    }
                    Ok(count)
                })
            })
            .collect();
        let mut all = 0;
        for thread in asking {
            all += thread.join().map_err(|_| anyhow::anyhow!("a client panicked"))??;
        }
        Ok(all as f64 / time.as_secs_f64())
    }

    /// Starts clients that ask `rate` times a second together.
    pub(super) fn start(self: &Arc<Self>, rate: f64, time: Duration, calm: &Calm) -> Asking {
        let pause = Duration::from_secs_f64(CLIENTS as f64 / rate.max(1.0));
        let ask = |number| {
            let (load, calm) = (Arc::clone(self), calm.clone());
            thread::spawn(move || load.ask(number, pause, time, &calm))
        };
        Asking((0..CLIENTS).map(ask).collect())
    }

    fn pick(&self, random: &mut Random) -> &(Question, Answer) {
        &self.questions[random.below(self.questions.len())]
    }

    /// What one client does.
    fn ask(&self, number: u64, pause: Duration, time: Duration, calm: &Calm) -> Tally {
        let (mut client, mut random) = (Client::new(self.address), Random::nth(2, number));
        let mut tally = Tally::default();
        let (start, mut due) = (Instant::now(), Instant::now());
        while start.elapsed() < time {
            due += pause;
            match due.checked_duration_since(Instant::now()) {
                Some(rest) => thread::sleep(rest),
                // What could not be asked in time is not made up for: that would be another load.
                None => {
                    tally.late += 1;
                    due = Instant::now();
                }
            }
            let (question, expected) = self.pick(&mut random);
            if random.chance(BREAKS) {
                let request = &question.request;
                // In the middle of the request as often as in the middle of the answer.
                let (sent, read) = (random.below(request.len() * 2), random.between(1, 1000));
                let _ = client.break_off(request, sent, read);
                tally.broken_off += 1;
                continue;
            }
            let began = Instant::now();
            tally.count(question, expected, client.ask(&question.request), || calm.is_provoked(began));
        }
        tally
    }
}

impl Asking {
    pub(super) fn join(self) -> Tally {
        let mut all = Tally::default();
        for thread in self.0 {
            match thread.join() {
                Ok(tally) => all.add(&tally),
                Err(_) => all.unprovoked += 1,
            }
        }
        all
    }
}

impl Tally {
    fn count(
        &mut self,
        question: &Question,
        expected: &Answer,
        answer: anyhow::Result<Answer>,
        is_provoked: impl Fn() -> bool,
    ) {
        match answer {
            Ok(answer) if answer.status == 200 => {
                if answer.body == expected.body && answer.digest == expected.digest {
                    self.right += 1;
                } else {
                    self.wrong += 1;
                    println!("wrong: {}{answer:?}", question.request);
                }
            }
            // An error for the registry's sake, or a blob that was cut off with it.
            Ok(Answer { status: 502..=504, .. }) | Err(_) if is_provoked() => self.provoked += 1,
            other => {
                self.unprovoked += 1;
                if self.unprovoked <= SHOWN {
                    println!("not provoked: {}{other:?}", question.request);
                }
            }
        }
    }

    fn add(&mut self, other: &Self) {
        let Self { right, broken_off, provoked, unprovoked, wrong, late } = other;
        self.right += right;
        self.broken_off += broken_off;
        self.provoked += provoked;
        self.unprovoked += unprovoked;
        self.wrong += wrong;
        self.late += late;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { right, broken_off, provoked, unprovoked, wrong, late } = self;
        writeln!(f, "{right} answers were right, {wrong} wrong")?;
        writeln!(f, "{provoked} errors were provoked, {unprovoked} not")?;
        write!(f, "{broken_off} requests were broken off, {late} came late")
    }
}
