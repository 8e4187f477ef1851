//! Where an exchange begins: the epoch, the store's identity, line time and who is listening.

use crate::line::exchange::Exchange;
use crate::line::ids::Epoch;
use crate::line::ids::KeyHash;
use crate::line::opening::Opening;
use crate::line::pace::DELAY_US;
use crate::line::settings::Mode;
use crate::line::settings::Settings;
use crate::line::state::ENTRY;
use crate::line::state::FORGET_US;
use crate::line::state::LIVE_US;
use crate::line::state::Line;
use crate::line::state::MISSING_US;
use crate::line::state::SECOND_US;
use crate::line::state::STEP_US_MAX;
use crate::line::state::Step;

impl Line {
    /// Finds the epoch, advances line time and takes in what the replica knows.
    pub(crate) fn begin(&mut self, clock_us: u64, exchange: &Exchange, step: &mut Step) {
        if self.epoch.is_none() {
            self.found(clock_us, exchange);
        }
        let was_healing = self.is_healing();
        step.was_healing = was_healing;
        let silent = self.advance(clock_us, step);
        if exchange.store != self.store {
            // Another process answers: it may have lost writes.
            self.store = exchange.store;
            self.heal();
        } else if silent && self.store != KeyHash::default() {
            // An embedded store has one replica at a time: there is nobody to wait for.
            self.gather(was_healing);
        }
        self.adopt(exchange);
        self.raise_floors(exchange);
        self.note_report(exchange, was_healing, step);
        step.healing = self.is_healing();
        self.provisional &= step.healing || self.may_be_an_older_one();
    }

    /// Whether the epoch, made for want of one, may still give way to one that a visitor's ticket tells of: a store that
    /// was found empty may have lost a line, together with every replica that knew it, and nobody has a number yet.
    fn may_be_an_older_one(&self) -> bool {
        self.tail == 0 && self.store != KeyHash::default() && self.settings.mode.issues()
    }

    /// Starts a line that has no epoch: the one the replica knows, or a new one.
    fn found(&mut self, clock_us: u64, exchange: &Exchange) {
        let shown = shown(exchange);
        *self = Self {
            seen: std::mem::take(&mut self.seen),
            answered: std::mem::take(&mut self.answered),
            settings: self.settings,
            revision: self.revision,
            content: self.content,
            contents: std::mem::take(&mut self.contents),
            stubs: std::mem::take(&mut self.stubs),
            is_forfeit: self.is_forfeit,
            epoch: Some(shown.unwrap_or(Epoch {
                created_us: clock_us,
                nonce: exchange.nonce,
            })),
            provisional: shown.is_none(),
            store: exchange.store,
            clock_us,
            // Line time of a known epoch goes on from where it was, whatever the clock has done since.
            now_us: shown.map_or(clock_us, |_| exchange.known.now_us),
            opening: Opening::of(&self.settings),
            share_ppm: 1_000_000,
            delay_us: DELAY_US,
            slice: 1,
            ..Self::default()
        };
        self.turn_now_us = self.now_us;
        self.aged_us = self.now_us;
        self.minute_us = self.now_us;
        self.slice_us = self.now_us;
        self.listen_us = self.now_us;
        self.judged_us = self.now_us;
        // Whoever was heard from in another line is to be heard from again.
        let heard: Vec<_> = self.seen.iter().map(|(_, instance)| instance).collect();
        for instance in heard {
            self.seen.put(instance, self.now_us.saturating_sub(LIVE_US));
        }
        if exchange.store == KeyHash::default() && shown.is_none() {
            // A store that cannot have lost anything unless it knows: the first visitor need not wait.
            self.credit = if self.is_forfeit { 0 } else { ENTRY };
        } else {
            self.heal();
        }
    }

    /// While healing, a newer epoch than ours is the line's; any is, at any time, as long as ours was only made for want
    /// of one.
    fn adopt(&mut self, exchange: &Exchange) {
        let Some(shown) = shown(exchange) else {
            return;
        };
        let is_newer = self.has_lost() && Some(shown) > self.epoch;
        if Some(shown) != self.epoch && (self.provisional || is_newer) {
            self.found(self.clock_us, exchange);
        }
    }

    /// Numbers and line times that were answered or signed in exactly this epoch are never taken back.
    fn raise_floors(&mut self, exchange: &Exchange) {
        let known = &exchange.known;
        if known.epoch != self.epoch {
            return;
        }
        self.tail = self.tail.max(known.tail).max(known.head);
        self.head = self.head.max(known.head);
        self.entries_seq = self.entries_seq.max(known.entries);
        self.finished_seq = self.finished_seq.max(known.finished);
        self.recall_opening(exchange);
        self.stub_seq = self.stub_seq.max(known.stubs);
        if self.has_lost() && known.now_us > self.now_us {
            self.catch_up(known.now_us - self.now_us);
        }
    }

