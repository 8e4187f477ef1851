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
//! what counts it. Beyond a worker's share of `max_unsent_bytes` connections are cut until a quarter of the bound is free:
//! first those whose clients have left what is theirs untaken for longest, of these the ones that hold most. A
//! connection that many visitors share holds much for moments, and takes it.
//!
//! The library takes the last piece of an answer as soon as its stream has room for one byte, and the answer is over for
//! us: no stream is left to be ended. So a connection that takes too little of what is held for it is ended as a whole
//! ([`Waiting`]), whatever becomes of its streams.
//!
//! The bodies of those inside, both ways, are bounded by what the origins may have in flight (`max_in_flight`) times what
//! is above. What the kernel keeps for a client is bounded as well ([`crate::server::socket`]).

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

use crate::proxy::Pace;
use crate::proxy::Patience;

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

/// How the client of a connection takes what is held for it: the time it has left.
#[derive(Debug)]
pub(super) struct Waiting {
    all: Patience,
    left: Cell<Patience>,
    /// When this was last looked at.
    looked_ms: Cell<u64>,
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

    /// How much has to go before there is room again, besides what is going already; nothing while the bound holds.
    pub(super) fn excess(&self, going: u64) -> u64 {
        let bytes = self.bytes().saturating_sub(going);
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

impl Waiting {
    pub(super) fn new(pace: Pace) -> Self {
        Self {
            all: Patience::new(pace),
            left: Cell::new(Patience::new(pace)),
            looked_ms: Cell::new(0),
        }
    }

    /// Something is held, and nothing was.
    pub(super) fn begin(&self, now_ms: u64) {
        self.left.set(self.all);
        self.looked_ms.set(now_ms);
    }

    /// Something has been held since this was last looked at, and so many bytes were sent; what time is left.
    pub(super) fn look(&self, now_ms: u64, sent: u64, pace: Pace) -> Duration {
        let waited_ms = now_ms.saturating_sub(self.looked_ms.replace(now_ms));
        let mut left = self.left.get();
        left.spend(waited_ms, sent, pace);
        self.left.set(left);
        left.left()
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
        assert_eq!((all.excess(0), all.excess(1)), (26, 0));
        drop(more);
        assert_eq!((all.bytes(), all.excess(0)), (60, 0));
        drop(rest);
        assert_eq!((one.bytes(), all.bytes()), (0, 0));
    }

    #[test]
    fn time_runs_out_for_who_leaves_what_is_held_and_not_for_who_takes_it() {
        let pace = Pace {
            pause: Duration::from_secs(10),
            bytes_per_s: 100,
        };
        let (leaves, takes) = (Waiting::new(pace), Waiting::new(pace));
        for waiting in [&leaves, &takes] {
            waiting.begin(5_000);
        }
        for s in 6..15 {
            assert!(!leaves.look(s * 1_000, 1, pace).is_zero());
            assert_eq!(takes.look(s * 1_000, 100, pace), pace.pause);
        }
        assert!(leaves.look(15_100, 0, pace).is_zero());
        // Everything was taken meanwhile.
        leaves.begin(20_000);
        assert_eq!(leaves.look(20_000, 0, pace), pace.pause);
    }
}
