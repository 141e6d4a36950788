//! What is remembered of callers, of tokens, of how registries are asked and of what failed, in the memory of one process and
//! nowhere else.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use downshift::Digest;
use downshift::answer::LayerReading;
use downshift_registry::{Authorization, IdentityToken, PullFailure};

use crate::caller::CallerId;
use crate::effect::{Done, Effect};
use crate::settings::{OriginId, Scope};
use crate::value::{HeadOf, Key, Value};

/// How many permits are remembered: with their keys they take some 20 MB.
pub const MAX_PERMITS: usize = 100_000;

/// How many tokens are remembered, one for each repository.
pub const MAX_TOKENS: usize = 10_000;

/// Bytes of a token that is remembered: servers take no header of more. Longer ones are asked for each time.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Bytes of all tokens that are remembered. Most have some 2 KB; where names of a pattern's registries are made up, each may be
/// as long as it may be.
const MAX_TOKENS_BYTES: usize = 32 * 1024 * 1024;

/// How many permits are remembered at an edge, where all of a program has 128 MB: with their keys they take some 2 MB.
const EDGE_PERMITS: usize = 10_000;

/// How many tokens are remembered at an edge.
const EDGE_TOKENS: usize = 1_000;

/// Bytes of all tokens that are remembered at an edge.
const EDGE_TOKENS_BYTES: usize = 4 * 1024 * 1024;

/// How many identity tokens are remembered, one for each registry.
const MAX_IDENTITIES: usize = 1_000;

/// How many registries are remembered at which HEAD is of no use.
const MAX_HEAD_REFUSALS: usize = 1_000;

/// How many sizes of blobs are remembered: with their keys they take some 15 MB.
const MAX_BLOB_SIZES: usize = 50_000;

/// How many are at an edge.
const EDGE_BLOB_SIZES: usize = 5_000;

/// How many manifests are remembered that are at their registries: with their keys they take some 15 MB.
const MAX_PRESENCES: usize = 50_000;

/// How many are at an edge.
const EDGE_PRESENCES: usize = 5_000;

/// How many types of manifests are: with their keys they take some 5 MB. Few manifests do not say their own.
const MAX_MEDIA_TYPES: usize = 10_000;

/// How many are at an edge.
const EDGE_MEDIA_TYPES: usize = 1_000;

/// How many tags of manifests are, which with their keys take some 5 MB.
const MAX_TAGS_OF: usize = 10_000;

/// How many are at an edge.
const EDGE_TAGS_OF: usize = 1_000;

/// How many refusals are. Where there are more, the oldest of them count for everybody who is being asked about.
const MAX_REFUSALS: usize = 10_000;

/// How many failures of clients are: with their lines they take some 2 MB at the most.
const MAX_FAILURES: usize = 1_000;

/// Of how many repositories the tags are that clients wanted: with their keys they take some 2 MB at the most.
const MAX_WANTED_TAGS: usize = 1_000;

/// How many layers that cannot be unpacked are.
const MAX_LAYER_REFUSALS: usize = 1_000;

/// What is kept under keys that [are for it](Key::is_for_memory). A shell has one for all its pulls, and has it answer them.
#[derive(Debug)]
pub struct Memory {
    permits: Facts,
    tokens: Facts,
    basic: Facts,
    identities: Facts,
    heads: Facts,
    sizes: Facts,
    presences: Facts,
    media_types: Facts,
    tags_of: Facts,
    refusals: Facts,
    /// By client and repository.
    failures: Facts<(String, String), PullFailure>,
    wanted_tags: Facts<(String, String), Vec<String>>,
    layer_refusals: Facts<About, LayerReading>,
    /// How many refusals there were.
    mark: u64,
    /// The number of the last refusal that is forgotten, and of the last one that is forgotten next.
    forgotten: u64,
    forgotten_next: u64,
}

/// Whom and what a fact is about. About this server itself is what has no caller; the name of a repository is empty where all
/// of an origin is meant.
type About = (CallerId, Scope);

#[derive(Debug)]
enum Fact {
    /// That the registry said yes, wants a name and password, refuses HEAD, or has something.
    Yes,
    /// The token for a repository.
    Token(Authorization),
    /// An identity token.
    Identity(IdentityToken),
    /// The bytes of a blob.
    Size(u64),
    /// The type of a manifest.
    MediaType(String),
    /// A tag, and what it pointed to.
    TagOf(String, Digest),
    /// That the registry said no, and the number of that.
    Refusal(u64),
}