    /// Line time follows the store's clock by at most two seconds an exchange and never backwards; whether nobody was
    /// heard from for longer.
    fn advance(&mut self, clock_us: u64, step: &mut Step) -> bool {
        let elapsed = clock_us.saturating_sub(self.clock_us);
        let silent = elapsed > STEP_US_MAX;
        let unheard = silent || clock_us < self.clock_us;
        self.foresee_opening();
        self.clock_us = clock_us;
        step.elapsed_us = elapsed.min(STEP_US_MAX);
        self.now_us += step.elapsed_us;
        if unheard {
            self.listen_us = self.now_us;
        }
        if self.moves() && self.held_back_ppm < ENTRY {
            self.turn_now_us += step.elapsed_us;
        }
        if self.now_us - self.minute_us >= 60 * SECOND_US {
            self.minute_us += 60 * SECOND_US;
            self.minute_before = self.minute;
            self.minute = 0;
            self.issued_minute_before = self.issued_minute;
            self.issued_minute = 0;
        }
        if self.now_us - self.slice_us >= self.window_us() / 2 {
            self.slice_us = self.now_us;
            self.slice += 1;
            self.current_slice().reset();
        }
        silent
    }

    /// Keeps track of the replicas: absence of a visitor counts only while all of them are heard from.
    pub(crate) fn listen(&mut self, exchange: &Exchange, step: &Step) {
        self.note_told(exchange.told_us);
        let window_us = self.window_us();
        let missing_us = self.now_us.saturating_sub(MISSING_US);
        if self
            .seen
            .score(exchange.instance)
            .is_none_or(|at| at < missing_us)
        {
            self.listen_us = self.now_us;
        }
        for instance in self.seen.up_to(self.now_us.saturating_sub(FORGET_US)) {
            self.seen.take(instance);
            self.answered.remove(&instance);
            self.stub_marks.take(instance);
        }
        // One that leaves is not waited for, but its last answer is kept, in case it gets lost.
        let left_us = self.now_us.saturating_sub(window_us);
        let at_us = if exchange.leaving {
            left_us.min(self.now_us.saturating_sub(2 * LIVE_US))
        } else {
            step.heard_us.unwrap_or(self.now_us)
        };
        self.seen.put(exchange.instance, at_us);
        if self.seen.count_above(left_us) > self.seen.count_above(missing_us) {
            self.listen_us = self.now_us;
        }
    }

    /// Remembers the longest interval told for at least one whole window, and at most two.
    fn note_told(&mut self, told_us: u64) {
        if self.now_us - self.told_at_us > self.window_us() {
            self.told_before_us = self.told_us;
            self.told_us = 0;
            self.told_at_us = self.now_us;
        }
        self.told_us = self.told_us.max(told_us);
    }

    /// Whether a full presence window of unbroken listening has passed, so that absence is proven.
    pub(crate) fn absence_is_proven(&self) -> bool {
        self.now_us - self.listen_us >= self.window_us()
    }

    /// Takes over settings from a replica's file, and what the origin said of its stock.
    pub(crate) fn follow(&mut self, exchange: &Exchange) {
        if let Some(proposal) = exchange.proposal {
            let known = self.contents.score(proposal.content).is_some();
            if (proposal.changed || !known) && proposal.content != self.content {
                self.content = proposal.content;
                self.set(proposal.settings);
                self.forget_places();
                self.announce();
            }
            if !known {
                self.contents.put(proposal.content, self.revision);
                self.forget_contents();
            }
        }
        if let Some(stock) = exchange.stock {
            self.stock = Some(stock);
        }
        if exchange.sold_out && self.settings.mode.issues() {
            self.set(Settings {
                mode: Mode::SoldOut,
                ..self.settings
            });
        }
    }

    /// Puts settings in force.
    pub(crate) fn set(&mut self, settings: Settings) {
        let opens = settings.mode == Mode::Open && self.settings.mode != Mode::Open;
        self.settings = settings;
        self.revision += 1;
        self.credit = self.credit.min(self.credit_max());
        if opens {
            self.listen_us = self.now_us;
        }
    }
}

/// The epoch a replica knows; one created at no time, answered while there is none for certain, is none.
fn shown(exchange: &Exchange) -> Option<Epoch> {
    exchange.known.epoch.filter(|epoch| epoch.created_us > 0)
}
