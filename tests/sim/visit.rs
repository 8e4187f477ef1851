//! What a visitor does when it visits.

use anteroom::line::exchange::Standing;
use anteroom::line::exchange::Visitor;
use anteroom::line::ids::Epoch;
use anteroom::line::promises::Promise;
use anteroom::seal::Drawn;
use anteroom::seal::Seed;

use crate::person::State;
use crate::plan::MILLI;
use crate::plan::SECOND;
use crate::replica::Joiner;
use crate::replica::View;
use crate::shadow::Verdict;
use crate::shadow::claim;
use crate::world::World;

/// What places are drawn from.
pub(crate) fn seed() -> Seed {
    Seed::parse(&"07".repeat(32)).expect("a seed")
}

/// How long a request waits for its number.
const JOIN_US: u64 = 8 * SECOND;

impl World {
    /// A visitor acts and plans its next visit.
    pub(crate) fn visit(&mut self, p: usize) -> Verdict {
        let Some(at) = self.replica_of(p) else {
            self.visit_after(p, SECOND);
            return Ok(());
        };
        match self.people[p].state {
            State::New => self.join(p, at),
            State::Joining { since_us } => {
                if self.now_us - since_us > JOIN_US {
                    self.people[p].renew_id(&mut self.rng);
                }
                self.join(p, at);
            }
            State::Stub { .. } => self.show_stub(p, at)?,
            State::Away => {
                self.people[p].state = State::Waiting;
                self.visit(p)?;
            }
            State::Waiting | State::Idle => self.poll(p, at)?,
            State::Inside { until_us } => self.use_pass(p, at, until_us),
            State::Spent => self.replay(p, at),
        }
        Ok(())
    }

    /// The replica a visitor reaches: mostly the same one.
    fn replica_of(&mut self, p: usize) -> Option<usize> {
        let up: Vec<_> = (0..self.replicas.len())
            .filter(|&r| self.replicas[r].alive && !self.replicas[r].leaving)
            .collect();
        if up.is_empty() {
            return None;
        }
        if self.rng.chance(100) {
            self.people[p].home = self.rng.index(up.len());
        }
        Some(up[self.people[p].home % up.len()])
    }

    fn join(&mut self, p: usize, at: usize) {
        let person = &mut self.people[p];
        if person.state == State::New {
            let since_us = self.now_us;
            person.state = State::Joining { since_us };
        } else if person.key.is_none() {
            // Its request is still out; only an app repeats it, with its key.
            self.visit_after(p, 2 * SECOND);
            return;
        }
        let joiner = Joiner {
            person: p,
            id: self.people[p].id,
            eager: self.people[p].key.is_none() && self.rng.chance(500),
            key: self.people[p].key,
            deadline_us: self.now_us + JOIN_US,
        };
        if self.replicas[at].is_away(self.now_us) {
            self.give_stub(at, &joiner);
            return;
        }
        self.replicas[at].join(joiner);
        self.send(at);
        self.visit_after(p, 4 * SECOND);
    }

    /// The response to a join: a ticket, or number 0.
    pub(crate) fn hand_ticket(&mut self, joiner: &Joiner, epoch: Epoch, number: u64) {
        let p = joiner.person;
        let person = &mut self.people[p];
        let waits = matches!(person.state, State::Joining { .. });
        if person.id != joiner.id || !waits {
            return;
        }
        if number == 0 {
            person.renew_id(&mut self.rng);
            let time_us = 3 * SECOND + self.rng.below(4 * SECOND);
            self.visit_after(p, time_us);
            return;
        }
        let id = joiner.id;
        person.ticket = Some((epoch, Visitor { number, id }));
        person.state = State::Waiting;
        if self.has_whims() && self.rng.chance(20) {
            // The response is lost and so is the ticket: nobody will ever come with it.
            self.people[p].renew_id(&mut self.rng);
        }
        let time_us = self.rng.below(500 * MILLI);
        self.visit_after(p, time_us);
    }

    /// Whether visitors leave, finish and open second tabs as they like.
    fn has_whims(&self) -> bool {
        !self.calm && !self.steady
    }

