//! The blobs that the manifests name: each is read to its end once.

use downshift::Digest;
use downshift_registry::Problem;
use futures_util::StreamExt;
use futures_util::stream::iter;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderValue, USER_AGENT};

use super::super::failures::ImageFailure;
use super::super::refusal::Refusal;
use super::front::{Front, Question};
use super::manifests::{Blob, Blobs, Owner};
use super::progress::{Meter, Progress};
use super::summary::Summary;
use crate::digest::DigestCheck;
use crate::origin::registry::chunk;

/// How much of a blob is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Whether it is there.
    Head,
    /// All of it.
    Bytes,
}

/// What came of a blob.
#[derive(Default)]
struct Outcome {
    /// In how many repositories it is there.
    count: usize,
    bytes: u64,
    failures: Vec<ImageFailure>,
}

/// Asks for all blobs.
pub(super) async fn warm(
    front: &Front,
    blobs: Blobs,
    depth: Depth,
    jobs: usize,
    summary: &mut Summary,
    progress: &mut Progress,
) {
    match depth {
        Depth::Head => progress.begin_heads(blobs.len()),
        Depth::Bytes => progress.begin_blobs(blobs.len(), blobs.values().filter_map(|blob| blob.size).sum()),
    }
    let meter = progress.meter();
    let warm = |(digest, blob): (Digest, Blob)| {
        let meter = &meter;
        async move { carry_out(front, &digest, blob, depth, meter).await }
    };
    let mut outcomes = iter(blobs).map(warm).buffer_unordered(jobs);
    while let Some(Outcome { count, bytes, failures }) = outcomes.next().await {
        summary.blobs += count;
        summary.bytes += bytes;
        for failure in failures {
            progress.failed(&failure);
            summary.failures.add(failure);
        }
        if depth == Depth::Head {
            progress.advance(1);
        }
    }
}

/// Asks for a blob in each of its repositories: a server may have to learn for each one that the blob is there. Its bytes are
/// the same in all, and read once.
async fn carry_out(front: &Front, digest: &Digest, blob: Blob, depth: Depth, meter: &Meter) -> Outcome {
    let mut outcome = Outcome::default();
    let mut has_bytes = depth == Depth::Head;
    let mut owners: Vec<(String, Owner)> = blob.owners.into_iter().collect();
    owners.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (repository, owner) in owners {
        let method = if has_bytes { Method::HEAD } else { Method::GET };
        match get(front, method, &repository, digest, &owner, blob.size, meter).await {
            Ok(bytes) => {
                has_bytes = true;
                outcome.count += 1;
                outcome.bytes += bytes;
            }
            Err(refusal) => outcome.failures.push(ImageFailure {
                client: Some(owner.client.to_owned()),
                blob: Some(digest.clone()),
                ..ImageFailure::of(&owner.image, refusal)
            }),
        }
    }
    outcome
}

/// Asks for a blob, and gives how many bytes came. They are checked, and never more of them in memory than come at a time.
async fn get(
    front: &Front,
    method: Method,
    repository: &str,
    digest: &Digest,
    owner: &Owner,
    size: Option<u64>,
    meter: &Meter,
) -> Result<u64, Refusal> {
    let mut headers = HeaderMap::new();
    if let Some(user_agent) = HeaderValue::from_str(&owner.user_agent).ok().filter(|value| !value.is_empty())
    {
        headers.insert(USER_AGENT, user_agent);
    }
    let is_head = method == Method::HEAD;
    let path = format!("v2/{repository}/blobs/{digest}");
    let mut response = front.ask(&Question { method, path, headers, repository }).await?;
    if is_head {
        return Ok(0);
    }
    let mut check = DigestCheck::new(digest.clone());
    let mut bytes = 0_u64;
    while let Some(chunk) = chunk(&mut response).await? {
        check.update(&chunk);
        bytes = bytes.saturating_add(chunk.len() as u64);
        meter.advance(chunk.len() as u64);
        // It may go on for ever.
        if size.is_some_and(|size| bytes > size) {
            break;
        }
    }
    if let Some(size) = size.filter(|size| *size != bytes) {
        return Err(wrong_size(digest, size, bytes));
    }
    check.finish().map_err(|_| Problem::Corrupt { digest: digest.clone() })?;
    Ok(bytes)
}

/// A blob whose size is not the one that a manifest says: containerd and others refuse it.
fn wrong_size(digest: &Digest, size: u64, bytes: u64) -> Refusal {
    // It was not read any further.
    let sent = if bytes > size { "more".to_owned() } else { format!("`{bytes}`") };
    Refusal {
        reason: "wrong-size".to_owned(),
        cause: format!("the manifest says that `{digest}` has `{size}` bytes, and the server sent {sent}"),
        remedy: "check the registry behind the server: the manifest or the blob is damaged".to_owned(),
    }
}
