//! Things that a client may come back for, kept for a time, and bounded in number and bytes.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// Values by key, each owned by one user. A value is dropped when it was not used for the time to live, or when its user
/// or everybody together has too many: then the one that was not used for longest goes first.
#[derive(Debug)]
pub(crate) struct BoundedStore<K, V> {
    kept: Mutex<HashMap<K, Kept<V>>>,
    bounds: Bounds,
}

/// What a store keeps at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Time for which a value is kept unused.
    pub(crate) ttl: Duration,
    /// Values of one user.
    pub(crate) per_user_max: usize,
    /// Values altogether.
    pub(crate) total_max: usize,
    /// Bytes of all values, as those who insert them count.
    pub(crate) bytes_max: usize,
}

#[derive(Debug)]
struct Kept<V> {
    user: Arc<str>,
    value: V,
    bytes: usize,
    used: Instant,
}

impl<K: Copy + Eq + Hash, V: Clone> BoundedStore<K, V> {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            kept: Mutex::default(),
            bounds,
        }
    }

    /// Keeps a value of so many bytes; returns those that had to go for it.
    pub(crate) fn insert(&self, key: K, user: &Arc<str>, value: V, bytes: usize, now: Instant) -> Vec<V> {
        let mut kept = self.kept.lock();
        let mut gone: Vec<V> = kept
            .extract_if(|_, kept| now.duration_since(kept.used) >= self.bounds.ttl)
            .map(|(_, kept)| kept.value)
            .collect();
        if kept.values().filter(|kept| kept.user == *user).count() >= self.bounds.per_user_max {
            gone.extend(Self::remove_oldest(&mut kept, Some(user)));
        }
        if kept.len() >= self.bounds.total_max {
            gone.extend(Self::remove_oldest(&mut kept, None));
        }
        let mut total: usize = kept.values().map(|kept| kept.bytes).sum();
        while total.saturating_add(bytes) > self.bounds.bytes_max && !kept.is_empty() {
            // whoever fills the store makes room first
            let own = Self::remove_oldest(&mut kept, Some(user));
            gone.extend(own.or_else(|| Self::remove_oldest(&mut kept, None)));
            total = kept.values().map(|kept| kept.bytes).sum();
        }
        kept.insert(
            key,
            Kept {
                user: Arc::clone(user),
                value,
                bytes,
                used: now,
            },
        );
        gone
    }

    /// The value, now used, if it is this user's and still kept.
    pub(crate) fn get(&self, key: K, user: &str, now: Instant) -> Option<V> {
        let mut kept = self.kept.lock();
        let found = kept.get_mut(&key).filter(|kept| *kept.user == *user)?;
        if now.duration_since(found.used) >= self.bounds.ttl {
            kept.remove(&key);
            return None;
        }
        found.used = now;
        Some(found.value.clone())
    }

    /// Takes the value out, if it is this user's.
    pub(crate) fn remove(&self, key: K, user: &str) -> Option<V> {
        let mut kept = self.kept.lock();
        kept.get(&key).filter(|kept| *kept.user == *user)?;
        kept.remove(&key).map(|kept| kept.value)
    }

    fn remove_oldest(kept: &mut HashMap<K, Kept<V>>, user: Option<&Arc<str>>) -> Option<V> {
        let candidates = kept
            .iter()
            .filter(|(_, kept)| user.is_none_or(|user| kept.user == *user));
        let oldest = candidates.min_by_key(|(_, kept)| kept.used).map(|(key, _)| *key)?;
        kept.remove(&oldest).map(|kept| kept.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn store(ttl: Duration, per_user_max: usize, total_max: usize) -> BoundedStore<i32, i32> {
        BoundedStore::new(Bounds {
            ttl,
            per_user_max,
            total_max,
            bytes_max: 100,
        })
    }

    #[test]
    fn a_value_is_its_users_until_it_is_not_used_any_more() {
        let store = store(10 * S, 10, 10);
        let (now, ann) = (Instant::now(), Arc::<str>::from("ann"));
        store.insert(1, &ann, 11, 1, now);
        assert_eq!(store.get(1, "bob", now), None);
        assert_eq!(store.remove(1, "bob"), None);
        assert_eq!(store.get(1, "ann", now + 9 * S), Some(11));
        assert_eq!(store.get(1, "ann", now + 18 * S), Some(11), "use prolongs");
        assert_eq!(store.get(1, "ann", now + 28 * S), None);
        store.insert(2, &ann, 22, 1, now);
        assert_eq!(store.remove(2, "ann"), Some(22));
        assert_eq!(store.get(2, "ann", now), None);
    }

    #[test]
    fn too_many_push_out_the_users_own_oldest_and_then_anybodys() {
        let store = store(100 * S, 2, 3);
        let (now, ann, bob) = (Instant::now(), Arc::<str>::from("ann"), Arc::<str>::from("bob"));
        assert!(store.insert(1, &ann, 1, 1, now).is_empty());
        assert!(store.insert(2, &ann, 2, 1, now + S).is_empty());
        store.get(1, "ann", now + 2 * S).unwrap();
        assert_eq!(store.insert(3, &ann, 3, 1, now + 3 * S), [2]);
        assert!(store.insert(4, &bob, 4, 1, now + 4 * S).is_empty());
        assert_eq!(store.insert(5, &bob, 5, 1, now + 5 * S), [1], "the node is full");
        assert_eq!(store.kept.lock().len(), 3);
    }

    #[test]
    fn large_values_push_out_as_many_as_their_bytes_need() {
        let store = store(100 * S, 10, 10);
        let (now, ann) = (Instant::now(), Arc::<str>::from("ann"));
        (1..=4).for_each(|i| drop(store.insert(i, &ann, i, 25, now + u32::try_from(i).unwrap() * S)));
        assert_eq!(store.insert(5, &ann, 5, 40, now + 5 * S), [1, 2]);
        assert_eq!(
            store.insert(6, &ann, 6, 1000, now + 6 * S),
            [3, 4, 5],
            "one is kept in any case"
        );
        assert_eq!(store.get(6, "ann", now + 6 * S), Some(6));
        store.remove(6, "ann");
        store.insert(7, &"bob".into(), 7, 60, now);
        store.insert(8, &ann, 8, 40, now + S);
        assert_eq!(
            store.insert(9, &ann, 9, 40, now + 2 * S),
            [8],
            "bob's is older and stays"
        );
    }
}
