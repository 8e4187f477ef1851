//! The shadow: a naive second account of one line, kept from outside from what is sent to it and what it answers.
//!
//! It decides everything that the design decides (who is issued what, who stands where, who has run out, what the
//! pace allows) with plain maps and no regard for cost, and takes from the answer only what is left to the line:
//! how far it called and whom it let in. It travels with the store's snapshots: what the store forgets, it forgets.

mod calls;
mod full;
mod guard;
mod heal;
mod lease;
mod opening;
mod pace;
mod people;
mod stubs;
mod time;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use anteroom::line::exchange::Answer;
use anteroom::line::exchange::Exchange;
use anteroom::line::ids::Epoch;
use anteroom::line::ids::InstanceId;
use anteroom::line::ids::KeyHash;
use anteroom::line::ids::TicketId;
use anteroom::line::opening::Opening;
use anteroom::line::promises::Broken;
use anteroom::line::promises::Promise;
use anteroom::line::settings::Mode;
use anteroom::line::settings::Settings;

use crate::replica::Joiner;

use heal::Heal;
use lease::Leases;
pub(crate) use pace::Pace;
pub(crate) use stubs::Stub;
use stubs::Stubs;

/// Kept, or the promise that was broken.
pub(crate) type Verdict<T = ()> = Result<T, Broken>;

/// A claim that must be true.
pub(crate) fn claim(kept: bool, promise: Promise, what: impl FnOnce() -> String) -> Verdict {
    if kept {
        return Ok(());
    }
    let what = what();
    Err(Broken { promise, what })
}

/// When a number was last heard from, and the shortest presence window in force since.
#[derive(Debug, Clone, Copy)]
struct Heard {
    at_us: u64,
    window_us: u64,
}

/// A turn whose holder is not asking yet.
#[derive(Debug, Clone, Copy)]
struct Open {
    until_us: u64,
    called_us: u64,
    longer: u64,
}

/// How somebody who was let in had been waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    OnTime,
    Late,
    Eager,
}

/// What one exchange did, for the record that never forgets.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) elapsed_us: u64,
    pub(crate) issued: Vec<(u64, TicketId)>,
    pub(crate) granted: Vec<(u64, TicketId, Kind)>,
    pub(crate) finished: Vec<TicketId>,
    /// Tickets of numbers called in this exchange.
    pub(crate) called: u64,
    /// Numbers that were skipped as absent.
    pub(crate) skipped: u64,
    pub(crate) healing: bool,
    /// Stubs numbered in this exchange, and the times of their slices.
    pub(crate) stubs: Vec<(u64, Stub, u64)>,
    /// More newcomers got numbers than if everybody who waits were present.
    pub(crate) beyond: bool,
}

/// The naive account of one line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shadow {
    pub(crate) epoch: Option<Epoch>,
    provisional: bool,
    pub(crate) process: KeyHash,
    clock_us: u64,
    pub(crate) now_us: u64,
    turn_us: u64,
    heal: Heal,
    pub(crate) tail: u64,
    pub(crate) head: u64,
    pub(crate) entered: u64,
    pub(crate) settings: Settings,
    revision: u64,
    content: KeyHash,
    contents: BTreeSet<KeyHash>,
    /// Longest interval told in this window and in the one before, and when this one began.
    told_us: u64,
    told_before_us: u64,
    told_at_us: u64,
    /// Since when listening is unbroken; since when the window is what it is.
    unbroken_us: u64,
    window_since_us: u64,
    seen: BTreeMap<InstanceId, u64>,
    heard: BTreeMap<u64, Heard>,
    turns: BTreeMap<u64, Open>,
    on_time: BTreeMap<TicketId, u64>,
    late: BTreeMap<TicketId, u64>,
    ahead: BTreeMap<TicketId, u64>,
    asked_us: BTreeMap<TicketId, u64>,
    pub(crate) inside: BTreeMap<TicketId, u64>,
    since_us: BTreeMap<TicketId, u64>,
    signed: BTreeMap<TicketId, u64>,
    finished: BTreeMap<TicketId, u64>,
    entries: BTreeMap<u64, u64>,
    spent: BTreeSet<u64>,
    keyed: BTreeMap<KeyHash, (u64, u64)>,
    pace: Pace,
    stubs: Stubs,
    /// Numbers left out for a replica that stayed away: the first and the last.
    gap: (u64, u64),
    /// Numbers issued in this minute and the one before, and when this one began.
    issued: u64,
    issued_before: u64,
    minute_us: u64,
    guard: guard::Guard,
    opening: Opening,
    /// When that is in line time, as long as it went with the clock.
    opening_us: u64,
    /// This exchange opened the line, and leaves stubs of whoever came after that to the next.
    queue_left: bool,
    leases: Leases,
    full: full::Full,
}

