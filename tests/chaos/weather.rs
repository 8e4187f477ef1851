//! Looks at the parts themselves all the time: what goes wrong with them beyond the plan is written down as well.
//!
//! A machine that is busy with something else holds up a server until its sentinels replace it, or a replica until its
//! pace is lost. Neither is a promise broken, and neither may go unnoticed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use crate::ground::Ground;
use crate::seen::Touches;
use crate::seen::Trouble;
use crate::support::http;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// Who answers later than this is in trouble, in microseconds.
const LATE_US: u64 = 300_000;
/// How long a server may take to answer the look itself.
const ANSWER: Duration = Duration::from_secs(2);
/// How long replicas take to find the server that was put in another's place, in microseconds.
const FOUND_US: u64 = 4_000_000;

/// Somebody who looks; stops when dropped.
#[derive(Debug)]
pub(crate) struct Weather {
    shared: Arc<Shared>,
    looker: Option<thread::JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    ground: Arc<Ground>,
    sentinel: u16,
    admins: Vec<SocketAddr>,
    seen: Mutex<Vec<Trouble>>,
    stopped: AtomicBool,
}

impl Weather {
    /// Begins to look at the replicas and at whatever this sentinel calls the primary.
    pub(crate) fn watch(ground: &Arc<Ground>, sentinel: u16, admins: Vec<SocketAddr>) -> Self {
        let shared = Arc::new(Shared {
            ground: Arc::clone(ground),
            sentinel,
            admins,
            seen: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let looking = Arc::clone(&shared);
        Self {
            shared,
            looker: Some(thread::spawn(move || looking.look())),
        }
    }

    /// What was seen so far.
    pub(crate) fn seen(&self) -> Vec<Trouble> {
        let seen = self.shared.seen.lock();
        seen.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Weather {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        if let Some(looker) = self.looker.take() {
            drop(looker.join());
        }
    }
}

impl Shared {
    fn look(&self) {
        let mut named = None;
        let mut before_us = self.ground.now_us();
        while !self.stopped.load(Ordering::SeqCst) {
            thread::sleep(LOOK);
            let began_us = self.ground.now_us();
            if began_us - before_us > LATE_US {
                self.note(before_us, began_us, Touches::Machine, "the machine is busy");
            }
            let now: Option<u16> = self.primary();
            let told_us = self.ground.now_us();
            if now.is_some() && named.is_some() && now != named {
                // It was replaced at some time since the last look but one, and is found from now on.
                let from_us = before_us.saturating_sub(FOUND_US);
                self.note(from_us, told_us + FOUND_US, Touches::Loss, "a fail-over");
            }
            named = now.or(named);
            if let Some(port) = named
                && (ask::<String>(port, &["PING"]).is_none()
                    || self.ground.now_us() - told_us > LATE_US)
            {
                let until_us = self.ground.now_us();
                self.note(
                    told_us,
                    until_us,
                    Touches::Store,
                    "the primary does not answer",
                );
            }
            for (at, &admin) in self.admins.iter().enumerate() {
                let sent_us = self.ground.now_us();
                let told = http::get(admin, "/livez", &[]);
                let got_us = self.ground.now_us();
                if told.is_err() || got_us - sent_us > LATE_US {
                    self.note(
                        sent_us,
                        got_us,
                        Touches::Replica(at),
                        "a replica does not answer",
                    );
                }
            }
            before_us = self.ground.now_us();
        }
    }

    fn primary(&self) -> Option<u16> {
        let told: Vec<String> = ask(
            self.sentinel,
            &["SENTINEL", "get-master-addr-by-name", "main"],
        )?;
        told.get(1)?.parse().ok()
    }

    fn note(&self, from_us: u64, until_us: u64, touches: Touches, what: &str) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // One that goes on is one.
        if let Some(last) = seen.iter_mut().rfind(|last| last.touches == touches)
            && from_us <= last.until_us + 2 * LATE_US
        {
            last.until_us = last.until_us.max(until_us);
            return;
        }
        seen.push(Trouble {
            from_us,
            until_us,
            touches,
            what: format!("seen: {what}"),
        });
    }
}

fn ask<T: redis::FromRedisValue>(port: u16, words: &[&str]) -> Option<T> {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).ok()?;
    let mut connection = client.get_connection_with_timeout(ANSWER).ok()?;
    connection.set_read_timeout(Some(ANSWER)).ok()?;
    let mut cmd = redis::cmd(words.first()?);
    for word in &words[1..] {
        cmd.arg(word);
    }
    cmd.query(&mut connection).ok()
}