    /// A poll of a ticket.
    fn poll(&mut self, p: usize, at: usize) -> Verdict {
        let Some((epoch, visitor)) = self.people[p].ticket else {
            self.people[p].renew_id(&mut self.rng);
            self.visit_after(p, 0);
            return Ok(());
        };
        let visitor = self.drawn(p, at, visitor);
        let view = self.replicas[at].poll(epoch, visitor, self.now_us);
        self.say(|| format!("visitor {p} {visitor:?} at {at} sees {view:?}"));
        match view {
            View::Calm => self.come_back(p, at, 2 * SECOND),
            View::Invalid => {
                claim(self.has_ended(epoch), Promise::P5, || {
                    format!("{visitor:?} was told that its place is gone")
                })?;
                self.people[p].renew_id(&mut self.rng);
                self.visit_after(p, SECOND);
            }
            // Nobody is told that its place is gone; but these replicas do not tell the line of such tickets, so those
            // of a line that was lost together with everybody who knew it come anew.
            View::Believed if self.has_ended(epoch) => {
                self.people[p].renew_id(&mut self.rng);
                self.visit_after(p, SECOND);
            }
            View::Believed => self.come_back(p, at, 2 * SECOND),
            View::Place(place) => self.wait(p, at, visitor, place)?,
            View::Stands(standing) => self.stand(p, at, visitor, standing)?,
        }
        Ok(())
    }

    /// The number that was drawn for a visitor, once the replica it asks knows that the line has opened.
    fn drawn(&mut self, p: usize, at: usize, visitor: Visitor) -> Visitor {
        let last = self.replicas[at].last.as_ref();
        let opening = last.map(|(answer, _)| answer.opening);
        let Some((opening, early)) = opening.and_then(|o| Some((o, o.early?))) else {
            return visitor;
        };
        let takes_part = (opening.after + 1..=early).contains(&visitor.number);
        if opening.draw.is_none() || !takes_part || self.people[p].index.is_some() {
            return visitor;
        }
        let drawn = Drawn::new(seed(), opening.after, early);
        let number = drawn.number(visitor.number);
        self.people[p].index = Some(visitor.number);
        let visitor = Visitor { number, ..visitor };
        let person = &mut self.people[p];
        person.ticket = person.ticket.map(|(epoch, _)| (epoch, visitor));
        self.store.record.drawn(visitor);
        visitor
    }

    fn wait(&mut self, p: usize, at: usize, visitor: Visitor, place: u64) -> Verdict {
        let instance = self.replicas[at].instance;
        let shown = self.people[p].place.replace((instance, place));
        let before = shown.filter(|s| s.0 == instance).map_or(u64::MAX, |s| s.1);
        claim(place <= before, Promise::P5, || {
            format!("the place of {visitor:?} grew from {before} to {place}")
        })?;
        let manner = self.people[p].manner;
        if self.has_whims()
            && self.rng.chance(if manner.vanish || manner.wander {
                60
            } else {
                1
            })
        {
            self.leave_page(p, at, visitor);
            return Ok(());
        }
        if self.calm || manner.auto && place <= 40 {
            self.replicas[at].ask(visitor);
        }
        let poll_us = if manner.hammer {
            50 * MILLI
        } else {
            self.poll_us(at, place)
        };
        self.come_back(p, at, poll_us);
        Ok(())
    }

    /// The sooner its turn comes, the sooner a visitor is told to ask again.
    fn poll_us(&self, at: usize, place: u64) -> u64 {
        let last = self.replicas[at].last.as_ref();
        let rate_per_hour = last.map_or(0, |l| l.0.measured.effective_rate_per_hour);
        let tier_us = match (place * 3_600).checked_div(rate_per_hour) {
            Some(0..=20) => 2 * SECOND,
            Some(21..=60) => 4 * SECOND,
            Some(61..=600) => 10 * SECOND,
            _ => 30 * SECOND,
        };
        tier_us
            .min(self.presence_us(at) * 2 / 5)
            .max(self.plan.poll_us)
    }

    fn presence_us(&self, at: usize) -> u64 {
        let last = self.replicas[at].last.as_ref();
        last.map_or(10 * SECOND, |(answer, _)| answer.settings.presence_us)
    }

    /// Closes the tab; some come back, some give the ticket up first.
    fn leave_page(&mut self, p: usize, at: usize, visitor: Visitor) {
        self.people[p].state = State::Away;
        self.people[p].visit += 1;
        if self.people[p].manner.wander {
            let time_us = self.rng.below(200) * SECOND;
            self.visit_after(p, time_us);
        } else if self.rng.chance(200) {
            self.replicas[at].finish(visitor, 0);
            self.people[p].left = true;
            self.people[p].state = State::Spent;
        }
    }

