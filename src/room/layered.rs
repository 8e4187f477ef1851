//! A map that many read and one extends: a large shared base, and a small layer of what is new.
//!
//! Publishing a snapshot copies only the layer; once that has grown, both become the next base. So an exchange costs
//! what it brings, however many visitors are inside.

use std::hash::Hash;
use std::sync::Arc;

use rustc_hash::FxBuildHasher;
use rustc_hash::FxHashMap;

/// The layer becomes part of the base at this many entries.
const LAYER_MAX: usize = 1_024;

/// A map in two layers; cloning copies at most [`LAYER_MAX`] entries.
///
/// Keys are numbers we issued and ids we drew at random, so nobody outside can choose them to collide: a fast hash is
/// safe.
#[derive(Debug, Clone)]
pub(crate) struct Layered<K, V> {
    base: Arc<FxHashMap<K, V>>,
    /// What changed since: a value, or nothing where the key was taken out.
    layer: FxHashMap<K, Option<V>>,
}

impl<K, V> Default for Layered<K, V> {
    fn default() -> Self {
        Self {
            base: Arc::default(),
            layer: FxHashMap::default(),
        }
    }
}

impl<K: Eq + Hash + Copy, V: Copy> Layered<K, V> {
    /// The value of a key.
    pub(crate) fn get(&self, key: &K) -> Option<V> {
        match self.layer.get(key) {
            Some(changed) => *changed,
            None => self.base.get(key).copied(),
        }
    }

    /// Sets a value.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        self.layer.insert(key, Some(value));
    }

    /// Takes a key out.
    pub(crate) fn remove(&mut self, key: K) {
        if self.base.contains_key(&key) {
            self.layer.insert(key, None);
        } else {
            self.layer.remove(&key);
        }
    }

    /// Whether the layer has grown so far that [`Layered::settle`] pays.
    pub(crate) fn is_full(&self) -> bool {
        self.layer.len() >= LAYER_MAX
    }

    /// Makes one new base of both layers, of those entries that `keep` wants.
    pub(crate) fn settle(&mut self, mut keep: impl FnMut(&K, &V) -> bool) {
        let mut base: FxHashMap<K, V> =
            FxHashMap::with_capacity_and_hasher(self.base.len() + self.layer.len(), FxBuildHasher);
        base.extend(self.iter().filter(|(key, value)| keep(key, value)));
        self.base = Arc::new(base);
        self.layer.clear();
    }

    /// Every key with its value, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, V)> + '_ {
        let unchanged = self
            .base
            .iter()
            .filter(|(key, _)| !self.layer.contains_key(key))
            .map(|(key, value)| (*key, *value));
        let changed = self.layer.iter();
        unchanged.chain(changed.filter_map(|(key, value)| value.map(|value| (*key, value))))
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layered_map_answers_as_a_map_does() {
        let mut map = Layered::default();
        for n in 0..5_000_u64 {
            map.insert(n, n + 1);
            if n % 3 == 0 {
                map.remove(n);
            }
            if map.is_full() {
                map.settle(|_, _| true);
            }
        }
        assert_eq!(
            (map.get(&1), map.get(&3), map.get(&4_999), map.get(&5_000)),
            (Some(2), None, Some(5_000), None)
        );
        map.settle(|key, _| *key < 10);
        assert_eq!((map.get(&8), map.get(&11)), (Some(9), None));
    }
}
