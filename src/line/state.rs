//! What a line remembers, and the order in which an exchange changes it.
//!
//! Every field has its counterpart in the script's state, under the same name where it is a scalar.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::VecDeque;
use std::ops::Not;

use serde::{Deserialize, Serialize};

use crate::line::bits::Bits;
use crate::line::bits::Entries;
use crate::line::exchange::Answer;
use crate::line::exchange::EXPIRED_MAX;
use crate::line::exchange::Exchange;
use crate::line::exchange::Refused;
use crate::line::exchange::StubBlock;
use crate::line::exchange::StubSlice;
use crate::line::ids::Epoch;
use crate::line::ids::InstanceId;
use crate::line::ids::KeyHash;
use crate::line::ids::TicketId;
use crate::line::lease::Leases;
use crate::line::opening::Opening;
use crate::line::promises;
use crate::line::settings::Mode;
use crate::line::settings::Settings;

/// One entry, in the millionths that credit is counted in.
pub(crate) const ENTRY: u64 = 1_000_000;
/// One second of line time.
pub(crate) const SECOND_US: u64 = 1_000_000;
/// Most that line time advances in one exchange.
pub(crate) const STEP_US_MAX: u64 = 2 * SECOND_US;
/// How long a line heals, at most: until each replica that was live has told what it knows.
pub(crate) const HEAL_US: u64 = 3 * SECOND_US / 2;
/// How long it heals, at least: two ticks of a replica that has just started, of which the others have not heard.
pub(crate) const HEAL_MIN_US: u64 = SECOND_US / 2;
/// A replica heard from within this time is live.
pub(crate) const LIVE_US: u64 = 5 * SECOND_US;
/// How long an `Idempotency-Key` is remembered.
pub(crate) const KEYED_US: u64 = 60 * SECOND_US;
/// A replica silent for this long is missing.
pub(crate) const MISSING_US: u64 = 2 * SECOND_US;
/// A replica silent for this long is forgotten.
pub(crate) const FORGET_US: u64 = 600 * SECOND_US;
/// Most contents of proposals remembered.
pub(crate) const CONTENTS_MAX: usize = 64;
/// How often a pass is signed again.
pub(crate) const RESIGNS_MAX: u64 = 5;
/// How often a turn can be made longer.
pub(crate) const MORE_MAX: u64 = 10;

/// A set ordered by a score and then by member, as a sorted set in Redis is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(M, u64)>", into = "Vec<(M, u64)>")]
#[serde(bound(
    serialize = "M: Ord + Copy + Serialize",
    deserialize = "M: Ord + Copy + Deserialize<'de>"
))]
pub(crate) struct Scored<M: Ord + Copy> {
    scores: BTreeMap<M, u64>,
    order: BTreeSet<(u64, M)>,
}

impl<M: Ord + Copy> Default for Scored<M> {
    fn default() -> Self {
        Self {
            scores: BTreeMap::new(),
            order: BTreeSet::new(),
        }
    }
}

impl<M: Ord + Copy> From<Vec<(M, u64)>> for Scored<M> {
    fn from(rows: Vec<(M, u64)>) -> Self {
        let mut set = Self::default();
        for (member, score) in rows {
            set.put(member, score);
        }
        set
    }
}

impl<M: Ord + Copy> From<Scored<M>> for Vec<(M, u64)> {
    fn from(set: Scored<M>) -> Self {
        set.scores.into_iter().collect()
    }
}

impl<M: Ord + Copy> Scored<M> {
    /// Adds a member or gives it another score.
    pub(crate) fn put(&mut self, member: M, score: u64) {
        if let Some(old) = self.scores.insert(member, score) {
            self.order.remove(&(old, member));
        }
        self.order.insert((score, member));
    }

    /// Takes a member out; its score, if it was there.
    pub(crate) fn take(&mut self, member: M) -> Option<u64> {
        let score = self.scores.remove(&member)?;
        self.order.remove(&(score, member));
        Some(score)
    }

    /// A member's score.
    pub(crate) fn score(&self, member: M) -> Option<u64> {
        self.scores.get(&member).copied()
    }

    /// How many members there are.
    pub(crate) fn len(&self) -> u64 {
        self.order.len() as u64
    }

