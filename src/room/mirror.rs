//! Keeps a replica's picture of its room up to date with each answer.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use crate::clock;
use crate::estimate::Estimator;
use crate::estimate::Sample;
use crate::line::exchange::Answer;
use crate::line::exchange::Exchange;
use crate::line::exchange::Finish;
use crate::line::exchange::Known;
use crate::line::exchange::Proposal;
use crate::line::exchange::Renewal;
use crate::line::exchange::Standing;
use crate::line::exchange::Visitor;
use crate::line::ids::Epoch;
use crate::line::ids::TicketId;
use crate::line::settings::Mode;
use crate::room::event::Asked;
use crate::room::event::Joined;
use crate::room::gather::Waiting;
use crate::room::opening::Draws;
use crate::room::report::Report;
use crate::room::snapshot::Health;
use crate::room::snapshot::Snapshot;
use crate::room::stubs::Arrival;

/// The estimate takes a sample this often, in microseconds of line time.
const SAMPLE_US: u64 = 1_000_000;
/// Most visitors whose asking waits for its answer here.
const ASKERS_MAX: usize = 100_000;

/// How long a ticket that the line called spent is at least taken for spent without asking again, in microseconds.
const SPENT_US: u64 = 600_000_000;

/// What the exchanger knows between two exchanges.
#[derive(Debug)]
pub(crate) struct Mirror {
    pub(crate) known: Known,
    /// The newest line that visitors' tickets tell of, as long as none was answered for certain.
    shown: Option<Known>,
    pub(crate) picture: Snapshot,
    pub(crate) draws: Draws,
    estimator: Estimator,
    sampled_us: u64,
    /// Line time of the answer before the last.
    told_us: u64,
    /// What to tell a line that may have lost it.
    report: Report,
    /// Visitors whose request waits to be let in.
    askers: HashMap<TicketId, Vec<oneshot::Sender<Asked>>>,
}

/// When an answer came, on both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    at: Instant,
    wall_us: u64,
}

impl Moment {
    pub(crate) fn at(at: Instant) -> Self {
        Self {
            at,
            wall_us: clock::wall_us(),
        }
    }
}

/// What an answer brought that is worth counting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct News {
    pub(crate) joined: u64,
    pub(crate) called: u64,
    pub(crate) entered: u64,
}

impl Mirror {
    pub(crate) fn new(at: Instant) -> Self {
        Self {
            known: Known::default(),
            shown: None,
            picture: Snapshot::new(at),
            draws: Draws::default(),
            estimator: Estimator::new(),
            sampled_us: 0,
            told_us: 0,
            report: Report::default(),
            askers: HashMap::new(),
        }
    }

    /// What to tell the line: what it answered, or else what visitors' tickets tell of a line that may have been lost
    /// together with everybody who knew it.
    pub(crate) fn known(&self) -> Known {
        self.shown
            .filter(|_| self.knows_none())
            .unwrap_or(self.known)
    }

    fn knows_none(&self) -> bool {
        self.known.epoch.unwrap_or_default() == Epoch::default()
    }

    /// Takes in what an authentic ticket or pass tells; the newest epoch counts.
    pub(crate) fn note_shown(&mut self, told: Known) {
        match &mut self.shown {
            Some(shown) if shown.epoch == told.epoch => {
                shown.tail = shown.tail.max(told.tail);
                shown.head = shown.head.max(told.head);
                shown.now_us = shown.now_us.max(told.now_us);
            }
            Some(shown) if shown.epoch > told.epoch => {}
            shown => *shown = Some(told),
        }
    }

    /// Remembers who waits for its entry.
    pub(crate) fn await_entry(&mut self, id: TicketId, reply: oneshot::Sender<Asked>) {
        if self.askers.len() < ASKERS_MAX {
            self.askers.entry(id).or_default().push(reply);
        } else {
            reply.send(Asked::Away).ok();
        }
    }

