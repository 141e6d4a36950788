//! A cache with a bound on bytes, in which large values have a place of their own, and not for long.
//!
//! A few documents of several megabytes would otherwise fill it, and stay for as long as nothing else comes. They are kept
//! for those who ask at the same time, such as all nodes of a cluster, and are gone soon after the last of them.

use core::hash::Hash;
use core::time::Duration;

use moka::sync::Cache;

/// Bytes from which on a value is large: a hundred times an ordinary manifest, and what few images come near to.
const LARGE_BYTES: usize = 1024 * 1024;

/// How long a large value is kept after it was last asked for: longer than it takes to make it again.
const LARGE_LIFETIME: Duration = Duration::from_secs(10);

/// What part of its bound a cache has for large values, beside what it has for others. Of answers that is 32 MiB, as much as
/// `output-bytes` lets one have.
const LARGE_SHARE: u64 = 2;

/// Values by their keys. Where there is no room, those asked for least go.
pub(crate) struct ByteCache<K, V> {
    ordinary: Cache<K, V>,
    large: Cache<K, V>,
    bytes: fn(&V) -> usize,
}

impl<K, V> ByteCache<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Nothing yet, and room for `capacity` bytes of values, each of which takes `overhead` bytes beside those that `bytes`
    /// tells.
    pub(crate) fn new(capacity: u64, overhead: usize, bytes: fn(&V) -> usize) -> Self {
        Self::with_large_lifetime(LARGE_LIFETIME, capacity, overhead, bytes)
    }

    fn with_large_lifetime(
        lifetime: Duration,
        capacity: u64,
        overhead: usize,
        bytes: fn(&V) -> usize,
    ) -> Self {
        let weigh = move |_: &K, value: &V| u32::try_from(bytes(value) + overhead).unwrap_or(u32::MAX);
        let of = |capacity| Cache::builder().max_capacity(capacity).weigher(weigh);
        Self {
            ordinary: of(capacity).build(),
            large: of(capacity / LARGE_SHARE).time_to_idle(lifetime).build(),
            bytes,
        }
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &K) -> Option<V> {
        self.ordinary.get(key).or_else(|| self.large.get(key))
    }

    /// Whether a key has a value, which does not count as use.
    pub(crate) fn contains_key(&self, key: &K) -> bool {
        self.ordinary.contains_key(key) || self.large.contains_key(key)
    }

    /// Keeps a value, in place of the one that the key had.
    pub(crate) fn insert(&self, key: K, value: V) {
        let is_large = (self.bytes)(&value) > LARGE_BYTES;
        let (into, other) =
            if is_large { (&self.large, &self.ordinary) } else { (&self.ordinary, &self.large) };
        other.invalidate(&key);
        into.insert(key, value);
        if is_large {
            // What has to go for it would stay otherwise until there are some dozens.
            into.run_pending_tasks();
        }
    }

    /// Forgets a key.
    pub(crate) fn invalidate(&self, key: &K) {
        self.ordinary.invalidate(key);
        self.large.invalidate(key);
    }

    /// Forgets the keys that are meant.
    pub(crate) fn invalidate_if(&self, is_meant: impl Fn(&K) -> bool) {
        for cache in [&self.ordinary, &self.large] {
            for (key, _) in cache.iter().filter(|(key, _)| is_meant(key)) {
                cache.invalidate(&*key);
            }
        }
    }

    /// Forgets everything.
    pub(crate) fn invalidate_all(&self) {
        self.ordinary.invalidate_all();
        self.large.invalidate_all();
    }

    /// Lets go of what has left, which otherwise waits until the cache is next used.
    pub(crate) fn tidy(&self) {
        self.ordinary.run_pending_tasks();
        self.large.run_pending_tasks();
    }

    /// How many values there are, and their bytes.
    pub(crate) fn size(&self) -> (u64, u64) {
        (
            self.ordinary.entry_count() + self.large.entry_count(),
            self.ordinary.weighted_size() + self.large.weighted_size(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPACITY: u64 = 8 * LARGE_BYTES as u64;

    fn cache() -> ByteCache<u32, Vec<u8>> {
        ByteCache::new(CAPACITY, 0, Vec::len)
    }

    #[test]
    fn large_values_take_no_room_from_others() {
        let cache = cache();
        for key in 0..8 {
            cache.insert(key, vec![0; LARGE_BYTES]);
        }
        for key in 8..40 {
            cache.insert(key, vec![0; LARGE_BYTES + 1]);
            cache.tidy();
        }
        assert!((0..8).all(|key| cache.contains_key(&key)));
        let (_, bytes) = cache.size();
        assert!(bytes <= CAPACITY + CAPACITY / LARGE_SHARE, "{bytes}");
    }

    #[test]
    fn large_values_leave_when_nobody_asks_for_them() {
        let lifetime = Duration::from_millis(10);
        let cache = ByteCache::with_large_lifetime(lifetime, CAPACITY, 0, Vec::len);
        cache.insert(1, vec![0; LARGE_BYTES]);
        cache.insert(2, vec![0; LARGE_BYTES + 1]);
        std::thread::sleep(10 * lifetime);
        cache.tidy();
        assert_eq!(cache.size(), (1, LARGE_BYTES as u64));
    }

    #[test]
    fn a_key_has_its_last_value_whatever_its_size() {
        let cache = cache();
        for len in [1, LARGE_BYTES + 1, 2, LARGE_BYTES + 2] {
            cache.insert(1, vec![0; len]);
            cache.tidy();
            assert_eq!(cache.get(&1).map(|value: Vec<u8>| value.len()), Some(len));
            assert_eq!(cache.size(), (1, len as u64));
        }
    }

    #[test]
    fn what_is_forgotten_is_gone_whatever_its_size() {
        let filled = || {
            let cache = cache();
            for (key, len) in [(1, 1), (2, LARGE_BYTES + 1), (3, 3), (4, LARGE_BYTES + 4)] {
                cache.insert(key, vec![0; len]);
            }
            cache
        };
        let left = |cache: &ByteCache<u32, Vec<u8>>| {
            cache.tidy();
            (1..=4).filter(|key| cache.get(key).is_some()).collect::<Vec<_>>()
        };
        let cache = filled();
        cache.invalidate(&1);
        cache.invalidate(&2);
        assert_eq!(left(&cache), [3, 4]);
        let cache = filled();
        cache.invalidate_if(|key| *key > 2);
        assert_eq!(left(&cache), [1, 2]);
        let cache = filled();
        cache.invalidate_all();
        assert!(left(&cache).is_empty());
    }
}
