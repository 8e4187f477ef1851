//! What this replica knows of visitors and a store may have lost: who is inside, and whose tickets are spent.
//!
//! While a line heals, each replica tells it all of that once. So nobody who left enters again, and those inside count.

use std::collections::HashMap;

use crate::line::exchange::Finish;
use crate::line::exchange::Renewal;
use crate::line::exchange::Visitor;
use crate::line::ids::TicketId;
use crate::room::snapshot::Snapshot;

/// Most passes remembered.
const LIVE_MAX: usize = 1_000_000;
/// Those that have run out are let go of at twice as many as were left before, and not below this.
const SETTLE_MIN: usize = 1_024;

/// The passes known to be live.
#[derive(Debug, Default)]
pub(crate) struct Report {
    live: HashMap<TicketId, Renewal>,
    /// How many were left when those that had run out were let go of.
    settled: usize,
    /// The line that heals has been told.
    is_told: bool,
}

impl Report {
    /// A pass is in use, or has just been given.
    pub(crate) fn note(&mut self, pass: Renewal, now_us: u64) {
        if self.live.len() >= (2 * self.settled).max(SETTLE_MIN) {
            self.live.retain(|_, held| held.until_us > now_us);
            self.settled = self.live.len();
        }
        if let Some(held) = self.live.get_mut(&pass.id) {
            held.until_us = held.until_us.max(pass.until_us);
        } else if self.live.len() < LIVE_MAX {
            self.live.insert(pass.id, pass);
        }
    }

    /// A ticket and its pass are spent.
    pub(crate) fn spent(&mut self, id: TicketId) {
        self.live.remove(&id);
    }

    /// The line is another one.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The line does not heal, or no more: when it does again, it is told again.
    pub(crate) fn is_over(&mut self) {
        self.is_told = false;
    }

    /// What a line that heals is to be told, once.
    pub(crate) fn take(&mut self, picture: &Snapshot, now_us: u64) -> (Vec<Renewal>, Vec<Finish>) {
        if std::mem::replace(&mut self.is_told, true) {
            return Default::default();
        }
        let is_live = |pass: &&Renewal| pass.until_us > now_us && !picture.is_finished(pass.id);
        let renewals = self.live.values().filter(is_live).copied().collect();
        let finished = picture.finished.iter();
        let finishes = finished
            .filter(|&(_, until_us)| until_us > now_us)
            // Its number is not known; the id alone says that it is spent.
            .map(|(id, until_us)| Finish {
                visitor: Visitor { number: 0, id },
                until_us,
            });
        (renewals, finishes.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn pass(id: u128, until_us: u64) -> Renewal {
        Renewal {
            id: TicketId(id),
            until_us,
            entered_us: 1,
        }
    }

    #[test]
    fn a_line_that_heals_is_told_once_who_is_inside_and_who_has_left() {
        let mut picture = Snapshot::new(clock::monotonic());
        let mut report = Report::default();
        for (id, until_us) in [(1, 50), (1, 90), (1, 70), (2, 10), (3, 90), (4, 90)] {
            report.note(pass(id, until_us), 0);
        }
        report.spent(TicketId(4));
        picture.finished.insert(TicketId(3), 60);
        picture.finished.insert(TicketId(5), 20);
        let (inside, spent) = report.take(&picture, 20);
        assert_eq!(inside, [pass(1, 90)]);
        let spent: Vec<_> = spent.iter().map(|f| (f.visitor.id, f.until_us)).collect();
        assert_eq!(spent, [(TicketId(3), 60)]);
        assert_eq!(report.take(&picture, 20), (vec![], vec![]));
        report.is_over();
        assert_eq!(report.take(&picture, 20).0.len(), 1);
    }

    #[test]
    fn passes_that_ran_out_are_let_go_of() {
        let mut report = Report::default();
        for id in 0..10 * SETTLE_MIN as u128 {
            report.note(pass(id, 5), 6);
        }
        assert!(report.live.len() <= 2 * SETTLE_MIN, "{}", report.live.len());
    }
}