    /// Tells those who wait for their entry that the store is away.
    pub(crate) fn turn_away(&mut self) {
        for reply in self.askers.drain().flat_map(|(_, replies)| replies) {
            reply.send(Asked::Away).ok();
        }
    }

    /// The settings that were in force, if this answer's are older: the store has lost them, and a line must not move
    /// by others. It heals meanwhile, so that nobody is called or let in before they are back.
    pub(crate) fn lost_settings(&self, answer: &Answer) -> Option<Proposal> {
        let before = self.picture.answer.as_ref()?;
        (answer.revision < before.revision).then_some(Proposal {
            content: before.content,
            changed: true,
            settings: before.settings,
        })
    }

    /// Takes in an answer. Who waited for it is told by [`Mirror::tell`], once the picture can be read by everybody.
    pub(crate) fn apply(&mut self, exchange: &Exchange, answer: Answer, moment: Moment) -> News {
        let before = self.picture.answer.as_ref();
        self.told_us = before.map_or(0, |before| before.now_us);
        let news = self.learn(&answer);
        // What was called here meanwhile the line hears of with the next exchange: no place grows until then.
        let called = self.known.head.min(answer.tail);
        let answer = Answer {
            head: answer.head.max(called),
            ..answer
        };
        for (visitor, &standing) in exchange.asks.iter().zip(&answer.standings) {
            self.note_asked(visitor.id, standing, answer.now_us);
        }
        let checked = answer.standings.iter().skip(exchange.asks.len());
        for (visitor, &standing) in exchange.checks.iter().zip(checked) {
            if standing == Standing::Spent {
                self.note_asked(visitor.id, standing, answer.now_us);
            }
        }
        let visitors = exchange.asks.iter().chain(&exchange.checks);
        for (visitor, &standing) in visitors.zip(&answer.standings) {
            if let Standing::Turn { until_us } = standing {
                // It may be longer than it was.
                self.picture.turns.insert(visitor.number, until_us);
            }
        }
        for entered in &answer.entered {
            self.picture.asking.remove(entered.id);
        }
        self.note_mode(&answer, moment.wall_us);
        self.sample(&answer, moment.wall_us);
        if answer.healing {
            self.picture.health = Health::Healing;
        } else {
            if !self.picture.is_up() {
                self.picture.up_since = moment.at;
            }
            self.picture.health = Health::Up;
            self.report.is_over();
        }
        let before = self.picture.answer.as_ref();
        self.draws.note(before.map(Arc::as_ref), &answer);
        self.picture.draw = self.draws.of(&answer);
        self.picture.at = moment.at;
        self.picture.answer = Some(Arc::new(answer));
        self.settle();
        news
    }

    /// Notes the news, and what need not be told again.
    fn learn(&mut self, answer: &Answer) -> News {
        let first = self.picture.answer.is_none();
        if self.known.epoch != Some(answer.epoch) {
            self.picture.turns.clear();
            self.picture.inside.clear();
            self.picture.finished.clear();
            self.picture.asking.clear();
            self.picture.blocks = Arc::default();
            self.report.clear();
            self.shown = self.shown.filter(|_| answer.epoch == Epoch::default());
            self.estimator = Estimator::new();
            self.known = Known {
                epoch: Some(answer.epoch),
                head: answer.head,
                ..Known::default()
            };
        }
        let news = News {
            joined: answer.issued
                + answer.keyed.iter().filter(|&&number| number > 0).count() as u64,
            called: if first {
                0
            } else {
                answer.head.saturating_sub(self.known.head)
            },
            entered: if first {
                0
            } else {
                answer.entered.len() as u64
            },
        };
        self.known = Known {
            opening: self.draws.reported(self.known.opening, answer),
            ..self.known.after(answer)
        };
        if !answer.stubs.is_empty() {
            Arc::make_mut(&mut self.picture.blocks).learn(&answer.stubs);
        }
        for turn in &answer.turns {
            self.picture.turns.insert(turn.number, turn.until_us);
        }
        for entered in &answer.entered {
            self.picture.inside.insert(entered.id, entered.until_us);
            self.note_pass(Renewal {
                id: entered.id,
                until_us: entered.until_us,
                entered_us: self.entered_us(answer, entered.until_us),
            });
        }
        for finished in &answer.finished {
            self.picture.finished.insert(finished.id, finished.until_us);
            self.picture.inside.remove(finished.id);
            self.picture.asking.remove(finished.id);
            self.report.spent(finished.id);
        }
        news
    }

