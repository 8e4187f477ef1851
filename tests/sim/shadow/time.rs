//! Epoch, line time, settings and the proof of absence, as the design words them.

use anteroom::line::exchange::Exchange;
use anteroom::line::ids::Epoch;
use anteroom::line::settings::Mode;
use anteroom::line::settings::Settings;

use super::Shadow;
use super::heal::LIVE_US;
use crate::plan::SECOND;

/// Line time follows the store's clock by at most this in one exchange; a replica silent for longer is missing.
const STEP_US: u64 = 2 * SECOND;
/// A replica silent for this long is forgotten.
const FORGET_US: u64 = 600 * SECOND;

impl Shadow {
    /// The beginning of an exchange; how far line time advanced.
    pub(super) fn begin(&mut self, clock_us: u64, exchange: &Exchange) -> u64 {
        if self.epoch.is_none() {
            self.found(clock_us, exchange);
        }
        self.queue_left = false;
        let was_healing = self.is_healing();
        self.leases.healed_before = was_healing;
        let elapsed = clock_us.saturating_sub(self.clock_us);
        let gap = elapsed > STEP_US || clock_us < self.clock_us;
        if self.is_closed_yet() && self.opening.at_us > self.clock_us {
            self.opening_us = self.now_us + self.opening.at_us - self.clock_us;
        }
        self.clock_us = clock_us;
        let elapsed_us = elapsed.min(STEP_US);
        self.now_us += elapsed_us;
        if gap {
            self.unbroken_us = self.now_us;
        }
        // Nobody's turn runs out while the guard keeps everybody out.
        if self.moves() && self.guard.taken < 1_000_000 {
            self.turn_us += elapsed_us;
        }
        if self.now_us >= self.minute_us + 60 * SECOND {
            self.minute_us += 60 * SECOND;
            self.issued_before = std::mem::take(&mut self.issued);
        }
        if exchange.store != self.process {
            self.process = exchange.store;
            self.await_all(false);
        } else if elapsed > STEP_US && exchange.store.0 != 0 {
            self.silence(was_healing);
        }
        self.adopt(exchange);
        self.raise(exchange);
        self.report(exchange, was_healing);
        elapsed_us
    }

    /// A line without an epoch takes the one it is shown, and forgets everybody of any other.
    fn found(&mut self, clock_us: u64, exchange: &Exchange) {
        let shown = shown(exchange);
        *self = Self {
            epoch: Some(shown.unwrap_or(Epoch {
                created_us: clock_us,
                nonce: exchange.nonce,
            })),
            provisional: shown.is_none(),
            process: exchange.store,
            clock_us,
            now_us: shown.map_or(clock_us, |_| exchange.known.now_us),
            settings: self.settings,
            revision: self.revision,
            content: self.content,
            contents: std::mem::take(&mut self.contents),
            seen: std::mem::take(&mut self.seen),
            stubs: self.stubs.without_numbers(),
            pace: self.pace.next(),
            ..Self::default()
        };
        self.announced();
        // Whoever was heard from in another line is to be heard from again.
        let before_us = self.now_us.saturating_sub(LIVE_US);
        self.seen.values_mut().for_each(|at| *at = before_us);
        self.minute_us = self.now_us;
        self.turn_us = self.now_us;
        self.unbroken_us = self.now_us;
        self.window_since_us = self.now_us;
        self.guard.since_us = self.now_us;
        if exchange.store.0 != 0 || shown.is_some() {
            self.await_all(false);
        }
    }

    /// While healing the newest epoch shown is the line's; any is before there was one for certain.
    fn adopt(&mut self, exchange: &Exchange) {
        let shown = shown(exchange);
        let newer = self.provisional || (self.may_have_lost() && shown > self.epoch);
        if newer && shown.is_some() && shown != self.epoch {
            self.found(self.clock_us, exchange);
        }
    }

