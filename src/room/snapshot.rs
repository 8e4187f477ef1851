//! What a replica knows of its room at one moment: published after each exchange, read by every request.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use crate::clock;
use crate::estimate::Forecast;
use crate::line::exchange::Answer;
use crate::line::ids::Epoch;
use crate::line::ids::TicketId;
use crate::line::opening::Opening;
use crate::line::settings::Mode;
use crate::line::settings::NO_LIMIT;
use crate::room::blocks::Blocks;
use crate::room::layered::Layered;
use crate::room::opening::Draw;
use crate::room::plan::Plan;
use crate::room::stubs::Arrival;
use crate::room::stubs::Now;

/// Line time is carried on this far beyond the last answer, and then stands still.
const CARRY: Duration = Duration::from_secs(2);

/// A line that is up for this long has numbered every stub whose replica is still there: whoever holds another one
/// joins now.
const LOST_AFTER: Duration = Duration::from_secs(10);

/// How the store is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It has not answered yet.
    Starting,
    /// It answers.
    Up,
    /// It answers, and the line heals: no numbers for a moment.
    Healing,
    /// It does not answer.
    Away {
        /// Since when.
        since: Instant,
    },
}

/// A replica's picture of its room.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// How the store is doing.
    pub health: Health,
    /// The last answer; none before the first.
    pub(crate) answer: Option<Arc<Answer>>,
    /// When it came.
    pub(crate) at: Instant,
    /// Since when the line issues numbers without a break, as far as `health` says so.
    pub(crate) up_since: Instant,
    /// Since when the mode is what it is, or the guard has stopped the pace, in microseconds since 1970.
    pub mode_since_us: u64,
    /// Open turns: number → when it runs out, in the turns' own time.
    pub(crate) turns: Layered<u64, u64>,
    /// Visitors known to be inside: id → when the pass ran out when it was last heard of, in line time.
    pub(crate) inside: Layered<TicketId, u64>,
    /// Spent ids, and until when to remember them.
    pub(crate) finished: Layered<TicketId, u64>,
    /// Visitors who asked through this replica and are not in yet.
    pub(crate) asking: Layered<TicketId, u64>,
    /// The numbers of stubs.
    pub(crate) blocks: Arc<Blocks>,
    /// How long the line's places take to be called.
    pub forecast: Arc<Forecast>,
    /// Whose draw it is, where places are drawn.
    pub draw: Draw,
    /// The file announces a draw: before the line has told, nobody's index is taken for a number.
    pub(crate) may_draw: bool,
    /// How many the file lets wait, which counts before the line has told.
    pub(crate) line_max: u64,
    /// The highest number that the line itself called, while this replica lets people in without it.
    pub(crate) paced: Option<u64>,
}

impl Snapshot {
    /// The picture before the first answer.
    pub(crate) fn new(at: Instant) -> Self {
        Self {
            health: Health::Starting,
            answer: None,
            at,
            up_since: at,
            mode_since_us: 0,
            turns: Layered::default(),
            inside: Layered::default(),
            finished: Layered::default(),
            asking: Layered::default(),
            blocks: Arc::default(),
            forecast: Arc::default(),
            draw: Draw::None,
            may_draw: false,
            line_max: NO_LIMIT,
            paced: None,
        }
    }

    /// Goes by this file, as long as the line has not told.
    pub(crate) fn heed(&mut self, plan: &Plan) {
        self.may_draw = plan.draws();
        self.line_max = plan.line_max();
    }

