//! Leases: what each replica may let in by itself while it finds no store, and what the line withholds for that.
//!
//! With `on_store_failure = "paced"` every answer grants its replica a lease: so many entries an hour, an equal share of
//! what is left of the pace. A replica whose store is away uses it [`WAIT_US`] after its last answer, and for as long as
//! it was granted; both sides count from the line time of the last answer that the replica has received, which its next
//! exchange tells. So the line knows, without being told, from when on a silent replica may let people in, and has that
//! much less to give until the replica has returned, has left, or its lease has ended. What it withholds is an amount and
//! not a share: a replica that was told of two others keeps what it was told, however many come after it and whatever the
//! rate becomes.
//!
//! A line that nobody was heard from for a while takes every lease for used, and begins without credit: whoever comes
//! back tells with its second exchange that it has stopped. A line that was lost asks those who come back what they and
//! others were granted, and withholds the rest.
//!
//! Limits: below one entry a second for each replica, every one of them has a first entry to give, so that the burst is one
//! for each. Places are shared as they were free at the last answer and not withheld, so that while only some replicas are
//! cut off, `active_max` may be exceeded by their share of them. Whom a replica called alone is late at the others when it
//! is back. Whether the origin is well is not judged while the store is away.
//!
//! One replica alone is granted half of the pace: were it killed, whoever takes its place would have nothing to give.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::line::exchange::Exchange;
use crate::line::exchange::INSTANCES_UNKNOWN;
use crate::line::ids::InstanceId;
use crate::line::ids::KeyHash;
use crate::line::settings::Mode;
use crate::line::settings::RATE_PER_HOUR_MAX;
use crate::line::state::ENTRY;
use crate::line::state::LIVE_US;
use crate::line::state::Line;
use crate::line::state::SECOND_US;
use crate::line::state::STEP_US_MAX;
use crate::line::state::Step;

/// How long after its last answer a replica's lease is withheld, in microseconds of line time.
pub const LEASE_US: u64 = 600 * SECOND_US;
/// How long after its last answer a replica begins to use its lease, in microseconds: by then the line counts it as
/// silent, even if its clock was set back by one step meanwhile.
pub const WAIT_US: u64 = LIVE_US + 2 * SECOND_US;
/// How long after its last answer a replica stops using it: in good time before the line takes it for ended.
pub const USED_US: u64 = LEASE_US - 30 * SECOND_US;
/// How long a replica has to be answered before it uses a lease: those who shared the pace before it know of it by then.
pub const SETTLED_US: u64 = 2 * LIVE_US;
/// Most replicas of a lost line that are withheld for; beyond these nothing is left of any pace.
pub(crate) const LOST_MAX: u64 = 65_536;
/// The pace is shared among at least so many.
pub(crate) const SHARES_MIN: u64 = 2;

/// What one replica was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Lease {
    /// Line time of the last answer that the replica is known to have received.
    told_us: u64,
    /// The most it may go by, in entries per hour.
    per_hour: u64,
}

/// Every lease of a line, and what is withheld for them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Leases {
    held: BTreeMap<InstanceId, Lease>,
    /// What is withheld of the pace, in entries per hour.
    pub(crate) withheld_per_hour: u64,
    /// What of it is for replicas that a lost line knew, and until when.
    lost_per_hour: u64,
    lost_until_us: u64,
    /// The largest lease, and the most withheld, of which anybody told since the line heals.
    heal_each_per_hour: u64,
    heal_withheld_per_hour: u64,
    /// When leases were last granted.
    paced_us: u64,
}

impl Line {
    /// The pace, less what is withheld of it, in entries per hour.
    pub(crate) fn pace_left_per_hour(&self) -> u64 {
        let withheld_per_hour = self.leases.withheld_per_hour;
        self.pace_per_hour().saturating_sub(withheld_per_hour)
    }