    /// Members and scores in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, M)> + '_ {
        self.order.iter().copied()
    }

    /// Members with a score of `low` or more, in order.
    pub(crate) fn from(&self, low: u64) -> impl Iterator<Item = (u64, M)> + '_
    where
        M: Default,
    {
        // Every member type's default is its least value.
        self.order.range((low, M::default())..).copied()
    }

    /// Members after this one with their scores, in the order of the members themselves.
    pub(crate) fn members_after(&self, member: M) -> impl Iterator<Item = (M, u64)> + '_ {
        let above = (
            std::ops::Bound::Excluded(member),
            std::ops::Bound::Unbounded,
        );
        self.scores
            .range(above)
            .map(|(&member, &score)| (member, score))
    }

    /// The first members with a score of `high` or less, at most as many as one exchange may expire.
    pub(crate) fn up_to(&self, high: u64) -> Vec<M> {
        self.order
            .iter()
            .take_while(|&&(score, _)| score <= high)
            .take(EXPIRED_MAX)
            .map(|&(_, m)| m)
            .collect()
    }

    /// How many members have exactly this score.
    pub(crate) fn count_at(&self, score: u64) -> u64
    where
        M: Default,
    {
        self.from(score)
            .take_while(|&(other, _)| other == score)
            .count() as u64
    }

    /// How many members score above `low`.
    pub(crate) fn count_above(&self, low: u64) -> u64 {
        self.order
            .iter()
            .rev()
            .take_while(|&&(score, _)| score > low)
            .count() as u64
    }
}

/// The last exchange of one replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answered {
    pub(crate) sequence: u64,
    pub(crate) answer: Answer,
}

