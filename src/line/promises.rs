//! The promises of the design that one step of a line can keep or break, as predicates with ids.
//!
//! Debug builds check them after every exchange; simulation and tests check the others, which need a longer look,
//! from outside and name them by the same ids. Every build checks, at each replica, what an answer alone can break:
//! whatever the store is, and whatever befell it.

use std::fmt;

use crate::line::exchange::Answer;
use crate::line::exchange::Exchange;
use crate::line::ids::Epoch;
use crate::line::state::ENTRY;
use crate::line::state::Line;
use crate::line::state::STEP_US_MAX;

/// The promises, by the numbers the design gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Promise {
    /// One number, one visitor.
    P1,
    /// First come, first called.
    P2,
    /// The pace is a ceiling.
    P3,
    /// The pace is used.
    P4,
    /// A place is never lost.
    P5,
    /// Nobody blocks the line.
    P6,
    /// Work in progress is safe.
    P7,
    /// Fail safe.
    P8,
    /// Waiting is nearly free.
    P9,
    /// Nothing forged gets in.
    P10,
}

/// A promise that was broken, and how.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("promise {promise:?} is broken: {what}")]
pub struct Broken {
    /// Which one.
    pub promise: Promise,
    /// What was seen.
    pub what: String,
}

/// The promises that [`broken_by`] looks after.
pub const WATCHED: [Promise; 3] = [Promise::P1, Promise::P2, Promise::P3];

/// What an answer breaks of the promises, by what the exchange knew and by the answer before it: nothing, if all is
/// well.
pub fn broken_by(
    before: Option<&Answer>,
    exchange: &Exchange,
    answer: &Answer,
) -> impl Iterator<Item = (Promise, &'static str)> {
    let known = &exchange.known;
    let same_epoch = known.epoch == Some(answer.epoch);
    let claims = [
        (
            Promise::P1,
            answer.issued == 0 || !same_epoch || answer.first > known.tail,
            "a number was issued twice",
        ),
        (
            Promise::P1,
            answer.issued <= exchange.joins,
            "numbers were issued to nobody",
        ),
        (
            Promise::P1,
            answer.first.saturating_add(answer.issued) <= answer.tail.saturating_add(1),
            "a number was issued beyond the tail",
        ),
        (
            Promise::P1,
            !answer.healing || answer.issued == 0,
            "a number was issued while healing",
        ),
        (
            Promise::P1,
            are_numbered_once(answer),
            "a stub got a number beyond the tail, or a newcomer's",
        ),
        (
            Promise::P2,
            !same_epoch || answer.tail >= known.tail,
            "the tail fell",
        ),
        (
            Promise::P2,
            !same_epoch || answer.head >= known.head,
            "the head fell",
        ),
        (
            Promise::P2,
            answer.head <= answer.tail,
            "the head passed the tail",
        ),
        (
            Promise::P3,
            before.is_none_or(|before| is_paid_for(before, answer)),
            "more entered than the pace allows",
        ),
    ];
    let broken = claims.into_iter().filter(|&(_, kept, _)| !kept);
    broken.map(|(promise, _, what)| (promise, what))
}

/// Whether every number that a stub is told to have was issued, and not to a newcomer of the same exchange.
fn are_numbered_once(answer: &Answer) -> bool {
    let joined = answer.first..answer.first.saturating_add(answer.issued);
    answer.stubs.iter().all(|block| {
        let end = block.number.saturating_add(block.count);
        let is_issued = block.number > 0 && end <= answer.tail.saturating_add(1);
        is_issued && (end <= joined.start || block.number >= joined.end)
    })
}