    /// Works out what replicas may let in that are not heard from.
    pub(crate) fn withhold(&mut self, exchange: &Exchange, step: &mut Step) {
        step.unearned_per_hour = self.leases.withheld_per_hour;
        // A line that was lost may have lost its settings as well: those who come back tell.
        let known = &exchange.known;
        let is_told = known.lease_per_hour + known.withheld_per_hour > 0;
        if self.settings.paced || is_told && known.epoch == self.epoch {
            self.leases.paced_us = self.now_us;
        }
        // An embedded store has one replica at a time.
        let is_alone = self.store == KeyHash::default();
        let paced_us = self.leases.paced_us;
        if is_alone || paced_us == 0 || paced_us + LEASE_US <= self.now_us {
            step.sharing = u64::from(is_alone);
            let paced_us = if is_alone { paced_us } else { 0 };
            self.leases = Leases {
                paced_us,
                ..Leases::default()
            };
        } else {
            self.withhold_for(exchange, step);
        }
        step.unearned_per_hour = step.unearned_per_hour.max(self.leases.withheld_per_hour);
        self.credit = if self.settings.paced && step.elapsed_us >= STEP_US_MAX {
            0
        } else {
            self.credit.min(self.credit_max())
        };
    }

    fn withhold_for(&mut self, exchange: &Exchange, step: &mut Step) {
        let (now_us, known) = (self.now_us, &exchange.known);
        let is_healing = self.is_healing();
        let may_have_lost = (step.was_healing || is_healing) && !self.gathers;
        // Whoever has not been answered since a silence may have let people in all the time.
        let live_us = (now_us + 1).saturating_sub(LIVE_US).max(self.heal_from_us);
        let missing = if self.heal_live < INSTANCES_UNKNOWN {
            let missing = self.heal_live.saturating_sub(self.heal_heard);
            missing.min(LOST_MAX)
        } else {
            0
        };
        let leases = &mut self.leases;
        leases
            .held
            .retain(|_, lease| lease.told_us + LEASE_US > now_us);
        if now_us >= leases.lost_until_us {
            leases.lost_per_hour = 0;
        }
        if known.epoch == self.epoch {
            if may_have_lost {
                let (each, withheld) = (known.lease_per_hour, known.withheld_per_hour);
                leases.heal_each_per_hour = leases.heal_each_per_hour.max(each);
                leases.heal_withheld_per_hour = leases.heal_withheld_per_hour.max(withheld);
            }
            let lease = Lease {
                told_us: known.now_us.min(now_us),
                per_hour: known.lease_per_hour,
            };
            let before = if exchange.leaving {
                leases.held.remove(&exchange.instance)
            } else {
                leases.held.insert(exchange.instance, lease)
            };
            if before.is_none() {
                // One of those that a lost line knew.
                leases.lost_per_hour = leases.lost_per_hour.saturating_sub(known.lease_per_hour);
            }
        }
        let silent = leases.held.values().filter(|l| l.told_us < live_us);
        let silent_per_hour = silent.map(|lease| lease.per_hour).sum();
        if may_have_lost && !is_healing {
            let all = leases.heal_withheld_per_hour + missing * leases.heal_each_per_hour;
            let lost_per_hour = all.saturating_sub(silent_per_hour).min(RATE_PER_HOUR_MAX);
            leases.lost_per_hour = leases.lost_per_hour.max(lost_per_hour);
            leases.lost_until_us = now_us + LEASE_US;
            leases.heal_each_per_hour = 0;
            leases.heal_withheld_per_hour = 0;
        }
        leases.withheld_per_hour = silent_per_hour + leases.lost_per_hour;
        let own = leases.held.get(&exchange.instance);
        let same_epoch = known.epoch == self.epoch;
        if same_epoch && own.is_some_and(|lease| lease.told_us >= live_us) {
            let live = leases.held.values().filter(|l| l.told_us >= live_us);
            step.sharing = SHARES_MIN.max(live.count() as u64);
        }
    }

    /// What the sender may let in by itself from this answer on, in entries per hour.
    pub(crate) fn grant_lease(&mut self, exchange: &Exchange, step: &Step) -> u64 {
        let is_open = self.settings.mode == Mode::Open
            && !step.healing
            && !self.opening.is_awaited()
            && self.held_back_ppm < ENTRY
            && !self.provisional;
        let lease_per_hour = if self.settings.paced && is_open {
            self.pace_left_per_hour()
                .checked_div(step.sharing)
                .unwrap_or(0)
        } else {
            0
        };
        if let Some(lease) = self.leases.held.get_mut(&exchange.instance)
            && step.sharing > 0
        {
            lease.per_hour = lease.per_hour.max(lease_per_hour);
        }
        lease_per_hour
    }
}
