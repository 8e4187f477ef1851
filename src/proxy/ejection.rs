//! When a server that fails is passed over, for how long, and how it comes back: a pure state machine.
//!
//! A server that takes no connection is passed over at once; one that takes them and breaks off, or does not answer in
//! time, after so many failures in a row. Nobody goes there until its time is up. Then one request is its trial, one
//! that could be repeated elsewhere if there is one: the server comes back with the answer, or stays out twice as long, up to a bound. A server that has been well for as long as it
//! could be passed over begins anew. Times vary by up to a quarter, so that servers that failed together, and the
//! replicas that saw it, do not all try at the same moment.

use std::time::Duration;

/// How long a server is passed over at first.
const FIRST: Duration = Duration::from_secs(1);

/// How long after one trial the next request may be another, if that one has ended by then: one whose client left tells
/// nothing.
const TRIAL: Duration = Duration::from_secs(5);

/// How long after one trial there is another although that one still goes on: a client may take its time.
const TRIAL_MAX: Duration = Duration::from_secs(60);

/// How much longer it is before a request is the trial that could not be repeated: there may be no others.
const RELUCTANCE: Duration = Duration::from_secs(5);

/// When servers are passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EjectionRule {
    /// Failures in a row (1 or more); 0 for never.
    pub after: u32,
    /// The longest that one is passed over at a time.
    pub longest: Duration,
    /// Whether an answer of 502, 503 or 504 is a failure.
    pub by_status: bool,
}

/// How a request failed at a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mishap {
    /// There was no connection.
    Unreached,
    /// The connection broke before a response, or none began in time.
    Unanswered,
    /// It answered that it, or what is behind it, is not there.
    Unavailable,
}

impl Mishap {
    /// The name used in logs.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Unreached => "no connection",
            Self::Unanswered => "no answer",
            Self::Unavailable => "unavailable",
        }
    }
}

/// How one server has done lately. Times are in milliseconds of one clock.
#[derive(Debug, Default)]
pub(super) struct Ejection {
    failures: u32,
    /// Passed over until then.
    until_ms: Option<u64>,
    /// Times it was passed over since it was last well for long; how long the next lasts.
    times: u32,
    back_since_ms: u64,
    trials: u64,
    /// The trial that is out, and since when.
    trial: Option<(u64, u64)>,
}

impl Ejection {
    /// A failure of a request that was sent there while it was in use. How long it is passed over, if it is from now on.
    pub(super) fn failed(
        &mut self,
        mishap: Mishap,
        rule: &EjectionRule,
        now_ms: u64,
        random: u64,
    ) -> Option<u64> {
        if rule.after == 0 || self.until_ms.is_some() {
            return None;
        }
        self.failures = match mishap {
            Mishap::Unreached => rule.after,
            Mishap::Unanswered | Mishap::Unavailable => self.failures.saturating_add(1),
        };
        if self.failures < rule.after {
            return None;
        }
        let longest_ms = millis(rule.longest);
        if now_ms.saturating_sub(self.back_since_ms) >= longest_ms {
            self.times = 0;
        }
        self.trial = None;
        Some(self.pass_over(longest_ms, now_ms, random))
    }

    /// The trial failed: passed over again, for longer. How long; `None` when this is not the trial that is out.
    pub(super) fn failed_again(
        &mut self,
        trial: u64,
        rule: &EjectionRule,
        now_ms: u64,
        random: u64,
    ) -> Option<u64> {
        self.end_trial(trial)
            .then(|| self.pass_over(millis(rule.longest), now_ms, random))
    }

    /// A trial is over, whatever came of it. Whether it was the one that is out.
    pub(super) fn end_trial(&mut self, trial: u64) -> bool {
        self.trial.take_if(|(out, _)| *out == trial).is_some()
    }

    /// A request was answered. Whether the server is back by that: when it was passed over, and whether it is was to be
    /// seen by this.
    pub(super) fn answered(&mut self, brings_back: bool, now_ms: u64) -> bool {
        if self.until_ms.is_none() {
            self.failures = 0;
            return false;
        }
        brings_back && self.forgive(now_ms)
    }

