//! The promises of the design that one step of a line can keep or break, as predicates with ids.
//!
//! Debug builds check them after every exchange; simulation and tests check the others, which need a longer look,
//! from outside and name them by the same ids.

use std::fmt;

use crate::line::exchange::Answer;
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
    rate_per_hour: u64,
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
            rate_per_hour: line.settings.rate_per_hour,
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
fn numbers(before: &Outline, after: &Line, answer: &Answer) -> [Claim; 6] {
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
        before.credit + (elapsed * before.rate_per_hour).div_ceil(3_600)
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
fn shape(after: &Line) -> [Claim; 2] {
    let orders = after.asking_turn.len() + after.asking_late.len();
    [
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
