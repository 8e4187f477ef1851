//! What a room's file proposes to its line, and from when on: the times are those of the store's clock.

use crate::line::exchange::Proposal;
use crate::line::ids::KeyHash;

/// A file's proposals, each with the time it begins at (microseconds since 1970), in order; the first at 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    steps: Vec<(u64, Proposal)>,
}

impl Plan {
    /// A plan that begins with this proposal.
    #[must_use]
    pub fn new(first: Proposal) -> Self {
        Self {
            steps: vec![(0, first)],
        }
    }

    /// The same, and from this time on that proposal.
    #[must_use]
    pub fn then(mut self, at_us: u64, proposal: Proposal) -> Self {
        self.steps.push((at_us, proposal));
        self
    }

    /// What is proposed at this time.
    #[must_use]
    pub fn at(&self, clock_us: u64) -> Option<Proposal> {
        let due = self.steps.iter().rev().find(|&&(at, _)| at <= clock_us);
        due.map(|&(_, proposal)| proposal)
    }

    /// Whether it is the same at every time.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        self.steps.len() == 1
    }

    /// Whether it announces an opening with a draw.
    #[must_use]
    pub fn draws(&self) -> bool {
        let draws = |(_, proposal): &(u64, Proposal)| proposal.settings.draw;
        self.steps.iter().any(draws)
    }
}

/// How far a replica has followed its plan.
#[derive(Debug, Default)]
pub(crate) struct Follower {
    plan: Option<Plan>,
    changed: bool,
    proposed: Option<KeyHash>,
}

impl Follower {
    /// Follows another plan; `changed` when the file changed while the replica ran.
    pub(crate) fn follow(&mut self, plan: Plan, changed: bool) {
        self.plan = Some(plan);
        self.changed = changed;
    }

    /// The proposal to make now, if there is news: at a start, after a change, and when a time has come. What a time
    /// brings is no change of the file: it counts only where no replica has proposed it before.
    pub(crate) fn due(&mut self, clock_us: Option<u64>) -> Option<Proposal> {
        let plan = self.plan.as_ref()?;
        let clock_us = clock_us.or(plan.is_constant().then_some(0))?;
        let due = plan.at(clock_us)?;
        let changed = std::mem::take(&mut self.changed);
        if self.proposed.replace(due.content) == Some(due.content) {
            return None;
        }
        Some(Proposal { changed, ..due })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::settings::Settings;

    fn proposal(content: u128) -> Proposal {
        Proposal {
            content: KeyHash(content),
            changed: false,
            settings: Settings::default(),
        }
    }

    fn told(follower: &mut Follower, clock_us: Option<u64>) -> Option<(u128, bool)> {
        let due = follower.due(clock_us)?;
        Some((due.content.0, due.changed))
    }

    #[test]
    fn each_time_is_proposed_once_and_as_no_change_of_the_file() {
        let mut follower = Follower::default();
        follower.follow(Plan::new(proposal(1)).then(100, proposal(2)), true);
        // Only the store knows what time it is.
        assert_eq!(told(&mut follower, None), None);
        assert_eq!(told(&mut follower, Some(99)), Some((1, true)));
        assert_eq!(told(&mut follower, Some(99)), None);
        assert_eq!(told(&mut follower, Some(100)), Some((2, false)));
        assert_eq!(told(&mut follower, Some(101)), None);
    }

    #[test]
    fn a_change_of_later_times_alone_proposes_nothing_now() {
        let mut follower = Follower::default();
        follower.follow(Plan::new(proposal(1)), false);
        assert_eq!(told(&mut follower, None), Some((1, false)));
        follower.follow(Plan::new(proposal(1)).then(100, proposal(2)), true);
        assert_eq!(told(&mut follower, Some(50)), None);
        assert_eq!(told(&mut follower, Some(100)), Some((2, false)));
        follower.follow(Plan::new(proposal(3)), true);
        assert_eq!(told(&mut follower, Some(100)), Some((3, true)));
    }
}