/// A limited number of facts, each for a limited time: the newer half of them and the older one. Where there is no room, the
/// older half goes at once, so that nothing has to be put in order.
#[derive(Debug)]
struct Facts<K = About, F = Fact> {
    /// How many there are in a half.
    room: usize,
    /// Bytes of their texts that there may be in a half, and those of the newer half.
    bytes_room: usize,
    bytes: usize,
    halves: [BTreeMap<K, Entry<F>>; 2],
}

#[derive(Debug)]
struct Entry<F> {
    fact: F,
    /// In milliseconds since 1970.
    until: u64,
}

impl<K: Ord, F> Facts<K, F> {
    fn new(capacity: usize) -> Self {
        Self::of_bytes(capacity, usize::MAX)
    }

    /// Room for so many, whose texts have so many bytes at the most.
    fn of_bytes(capacity: usize, bytes: usize) -> Self {
        let halves = [BTreeMap::new(), BTreeMap::new()];
        Self { room: capacity.div_ceil(2), bytes_room: bytes / 2, bytes: 0, halves }
    }

    fn get(&self, about: &K, now: u64) -> Option<&F> {
        // What is newer is in the newer half.
        let entry = self.halves.iter().find_map(|half| half.get(about))?;
        (entry.until > now).then_some(&entry.fact)
    }

    /// Puts a fact in, and says whether that took a new half: the older one is gone then, and the newer one is the older.
    fn insert(&mut self, about: K, fact: F, until: u64) -> bool {
        self.insert_text(about, fact, until, 0)
    }

    /// The same of a fact whose text has so many bytes. What is replaced counts until its half is gone.
    fn insert_text(&mut self, about: K, fact: F, until: u64, bytes: usize) -> bool {
        let [newer, older] = &mut self.halves;
        let is_full = newer.len() >= self.room || self.bytes.saturating_add(bytes) > self.bytes_room;
        if is_full {
            *older = core::mem::take(newer);
            self.bytes = 0;
        }
        self.bytes = self.bytes.saturating_add(bytes);
        newer.insert(about, Entry { fact, until });
        is_full
    }

    fn remove(&mut self, about: &K) {
        for half in &mut self.halves {
            if let Some(entry) = half.get_mut(about) {
                entry.until = 0;
            }
        }
    }
}

impl Facts {
    /// Removes all that is about a caller and an origin. Others are not looked at, of which there may be very many.
    fn remove_all(&mut self, caller: CallerId, origin: OriginId) {
        for half in &mut self.halves {
            // The empty name comes before all others.
            for ((id, scope), entry) in half.range_mut((caller, all_of(origin))..) {
                if *id != caller || scope.origin != origin {
                    break;
                }
                entry.until = 0;
            }
        }
    }
}

/// How many there may be of what there are many.
struct Room {
    permits: usize,
    tokens: usize,
    tokens_bytes: usize,
    sizes: usize,
    presences: usize,
    media_types: usize,
    tags_of: usize,
}

impl Room {
    const USUAL: Self = Self {
        permits: MAX_PERMITS,
        tokens: MAX_TOKENS,
        tokens_bytes: MAX_TOKENS_BYTES,
        sizes: MAX_BLOB_SIZES,
        presences: MAX_PRESENCES,
        media_types: MAX_MEDIA_TYPES,
        tags_of: MAX_TAGS_OF,
    };

    const EDGE: Self = Self {
        permits: EDGE_PERMITS,
        tokens: EDGE_TOKENS,
        tokens_bytes: EDGE_TOKENS_BYTES,
        sizes: EDGE_BLOB_SIZES,
        presences: EDGE_PRESENCES,
        media_types: EDGE_MEDIA_TYPES,
        tags_of: EDGE_TAGS_OF,
    };
}

impl Default for Memory {
    fn default() -> Self {
        Self::with_room(&Room::USUAL)
    }
}

impl Memory {
    /// Nothing yet, and room for what fits into a program at an edge.
    #[must_use]
    pub fn at_edge() -> Self {
        Self::with_room(&Room::EDGE)
    }

