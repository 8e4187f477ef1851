//! The pace: entry credit, entering, and the stock of called people that keeps the pace used.

use crate::line::bits;
use crate::line::exchange::CALLS_MAX;
use crate::line::exchange::ENTRIES_MAX;
use crate::line::exchange::PAGE_NUMBERS;
use crate::line::exchange::PAGES_MAX;
use crate::line::ids::TicketId;
use crate::line::settings::Mode;
use crate::line::state::ENTRY;
use crate::line::state::Line;
use crate::line::state::SECOND_US;
use crate::line::state::STEP_US_MAX;
use crate::line::state::Step;

/// The share of turns answered in time is never taken to be below this, in millionths.
pub(crate) const SHARE_PPM_MIN: u64 = 100_000;
/// The answer delay a line starts with, before it has measured one.
pub(crate) const DELAY_US: u64 = 10 * SECOND_US;
/// Bounds of the measured answer delay.
pub(crate) const DELAY_US_MIN: u64 = 3 * SECOND_US;
pub(crate) const DELAY_US_MAX: u64 = 60 * SECOND_US;
/// Most unanswered turns judged in one exchange.
pub(crate) const AGED_MAX: u64 = 1_000;

impl Line {
    /// Most credit that can be held: one second of the pace, at least one entry.
    pub(crate) fn credit_max(&self) -> u64 {
        (self.pace_left_per_hour() * ENTRY / 3_600).max(ENTRY)
    }

    /// Fills the credit for the time that passed, at the pace that was in force, less what was withheld of it.
    pub(crate) fn accrue(&mut self, step: &Step) {
        if std::mem::take(&mut self.is_forfeit) {
            return;
        }
        if self.settings.mode != Mode::Open || step.healing || self.opening.is_awaited() {
            return;
        }
        if self.settings.paced && step.elapsed_us >= STEP_US_MAX {
            // Replicas that found no store went on by themselves meanwhile.
            return;
        }
        let pace_per_hour = self.pace_per_hour().saturating_sub(step.unearned_per_hour);
        let filled = step.elapsed_us * pace_per_hour + self.credit_rest;
        self.credit += filled / 3_600;
        self.credit_rest = filled % 3_600;
        if self.credit >= self.credit_max() {
            self.credit = self.credit_max();
            self.credit_rest = 0;
        }
    }

    /// Lets in those asking, as far as credit and `active_max` go: turns by number, and among them the share of the
    /// late and returning, by number.
    pub(crate) fn enter(&mut self, step: &mut Step) {
        if !self.moves() || step.healing {
            return;
        }
        let allowed =
            (self.credit / ENTRY).min(self.settings.active_max.saturating_sub(self.inside.len()));
        let most = allowed.min(ENTRIES_MAX);
        let take = usize::try_from(most).unwrap_or(usize::MAX);
        let on_time = (self.asking_turn.iter()).take_while(|&(number, _)| number <= self.head);
        let turns: Vec<_> = on_time.take(take).collect();
        let late: Vec<_> = self.asking_late.iter().take(take).collect();
        let eager = std::mem::take(&mut step.eager_called);
        let (mut turns, mut late, mut eager) = (
            turns.into_iter().peekable(),
            late.into_iter().peekable(),
            eager.into_iter(),
        );
        let mut left = most;
        while left > 0 {
            let is_late = match (
                turns.peek().is_some() || !eager.as_slice().is_empty(),
                late.peek().is_some(),
            ) {
                (false, false) => break,
                (on_time, false) => !on_time,
                (false, true) => true,
                (true, true) => self.owed_to_late(),
            };
            let Some(next) = (if is_late {
                late.next()
            } else {
                turns.next().or_else(|| eager.next())
            }) else {
                break;
            };
            self.grant(next.0, next.1);
            left -= 1;
        }
        if most < allowed && left == 0 && self.asking_on_time() + self.asking_late.len() > 0 {
            step.more = true;
        }
        step.eager_called = eager.collect();
    }

    /// Whether the next entry is due to the late ones, when somebody on time waits for it as well.
    fn owed_to_late(&mut self) -> bool {
        self.late_due += self.settings.late_share_ppm;
        let due = self.late_due >= ENTRY;
        if due {
            self.late_due -= ENTRY;
        }
        due
    }

    /// Turns a ticket into a pass.
    fn grant(&mut self, number: u64, id: TicketId) {
        self.credit -= ENTRY;
        self.drop_asking(id);
        self.inside
            .put(id, self.now_us + self.settings.pass_idle_us);
        self.inside_since.put(id, self.now_us);
        self.entries_seq += 1;
        self.inside_order.put(id, self.entries_seq);
        let entries = self.entries.get(number);
        self.entries.set(number, (entries + 1).min(14));
        self.entered += 1;
        self.minute += 1;
    }

