//! Entry credit and the order of those let in.

use anteroom::line::promises::Promise;
use anteroom::line::settings::Mode;

use super::Done;
use super::Kind;
use super::Shadow;
use super::Verdict;
use super::claim;

/// One entry, in microseconds times entries per hour.
pub(crate) const ENTRY: u128 = 3_600_000_000;
/// What rounding to a millionth of an entry may cost.
const ROUNDING: u128 = 3_600;
/// Most entries of one of an exchange's two entering steps.
const STEP_MAX: usize = 64;

/// Credit: exact, in [`ENTRY`]s; and what the late got while both they and those on time were kept waiting.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pace {
    credit: u128,
    both: u64,
    late: u64,
    share_ppm: u64,
    /// Entries were lost: nobody knows what has been spent of what was earned until the next exchange.
    was_lost: bool,
}

/// One second of the rate, at least one entry.
pub(crate) fn burst(rate_per_hour: u64) -> u128 {
    (u128::from(rate_per_hour) * 1_000_000).max(ENTRY)
}

impl Pace {
    /// A line begins with one entry.
    pub(crate) fn first() -> Self {
        Self {
            credit: ENTRY,
            ..Self::default()
        }
    }

    pub(crate) fn forfeit(&mut self) {
        self.credit = 0;
    }

    /// Entries were lost, and with them what they had cost.
    pub(super) fn lose(&mut self) {
        self.forfeit();
        self.was_lost = true;
    }

    /// What another line begins with in the place of this one.
    pub(super) fn next(self) -> Self {
        let was_lost = self.was_lost;
        if was_lost {
            return Self {
                was_lost,
                ..Self::default()
            };
        }
        Self::first()
    }

    pub(crate) fn limit(&mut self, rate_per_hour: u64) {
        self.credit = self.credit.min(burst(rate_per_hour));
    }

    pub(crate) fn fill(&mut self, elapsed_us: u64, rate_per_hour: u64) {
        self.earn(elapsed_us, rate_per_hour);
        self.limit(rate_per_hour);
    }

    fn earn(&mut self, elapsed_us: u64, rate_per_hour: u64) {
        self.credit += u128::from(elapsed_us) * u128::from(rate_per_hour);
    }

    /// Pays for entries; whether there was credit for them.
    pub(crate) fn pay(&mut self, entries: usize) -> bool {
        let cost = entries as u128 * ENTRY;
        let paid = self.credit + ROUNDING * 2 >= cost;
        self.credit = self.credit.saturating_sub(cost);
        paid
    }
}

impl Shadow {
    pub(super) fn accrue(&mut self, done: &Done) {
        let earns = self.settings.mode == Mode::Open && !done.healing && !self.is_closed_yet();
        let was_lost = std::mem::take(&mut self.pace.was_lost);
        if earns && !was_lost && !self.was_left_alone(done.elapsed_us) {
            self.pace.earn(done.elapsed_us, self.pace_earned());
            self.pace.limit(self.pace_left());
        }
    }

    /// Those let in were the first of their kind, paid for, and not more than may be inside.
    pub(super) fn entries(&mut self, head_before: u64, done: &Done) -> Verdict {
        let entries = done.granted.len();
        if entries > 0 {
            claim(self.moves(), Promise::P3, || {
                format!("{entries} entered while nobody may")
            })?;
            let inside = self.inside.len() as u64;
            claim(inside <= self.settings.active_max, Promise::P3, || {
                format!(
                    "{inside} are inside, more than {}",
                    self.settings.active_max
                )
            })?;
        }
        claim(self.pace.pay(entries), Promise::P3, || {
            format!("{entries} entered without credit for them")
        })?;
        let last = |kinds: &[Kind]| {
            let granted = done.granted.iter().filter(|g| kinds.contains(&g.2));
            granted.map(|g| g.0).max().unwrap_or(0)
        };
        let first_on_time = self.on_time.values().min().copied().unwrap_or(u64::MAX);
        let first_late = self.late.values().min().copied().unwrap_or(u64::MAX);
        claim(
            last(&[Kind::OnTime, Kind::Eager]) <= first_on_time
                && last(&[Kind::Late]) <= first_late,
            Promise::P2,
            || {
                let granted = &done.granted;
                format!(
                    "{granted:?} went in before {first_on_time} (on time) and {first_late} (late)"
                )
            },
        )?;
        let waits = !self.on_time.is_empty() || !self.late.is_empty();
        let room = (self.inside.len() as u64) < self.settings.active_max;
        let credit = self.pace.credit >= ENTRY + ROUNDING;
        claim(
            !(waits && room && credit && self.moves() && entries < STEP_MAX),
            Promise::P4,
            || "somebody asking was kept out although the pace had room".to_owned(),
        )?;
        self.shares(head_before, done)
    }

    /// While both kinds wait without a break, the late get exactly their share.
    fn shares(&mut self, head_before: u64, done: &Done) -> Verdict {
        let share_ppm = self.settings.late_share_ppm;
        let entries = done.granted.len() as u64;
        let late = done.granted.iter().filter(|g| g.2 == Kind::Late).count() as u64;
        let waited = self.on_time.values().any(|&number| number <= head_before);
        let both = waited && !self.late.is_empty();
        if entries == 0 {
            return Ok(());
        }
        if !both || share_ppm != self.pace.share_ppm {
            self.pace.both = 0;
            self.pace.late = 0;
            self.pace.share_ppm = share_ppm;
            return Ok(());
        }
        self.pace.both += entries;
        self.pace.late += late;
        let due = self.pace.both * share_ppm;
        let got = self.pace.late * 1_000_000;
        claim(got.abs_diff(due) <= 1_000_000, Promise::P3, || {
            let (late, both) = (self.pace.late, self.pace.both);
            format!("the late got {late} of {both} entries at a share of {share_ppm} millionths")
        })
    }
}