/// A room's shared truth.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Line {
    pub(crate) epoch: Option<Epoch>,
    /// The epoch was made without knowing whether an older one was lost: any epoch shown before the
    /// first number is issued replaces it.
    pub(crate) provisional: bool,
    /// Identity of the store's process.
    pub(crate) store: KeyHash,
    pub(crate) tail: u64,
    pub(crate) head: u64,
    /// Store clock at the last exchange.
    pub(crate) clock_us: u64,
    /// Line time.
    pub(crate) now_us: u64,
    /// The turns' own time.
    pub(crate) turn_now_us: u64,
    pub(crate) heal_until_us: u64,
    /// Entry credit in millionths, and what is left of it below a millionth, in 1/3600 of one.
    pub(crate) credit: u64,
    pub(crate) credit_rest: u64,
    /// What late and returning visitors are owed of the next entry, in millionths.
    pub(crate) late_due: u64,
    pub(crate) share_ppm: u64,
    pub(crate) delay_us: u64,
    /// Turns called up to this time have been judged as answered in time or not.
    pub(crate) aged_us: u64,
    /// Entries in the current and the previous minute of line time.
    pub(crate) minute_us: u64,
    pub(crate) minute: u64,
    pub(crate) minute_before: u64,
    /// Since when every replica has been heard from without a break.
    pub(crate) listen_us: u64,
    /// The longest poll interval told in this window and in the one before, and when this one began.
    pub(crate) told_us: u64,
    pub(crate) told_before_us: u64,
    pub(crate) told_at_us: u64,
    pub(crate) slice: u64,
    pub(crate) slice_us: u64,
    pub(crate) settings: Settings,
    pub(crate) revision: u64,
    pub(crate) content: KeyHash,
    pub(crate) stock: Option<u64>,
    pub(crate) entered: u64,
    pub(crate) entries_seq: u64,
    pub(crate) finished_seq: u64,
    /// How much of the rate the guard holds back, in millionths.
    #[serde(default)]
    pub(crate) held_back_ppm: u64,
    /// When the guard last judged the origin, when it last cut the pace, and what it was told since it judged.
    #[serde(default)]
    pub(crate) judged_us: u64,
    #[serde(default)]
    pub(crate) cut_us: u64,
    #[serde(default)]
    pub(crate) origin_answered: u64,
    #[serde(default)]
    pub(crate) origin_failed: u64,
    #[serde(default)]
    pub(crate) origin_slow: u64,
    #[serde(default)]
    pub(crate) opening: Opening,

    /// Numbers heard from, in three slices that are used in turn.
    pub(crate) present: [Bits; 3],
    /// How often each number entered.
    pub(crate) entries: Entries,
    /// Called and not asking: number → when the turn runs out, when it was called, how often it was made longer.
    pub(crate) turns: Scored<u64>,
    pub(crate) called: Scored<u64>,
    pub(crate) longer: BTreeMap<u64, u64>,
    /// Asking: id → when last heard from; then by number, for those on time (above `head` once they are called) and
    /// for those late.
    pub(crate) asking: Scored<TicketId>,
    pub(crate) asking_turn: Scored<TicketId>,
    pub(crate) asking_late: Scored<TicketId>,
    /// Holders of live passes: id → when the pass runs out, when and in which order they came in, how often it was
    /// re-signed.
    pub(crate) inside: Scored<TicketId>,
    #[serde(default)]
    pub(crate) inside_since: Scored<TicketId>,
    pub(crate) inside_order: Scored<TicketId>,
    pub(crate) resigned: BTreeMap<TicketId, u64>,
    /// Spent ids: until when to remember them, and in which order they were.
    pub(crate) finished: Scored<TicketId>,
    pub(crate) finished_order: Scored<TicketId>,
    /// Joins that carried a key: the number they got, and until when that is remembered.
    pub(crate) keyed: BTreeMap<KeyHash, u64>,
    pub(crate) keyed_until: Scored<KeyHash>,
    /// Replicas: line time of the last exchange, and its answer.
    pub(crate) seen: Scored<InstanceId>,
    pub(crate) answered: BTreeMap<InstanceId, Answered>,
    /// Contents of settings ever proposed, by the revision they made.
    pub(crate) contents: Scored<KeyHash>,

    /// Slices of stubs that have no numbers yet, by replica in order of index.
    #[serde(default)]
    pub(crate) stubs: BTreeMap<InstanceId, VecDeque<StubSlice>>,
    /// The highest index of each replica that has a number.
    #[serde(default)]
    pub(crate) stub_marks: Scored<InstanceId>,
    /// Blocks of numbered stubs by sequence number, and the highest one.
    #[serde(default)]
    pub(crate) stub_blocks: BTreeMap<u64, StubBlock>,
    #[serde(default)]
    pub(crate) stub_seq: u64,
    /// Since when the line heals, how many replicas were live before by all that is known, and how many of these have
    /// been heard from since.
    #[serde(default)]
    pub(crate) heal_from_us: u64,
    #[serde(default)]
    pub(crate) heal_live: u64,
    #[serde(default)]
    pub(crate) heal_heard: u64,
    /// It does so because nobody was heard from for a while, having lost nothing.
    #[serde(default)]
    pub(crate) gathers: bool,
    /// Numbers that a missing replica may have been told of; from 0 if there are none.
    #[serde(default)]
    pub(crate) gap_first: u64,
    #[serde(default)]
    pub(crate) gap_last: u64,
    /// Numbers issued in the current and the previous minute of line time.
    #[serde(default)]
    pub(crate) issued_minute: u64,
    #[serde(default)]
    pub(crate) issued_minute_before: u64,
    /// Whose requests failed or were slow since the guard last judged.
    #[serde(default)]
    pub(crate) origin_witnesses: u64,
    /// Line time at which the opening comes, or came, by the clock as it was before anything fell silent; 0 if unknown.
    #[serde(default)]
    pub(crate) opening_us: u64,
    /// What replicas may let in that are not heard from.
    #[serde(default)]
    pub(crate) leases: Leases,
    /// For how many newcomers there is a place, at least, by what was last counted of those present, and when that was.
    #[serde(default)]
    pub(crate) places: u64,
    #[serde(default)]
    pub(crate) counted_us: u64,
    /// Entries were lost with their time: the next exchange earns no credit. Only stores that reserve numbers lose so;
    /// the script heals instead.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub(crate) is_forfeit: bool,
}

/// What one exchange works out on its way and nobody needs afterwards.
#[derive(Debug, Default)]
pub(crate) struct Step {
    /// How far line time advanced, in microseconds.
    pub(crate) elapsed_us: u64,
    pub(crate) healing: bool,
    /// Some bound was reached: more is to be done at once.
    pub(crate) more: bool,
    /// When its replica counts as heard from, if not now: as if when healing began, until it has told everything.
    pub(crate) heard_us: Option<u64>,
    pub(crate) first: u64,
    pub(crate) issued: u64,
    pub(crate) keyed: Vec<u64>,
    /// Newcomers who may go straight in, by number, until they are called.
    pub(crate) eager: Vec<(u64, TicketId)>,
    /// Those of them who were called.
    pub(crate) eager_called: Vec<(u64, TicketId)>,
    /// The line healed when the exchange came.
    pub(crate) was_healing: bool,
    /// What of the pace was withheld before or is now, whichever is more, in entries per hour.
    pub(crate) unearned_per_hour: u64,
    /// Among how many replicas the leases are shared; 0 where the sender gets none.
    pub(crate) sharing: u64,
}