    /// What the pace really lets through, in entries per hour.
    pub(crate) fn effective_rate_per_hour(&self) -> u64 {
        let rate = self.pace_left_per_hour();
        if self.inside.len() < self.settings.active_max {
            return rate;
        }
        let minute = 60 * SECOND_US;
        let fading = minute - (self.now_us - self.minute_us).min(minute);
        rate.min((self.minute + self.minute_before * fading / minute) * 60)
    }

    /// How young a turn must be to count on its holder.
    fn young_us(&self) -> u64 {
        (2 * self.delay_us).min(60 * SECOND_US)
    }

    /// Judges the turns that are no longer young: their holders did not answer in time.
    pub(crate) fn age_turns(&mut self) {
        let boundary = self.turn_now_us.saturating_sub(self.young_us());
        if boundary <= self.aged_us {
            return;
        }
        let silent = self.called.count_above(self.aged_us) - self.called.count_above(boundary);
        for _ in 0..silent.min(AGED_MAX) {
            self.share_ppm -= self.share_ppm / 100;
        }
        self.share_ppm = self.share_ppm.max(SHARE_PPM_MIN);
        self.aged_us = boundary;
    }

    /// Learns from a turn that was answered.
    pub(crate) fn answered(&mut self, called_us: u64) {
        let delay = (self.turn_now_us - called_us.min(self.turn_now_us)).min(DELAY_US_MAX);
        self.delay_us = ((self.delay_us * 49 + delay) / 50).clamp(DELAY_US_MIN, DELAY_US_MAX);
        if called_us > self.aged_us {
            self.share_ppm += (ENTRY - self.share_ppm) / 100;
        }
    }

    /// Raises `head` while the stock of people about to ask is too small.
    pub(crate) fn call(&mut self, step: &mut Step) {
        if !self.moves() || step.healing {
            return;
        }
        // In thousandths of a person.
        let wanted = (self.effective_rate_per_hour() * (2 * (self.delay_us / 1_000) + 5_000)
            / 3_600)
            .max(2_000);
        let late = (self.asking_late.len() * 1_000)
            .min(wanted / 1_000 * self.settings.late_share_ppm / 1_000);
        let mut young = self
            .called
            .count_above(self.turn_now_us.saturating_sub(self.young_us()));
        let mut asking = self.asking_on_time();
        let mut calls = 0;
        let mut pages = Pages::default();
        let short = |asking: u64, young: u64, share: u64| {
            asking * 1_000 + late + young * share / 1_000 < wanted
        };
        while short(asking, young, self.share_ppm) && self.head < self.tail {
            if calls == CALLS_MAX {
                step.more = true;
                break;
            }
            let searches = self.absence_is_proven() || self.is_at_gap();
            let Some(number) = self.next_to_call() else {
                break;
            };
            if searches && !pages.admit(number) {
                step.more = true;
                break;
            }
            self.head = number;
            calls += 1;
            let waiting = self.asking_turn.count_at(number);
            if waiting > 0 {
                asking += waiting;
            } else if let Ok(at) = step.eager.binary_search_by_key(&number, |&(n, _)| n) {
                step.eager_called.push(step.eager[at]);
                asking += 1;
            } else {
                self.give_turn(number);
                young += 1;
            }
        }
    }

    /// How many of those asking have been called and are on time.
    pub(crate) fn asking_on_time(&self) -> u64 {
        self.asking_turn.len() - self.asking_turn.count_above(self.head)
    }

    /// The next number to call: the next one present, or simply the next while absence is not proven, save for a gap.
    fn next_to_call(&self) -> Option<u64> {
        if self.absence_is_proven() {
            bits::next_in_any(&self.present, self.head, self.tail)
        } else if self.is_at_gap() {
            self.next_from_gap()
        } else {
            Some(self.head + 1)
        }
    }

    /// Opens a turn that begins now.
    pub(crate) fn give_turn(&mut self, number: u64) {
        self.turns
            .put(number, self.turn_now_us + self.settings.turn_us);
        self.called.put(number, self.turn_now_us);
    }

    /// Newcomers who were called and found no credit keep the turn they got.
    pub(crate) fn keep_eager(&mut self, step: &mut Step) {
        for (number, _) in std::mem::take(&mut step.eager_called) {
            self.give_turn(number);
        }
    }
}

/// The pages of presence that one exchange has called visitors from: what bounds its work in a line of absent people.
#[derive(Debug, Default)]
struct Pages {
    seen: u64,
    last: Option<u64>,
}

impl Pages {
    /// Notes the page of this number; false when it is one too many.
    fn admit(&mut self, number: u64) -> bool {
        let page = Some(number / PAGE_NUMBERS);
        if page != self.last {
            self.last = page;
            self.seen += 1;
        }
        self.seen <= PAGES_MAX
    }
}