/// Whether no more entered between two answers, over all replicas, than the rate and the burst allow. Where the epoch or
/// the settings changed meanwhile, the answers do not tell.
fn is_paid_for(before: &Answer, after: &Answer) -> bool {
    let same_rate = before.revision == after.revision && before.settings == after.settings;
    if before.epoch != after.epoch || !same_rate {
        return true;
    }
    let rate = u128::from(after.settings.rate_per_hour);
    let elapsed_us = u128::from(after.now_us.saturating_sub(before.now_us));
    let burst = (rate * u128::from(ENTRY) / 3_600).max(u128::from(ENTRY));
    let earned = burst + (rate * elapsed_us).div_ceil(3_600);
    let entered = after.counts.entered.saturating_sub(before.counts.entered);
    u128::from(entered) * u128::from(ENTRY) <= earned
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What the predicates need to know of a line before a step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outline {
    epoch: Option<Epoch>,
    tail: u64,
    head: u64,
    entered: u64,
    credit: u64,
    pace_per_hour: u64,
    now_us: u64,
}

impl Outline {
    /// Takes down what a line looks like.
    pub(crate) fn of(line: &Line) -> Self {
        Self {
            epoch: line.epoch,
            tail: line.tail,
            head: line.head,
            entered: line.entered,
            credit: line.credit,
            pace_per_hour: line.pace_per_hour(),
            now_us: line.now_us,
        }
    }
}

/// Stops the program when a step broke a promise: called in debug builds only.
pub(crate) fn check(before: &Outline, after: &Line, answer: &Answer) {
    let broken = first_broken(before, after, answer);
    assert!(
        broken.is_none(),
        "{}",
        broken.map(|b| b.to_string()).unwrap_or_default()
    );
}

/// One thing that must be true after a step.
type Claim = (Promise, bool, &'static str);

/// The first promise this step broke.
fn first_broken(before: &Outline, after: &Line, answer: &Answer) -> Option<Broken> {
    let mut claims = numbers(before, after, answer)
        .into_iter()
        .chain(pace(before, after))
        .chain(shape(after));
    let (promise, _, what) = claims.find(|&(_, kept, _)| !kept)?;
    let what = format!(
        "{what} (before {before:?}, head {}, tail {}, answer {answer:?})",
        after.head, after.tail
    );
    Some(Broken { promise, what })
}

/// Numbers are issued once and called in order.
fn numbers(before: &Outline, after: &Line, answer: &Answer) -> [Claim; 7] {
    let same_epoch = before.epoch == after.epoch;
    [
        (
            Promise::P1,
            !same_epoch || answer.first > before.tail,
            "a number was issued twice",
        ),
        (
            Promise::P1,
            answer.first + answer.issued <= after.tail + 1,
            "a number was issued beyond the tail",
        ),
        (
            Promise::P1,
            !answer.healing || answer.issued == 0,
            "a number was issued while healing",
        ),
        (
            Promise::P1,
            are_numbered_once(answer),
            "a stub got a number beyond the tail, or a newcomer's",
        ),
        (
            Promise::P2,
            !same_epoch || after.tail >= before.tail,
            "the tail fell",
        ),
        (
            Promise::P2,
            !same_epoch || after.head >= before.head,
            "the head fell",
        ),
        (
            Promise::P2,
            after.head <= after.tail,
            "the head passed the tail",
        ),
    ]
}

/// Entries are paid for.
fn pace(before: &Outline, after: &Line) -> [Claim; 4] {
    let same_epoch = before.epoch == after.epoch;
    let entered = after.entered - if same_epoch { before.entered } else { 0 };
    let elapsed = after.now_us.saturating_sub(before.now_us).min(STEP_US_MAX);
    let earned = if same_epoch {
        before.credit + (elapsed * before.pace_per_hour).div_ceil(3_600)
    } else {
        ENTRY
    };
    [
        (
            Promise::P3,
            entered * ENTRY <= earned,
            "more entered than there was credit for",
        ),
        (
            Promise::P3,
            after.credit <= after.credit_max(),
            "more credit is held than the burst",
        ),
        (
            Promise::P3,
            entered == 0 || after.moves(),
            "somebody entered while nobody may",
        ),
        (
            Promise::P3,
            entered == 0 || after.inside.len() <= after.settings.active_max,
            "more are inside than active_max",
        ),
    ]
}

/// Nobody is remembered by halves.
fn shape(after: &Line) -> [Claim; 3] {
    let orders = after.asking_turn.len() + after.asking_late.len();
    // Not looked at in a line that was never full: there it is 0.
    let is_true = || after.waiting_here() + after.places <= after.settings.line_max;
    [
        (
            Promise::P9,
            after.places == 0 || is_true(),
            "the line is known to have more places than it has",
        ),
        (
            Promise::P6,
            after.turns.len() == after.called.len(),
            "a turn has lost its call",
        ),
        (
            Promise::P6,
            after.asking.len() == orders,
            "somebody asking is in no order, or in two",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::exchange::StubBlock;
    use crate::line::ids::InstanceId;
    use crate::line::settings::Settings;
    use crate::line::tests::founded;

    /// An exchange with ten joins, the answer before it and its own, of a line at one entry a second.
    fn answered() -> (Answer, Exchange, Answer) {
        let settings = Settings {
            rate_per_hour: 3_600,
            ..Settings::default()
        };
        let (mut line, mut exchange, before) = founded(settings, 10);
        exchange.sequence = 2;
        exchange.proposal = None;
        exchange.known.epoch = Some(before.epoch);
        exchange.known.tail = before.tail;
        exchange.known.head = before.head;
        let after = line.apply(1_000_250_000, &exchange).unwrap();
        (before, exchange, after)
    }

    fn broken(change: impl Fn(&mut Answer)) -> Vec<(Promise, &'static str)> {
        let (before, exchange, mut after) = answered();
        change(&mut after);
        broken_by(Some(&before), &exchange, &after).collect()
    }

    #[test]
    fn an_honest_answer_breaks_nothing_and_each_wrong_one_what_it_breaks() {
        assert_eq!(broken(|_| {}), []);
        let whats = |change: &dyn Fn(&mut Answer)| broken(change);
        let twice = (Promise::P1, "a number was issued twice");
        assert_eq!(whats(&|a| a.first = 10), [twice]);
        assert_eq!(
            whats(&|a| (a.issued, a.tail) = (11, 21)),
            [(Promise::P1, "numbers were issued to nobody")]
        );
        assert_eq!(
            whats(&|a| (a.tail, a.head) = (19, 19)),
            [(Promise::P1, "a number was issued beyond the tail")]
        );
        assert_eq!(
            whats(&|a| a.healing = true),
            [(Promise::P1, "a number was issued while healing")]
        );
        assert_eq!(
            whats(&|a| (a.issued, a.tail, a.head) = (0, 9, 9)),
            [
                (Promise::P1, "a number was issued beyond the tail"),
                (Promise::P2, "the tail fell"),
                (Promise::P2, "the head fell"),
            ]
        );
        assert_eq!(whats(&|a| a.head = 0), [(Promise::P2, "the head fell")]);
        assert_eq!(
            whats(&|a| a.head = 21),
            [(Promise::P2, "the head passed the tail")]
        );
    }

    #[test]
    fn a_stub_has_a_number_that_was_issued_and_is_nobody_elses() {
        let stub = |number: u64, count: u64| {
            broken(|answer| {
                answer.stubs = vec![StubBlock {
                    instance: InstanceId(1),
                    first: 1,
                    count,
                    number,
                }];
            })
        };
        // Ten had numbers before, ten joined.
        let wrong = [(
            Promise::P1,
            "a stub got a number beyond the tail, or a newcomer's",
        )];
        assert_eq!(stub(1, 10), []);
        for (number, count) in [(0, 3), (5, 7), (11, 1), (20, 1), (21, 1)] {
            assert_eq!(stub(number, count), wrong, "{count} from {number}");
        }
    }

    #[test]
    fn entries_between_two_answers_stay_within_rate_and_burst() {
        let unpaid = (Promise::P3, "more entered than the pace allows");
        // A quarter of a second at one a second, and one of burst.
        assert_eq!(broken(|a| a.counts.entered += 1), []);
        assert_eq!(broken(|a| a.counts.entered += 2), [unpaid]);
        assert_eq!(
            broken(|a| (a.counts.entered, a.now_us) = (2, a.now_us + 750_000)),
            []
        );
        // Of another rate, or another line, the answers do not tell.
        assert_eq!(broken(|a| (a.counts.entered, a.revision) = (9, 7)), []);
    }
}