impl Shadow {
    /// Follows one exchange that was applied, and compares the answer with what it must be.
    pub(crate) fn follow(
        &mut self,
        clock_us: u64,
        exchange: &Exchange,
        joiners: &[Joiner],
        answer: &Answer,
    ) -> Verdict<Done> {
        let mut done = Done {
            elapsed_us: self.begin(clock_us, exchange),
            ..Done::default()
        };
        done.healing = self.is_healing();
        let may_be_older = self.tail == 0 && self.process.0 != 0 && self.settings.mode.issues();
        self.provisional &= done.healing || may_be_older;
        self.listen(exchange);
        self.keep_back(exchange, done.elapsed_us);
        self.expire();
        self.accrue(&done);
        self.guard(exchange.origin);
        self.obey(exchange);
        self.closes();
        let known_here = exchange.known.epoch == self.epoch;
        if known_here {
            self.hear(exchange);
            self.renew(exchange);
            self.finish(exchange, &mut done);
        }
        self.stubs(exchange, answer, &mut done)?;
        self.join(exchange, joiners, answer, &mut done)?;
        let mut standings = Vec::new();
        if known_here {
            standings = exchange.asks.iter().map(|&v| self.ask(v)).collect();
        }
        self.calls(exchange, answer, &mut done)?;
        if known_here {
            standings.extend(exchange.checks.iter().map(|&v| self.standing(v)));
        }
        self.stands_still(answer, &done)?;
        self.provisional &= self.tail == 0;
        claim(answer.standings == standings, Promise::P5, || {
            format!(
                "standings are {:?} and should be {standings:?} for {:?} and {:?}",
                answer.standings, exchange.asks, exchange.checks
            )
        })?;
        self.guarded(answer.measured.held_back_ppm)?;
        self.leased(exchange, answer, done.healing)?;
        self.compare(answer, &done)?;
        self.tells_opening(exchange, answer)?;
        Ok(done)
    }

    /// The embedded store came back: numbers up to this one were reserved, and credit is gone together with what was earned
    /// since the entries that were lost.
    pub(crate) fn reserve(&mut self, tail: u64) {
        self.tail = self.tail.max(tail);
        self.pace.lose();
    }

    /// Whether visitors can be called and let in.
    fn moves(&self) -> bool {
        self.settings.mode == Mode::Open
            && self.settings.rate_per_hour > 0
            && !self.is_healing()
            && !self.is_closed_yet()
            && !self.queue_left
    }

    /// What the answer says of the whole line is what the shadow counts.
    fn compare(&self, answer: &Answer, done: &Done) -> Verdict {
        let shown = if self.provisional {
            Some(Epoch::default())
        } else {
            self.epoch
        };
        claim(Some(answer.epoch) == shown, Promise::P5, || {
            format!("the epoch is {:?} and should be {shown:?}", answer.epoch)
        })?;
        claim(answer.healing == done.healing, Promise::P5, || {
            format!(
                "healing is {} and should be {}",
                answer.healing, done.healing
            )
        })?;
        let (is, should) = (
            [answer.now_us, answer.turn_now_us, answer.head, answer.tail],
            [self.now_us, self.turn_us, self.head, self.tail],
        );
        claim(is == should, Promise::P2, || {
            format!("line time, turn time, head and tail are {is:?} and should be {should:?}")
        })?;
        let counts = answer.counts;
        let is = [
            counts.inside,
            counts.asking,
            counts.asking_late,
            counts.turns,
            counts.entered,
        ];
        let sizes = [
            self.inside.len(),
            self.on_time.len(),
            self.late.len(),
            self.turns.len(),
        ];
        let should = [
            sizes[0] as u64,
            sizes[1] as u64,
            sizes[2] as u64,
            sizes[3] as u64,
            self.entered,
        ];
        claim(is == should, Promise::P1, || {
            format!("inside, asking, late, turns, entered are {is:?} and should be {should:?}")
        })?;
        let obeyed = answer.settings == self.settings && answer.content == self.content;
        claim(
            obeyed && answer.revision == self.revision,
            Promise::P3,
            || {
                format!(
                    "settings are {:?} revision {} and should be {:?} revision {}",
                    answer.settings, answer.revision, self.settings, self.revision
                )
            },
        )
    }
}