    fn with_room(room: &Room) -> Self {
        Self {
            permits: Facts::new(room.permits),
            tokens: Facts::of_bytes(room.tokens, room.tokens_bytes),
            basic: Facts::new(room.tokens),
            identities: Facts::new(MAX_IDENTITIES),
            heads: Facts::new(MAX_HEAD_REFUSALS),
            sizes: Facts::new(room.sizes),
            presences: Facts::new(room.presences),
            media_types: Facts::new(room.media_types),
            tags_of: Facts::new(room.tags_of),
            refusals: Facts::new(MAX_REFUSALS),
            failures: Facts::new(MAX_FAILURES),
            wanted_tags: Facts::new(MAX_WANTED_TAGS),
            layer_refusals: Facts::new(MAX_LAYER_REFUSALS),
            mark: 0,
            forgotten: 0,
            forgotten_next: 0,
        }
    }

    /// True if an effect is about what is remembered.
    #[must_use]
    pub fn is_about(effect: &Effect) -> bool {
        match effect {
            Effect::Load(key) | Effect::Keep { key, .. } | Effect::Forget(key) => key.is_for_memory(),
            Effect::Revoke { .. } => true,
            _ => false,
        }
    }

    /// What comes of an effect that is about what is remembered; nothing if it is about something else. `now` is in
    /// milliseconds since 1970.
    pub fn answer(&mut self, effect: &Effect, now: u64) -> Option<Done> {
        if !Self::is_about(effect) {
            return None;
        }
        match effect {
            Effect::Load(Key::LastFailure { client, name }) => {
                let failure = self.failures.get(&(client.clone(), name.clone()), now);
                let known = |failure: &PullFailure| Done::Known(Value::LastFailure(failure.clone()));
                return Some(failure.map_or(Done::Unknown { mark: 0 }, known));
            }
            Effect::Keep {
                key: Key::LastFailure { client, name },
                value: Value::LastFailure(failure),
                lifetime,
            } => {
                let about = (client.clone(), name.clone());
                self.failures.insert(about, failure.clone(), until(now, *lifetime));
            }
            Effect::Forget(Key::LastFailure { client, name }) => {
                self.failures.remove(&(client.clone(), name.clone()));
            }
            Effect::Load(Key::WantedTags { client, name }) => {
                let tags = self.wanted_tags.get(&(client.clone(), name.clone()), now);
                let known = |tags: &Vec<String>| Done::Known(Value::WantedTags(tags.clone()));
                return Some(tags.map_or(Done::Unknown { mark: 0 }, known));
            }
            Effect::Keep {
                key: Key::WantedTags { client, name },
                value: Value::WantedTags(tags),
                lifetime,
            } => {
                let about = (client.clone(), name.clone());
                self.wanted_tags.insert(about, tags.clone(), until(now, *lifetime));
            }
            Effect::Load(Key::LayerRefusal { scope, digest }) => {
                let refusal = self.layer_refusals.get(&of_digest(scope, digest), now);
                let known = |reading: &LayerReading| Done::Known(Value::LayerRefusal(reading.clone()));
                return Some(refusal.map_or(Done::Unknown { mark: 0 }, known));
            }
            Effect::Keep {
                key: Key::LayerRefusal { scope, digest },
                value: Value::LayerRefusal(reading),
                lifetime,
            } => {
                self.layer_refusals.insert(of_digest(scope, digest), reading.clone(), until(now, *lifetime));
            }
            Effect::Load(key) => return Some(self.load(key, now)),
            Effect::Keep { key, value, lifetime } => self.keep(key, value, until(now, *lifetime)),
            Effect::Forget(key) => {
                if let Some((facts, about)) = self.place(key) {
                    facts.remove(&about);
                }
            }
            Effect::Revoke { caller, scope } => self.revoke(*caller, scope, now),
            _ => {}
        }
        Some(Done::Nothing)
    }