    /// When a visitor of this answer's came in. A first pass lasts from its entry for as long as it may idle; whatever
    /// became of either meanwhile, the entry is news, so it is of no longer ago than the exchange before.
    fn entered_us(&self, answer: &Answer, until_us: u64) -> u64 {
        until_us
            .saturating_sub(answer.settings.pass_idle_us)
            .clamp(self.told_us.min(answer.now_us), answer.now_us)
    }

    /// A pass is in use, or has just been given.
    pub(crate) fn note_pass(&mut self, pass: Renewal) {
        self.report.note(pass, self.known.now_us);
    }

    /// What a line that heals is to be told of visitors, once.
    pub(crate) fn report(&mut self) -> (Vec<Renewal>, Vec<Finish>) {
        if self.picture.health != Health::Healing {
            return Default::default();
        }
        self.report.take(&self.picture, self.known.now_us)
    }

    /// Notes what the line said to one who asked.
    fn note_asked(&mut self, id: TicketId, standing: Standing, now_us: u64) {
        match standing {
            Standing::Asking => self.picture.asking.insert(id, now_us),
            Standing::Spent => {
                self.picture.asking.remove(id);
                self.picture.finished.insert(id, now_us + SPENT_US);
            }
            Standing::Waiting
            | Standing::Turn { .. }
            | Standing::Late
            | Standing::Returning
            | Standing::Inside { .. }
            | Standing::Exhausted { .. } => {
                self.picture.asking.remove(id);
                if let Standing::Inside { until_us, .. } = standing {
                    self.picture.inside.insert(id, until_us);
                }
            }
        }
    }

    /// Whether this visitor was let in and its first pass has not run out.
    pub(crate) fn has_let_in(&self, id: TicketId) -> bool {
        self.picture.is_inside(id, self.known.now_us)
    }

    /// Forgets that somebody asks.
    pub(crate) fn unask(&mut self, id: TicketId) {
        self.picture.asking.remove(id);
    }

    /// Tells everybody who waited for this exchange what the picture has of it; the numbers that nobody took. Newcomers
    /// whom a line that heals gave none get their places by `arrive`.
    pub(crate) fn tell(
        &mut self,
        exchange: &Exchange,
        waiting: Waiting,
        arrive: impl FnMut() -> Option<Arrival>,
    ) -> Vec<Visitor> {
        let Some(answer) = self.picture.answer.clone() else {
            return Vec::new();
        };
        for (visitor, &standing) in exchange.asks.iter().zip(&answer.standings) {
            // The reply of whoever waits to be let in comes with its entry.
            if !matches!(standing, Standing::Asking | Standing::Waiting) {
                self.reply(visitor.id, Asked::Standing(standing));
            }
        }
        for entered in &answer.entered {
            let until_us = entered.until_us;
            let entered_us = self.entered_us(&answer, until_us);
            let asked = Asked::Entered {
                until_us,
                entered_us,
            };
            self.reply(entered.id, asked);
        }
        self.askers.retain(|_, replies| {
            replies.retain(|reply| !reply.is_closed());
            !replies.is_empty()
        });
        tell(&answer, exchange, waiting, arrive)
    }

    fn reply(&mut self, id: TicketId, asked: Asked) {
        for reply in self.askers.remove(&id).into_iter().flatten() {
            reply.send(asked).ok();
        }
    }

