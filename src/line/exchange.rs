//! The one message between a replica and a line: what happened since the last one, and the answer to it.
//!
//! A replica gathers joins, presence, asking, renewals and the rest, and sends them as one atomic batch. The answer
//! carries everything a replica needs to serve its visitors without asking again. Both are plain data.

use serde::{Deserialize, Serialize};

use crate::line::ids::Epoch;
use crate::line::ids::InstanceId;
use crate::line::ids::KeyHash;
use crate::line::ids::Nonce;
use crate::line::ids::TicketId;
use crate::line::opening::Opening;
use crate::line::settings::Settings;

/// Most joins in one exchange.
pub const JOINS_MAX: u64 = 10_000;
/// Most joins that carry their ticket's id because they may go straight in.
pub const EAGER_MAX: usize = 256;
/// Most entries in each of an exchange's lists.
pub const ITEMS_MAX: usize = 500;
/// Most numbers heard from in one exchange.
pub const HEARD_MAX: usize = 1_500;
/// Most visitors called by one exchange.
pub const CALLS_MAX: u64 = 100;
/// Most visitors let in by each of the two entering steps of one exchange.
pub const ENTRIES_MAX: u64 = 64;
/// Most requests of each kind that one exchange tells of the origin.
pub const HEALTH_MAX: u64 = 1_000_000;
/// As many visitors as [`Health::witnesses`] tells apart, a bit each, and all of them.
pub const WITNESS_BITS: u64 = 48;
/// All bits of [`Health::witnesses`].
pub const WITNESSES_ALL: u64 = (1 << WITNESS_BITS) - 1;
/// Most rows of each kind of news in one answer.
pub const NEWS_MAX: usize = 500;
/// Most of each kind that one exchange lets go of because they have run out.
pub const EXPIRED_MAX: usize = 100;
/// How far ahead of `head` somebody asking is remembered.
pub const AHEAD_MAX: u64 = 1_000;
/// The highest number of an epoch: at four bits each, as many as one string in Redis can tell of.
pub const NUMBER_MAX: u64 = (1 << 30) - 1;
/// Numbers whose presence is looked at together.
pub const PAGE_NUMBERS: u64 = 16_384;
/// Most pages that one exchange calls visitors from.
pub const PAGES_MAX: u64 = 32;

/// Most slices of stubs in one exchange.
pub const STUB_SLICES_MAX: usize = 1_000;

/// In [`Known::instances`]: the epoch is known only by visitors' tickets, and who else was there, and what they were told,
/// by nobody.
pub const INSTANCES_UNKNOWN: u64 = 1 << 32;

/// A visitor as the line meets it: its ticket's id and number, both from an authenticated ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Visitor {
    /// The ticket's number, 1 to [`NUMBER_MAX`].
    pub number: u64,
    /// The ticket's id.
    pub id: TicketId,
}

/// A pass in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Renewal {
    /// The id of the pass's ticket.
    pub id: TicketId,
    /// When the renewed pass runs out, in line time (microseconds).
    pub until_us: u64,
    /// When its visitor entered, in line time (microseconds), for a line that has lost it.
    #[serde(default)]
    pub entered_us: u64,
}

/// A ticket given up, or a pass that has done its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Finish {
    /// Whose it is.
    pub visitor: Visitor,
    /// Until when its signed pass could still be shown, in line time (microseconds): it is remembered that long.
    pub until_us: u64,
}

/// Newcomers to whom this replica gave stubs within one slice of line time: those of index `first .. first + count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StubSlice {
    /// Line time as the replica carried it on when the slice began, in microseconds.
    pub at_us: u64,
    /// Index of the first of them, counted by the replica from 1.
    pub first: u64,
    /// How many they are, 1 to [`NUMBER_MAX`].
    pub count: u64,
}

/// The stub of a newcomer of whom no replica tells any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct LostStub {
    /// The replica that gave it.
    pub instance: InstanceId,
    /// Its index there, counted from 1; 0 for no stub.
    pub index: u64,
}