    /// What was answered in this epoch is never taken back.
    fn raise(&mut self, exchange: &Exchange) {
        let known = &exchange.known;
        if known.epoch != self.epoch {
            return;
        }
        self.tail = self.tail.max(known.tail).max(known.head);
        self.head = self.head.max(known.head);
        // Those who asked before they were called, and have been called for all we know, ask on time.
        let head = self.head;
        let called = self.ahead.extract_if(.., |_, number| *number <= head);
        self.on_time.extend(called);
        if self.may_have_lost() && known.now_us > self.now_us {
            let behind_us = known.now_us - self.now_us;
            self.heal.later(behind_us);
            self.seen.values_mut().for_each(|at| *at += behind_us);
            self.now_us = known.now_us;
            self.unbroken_us = self.now_us;
        }
        self.remember(&known.opening);
    }

    /// The presence window: at least `presence`, and 2.5 times the longest interval told within one window.
    pub(super) fn window_us(&self) -> u64 {
        let told_us = self.told_us.max(self.told_before_us);
        self.settings.presence_us.max(told_us * 5 / 2)
    }

    /// Absence counts only while every replica is heard from without a break.
    pub(super) fn listen(&mut self, exchange: &Exchange) {
        let before = self.window_us();
        if self.now_us - self.told_at_us > before {
            self.told_before_us = self.told_us;
            self.told_us = 0;
            self.told_at_us = self.now_us;
        }
        self.told_us = self.told_us.max(exchange.told_us);
        self.window_changed(before);
        let window_us = self.window_us();
        let now_us = self.now_us;
        let mine = self.seen.get(&exchange.instance);
        let mut broken = mine.is_none_or(|&at| at < now_us.saturating_sub(STEP_US));
        let forgotten = self
            .seen
            .extract_if(.., |_, at| *at <= now_us.saturating_sub(FORGET_US));
        forgotten.for_each(|row| self.stubs.forget(row.0));
        let left_us = now_us.saturating_sub(window_us);
        let at_us = if exchange.leaving {
            left_us.min(now_us.saturating_sub(2 * LIVE_US))
        } else {
            self.heal.heard_us.unwrap_or(now_us)
        };
        self.seen.insert(exchange.instance, at_us);
        let missing = now_us.saturating_sub(STEP_US);
        broken |= self.seen.values().any(|&at| at > left_us && at <= missing);
        if broken {
            self.unbroken_us = now_us;
        }
    }

    /// Notes that the window is another one: what was heard before is remembered by the shorter of the two.
    fn window_changed(&mut self, before: u64) {
        let window_us = self.window_us();
        if window_us == before {
            return;
        }
        self.window_since_us = self.now_us;
        for heard in self.heard.values_mut() {
            heard.window_us = heard.window_us.min(window_us);
        }
    }

    /// Whether absence is proven.
    pub(super) fn is_proven(&self) -> bool {
        self.now_us - self.unbroken_us >= self.window_us()
    }

    /// Settings: a changed file counts, and one whose content was never seen.
    pub(super) fn obey(&mut self, exchange: &Exchange) {
        if let Some(proposal) = exchange.proposal {
            let never_seen = self.contents.insert(proposal.content);
            if (proposal.changed || never_seen) && proposal.content != self.content {
                self.content = proposal.content;
                self.set(proposal.settings);
                self.announced();
            }
        }
        if exchange.sold_out && matches!(self.settings.mode, Mode::Open | Mode::Paused) {
            let mode = Mode::SoldOut;
            self.set(Settings {
                mode,
                ..self.settings
            });
        }
    }

    pub(super) fn set(&mut self, settings: Settings) {
        let before = self.window_us();
        if settings.mode == Mode::Open && self.settings.mode != Mode::Open {
            self.unbroken_us = self.now_us;
        }
        self.settings = settings;
        self.revision += 1;
        self.pace.limit(self.pace_left());
        self.window_changed(before);
    }
}

/// The epoch a replica knows; the zero epoch is none.
fn shown(exchange: &Exchange) -> Option<Epoch> {
    exchange
        .known
        .epoch
        .filter(|&epoch| epoch != Epoch::default())
}