    /// Takes it back into use, whatever it did. Whether it was passed over.
    pub(super) fn forgive(&mut self, now_ms: u64) -> bool {
        self.failures = 0;
        self.back_since_ms = now_ms;
        self.trial = None;
        self.until_ms.take().is_some()
    }

    /// Whether a request may be the trial, one that is `safe` to repeat elsewhere or another; it is that then, under
    /// this number, and there is none else for a while.
    pub(super) fn try_begin_trial(&mut self, is_safe: bool, now_ms: u64) -> Option<u64> {
        let later_ms = if is_safe { 0 } else { millis(RELUCTANCE) };
        let due_ms = self.until_ms?.saturating_add(later_ms);
        let goes_on = |(_, since_ms): (u64, u64)| now_ms < since_ms + millis(TRIAL_MAX);
        if now_ms < due_ms || self.trial.is_some_and(goes_on) {
            return None;
        }
        self.until_ms = Some(now_ms.saturating_add(millis(TRIAL)));
        self.trials += 1;
        self.trial = Some((self.trials, now_ms));
        Some(self.trials)
    }

    pub(super) fn is_passed_over(&self) -> bool {
        self.until_ms.is_some()
    }

    /// Whether an answer would change anything.
    pub(super) fn is_troubled(&self) -> bool {
        self.failures > 0 || self.until_ms.is_some()
    }