    /// Called: presses, sooner or later or never.
    fn stand(&mut self, p: usize, at: usize, visitor: Visitor, standing: Standing) -> Verdict {
        let manner = self.people[p].manner;
        match standing {
            Standing::Spent => {
                let known = self.people[p].left || self.store.record.may_be_spent(visitor.id);
                claim(known, Promise::P5, || {
                    format!("{visitor:?} is spent, never having been inside")
                })?;
                self.people[p].state = State::Spent;
                self.visit_after(p, 10 * SECOND);
                return Ok(());
            }
            Standing::Inside { until_us, .. } => {
                self.people[p].state = State::Inside { until_us };
                self.people[p].press_at_us = None;
                self.visit_after(p, 200 * MILLI);
                return Ok(());
            }
            Standing::Exhausted { .. } => {
                self.replicas[at].check(visitor);
                self.come_back(p, at, 2 * SECOND);
                return Ok(());
            }
            Standing::Turn { .. } if !self.calm && manner.shy => {
                self.people[p].manner.shy = false;
                self.leave_page(p, at, visitor);
                return Ok(());
            }
            Standing::Turn { .. } if self.rng.chance(20) => self.replicas[at].more(visitor.number),
            Standing::Waiting
            | Standing::Turn { .. }
            | Standing::Late
            | Standing::Returning
            | Standing::Asking => {}
        }
        let wait_us = if manner.auto || self.calm {
            0
        } else {
            manner.press_us
        };
        let now_us = self.now_us;
        let press_at_us = *self.people[p].press_at_us.get_or_insert(now_us + wait_us);
        if (!manner.never || self.calm) && now_us >= press_at_us {
            self.replicas[at].ask(visitor);
            self.send(at);
            if self.has_whims() && self.rng.chance(50) {
                // A second tab, at another replica.
                let other = self.rng.index(self.replicas.len());
                if self.replicas[other].known.epoch == self.replicas[at].known.epoch {
                    self.replicas[other].ask(visitor);
                }
            } else if self.has_whims() && self.rng.chance(20) {
                self.replicas[at].unask(visitor);
            }
        } else if self.rng.chance(200) {
            self.replicas[at].check(visitor);
        }
        let poll_us = match (manner.hammer, manner.never) {
            (true, _) => 50 * MILLI,
            (false, true) => 10 * SECOND,
            (false, false) => 2 * SECOND,
        };
        self.come_back(p, at, poll_us.min(self.presence_us(at) * 2 / 5));
        Ok(())
    }

    /// Tells a visitor when to come back; it comes a little before.
    fn come_back(&mut self, p: usize, at: usize, poll_us: u64) {
        self.replicas[at].told(poll_us);
        let time_us = poll_us - self.rng.below(poll_us / 10 + 1);
        self.visit_after(p, time_us);
    }

    /// A pass in use, for a while.
    fn use_pass(&mut self, p: usize, at: usize, until_us: u64) {
        let Some((epoch, visitor)) = self.people[p].ticket else {
            return;
        };
        if self.replicas[at].known.epoch != Some(epoch) {
            // Its pass is of another epoch here: the page for a ticket says what to make of it.
            self.people[p].state = State::Waiting;
            self.visit_after(p, SECOND);
            return;
        }
        let idle_us = self.replicas[at]
            .last
            .as_ref()
            .map_or(SECOND, |(answer, _)| answer.settings.pass_idle_us);
        if self.has_whims() && self.rng.chance(150) {
            self.replicas[at].finish(visitor, until_us);
            self.people[p].left = true;
            self.people[p].state = State::Spent;
            self.visit_after(p, 5 * SECOND);
            return;
        }
        if self.has_whims() && self.rng.chance(250) {
            // Stops using it, and comes back when it has run out.
            self.people[p].state = State::Idle;
            let time_us = idle_us.min(300 * SECOND) + self.rng.below(20 * SECOND);
            self.replicas[at].check(visitor);
            self.visit_after(p, time_us);
            return;
        }
        let left_us = until_us.saturating_sub(self.replicas[at].line_time_us(self.now_us));
        if left_us < idle_us / 4 * 3 {
            match self.replicas[at].renew(visitor, self.now_us) {
                Some(until_us) => self.people[p].state = State::Inside { until_us },
                None => self.people[p].state = State::Idle,
            }
        }
        let time_us = self.rng.between(MILLI, idle_us / 3);
        self.visit_after(p, time_us);
    }

    /// Shows a spent ticket again.
    fn replay(&mut self, p: usize, at: usize) {
        if self.calm || self.rng.chance(700) {
            return;
        }
        if let Some((epoch, visitor)) = self.people[p].ticket
            && self.replicas[at].known.epoch == Some(epoch)
        {
            self.replicas[at].ask(visitor);
        }
        self.visit_after(p, 10 * SECOND);
    }
}