    /// Where what a key stands for is, and what it is about.
    fn place(&mut self, key: &Key) -> Option<(&mut Facts, About)> {
        match key {
            Key::Permit { caller, scope } => Some((&mut self.permits, (*caller, scope.clone()))),
            Key::Token(scope) => Some((&mut self.tokens, (CallerId::default(), scope.clone()))),
            Key::Basic(origin) => Some((&mut self.basic, (CallerId::default(), all_of(*origin)))),
            Key::IdentityToken(origin) => {
                Some((&mut self.identities, (CallerId::default(), all_of(*origin))))
            }
            Key::HeadRefusal { origin, host, of } => {
                let kind = match of {
                    HeadOf::Manifests => "manifests",
                    HeadOf::Blobs => "blobs",
                };
                let name = [host, " ", kind].concat();
                Some((&mut self.heads, (CallerId::default(), Scope { origin: *origin, name })))
            }
            Key::BlobSize { scope, digest } => Some((&mut self.sizes, of_digest(scope, digest))),
            Key::Presence { scope, digest } => Some((&mut self.presences, of_digest(scope, digest))),
            Key::TagOf { scope, digest } => Some((&mut self.tags_of, of_digest(scope, digest))),
            Key::MediaType { scope, digest } => Some((&mut self.media_types, of_digest(scope, digest))),
            _ => None,
        }
    }

    fn load(&mut self, key: &Key, now: u64) -> Done {
        let mark = self.mark;
        let Some((facts, about)) = self.place(key) else { return Done::Unknown { mark } };
        match (facts.get(&about, now), key) {
            (Some(Fact::Token(token)), _) => Done::Known(Value::Token(token.clone())),
            (Some(Fact::Identity(token)), _) => Done::Known(Value::IdentityToken(token.clone())),
            (Some(Fact::Size(size)), _) => Done::Known(Value::BlobSize(*size)),
            (Some(Fact::TagOf(tag, target)), _) => {
                Done::Known(Value::TagOf { tag: tag.clone(), target: target.clone() })
            }
            (Some(Fact::MediaType(media_type)), _) => Done::Known(Value::MediaType(media_type.clone())),
            (Some(Fact::Yes), Key::Basic(_)) => Done::Known(Value::Basic),
            (Some(Fact::Yes), Key::HeadRefusal { .. }) => Done::Known(Value::HeadRefusal),
            (Some(Fact::Yes), Key::Presence { .. }) => Done::Known(Value::Presence),
            (Some(Fact::Yes), _) => Done::Known(Value::Permit { mark: 0 }),
            _ => Done::Unknown { mark },
        }
    }

    fn keep(&mut self, key: &Key, value: &Value, until: u64) {
        let fact = match (key, value) {
            (Key::Permit { caller, scope }, Value::Permit { mark }) => {
                (!self.is_refused_since(*caller, scope, *mark)).then_some(Fact::Yes)
            }
            (Key::Token(_), Value::Token(token)) if token.as_str().len() <= MAX_TOKEN_BYTES => {
                Some(Fact::Token(token.clone()))
            }
            (Key::Basic(_), Value::Basic)
            | (Key::HeadRefusal { .. }, Value::HeadRefusal)
            | (Key::Presence { .. }, Value::Presence) => Some(Fact::Yes),
            (Key::IdentityToken(_), Value::IdentityToken(token))
                if token.as_str().len() <= MAX_TOKEN_BYTES =>
            {
                Some(Fact::Identity(token.clone()))
            }
            (Key::BlobSize { .. }, Value::BlobSize(size)) => Some(Fact::Size(*size)),
            (Key::TagOf { .. }, Value::TagOf { tag, target }) => {
                Some(Fact::TagOf(tag.clone(), target.clone()))
            }
            (Key::MediaType { .. }, Value::MediaType(media_type)) => {
                Some(Fact::MediaType(media_type.clone()))
            }
            _ => None,
        };
        let bytes = match &fact {
            Some(Fact::Token(token)) => token.as_str().len(),
            _ => 0,
        };
        if let (Some(fact), Some((facts, about))) = (fact, self.place(key)) {
            facts.insert_text(about, fact, until, bytes);
        }
    }

    fn revoke(&mut self, caller: CallerId, scope: &Scope, now: u64) {
        if scope.name.is_empty() {
            self.permits.remove_all(caller, scope.origin);
        } else {
            self.permits.remove(&(caller, scope.clone()));
        }
        self.mark = self.mark.saturating_add(1);
        // As long as anybody can be asked about: far longer than any request to a registry takes.
        let until = until(now, Duration::from_secs(24 * 3600));
        if self.refusals.insert((caller, scope.clone()), Fact::Refusal(self.mark), until) {
            self.forgotten = self.forgotten_next;
            self.forgotten_next = self.mark.saturating_sub(1);
        }
    }

