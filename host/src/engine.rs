//! The engine: drives the core's step function for one request, with the shell's documents and signatures.

use downshift::answer::{Answer, Documents, MAX_ROUNDS, Need, Record, Request, Step, answer};
use downshift::document::Document;
use downshift::jws::Signature;
use downshift::{Digest, Limits};

use crate::error::Error;

/// Why a request has no answer.
#[derive(Debug)]
pub(crate) struct NoAnswer {
    /// The reason.
    pub(crate) error: Error,
    /// What has to be recorded before the error goes out.
    pub(crate) records: Vec<Record>,
}

/// Answers a request: fetches what the core needs, checks it against its digest and size, and signs.
///
/// `fetch` gives the document with [`Need::digest`], or says that there is none; `sign` signs the bytes it is given.
pub(crate) fn run(
    request: &Request,
    fetch: impl Fn(&Need) -> Result<Option<Vec<u8>>, Error>,
    sign: impl FnOnce(&[u8]) -> Result<Signature, Error>,
) -> Result<Answer<'static>, NoAnswer> {
    let mut fetched: Vec<(Digest, Option<Vec<u8>>)> = Vec::new();
    for _ in 0..MAX_ROUNDS {
        let documents: Documents<'_> =
            fetched.iter().map(|(digest, bytes)| (digest, bytes.as_deref())).collect();
        let needs = match answer(request, &documents) {
            Step::Need(needs) => needs,
            Step::Sign(prepared) => {
                let signature = sign(&prepared.signing_input())?;
                return Ok(prepared.seal(signature).map_err(Error::from)?);
            }
            Step::Done(answer) => return Ok(answer.into_owned()),
            Step::Refused(refusal) => {
                return Err(NoAnswer { error: Error::Core(refusal.failure), records: refusal.records });
            }
        };
        for need in needs {
            let bytes = fetch(&need)?;
            match &bytes {
                Some(bytes) => check(&need, bytes, &request.limits)?,
                // Nobody said that it is there.
                None if need.digest == *request.root.digest() => {
                    return Err(Error::Missing { digest: need.digest }.into());
                }
                None => {}
            }
            fetched.push((need.digest, bytes));
        }
    }
    unreachable!("the core has asked for documents `{MAX_ROUNDS}` times")
}

/// Checks a document as it arrives, so that nothing is made of wrong bytes.
fn check(need: &Need, bytes: &[u8], limits: &Limits) -> Result<(), Error> {
    if !need.digest.matches(bytes) && schema1_digest(bytes, limits).as_ref() != Some(&need.digest) {
        return Err(Error::Corrupt { digest: need.digest.clone() });
    }
    match need.size {
        Some(expected) if expected != bytes.len() as u64 => {
            Err(Error::WrongSize { digest: need.digest.clone(), expected, actual: bytes.len() })
        }
        _ => Ok(()),
    }
}

/// The digest by which registries know a document, where it is schema 1: that of its payload.
pub(crate) fn schema1_digest(bytes: &[u8], limits: &Limits) -> Option<Digest> {
    match Document::parse(bytes, limits) {
        Ok(Document::Schema1(schema1)) => Some(schema1.digest()),
        _ => None,
    }
}

impl From<Error> for NoAnswer {
    fn from(error: Error) -> Self {
        Self { error, records: Vec::new() }
    }
}