    /// Since when the mode is what it is, or the pace stopped.
    fn note_mode(&mut self, answer: &Answer, wall_us: u64) {
        let looks = |answer: &Answer| (answer.settings.mode, answer.measured.is_stopped());
        if self
            .picture
            .answer
            .as_ref()
            .is_none_or(|last| looks(last) != looks(answer))
        {
            self.picture.mode_since_us = wall_us;
        }
    }

    /// Feeds the estimate of waits.
    fn sample(&mut self, answer: &Answer, wall_us: u64) {
        if answer.now_us < self.sampled_us + SAMPLE_US {
            return;
        }
        self.sampled_us = answer.now_us;
        let open =
            answer.settings.mode == Mode::Open && !answer.healing && !answer.opening.is_awaited();
        let left_ppm = 1_000_000 - answer.measured.held_back_ppm.min(1_000_000);
        self.estimator.sample(Sample {
            now_us: answer.now_us,
            wall_us: i64::try_from(wall_us).unwrap_or(i64::MAX),
            head: answer.head,
            tail: answer.tail,
            rate_per_hour: if open {
                answer.settings.rate_per_hour * left_ppm / 1_000_000
            } else {
                0
            },
        });
        self.picture.forecast = self.estimator.forecast();
    }

    /// Lets go of what has run out, now and then.
    pub(crate) fn settle(&mut self) {
        let Some(answer) = self.picture.answer.clone() else {
            return;
        };
        let picture = &mut self.picture;
        if picture.turns.is_full() {
            picture
                .turns
                .settle(|_, &until_us| until_us > answer.turn_now_us);
        }
        if picture.inside.is_full() {
            picture
                .inside
                .settle(|_, &until_us| until_us > answer.now_us);
        }
        if picture.finished.is_full() {
            picture
                .finished
                .settle(|_, &until_us| until_us > answer.now_us);
        }
        if picture.asking.is_full() {
            let window = answer.settings.presence_us;
            picture
                .asking
                .settle(|_, &asked_us| asked_us + window > answer.now_us);
        }
    }
}

/// Answers those whose place in the exchange's lists is their place in the answer's; the numbers of newcomers who have
/// gone meanwhile, whose tickets were never signed.
fn tell(
    answer: &Answer,
    exchange: &Exchange,
    waiting: Waiting,
    mut arrive: impl FnMut() -> Option<Arrival>,
) -> Vec<Visitor> {
    let mut unclaimed = Vec::new();
    let entered: HashMap<_, _> = answer
        .entered
        .iter()
        .map(|row| (row.id, row.until_us))
        .collect();
    let joined = |number: u64, entered_until_us| Joined::Numbered {
        number,
        epoch: answer.epoch,
        now_us: answer.now_us,
        entered_until_us,
        slice: answer.slice,
    };
    for (index, mut newcomer) in (0..).zip(waiting.newcomers) {
        let id = newcomer.id;
        let joined = if index < answer.issued {
            joined(answer.first + index, entered.get(&id).copied())
        } else if answer.healing {
            newcomer.turn_away(&mut arrive);
            continue;
        } else {
            Joined::Refused
        };
        let gone = newcomer.reply.send(joined).is_err();
        // Before a draw it is nobody's number yet: whoever gets it must not find it spent.
        let drawn = answer.opening.is_awaited() && answer.opening.draws;
        if let Joined::Numbered { number, .. } = joined
            && gone
            && !drawn
        {
            unclaimed.push(Visitor { number, id });
        }
    }
    for (&number, reply) in answer.keyed.iter().zip(waiting.keyed) {
        reply
            .send(if number > 0 {
                joined(number, None)
            } else if answer.healing {
                Joined::Away(None)
            } else {
                Joined::Refused
            })
            .ok();
    }
    let checked = answer.standings.iter().skip(exchange.asks.len());
    for (&standing, reply) in checked.zip(waiting.checks) {
        reply.send(Asked::Standing(standing)).ok();
    }
    unclaimed
}