    /// Whether the registry has said no to a caller since `mark`: a yes that was asked for before is older than that no.
    fn is_refused_since(&mut self, caller: CallerId, scope: &Scope, mark: u64) -> bool {
        let refusals = &self.refusals;
        let is_newer = |scope| {
            let refusal = refusals.get(&(caller, scope), 0);
            matches!(refusal, Some(Fact::Refusal(number)) if *number > mark)
        };
        is_newer(scope.clone()) || is_newer(all_of(scope.origin)) || self.forgotten > mark
    }
}

/// Something of a repository that has a digest.
fn of_digest(scope: &Scope, digest: &Digest) -> About {
    let name = [&scope.name, "@", digest.as_str()].concat();
    (CallerId::default(), Scope { origin: scope.origin, name })
}

/// All repositories of an origin.
fn all_of(origin: OriginId) -> Scope {
    Scope { origin, name: String::new() }
}

fn until(now: u64, lifetime: Duration) -> u64 {
    now.saturating_add(u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
#[allow(clippy::panic, clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use alloc::string::ToString as _;

    use super::*;
    use crate::permit::LIFETIME;

    const ALICE: CallerId = CallerId([1; 32]);
    const BOB: CallerId = CallerId([2; 32]);

    fn scope(name: &str) -> Scope {
        Scope { origin: OriginId(0), name: name.to_string() }
    }

    fn mark(memory: &mut Memory, caller: CallerId, name: &str, now: u64) -> Option<u64> {
        match memory.answer(&Effect::Load(Key::Permit { caller, scope: scope(name) }), now).unwrap() {
            Done::Unknown { mark } => Some(mark),
            Done::Known(Value::Permit { .. }) => None,
            done => panic!("{done:?}"),
        }
    }

    fn permit(memory: &mut Memory, caller: CallerId, name: &str, mark: u64) {
        let (key, value) = (Key::Permit { caller, scope: scope(name) }, Value::Permit { mark });
        memory.answer(&Effect::Keep { key, value, lifetime: LIFETIME }, 0).unwrap();
    }

    fn revoke(memory: &mut Memory, caller: CallerId, name: &str) {
        memory.answer(&Effect::Revoke { caller, scope: scope(name) }, 0).unwrap();
    }

    #[test]
    fn a_permit_lasts_a_minute() {
        let mut memory = Memory::default();
        permit(&mut memory, ALICE, "a", 0);
        assert_eq!(mark(&mut memory, ALICE, "a", 59_999), None);
        assert_eq!(mark(&mut memory, ALICE, "a", 60_000), Some(0));
        assert_eq!(mark(&mut memory, BOB, "a", 0), Some(0));
        assert_eq!(mark(&mut memory, ALICE, "b", 0), Some(0));
    }

    #[test]
    fn a_yes_that_was_asked_for_before_a_no_is_not_kept_after_it() {
        for refused in ["a", ""] {
            let mut memory = Memory::default();
            let asked = mark(&mut memory, ALICE, "a", 0).unwrap();
            revoke(&mut memory, ALICE, refused);
            permit(&mut memory, ALICE, "a", asked);
            let later = mark(&mut memory, ALICE, "a", 0).unwrap();
            permit(&mut memory, ALICE, "a", later);
            assert_eq!(mark(&mut memory, ALICE, "a", 0), None);
        }
    }

    #[test]
    fn a_no_is_about_its_caller_and_its_repository() {
        let mut memory = Memory::default();
        for (caller, name) in [(ALICE, "a"), (ALICE, "b"), (BOB, "a")] {
            permit(&mut memory, caller, name, 0);
        }
        revoke(&mut memory, ALICE, "a");
        assert_eq!(mark(&mut memory, ALICE, "a", 0), Some(1));
        assert_eq!((mark(&mut memory, ALICE, "b", 0), mark(&mut memory, BOB, "a", 0)), (None, None));
        revoke(&mut memory, ALICE, "");
        assert_eq!((mark(&mut memory, ALICE, "b", 0), mark(&mut memory, BOB, "a", 0)), (Some(2), None));
    }

    #[test]
    fn tokens_that_no_header_has_room_for_are_not_remembered() {
        let mut memory = Memory::at_edge();
        for (length, is_kept) in [(MAX_TOKEN_BYTES, true), (MAX_TOKEN_BYTES + 1, false)] {
            let key = Key::Token(scope(&length.to_string()));
            let token = "x".repeat(length - "Bearer ".len());
            let value = Value::Token(Authorization::bearer(&token).unwrap());
            let keep = Effect::Keep { key: key.clone(), value, lifetime: Duration::from_secs(1) };
            memory.answer(&keep, 0).unwrap();
            let kept = memory.answer(&Effect::Load(key), 0).unwrap();
            assert_eq!(matches!(kept, Done::Known(Value::Token(_))), is_kept, "{length}");
        }
    }

    #[test]
    fn tokens_have_a_limit_in_bytes() {
        let mut memory = Memory::at_edge();
        let key = |number: usize| Key::Token(scope(&number.to_string()));
        let token = "x".repeat(MAX_TOKEN_BYTES - "Bearer ".len());
        let in_half = EDGE_TOKENS_BYTES / 2 / MAX_TOKEN_BYTES;
        for number in 0..=2 * in_half {
            let value = Value::Token(Authorization::bearer(&token).unwrap());
            let keep = Effect::Keep { key: key(number), value, lifetime: Duration::from_secs(1) };
            memory.answer(&keep, 0).unwrap();
        }
        let mut is_known =
            |number| matches!(memory.answer(&Effect::Load(key(number)), 0), Some(Done::Known(_)));
        assert!(!is_known(0) && !is_known(in_half - 1), "the oldest half is forgotten");
        assert!(is_known(in_half) && is_known(2 * in_half), "the others are known");
    }

    #[test]
    fn failures_are_those_of_one_client_and_one_repository_for_a_while() {
        let key = |client: &str, name: &str| Key::LastFailure { client: client.into(), name: name.into() };
        let keep = |name: &str| Effect::Keep {
            key: key("alice", name),
            value: Value::LastFailure(PullFailure::Explained(name.into())),
            lifetime: Duration::from_secs(1),
        };
        let told = |memory: &mut Memory, key: Key, now| match memory.answer(&Effect::Load(key), now).unwrap()
        {
            Done::Known(Value::LastFailure(PullFailure::Explained(line))) => Some(line),
            _ => None,
        };
        let mut memory = Memory::at_edge();
        memory.answer(&keep("a"), 0).unwrap();
        assert_eq!(told(&mut memory, key("alice", "a"), 999).as_deref(), Some("a"));
        for (key, now) in [(key("bob", "a"), 0), (key("alice", "b"), 0), (key("alice", "a"), 1000)] {
            assert_eq!(told(&mut memory, key, now), None);
        }
        memory.answer(&Effect::Forget(key("alice", "a")), 0).unwrap();
        assert_eq!(told(&mut memory, key("alice", "a"), 0), None);
        for number in 0..=MAX_FAILURES {
            memory.answer(&keep(&number.to_string()), 0).unwrap();
        }
        assert_eq!(told(&mut memory, key("alice", "0"), 0), None);
        let last = MAX_FAILURES.to_string();
        assert_eq!(told(&mut memory, key("alice", &last), 0), Some(last));
    }

    #[test]
    fn where_there_is_no_room_the_oldest_go_and_refusals_never_unnoticed() {
        let mut memory = Memory::with_room(&Room { permits: 2, ..Room::USUAL });
        for name in ["a", "b", "c"] {
            permit(&mut memory, ALICE, name, 0);
        }
        assert_eq!(mark(&mut memory, ALICE, "a", 0), Some(0));
        assert_eq!((mark(&mut memory, ALICE, "b", 0), mark(&mut memory, ALICE, "c", 0)), (None, None));
        revoke(&mut memory, ALICE, "b");
        for number in 0..MAX_REFUSALS {
            revoke(&mut memory, BOB, &number.to_string());
        }
        permit(&mut memory, ALICE, "b", 0);
        assert_eq!(mark(&mut memory, ALICE, "b", 0), Some(1 + MAX_REFUSALS as u64));
    }
}
