//! What a room's file proposes to its line, and from when on: the times are those of the store's clock.

use crate::line::exchange::Proposal;
use crate::line::ids::KeyHash;
use crate::line::settings::NO_LIMIT;
use crate::line::settings::Settings;

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

    /// How many may wait at most, whatever the time.
    #[must_use]
    pub fn line_max(&self) -> u64 {
        let maxima = self.steps.iter().map(|(_, step)| step.settings.line_max);
        maxima.max().unwrap_or(NO_LIMIT)
    }
}

/// How far a replica has followed its plan.
#[derive(Debug, Default)]
pub(crate) struct Follower {
    plan: Option<Plan>,
    changed: bool,
    /// What was proposed last, of this plan or of the one before it.
    proposed: Option<KeyHash>,
    /// What of this plan was.
    step: Option<Settings>,
}

impl Follower {
    /// Follows another plan; `changed` when the file changed while the replica ran.
    pub(crate) fn follow(&mut self, plan: Plan, changed: bool) {
        self.plan = Some(plan);
        self.changed = changed;
        self.step = None;
    }

    /// The proposal to make now, if there is news: at a start, after a change, and when a time has come. What a time
    /// brings is no change of the file: it counts only where no replica has proposed it before, and only for what it
    /// names, so that whatever else is in force by then stays.
    pub(crate) fn due(
        &mut self,
        clock_us: Option<u64>,
        in_force: Option<&Settings>,
    ) -> Option<Proposal> {
        let plan = self.plan.as_ref()?;
        let clock_us = clock_us.or(plan.is_constant().then_some(0))?;
        let mut due = plan.at(clock_us)?;
        let changed = std::mem::take(&mut self.changed);
        let before = self.step.replace(due.settings);
        if self.proposed.replace(due.content) == Some(due.content) {
            return None;
        }
        if let (Some(before), Some(now)) = (before, in_force) {
            keep(&mut due.settings, &before, now);
        }
        Some(Proposal { changed, ..due })
    }
}

/// What an event does not change stays as it is in force.
fn keep(due: &mut Settings, before: &Settings, now: &Settings) {
    if due.rate_per_hour == before.rate_per_hour {
        due.rate_per_hour = now.rate_per_hour;
    }
    if due.active_max == before.active_max {
        due.active_max = now.active_max;
    }
    if due.mode == before.mode {
        due.mode = now.mode;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::settings::Mode;

    fn proposal(content: u128) -> Proposal {
        Proposal {
            content: KeyHash(content),
            changed: false,
            settings: Settings::default(),
        }
    }

    fn told(follower: &mut Follower, clock_us: Option<u64>) -> Option<(u128, bool)> {
        let due = follower.due(clock_us, None)?;
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

    #[test]
    fn an_event_changes_what_it_names_and_leaves_what_others_said() {
        let faster = Settings {
            rate_per_hour: 99,
            ..Settings::default()
        };
        let event = Proposal {
            settings: faster,
            ..proposal(2)
        };
        let mut follower = Follower::default();
        follower.follow(Plan::new(proposal(1)).then(100, event), false);
        assert_eq!(told(&mut follower, Some(1)), Some((1, false)));
        let sold_out = Settings {
            mode: Mode::SoldOut,
            ..Settings::default()
        };
        let due = follower.due(Some(100), Some(&sold_out)).unwrap();
        let settings = due.settings;
        assert_eq!((settings.rate_per_hour, settings.mode), (99, Mode::SoldOut));
    }
}