impl Line {
    /// A line that has never seen an exchange.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Applies one exchange at this time of the store's clock (microseconds since 1970) and answers it.
    ///
    /// The same instance and sequence again gets the same answer and changes nothing.
    ///
    /// # Errors
    /// [`Refused`] when the exchange is older than the last one of its instance or out of bounds; nothing changes.
    ///
    /// # Panics
    /// In debug builds, when one of the promises is broken.
    pub fn apply(&mut self, clock_us: u64, exchange: &Exchange) -> Result<Answer, Refused> {
        exchange.validate()?;
        if let Some(last) = self.answered.get(&exchange.instance) {
            if exchange.sequence == last.sequence {
                return Ok(last.answer.clone());
            }
            if exchange.sequence < last.sequence {
                return Err(Refused::Stale {
                    given: exchange.sequence,
                    last: last.sequence,
                });
            }
        }
        let before = promises::Outline::of(self);
        let answer = self.step(clock_us, exchange);
        if cfg!(debug_assertions) {
            promises::check(&before, self, &answer);
        }
        Ok(answer)
    }

    /// The order of DESIGN §3: expire, accrue credit, issue joins, enter, call, enter those just called.
    fn step(&mut self, clock_us: u64, exchange: &Exchange) -> Answer {
        let mut step = Step::default();
        self.begin(clock_us, exchange, &mut step);
        self.listen(exchange, &step);
        self.withhold(exchange, &mut step);
        self.age_turns();
        self.expire(&mut step);
        self.accrue(&step);
        self.guard(&exchange.origin);
        self.follow(exchange);
        self.close();
        // A ticket means nothing in another epoch.
        let same_epoch = exchange.known.epoch == self.epoch;
        if same_epoch {
            self.hear(exchange);
            self.renew(exchange);
            self.finish(exchange);
        }
        self.keep_stubs(exchange);
        let numbered = self.number_stubs(&mut step);
        // Whoever came before the opening is early, with a number or without one.
        self.open(&step);
        self.settle_stubs(numbered, &mut step);
        self.join(exchange, &mut step);
        let mut standings = Vec::new();
        if same_epoch {
            standings = self.ask(exchange);
        }
        self.enter(&mut step);
        self.call(&mut step);
        self.enter(&mut step);
        self.keep_eager(&mut step);
        if same_epoch {
            standings.extend(
                exchange
                    .checks
                    .iter()
                    .map(|&visitor| self.standing(visitor)),
            );
        }
        self.answer(exchange, step, standings)
    }

    /// Whether visitors can be called and let in.
    pub(crate) fn moves(&self) -> bool {
        self.settings.mode == Mode::Open
            && self.settings.rate_per_hour > 0
            && !self.is_healing()
            && !self.opening.is_awaited()
    }

    /// The presence window, in microseconds.
    pub(crate) fn window_us(&self) -> u64 {
        let told_us = self.told_us.max(self.told_before_us);
        self.settings.presence_us.max(told_us * 5 / 2)
    }

    /// Highest number called.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.head
    }

    /// Highest number issued.
    #[must_use]
    pub fn tail(&self) -> u64 {
        self.tail
    }

    /// The line's epoch, once it has one.
    #[must_use]
    pub fn epoch(&self) -> Option<Epoch> {
        self.epoch
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Makes sure that no number up to this one is issued again; for stores that know of numbers issued and lost.
    pub fn reserve(&mut self, tail: u64) {
        self.tail = self.tail.max(tail);
    }

    /// Takes away what credit is left, and what the time until the next exchange would earn: what was lost may have spent
    /// it. For stores that come back after losing entries.
    pub fn forfeit_credit(&mut self) {
        self.credit = 0;
        self.credit_rest = 0;
        self.is_forfeit = true;
    }
}
