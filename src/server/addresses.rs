//! How many connections are open from each client address, over all workers.
//!
//! The kernel spreads the connections of one address over the workers by chance, so that a worker's share of a limit
//! would turn people away whom the whole of it has room for: the workers count together. That is one short lock when a
//! connection comes and one when it goes, in one of many shards; a request takes none. There is an entry for each
//! address with an open connection and for no other, so there are never more than connections.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::BuildHasher;
use std::hash::RandomState;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use crate::message::Network;

/// Locks that connections are spread over.
const SHARDS: usize = 64;

/// Who has how many connections open.
#[derive(Debug)]
pub(super) struct Addresses {
    /// Of where an address belongs; addresses are of clients' choosing, so nobody but us knows it.
    hasher: RandomState,
    shards: Box<[Mutex<HashMap<Network, usize>>]>,
}

/// One connection from an address; counted until it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    addresses: Arc<Addresses>,
    network: Network,
}

impl Addresses {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        })
    }

    /// One more from this address, unless there are `max` already.
    pub(super) fn enter(self: &Arc<Self>, ip: IpAddr, max: usize) -> Option<Seat> {
        let network = Network::of(ip);
        let mut shard = self.shard(network);
        let count = shard.entry(network).or_default();
        // An entry that was just made must not stay when nobody may come.
        if *count >= max {
            if *count == 0 {
                shard.remove(&network);
            }
            return None;
        }
        *count += 1;
        drop(shard);
        Some(Seat {
            addresses: Arc::clone(self),
            network,
        })
    }

    fn shard(&self, network: Network) -> MutexGuard<'_, HashMap<Network, usize>> {
        let hash = self.hasher.hash_one(network);
        // The remainder is below SHARDS.
        let at = usize::try_from(hash % SHARDS as u64).unwrap_or(0);
        self.shards[at]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut shard = self.addresses.shard(self.network);
        if let Entry::Occupied(mut entry) = shard.entry(self.network) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_and_another_is_not_concerned() {
        let addresses = Addresses::new();
        let enter = |ip: &str| addresses.enter(ip.parse().unwrap(), 2);
        let (first, second) = (enter("192.0.2.1"), enter("192.0.2.1"));
        assert!(first.is_some() && second.is_some());
        assert!(enter("::ffff:192.0.2.1").is_none());
        assert!(enter("192.0.2.2").is_some());
        drop(first);
        assert!(enter("192.0.2.1").is_some());
    }

    #[test]
    fn nothing_is_kept_of_whoever_has_gone() {
        let addresses = Addresses::new();
        let ip = "2001:db8::1".parse().unwrap();
        assert!(addresses.enter(ip, 0).is_none());
        drop(addresses.enter(ip, 1));
        let kept = |shard: &Mutex<HashMap<_, _>>| shard.lock().unwrap().len();
        assert_eq!(addresses.shards.iter().map(kept).sum::<usize>(), 0);
    }
}
