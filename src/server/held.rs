//! What waits in memory for HTTP/2 clients that do not take it, and the bound on all of it.
//!
//! # What a connection may cost
//!
//! | | at most, in this process |
//! |---|---|
//! | an idle connection | its task and state: some kilobytes |
//! | HTTP/1.1, while a head comes in | some four times `max_header_bytes`, since the library doubles its buffer: 150 KiB for 32 KiB; `header_timeout` bounds how long |
//! | HTTP/1.1, while an answer goes out | 64 KiB and one piece of it; `send_timeout` and `min_send_rate` bound how long |
//! | HTTP/2, what came in and nobody read | 1 MiB, of one request 256 KiB: the windows we give |
//! | HTTP/2, a head | `max_header_bytes`, times `max_streams` while they are being answered |
//! | HTTP/2, what goes out | `max_streams` answers: each a page of ours, or 64 KiB and one piece of the origin's |
//!
//! A request of somebody who is not inside is answered at once and its body is not read, so that of these only two are for
//! everybody to have: heads, which are bounded in time, and answers over HTTP/2, which wait for as long as the client keeps
//! its windows shut. A hundred pages on each of a thousand connections are gigabytes, by a few small packets. So what is
//! given to the library is counted until its last byte is written or dropped, wherever it is by then: each piece carries
//! what counts it. Beyond a worker's share of `max_unsent_bytes` the connections that hold most of it are cut, until a
//! quarter of the bound is free: whoever takes what it asked for holds little, and for moments.
//!
//! The bodies of those inside, both ways, are bounded by what the origins may have in flight (`max_in_flight`) times what
//! is above. What the kernel keeps for a client is bounded as well ([`crate::server::socket`]).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use tokio::sync::Notify;

/// What waits on all connections of one worker.
pub(super) struct AllHeld {
    bytes: AtomicU64,
    max: u64,
    /// There is more than there may be.
    too_much: Notify,
}

/// What waits on one connection.
#[derive(Debug)]
pub(super) struct Held {
    all: Arc<AllHeld>,
    bytes: AtomicU64,
}

/// A piece that counts as long as somebody has it.
struct Piece {
    bytes: Bytes,
    held: Arc<Held>,
}

impl AllHeld {
    pub(super) fn new(max: u64) -> Arc<Self> {
        Arc::new(Self {
            bytes: AtomicU64::new(0),
            max,
            too_much: Notify::new(),
        })
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// How much has to go before there is room again; nothing while the bound holds.
    pub(super) fn excess(&self) -> u64 {
        let bytes = self.bytes();
        if bytes > self.max {
            bytes - self.max / 4 * 3
        } else {
            0
        }
    }

    /// Waits until there is more than there may be.
    pub(super) async fn too_much(&self) {
        self.too_much.notified().await;
    }
}

impl Held {
    pub(super) fn new(all: &Arc<AllHeld>) -> Arc<Self> {
        Arc::new(Self {
            all: Arc::clone(all),
            bytes: AtomicU64::new(0),
        })
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// The same bytes, counted until they are gone.
    pub(super) fn hold(self: &Arc<Self>, bytes: Bytes) -> Bytes {
        let len = bytes.len() as u64;
        self.bytes.fetch_add(len, Relaxed);
        if self.all.bytes.fetch_add(len, Relaxed) + len > self.all.max {
            self.all.too_much.notify_one();
        }
        Bytes::from_owner(Piece {
            bytes,
            held: Arc::clone(self),
        })
    }
}

impl fmt::Debug for AllHeld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AllHeld").field(&self.bytes()).finish()
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let len = self.bytes.len() as u64;
        self.held.bytes.fetch_sub(len, Relaxed);
        self.held.all.bytes.fetch_sub(len, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_counts_until_its_last_part_is_gone() {
        let all = AllHeld::new(100);
        let (one, other) = (Held::new(&all), Held::new(&all));
        let mut piece = one.hold(Bytes::from(vec![7; 60]));
        let rest = piece.split_off(50);
        assert_eq!((piece.len(), &*rest), (50, &[7; 10][..]));
        drop(piece);
        let more = other.hold(Bytes::from_static(&[7; 41]));
        assert_eq!((one.bytes(), other.bytes(), all.bytes()), (60, 41, 101));
        assert_eq!(all.excess(), 26);
        drop(more);
        assert_eq!((all.bytes(), all.excess()), (60, 0));
        drop(rest);
        assert_eq!((one.bytes(), all.bytes()), (0, 0));
    }
}
