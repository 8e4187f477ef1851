//! Keeps the passes of open streams alive: a long download, an event stream or a `WebSocket` is a visitor at work.

use std::cell::RefCell;
use std::rc::Rc;
use std::rc::Weak;
use std::time::Duration;
use std::time::Instant;

use crate::gate::forward::renewal;
use crate::message::Note;
use crate::room::Port;
use crate::seal::Pass;

/// The responses of one worker that go on after their head was sent.
#[derive(Debug, Default)]
pub(crate) struct Streams(RefCell<Vec<Open>>);

/// One of them.
#[derive(Debug)]
pub(crate) struct Open {
    /// Held by the response until its end.
    note: Weak<Note>,
    port: Rc<Port>,
    pass: Pass,
    /// How long the pass lasts without being renewed, and how long it can be renewed at all.
    idle: Duration,
    max: Duration,
}

impl Open {
    pub(crate) fn new(
        note: &Rc<Note>,
        port: &Rc<Port>,
        pass: Pass,
        room: &crate::config::Room,
    ) -> Self {
        Self {
            note: Rc::downgrade(note),
            port: Rc::clone(port),
            pass,
            idle: room.pass_idle,
            max: room.pass_max,
        }
    }

    /// Renews the pass when a quarter of its idle time has gone; `false` once the stream has ended.
    fn keep(&mut self, now: Instant) -> bool {
        if self.note.strong_count() == 0 {
            return false;
        }
        let snapshot = self.port.snapshot();
        if snapshot.epoch() != Some(self.pass.epoch) {
            // Not known yet, or over: what the pass says means nothing to this line.
            return true;
        }
        let now_us = snapshot.line_us(now);
        let (idle_us, max_us) = (micros(self.idle), micros(self.max));
        let until_us = (now_us + idle_us).min(self.pass.entered_us.saturating_add(max_us));
        if now_us.saturating_sub(self.pass.signed_us) >= idle_us / 4
            && until_us > self.pass.until_us
        {
            self.pass = Pass {
                signed_us: now_us,
                until_us,
                ..self.pass
            };
            self.port.renew(renewal(&self.pass));
        }
        true
    }
}

impl Streams {
    /// One more.
    pub(crate) fn add(&self, open: Open) {
        self.0.borrow_mut().push(open);
    }

    /// Looks after all of them; called every 250 ms.
    pub(crate) fn tick(&self, now: Instant) {
        self.0.borrow_mut().retain_mut(|open| open.keep(now));
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX / 4)
}