    fn pass_over(&mut self, longest_ms: u64, now_ms: u64, random: u64) -> u64 {
        let whole_ms = millis(FIRST)
            .checked_shl(self.times.min(32))
            .unwrap_or(u64::MAX)
            .min(longest_ms);
        self.times = self.times.saturating_add(1);
        let for_ms = whole_ms - random % (whole_ms / 4 + 1);
        self.until_ms = Some(now_ms.saturating_add(for_ms));
        for_ms
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: EjectionRule = EjectionRule {
        after: 3,
        longest: Duration::from_secs(10),
        by_status: false,
    };

    #[test]
    fn failures_in_a_row_pass_a_server_over_and_an_answer_between_them_does_not() {
        let mut server = Ejection::default();
        let fail = |server: &mut Ejection| server.failed(Mishap::Unanswered, &RULE, 0, 0);
        assert_eq!((fail(&mut server), fail(&mut server)), (None, None));
        assert!(server.is_troubled() && !server.is_passed_over());
        assert!(!server.answered(false, 0));
        assert!(!server.is_troubled());
        assert_eq!((fail(&mut server), fail(&mut server)), (None, None));
        assert_eq!(fail(&mut server), Some(1_000));
        assert!(server.is_passed_over());
    }

    #[test]
    fn no_connection_passes_a_server_over_at_once_unless_that_is_switched_off() {
        let mut server = Ejection::default();
        let never = EjectionRule { after: 0, ..RULE };
        assert_eq!(server.failed(Mishap::Unreached, &never, 0, 0), None);
        assert_eq!(server.failed(Mishap::Unreached, &RULE, 0, 0), Some(1_000));
        // Others were on their way there.
        assert_eq!(server.failed(Mishap::Unreached, &RULE, 1, 0), None);
    }

    #[test]
    fn one_request_is_the_trial_and_only_it_brings_the_server_back() {
        let mut server = Ejection::default();
        assert_eq!(server.try_begin_trial(true, 0), None);
        server.failed(Mishap::Unreached, &RULE, 0, 0);
        assert_eq!(server.try_begin_trial(true, 999), None);
        assert_eq!(server.try_begin_trial(true, 1_000), Some(1));
        assert_eq!(server.try_begin_trial(true, 1_001), None);
        assert!(!server.answered(false, 1_002));
        assert!(server.is_passed_over());
        assert!(server.answered(true, 1_003));
        assert!(!server.is_passed_over() && !server.is_troubled());
    }

    #[test]
    fn a_request_that_cannot_be_repeated_is_the_trial_only_when_no_other_comes() {
        let mut server = Ejection::default();
        server.failed(Mishap::Unreached, &RULE, 0, 0);
        assert_eq!(server.try_begin_trial(false, 5_999), None);
        assert_eq!(server.try_begin_trial(false, 6_000), Some(1));
        assert!(server.end_trial(1));
        assert_eq!(server.try_begin_trial(true, 10_999), None);
        assert_eq!(server.try_begin_trial(true, 11_000), Some(2));
    }

    #[test]
    fn a_trial_that_tells_nothing_is_followed_by_another() {
        let mut server = Ejection::default();
        server.failed(Mishap::Unreached, &RULE, 0, 0);
        assert_eq!(server.try_begin_trial(true, 1_000), Some(1));
        assert!(server.end_trial(1));
        assert_eq!(server.try_begin_trial(true, 5_999), None);
        assert_eq!(server.try_begin_trial(true, 6_000), Some(2));
    }

    #[test]
    fn there_is_no_second_trial_while_the_first_goes_on_but_not_for_ever() {
        let mut server = Ejection::default();
        server.failed(Mishap::Unreached, &RULE, 0, 0);
        assert_eq!(server.try_begin_trial(true, 1_000), Some(1));
        assert_eq!(server.try_begin_trial(true, 60_999), None);
        assert_eq!(server.try_begin_trial(true, 61_000), Some(2));
        // The first says nothing about the second.
        assert!(!server.end_trial(1));
        assert_eq!(server.failed_again(1, &RULE, 62_000, 0), None);
        assert_eq!(server.failed_again(2, &RULE, 62_000, 0), Some(2_000));
        assert_eq!(server.try_begin_trial(true, 64_000), Some(3));
    }

    #[test]
    fn what_fails_while_a_server_is_out_and_is_no_trial_changes_nothing() {
        let mut server = Ejection::default();
        server.failed(Mishap::Unreached, &RULE, 0, 0);
        for _ in 0..9 {
            assert_eq!(server.failed(Mishap::Unreached, &RULE, 500, 0), None);
            assert_eq!(server.failed_again(0, &RULE, 500, 0), None);
        }
        assert_eq!(server.try_begin_trial(true, 1_000), Some(1));
        assert_eq!(server.failed_again(1, &RULE, 1_000, 0), Some(2_000));
    }

    #[test]
    fn each_time_is_longer_up_to_a_bound_and_a_server_long_well_begins_anew() {
        let mut server = Ejection::default();
        server.failed(Mishap::Unreached, &RULE, 0, 0);
        let mut now_ms = 1_000;
        for expected in [2_000, 4_000, 8_000, 10_000, 10_000] {
            let trial = server.try_begin_trial(true, now_ms).unwrap();
            let for_ms = server.failed_again(trial, &RULE, now_ms, 0);
            assert_eq!(for_ms, Some(expected));
            now_ms += expected;
        }
        // Back for a moment only.
        assert!(server.forgive(50_000));
        let soon = server.failed(Mishap::Unreached, &RULE, 59_999, 0);
        assert_eq!(soon, Some(10_000));
        assert!(server.forgive(70_000));
        let late = server.failed(Mishap::Unreached, &RULE, 80_000, 0);
        assert_eq!(late, Some(1_000));
    }

    #[test]
    fn no_time_varies_by_more_than_a_quarter() {
        for random in [0, 1, 250, 251, u64::MAX / 3, u64::MAX] {
            let mut server = Ejection::default();
            let for_ms = server.failed(Mishap::Unreached, &RULE, 0, random).unwrap();
            assert!((750..=1_000).contains(&for_ms), "{for_ms}");
            let mut many = Ejection {
                times: u32::MAX,
                trial: Some((7, 0)),
                ..Ejection::default()
            };
            let for_ms = many.failed_again(7, &RULE, 0, random).unwrap();
            assert!((7_500..=10_000).contains(&for_ms), "{for_ms}");
        }
    }
}