/// Stubs of one replica that have numbers: index `first + i` has `number + i`, for `i` below `count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StubBlock {
    /// The replica that gave the stubs.
    pub instance: InstanceId,
    /// Index of the first stub.
    pub first: u64,
    /// How many they are.
    pub count: u64,
    /// The number of the first one.
    pub number: u64,
}

/// Settings a replica has read from its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Proposal {
    /// 128 bits of a hash over the room's part of the file.
    pub content: KeyHash,
    /// The file changed while the replica ran; otherwise its content counts only if it was never seen before.
    pub changed: bool,
    /// The settings themselves.
    pub settings: Settings,
}

/// What a replica already knows, so that an answer carries only news.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Known {
    /// The newest epoch the replica was ever answered; `None` before its first answer.
    pub epoch: Option<Epoch>,
    /// Highest `tail` of that epoch: from answers and authentic tickets.
    pub tail: u64,
    /// Highest `head` of that epoch: from answers and authentic passes.
    pub head: u64,
    /// Highest line time of that epoch it was answered, in microseconds.
    pub now_us: u64,
    /// Turns up to this number have been received.
    pub turns: u64,
    /// Entries up to this sequence number have been received.
    pub entries: u64,
    /// Finished ids up to this sequence number have been received.
    pub finished: u64,
    /// What was last answered of the opening; and where no seed is committed to, what this replica's hashes to.
    #[serde(default)]
    pub opening: Opening,
    /// Blocks of numbered stubs up to this sequence number have been received.
    #[serde(default)]
    pub stubs: u64,
    /// How many replicas were live, by the last answer of that epoch; 0 before there was one, and
    /// [`INSTANCES_UNKNOWN`] where only tickets tell of the epoch.
    #[serde(default)]
    pub instances: u64,
    /// What this replica may let in by itself while its store is away, by the last answer of that epoch that was not
    /// healing, in entries per hour.
    #[serde(default)]
    pub lease_per_hour: u64,
    /// What the line withheld for replicas it did not hear from, by the same answer, in entries per hour.
    #[serde(default)]
    pub withheld_per_hour: u64,
}

impl Known {
    /// What a replica that knew this knows once it has this answer; of another epoch, only what was answered.
    #[must_use]
    pub fn after(self, answer: &Answer) -> Self {
        let before = if self.epoch == Some(answer.epoch) {
            self
        } else {
            Self::default()
        };
        Self {
            epoch: Some(answer.epoch),
            tail: before.tail.max(answer.tail),
            head: before.head.max(answer.head),
            now_us: before.now_us.max(answer.now_us),
            turns: answer.turns_to,
            entries: answer.entries,
            finished: answer.finished_to,
            opening: answer.opening,
            stubs: answer.stubs_to,
            // While it heals, it may have heard from this one only.
            instances: if answer.healing {
                before.instances
            } else {
                answer.counts.instances
            },
            lease_per_hour: if answer.healing {
                before.lease_per_hour
            } else {
                answer.lease_per_hour
            },
            withheld_per_hour: if answer.healing {
                before.withheld_per_hour
            } else {
                answer.withheld_per_hour
            },
        }
    }
}

