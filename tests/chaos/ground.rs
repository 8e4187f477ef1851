//! What everybody in a run shares: the clock, where the replicas are and which of their lives they are in, the end.

use std::net::SocketAddr;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time;
use tokio::time::Instant;

/// A replica as its visitors know it.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) addr: SocketAddr,
    /// Even while one process serves undisturbed; odd while it is killed, stopped or started.
    pub(crate) life: AtomicU32,
}

impl Port {
    /// It is about to be disturbed.
    pub(crate) fn disturb(&self) {
        self.life.fetch_or(1, Ordering::SeqCst);
    }

    /// It serves again. A process that was only stopped goes on with the picture it had, but who asked it meanwhile
    /// may have waited: it counts as another life.
    pub(crate) fn settle(&self) {
        let life = self.life.load(Ordering::SeqCst);
        self.life.store((life | 1) + 1, Ordering::SeqCst);
    }
}

/// The ground that a run takes place on.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) began: Instant,
    pub(crate) replicas: Vec<Port>,
    over: watch::Sender<bool>,
}

impl Ground {
    pub(crate) fn new(addrs: impl Iterator<Item = SocketAddr>) -> Self {
        let port = |addr| Port {
            addr,
            life: AtomicU32::new(0),
        };
        Self {
            began: Instant::now(),
            replicas: addrs.map(port).collect(),
            over: watch::Sender::new(false),
        }
    }

    /// Microseconds since the run began.
    pub(crate) fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Everybody goes home.
    pub(crate) fn end(&self) {
        self.over.send_replace(true);
    }

    pub(crate) fn is_over(&self) -> bool {
        *self.over.borrow()
    }

    /// Paces somebody: goes on after this time, or when all is over. That is what a visitor's day is made of, and no
    /// wait for a condition.
    pub(crate) async fn pace(&self, time: Duration) {
        let mut over = self.over.subscribe();
        let ended = over.wait_for(|&over| over);
        // Either way the visitor looks around next.
        drop(time::timeout(time, ended).await);
    }
}
