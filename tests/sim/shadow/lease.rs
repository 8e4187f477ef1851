//! Who may let people in without the line, and what the line keeps back for them, as the design words it.

use std::collections::BTreeMap;

use anteroom::line::exchange::Answer;
use anteroom::line::exchange::Exchange;
use anteroom::line::exchange::INSTANCES_UNKNOWN;
use anteroom::line::ids::InstanceId;
use anteroom::line::promises::Promise;
use anteroom::line::settings::Mode;

use super::Shadow;
use super::Verdict;
use super::claim;
use super::heal::LIVE_US;
use crate::plan::SECOND;

/// How long a lease lasts.
const LEASE_US: u64 = 600 * SECOND;

/// What replicas may let in by themselves.
#[derive(Debug, Clone, Default)]
pub(super) struct Leases {
    /// When each was told last, and what.
    granted: BTreeMap<InstanceId, (u64, u64)>,
    /// What is kept back now, and what was before or is now, whichever is more.
    pub(super) kept_back: u64,
    unearned: u64,
    /// For those whom a lost line knew, and until when.
    lost: (u64, u64),
    /// The most that anybody told since the line heals: its own, and kept back for others.
    told: (u64, u64),
    in_use_us: Option<u64>,
    /// The line healed when the exchange came.
    pub(super) healed_before: bool,
    /// Among how many the pace is shared with the sender.
    sharing: u64,
}

impl Shadow {
    /// What the pace leaves to the line.
    pub(super) fn pace_left(&self) -> u64 {
        self.pace_per_hour().saturating_sub(self.leases.kept_back)
    }

    /// What the line earned with the time that passed.
    pub(super) fn pace_earned(&self) -> u64 {
        self.pace_per_hour().saturating_sub(self.leases.unearned)
    }

    /// Nobody was heard from for so long that every replica may have let people in.
    pub(super) fn was_left_alone(&self, elapsed_us: u64) -> bool {
        self.settings.paced && elapsed_us >= 2 * SECOND
    }

    pub(super) fn keep_back(&mut self, exchange: &Exchange, elapsed_us: u64) {
        let now_us = self.now_us;
        let before = self.leases.kept_back;
        let known = &exchange.known;
        let is_told = known.lease_per_hour > 0 || known.withheld_per_hour > 0;
        if self.settings.paced || is_told && known.epoch == self.epoch {
            self.leases.in_use_us = Some(now_us);
        }
        let in_use = self.leases.in_use_us;
        let alone = self.process.0 == 0;
        if !alone && in_use.is_some_and(|at| now_us < at + LEASE_US) {
            self.keep_back_for(exchange);
        } else {
            self.leases = Leases {
                in_use_us: in_use.filter(|_| alone),
                sharing: u64::from(alone),
                ..Leases::default()
            };
        }
        self.leases.unearned = before.max(self.leases.kept_back);
        if self.was_left_alone(elapsed_us) {
            self.pace.forfeit();
        }
        self.pace.limit(self.pace_left());
    }

    fn keep_back_for(&mut self, exchange: &Exchange) {
        let (now_us, known, sender) = (self.now_us, &exchange.known, exchange.instance);
        let heals = self.is_healing();
        let after_loss = !self.heal.gathers && (self.leases.healed_before || heals);
        let of_this = known.epoch == self.epoch;
        // Heard since the last silence, and not too long ago.
        let from_us = self.heal.began_us();
        let is_heard = |told_us: u64| told_us >= from_us && told_us + LIVE_US > now_us;
        let missing = self.heal.missing();
        let leases = &mut self.leases;
        leases.granted.retain(|_, row| row.0 + LEASE_US > now_us);
        if leases.lost.1 <= now_us {
            leases.lost.0 = 0;
        }
        if of_this {
            let came_back = leases.granted.remove(&sender).is_none();
            if came_back {
                leases.lost.0 -= known.lease_per_hour.min(leases.lost.0);
            }
            if !exchange.leaving {
                let told_us = known.now_us.min(now_us);
                let row = (told_us, known.lease_per_hour);
                leases.granted.insert(sender, row);
            }
        }
        let mut silent = 0;
        let mut heard = 0;
        for &(told_us, per_hour) in leases.granted.values() {
            if is_heard(told_us) {
                heard += 1;
            } else {
                silent += per_hour;
            }
        }
        if after_loss && of_this {
            leases.told.0 = leases.told.0.max(known.lease_per_hour);
            leases.told.1 = leases.told.1.max(known.withheld_per_hour);
        }
        if after_loss && !heals {
            let (each, others) = std::mem::take(&mut leases.told);
            let unaccounted = (others + missing * each).saturating_sub(silent);
            leases.lost = (leases.lost.0.max(unaccounted), now_us + LEASE_US);
        }
        leases.kept_back = silent + leases.lost.0;
        let own = leases.granted.get(&sender);
        let shares = of_this && own.is_some_and(|row| is_heard(row.0));
        leases.sharing = if shares { heard.max(2) } else { 0 };
    }

    /// The answer grants an equal share of what is left, and says what is kept back.
    pub(super) fn leased(
        &mut self,
        exchange: &Exchange,
        answer: &Answer,
        healing: bool,
    ) -> Verdict {
        let open = self.settings.paced && self.settings.mode == Mode::Open;
        let stands = healing
            || self.is_closed_yet()
            || self.guard.taken == 1_000_000
            || self.provisional
            || self.leases.sharing == 0;
        let lease = if open && !stands {
            self.pace_left() / self.leases.sharing
        } else {
            0
        };
        if self.leases.sharing > 0
            && let Some(row) = self.leases.granted.get_mut(&exchange.instance)
        {
            row.1 = row.1.max(lease);
        }
        let is = (answer.lease_per_hour, answer.withheld_per_hour);
        let should = (lease, self.leases.kept_back);
        claim(is == should, Promise::P3, || {
            format!("lease and what is withheld are {is:?} and should be {should:?}")
        })
    }
}

/// How many of those who were live have not come back to a line that was lost.
pub(super) fn missing(live: u64, reports: u64) -> u64 {
    if live < INSTANCES_UNKNOWN {
        live.saturating_sub(reports).min(65_536)
    } else {
        0
    }
}