/// Everything that happened at one replica since its last exchange.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Exchange {
    /// Who sends it.
    pub instance: InstanceId,
    /// One more than this instance's last; the same again only to repeat after a lost answer.
    pub sequence: u64,
    /// What the replica knows already.
    pub known: Known,
    /// Random bits for a new epoch, used only if the line is found without one.
    pub nonce: Nonce,
    /// Identity of the store's process as read at connect (Redis `run_id`, as 128 bits of a hash); a change starts
    /// a heal. Zero for stores that cannot lose writes.
    pub store: KeyHash,
    /// The longest poll interval told to a visitor since the last exchange, in microseconds; 0 if none.
    pub told_us: u64,
    /// Newcomers to number, at most [`JOINS_MAX`]; they get the block `first .. first + issued` in order.
    pub joins: u64,
    /// Ids of the first of these newcomers, who would go straight in; at most [`EAGER_MAX`] and `joins`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub eager: Vec<TicketId>,
    /// Newcomers that carry an `Idempotency-Key`, numbered after the others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keyed: Vec<KeyHash>,
    /// Numbers heard from, each above `head` when noted; at most [`HEARD_MAX`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub heard: Vec<u64>,
    /// Visitors who want to enter now, again at each repeat.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub asks: Vec<Visitor>,
    /// Visitors who asked only until their response, which has gone out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unasks: Vec<Visitor>,
    /// Numbers whose visitors want a longer turn.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<u64>,
    /// Visitors whose standing the replica must know exactly.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Visitor>,
    /// Passes in use.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub renewals: Vec<Renewal>,
    /// Tickets and passes that are spent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub finishes: Vec<Finish>,
    /// Settings read from the replica's file.
    pub proposal: Option<Proposal>,
    /// How many the origin says are left to book.
    pub stock: Option<u64>,
    /// The origin said that nothing is left: the mode becomes sold-out.
    pub sold_out: bool,
    /// The replica's last exchange: it stops and need not be waited for.
    pub leaving: bool,
    /// How the origin did since the last exchange.
    pub origin: Health,
    /// Newcomers who were given stubs and have no numbers yet, all of them in every exchange, in order of index; at most
    /// [`STUB_SLICES_MAX`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stubs: Vec<StubSlice>,
    /// Whose stubs the joins of `keyed` go by, one for each of these, or empty where none does: their numbers are
    /// remembered as those of other stubs are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<LostStub>,
}

/// How the origin did with the requests of those inside, as one replica counted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Health {
    /// Requests that were answered, be it late; at most [`HEALTH_MAX`].
    pub answered: u64,
    /// Requests that failed: no connection, no answer, or a status that says so; at most [`HEALTH_MAX`].
    pub failed: u64,
    /// Those answered, or still not answered, after longer than the operator wants it to take; at most `answered`.
    pub slow: u64,
    /// Whose requests failed or were slow: a bit for each visitor, by its ticket's id, up to [`WITNESSES_ALL`], which is
    /// told when the origin could not be connected to: that is nobody's doing.
    #[serde(default)]
    pub witnesses: u64,
}

impl Health {
    /// The bit of this visitor.
    #[must_use]
    pub fn witness(id: TicketId) -> u64 {
        1 << (id.0 % u128::from(WITNESS_BITS))
    }
}

/// Where a visitor stands, answered to those who asked or were checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Its number is not called yet.
    Waiting,
    /// Has a turn until this line time of turns (see [`Answer::turn_now_us`]), in microseconds.
    Turn {
        /// When the turn runs out, in the turns' own time.
        until_us: u64,
    },
    /// Called, and not in any more specific standing: may still enter.
    Late,
    /// Was inside and idled out: may enter again.
    Returning,
    /// Is asking, and will be let in.
    Asking,
    /// Is inside until this line time, in microseconds. To an ask this means: the pass may be signed again.
    Inside {
        /// When the pass runs out.
        until_us: u64,
        /// When its visitor entered: no pass signed again may say later.
        entered_us: u64,
    },
    /// Is inside, and its pass was signed again as often as is allowed.
    Exhausted {
        /// When the pass runs out.
        until_us: u64,
    },
    /// Finished, or came back as often as is allowed.
    Spent,
}

/// One visitor let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Entered {
    /// Whose ticket became a pass.
    pub id: TicketId,
    /// When that pass runs out, in line time (microseconds).
    pub until_us: u64,
}

/// One visitor called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Turn {
    /// The number called.
    pub number: u64,
    /// When its turn runs out, in the turns' own time (microseconds).
    pub until_us: u64,
}

/// How many of each there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Holders of live passes.
    pub inside: u64,
    /// Called and asking, on time.
    pub asking: u64,
    /// Late and returning visitors who are asking.
    pub asking_late: u64,
    /// Turns whose holders are not asking yet.
    pub turns: u64,
    /// Entries granted in this epoch.
    pub entered: u64,
    /// Replicas heard from within the last five seconds of line time.
    pub instances: u64,
}