    /// Whether numbers are issued and visitors let in.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.health == Health::Up
    }

    /// Whether the store is away and this replica lets people in by itself.
    #[must_use]
    pub fn is_paced(&self) -> bool {
        self.paced.is_some()
    }

    /// The turn of a number that this replica called by itself, in microseconds: it does not begin to run out before
    /// the store is back.
    #[must_use]
    pub fn full_turn_us(&self, number: u64) -> Option<u64> {
        let called = self.paced?;
        let answer = self.answer.as_ref()?;
        (called < number && number <= answer.head).then_some(answer.settings.turn_us)
    }

    /// How long the store has been away; none while it is not.
    #[must_use]
    pub fn away_for(&self, now: Instant) -> Option<Duration> {
        match self.health {
            Health::Away { since } => Some(now.saturating_duration_since(since)),
            Health::Starting | Health::Up | Health::Healing => None,
        }
    }

    /// The last answer of the line.
    #[must_use]
    pub fn answer(&self) -> Option<&Answer> {
        self.answer.as_deref()
    }

    /// The line's epoch, once it is known for certain.
    #[must_use]
    pub fn epoch(&self) -> Option<Epoch> {
        let epoch = self.answer.as_ref().map(|answer| answer.epoch);
        epoch.filter(|&epoch| epoch != Epoch::default())
    }

    /// The mode in force; open before the first answer.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.answer
            .as_ref()
            .map_or(Mode::Open, |answer| answer.settings.mode)
    }

    /// Whether the room is open and its origin so unwell that the guard has stopped the pace.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.answer.as_ref().is_some_and(|answer| {
            answer.settings.mode == Mode::Open && answer.measured.is_stopped()
        })
    }

    /// Highest number called.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.answer.as_ref().map_or(0, |answer| answer.head)
    }

    /// Highest number issued.
    #[must_use]
    pub fn tail(&self) -> u64 {
        self.answer.as_ref().map_or(0, |answer| answer.tail)
    }

    /// Line time now, in microseconds: the last answer's, carried on for at most two seconds.
    #[must_use]
    pub fn line_us(&self, now: Instant) -> u64 {
        self.answer
            .as_ref()
            .map_or(0, |answer| answer.now_us + self.carried_us(now))
    }

    /// This moment, for whoever comes in it: line time is carried on for however long the store is away, and is the
    /// wall clock's before the first answer.
    pub(crate) fn moment(&self) -> Now {
        let at = clock::monotonic();
        let carried = |answer: &Arc<Answer>| {
            let passed = at.saturating_duration_since(self.at).as_micros();
            let passed_us = u64::try_from(passed).unwrap_or(u64::MAX);
            answer.now_us.saturating_add(passed_us)
        };
        Now {
            at,
            line_us: self.answer.as_ref().map_or_else(clock::wall_us, carried),
            epoch: self.epoch().unwrap_or_default(),
            room: self.room(),
        }
    }

    /// For how many newcomers the line has room, by its last answer or, before there was one, by the file. Nobody's absence
    /// is proven while the store is away, nor for a while after: everybody with a number counts.
    fn room(&self) -> u64 {
        let Some(answer) = &self.answer else {
            return self.line_max;
        };
        let waiting = answer.tail.saturating_sub(answer.head);
        answer.settings.line_max.saturating_sub(waiting)
    }

    /// The number of whoever came then, as soon as any replica of the line has told of it.
    #[must_use]
    pub fn number_by(&self, arrival: &Arrival) -> Option<u64> {
        self.blocks.number(arrival.instance, arrival.index)
    }

    /// Whether the line has been up for so long that this arrival would have a number, had its replica told of it: the
    /// replica has gone, or the line it told has ended.
    pub(crate) fn is_lost(&self, arrival: &Arrival, now: Instant) -> bool {
        let lost_us = u64::try_from(LOST_AFTER.as_micros()).unwrap_or(u64::MAX);
        self.is_up()
            && now.saturating_duration_since(self.up_since) >= LOST_AFTER
            // A replica may be away by itself, for a moment. A time far ahead is of a clock that was wrong.
            && self.line_us(now).abs_diff(arrival.at_us) >= lost_us
            && self.number_by(arrival).is_none()
    }

    /// The turns' own time now, in microseconds.
    #[must_use]
    pub fn turn_us(&self, now: Instant) -> u64 {
        let Some(answer) = &self.answer else { return 0 };
        let moves = answer.settings.mode == Mode::Open
            && answer.settings.rate_per_hour > 0
            && !answer.measured.is_stopped()
            && !answer.healing
            && !answer.opening.is_awaited();
        answer.turn_now_us + if moves { self.carried_us(now) } else { 0 }
    }

    /// What the store's clock says now, in microseconds since 1970: the last answer's, carried on as line time is.
    #[must_use]
    pub fn clock_us(&self, now: Instant) -> Option<u64> {
        let answer = self.answer.as_ref()?;
        Some(answer.clock_us + self.carried_us(now))
    }

    /// The opening that is waited for.
    #[must_use]
    pub fn awaits(&self) -> Option<&Opening> {
        let opening = self.answer.as_ref().map(|answer| &answer.opening);
        opening.filter(|opening| opening.is_awaited())
    }

    /// The number of a ticket with this index, or none before the opening, and where the draw cannot be told.
    #[must_use]
    pub fn number_of(&self, index: u64) -> Option<u64> {
        let Some(answer) = &self.answer else {
            return (!self.may_draw).then_some(index);
        };
        let opening = &answer.opening;
        if index <= opening.after || opening.at_us == 0 {
            return Some(index);
        }
        let early = opening.early?;
        if index > early || opening.draw.is_none() {
            return Some(index);
        }
        match self.draw {
            Draw::Ours { drawn, .. } => drawn.map(|drawn| drawn.number(index)),
            Draw::None | Draw::Foreign => None,
        }
    }

    /// The index of the ticket that has this number; the other way round from [`Self::number_of`].
    #[must_use]
    pub fn index_of(&self, number: u64) -> Option<u64> {
        match (&self.answer, self.draw) {
            (None, _) => (!self.may_draw).then_some(number),
            (Some(_), Draw::Ours { drawn, .. }) => {
                Some(drawn.map_or(number, |drawn| drawn.index(number)))
            }
            (Some(_), Draw::None) => Some(number),
            (Some(_), Draw::Foreign) => None,
        }
    }

    fn carried_us(&self, now: Instant) -> u64 {
        let passed = now.saturating_duration_since(self.at).min(CARRY);
        u64::try_from(passed.as_micros()).unwrap_or(0)
    }

    /// When a called number's turn runs out, in the turns' own time.
    #[must_use]
    pub fn turn_until_us(&self, number: u64) -> Option<u64> {
        self.turns.get(&number)
    }

    /// Whether this ticket is known to have been let in, and its first pass not to have run out by this line time.
    ///
    /// Renewals are not heard of here: whoever was inside for longer than that shows its pass, or is looked up.
    #[must_use]
    pub fn is_inside(&self, id: TicketId, line_us: u64) -> bool {
        self.inside
            .get(&id)
            .is_some_and(|until_us| until_us > line_us)
    }

    /// Whether this ticket and its pass are spent.
    #[must_use]
    pub fn is_finished(&self, id: TicketId) -> bool {
        self.finished.get(&id).is_some()
    }

    /// Whether this ticket asked through this replica, no longer than a presence window ago.
    #[must_use]
    pub fn is_asking(&self, id: TicketId) -> bool {
        let Some(answer) = &self.answer else {
            return false;
        };
        self.asking
            .get(&id)
            .is_some_and(|asked_us| asked_us + answer.settings.presence_us > answer.now_us)
    }
}