/// What the line measured of its visitors, from which it keeps its stock of called people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Measured {
    /// Average time from a call to the visitor's asking, in microseconds.
    pub delay_us: u64,
    /// Share of called visitors who ask in good time, in millionths.
    pub share_ppm: u64,
    /// What the pace really lets through, in entries per hour.
    pub effective_rate_per_hour: u64,
    /// How much of the rate the guard holds back, in millionths: 0 when the origin is well, 1,000,000 when the pace is
    /// stopped but for a probe.
    #[serde(default)]
    pub held_back_ppm: u64,
}

impl Measured {
    /// Whether the guard has stopped the pace.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.held_back_ppm >= 1_000_000
    }
}

/// The answer to an exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The sequence number of the exchange it answers.
    pub sequence: u64,
    /// The line's epoch; the zero epoch while the line heals and does not know one for certain.
    pub epoch: Epoch,
    /// The line is healing, or has stubs left to number: no newcomer gets a number, and nobody is called or let in.
    pub healing: bool,
    /// There is more to do or to tell: the next exchange should follow at once.
    pub more: bool,
    /// Line time, in microseconds.
    pub now_us: u64,
    /// The turns' own time, in microseconds: line time that stands still while nobody can enter.
    pub turn_now_us: u64,
    /// Highest number issued.
    pub tail: u64,
    /// Highest number called.
    pub head: u64,
    /// First number of the block issued to this exchange's `joins`.
    pub first: u64,
    /// How many of its `joins` were numbered; the others found the line full, closed or healing.
    pub issued: u64,
    /// The number for each of its `keyed` joins, in order; 0 where none could be issued.
    pub keyed: Vec<u64>,
    /// Standing of each visitor in `asks`, then of each in `checks`, in order.
    pub standings: Vec<Standing>,
    /// Visitors let in since the replica's known sequence number.
    pub entered: Vec<Entered>,
    /// Sequence number of the last row of `entered`, or the known one.
    pub entries: u64,
    /// Turns given since the replica's known number.
    pub turns: Vec<Turn>,
    /// Number of the last row of `turns` (or `head`, when every turn has been told).
    pub turns_to: u64,
    /// Ids finished since the replica's known sequence number, and until when to remember them.
    pub finished: Vec<Entered>,
    /// Sequence number of the last row of `finished`, or the known one.
    pub finished_to: u64,
    /// Presence is noted per slice: a visitor heard from again in the same slice need not be told.
    pub slice: u64,
    /// The settings in force.
    pub settings: Settings,
    /// One more at each change of settings.
    pub revision: u64,
    /// Content hash of the proposal the settings came from.
    pub content: KeyHash,
    /// How many of each there are.
    pub counts: Counts,
    /// What the line measured.
    pub measured: Measured,
    /// How many the origin says are left to book.
    pub stock: Option<u64>,
    /// The store's clock, in microseconds since 1970.
    #[serde(default)]
    pub clock_us: u64,
    /// What is agreed of the opening.
    #[serde(default)]
    pub opening: Opening,
    /// Stubs of any replica that got numbers since the replica's known sequence number.
    #[serde(default)]
    pub stubs: Vec<StubBlock>,
    /// Sequence number of the last row of `stubs`, or the known one.
    #[serde(default)]
    pub stubs_to: u64,
    /// What the replica may let in by itself while its store is away, in entries per hour: see [`crate::line::lease`].
    #[serde(default)]
    pub lease_per_hour: u64,
    /// What of the pace is withheld for replicas that are not heard from and may let people in, in entries per hour.
    #[serde(default)]
    pub withheld_per_hour: u64,
}

/// Why an exchange was refused; nothing of it was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The sequence number is older than the last one of this instance.
    #[error("exchange {given} of this instance is older than {last}, which was answered already")]
    Stale {
        /// The number sent.
        given: u64,
        /// The last one answered.
        last: u64,
    },
    /// A list is longer than its bound.
    #[error("the exchange carries more than {0} allows")]
    TooMuch(&'static str),
    /// A value is out of its range.
    #[error("the exchange's {0} is out of range")]
    OutOfRange(&'static str),
}
