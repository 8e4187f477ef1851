//! What goes wrong in a world, and what its operator does.

use anteroom::line::exchange::Health;
use anteroom::line::exchange::WITNESS_BITS;
use anteroom::line::exchange::WITNESSES_ALL;
use anteroom::line::ids::KeyHash;

use crate::plan;
use crate::plan::SECOND;
use crate::plan::Trouble;
use crate::replica::File;
use crate::world::Event;
use crate::world::World;

/// How the portal does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Well,
    /// Answers everything, too late.
    Slow,
    /// Fails about half of the time.
    Flaky,
    Down,
}

impl World {
    /// Those inside use the portal, and a replica sees how it does.
    pub(crate) fn use_origin(&mut self, at: usize) {
        if self.now_us >= self.origin_until_us {
            self.origin = Origin::Well;
        }
        let inside = self.store.shadow.inside.len() as u64;
        let requests = self.rng.below(inside.min(40) + 1);
        let failed = match self.origin {
            Origin::Well | Origin::Slow => 0,
            Origin::Flaky => self.rng.below(requests + 1),
            Origin::Down => requests,
        };
        let answered = requests - failed;
        let slow = if self.origin == Origin::Slow {
            answered
        } else {
            0
        };
        // Nobody can be connected to one that is down; else so many visitors as there are, at most.
        let met = (failed + slow).min(inside).min(WITNESS_BITS);
        let witnesses = match self.origin {
            Origin::Down if failed > 0 => WITNESSES_ALL,
            Origin::Down | Origin::Well | Origin::Slow | Origin::Flaky => (1 << met) - 1,
        };
        self.replicas[at].saw(Health {
            answered,
            failed,
            slow,
            witnesses,
        });
    }

    /// One trouble of those this run has.
    pub(crate) fn trouble(&mut self) {
        if self.plan.troubles.is_empty() {
            return;
        }
        let at = self.rng.index(self.plan.troubles.len());
        let trouble = self.plan.troubles[at];
        self.say(|| format!("trouble: {trouble:?}"));
        match trouble {
            Trouble::Edit => self.edit(),
            Trouble::OldFile => {
                let old = self.rng.index(self.files.len());
                let file = self.files[old];
                self.crash(file);
            }
            Trouble::StoreClock => {
                let jump_us = self.rng.below(7_200) * SECOND;
                let clock_us = &mut self.store.clock_at_zero_us;
                *clock_us = (*clock_us + jump_us).saturating_sub(3_600 * SECOND);
            }
            Trouble::ReplicaClock => {
                let at = self.rng.index(self.replicas.len());
                let jump_us = self.rng.below(3_600) * SECOND;
                self.replicas[at].clock_ahead_us += jump_us;
            }
            Trouble::Outage => {
                let time_us = self.rng.between(SECOND, 180 * SECOND);
                self.store.away_until_us = self.now_us + time_us;
            }
            Trouble::Restart => self.restart(),
            Trouble::Flush => self.store.empty(&mut self.rng),
            Trouble::Crash => {
                let file = self.newest_file();
                self.crash(file);
            }
            Trouble::Leave => {
                let at = self.rng.index(self.replicas.len());
                self.replicas[at].leaving = true;
                self.send(at);
            }
            Trouble::Partition => {
                let at = self.rng.index(self.replicas.len());
                let time_us = self.rng.between(SECOND, 240 * SECOND);
                self.replicas[at].cut_until_us = self.now_us + time_us;
            }
            Trouble::Rush => {
                let room = self.plan.people.saturating_sub(self.people.len());
                (0..room).for_each(|_| self.newcomer());
            }
            Trouble::Exodus => {
                for person in &mut self.people {
                    if self.rng.chance(500) {
                        person.state = crate::person::State::Away;
                        person.visit += 1;
                    }
                }
            }
            Trouble::Homecoming => self.homecoming(),
            Trouble::SoldOut => {
                let at = self.rng.index(self.replicas.len());
                self.replicas[at].sold_out();
            }
            Trouble::Origin => {
                self.origin = self.rng.pick(&[Origin::Slow, Origin::Flaky, Origin::Down]);
                self.origin_until_us = self.now_us + self.rng.between(SECOND, 120 * SECOND);
            }
        }
    }

    /// Everybody who went away comes back.
    pub(crate) fn homecoming(&mut self) {
        let away: Vec<_> = self.away().collect();
        for person in away {
            let time_us = self.rng.below(SECOND);
            self.visit_after(person, time_us);
        }
    }

    /// The operator edits the file; each replica reads it within a few seconds.
    fn edit(&mut self) {
        let file = File {
            content: KeyHash(self.rng.wide()),
            settings: plan::settings(&mut self.rng, false),
        };
        self.put_file(file);
    }

    /// A file reaches every replica in its own time.
    pub(crate) fn put_file(&mut self, file: File) {
        self.files.push(file);
        for at in 0..self.replicas.len() {
            let instance = self.replicas[at].instance;
            let time_us = self.rng.below(5 * SECOND);
            self.after(time_us, Event::Edit(at, instance, file));
        }
    }

    /// A replica dies with all it knew.
    fn crash(&mut self, file: File) {
        let at = self.rng.index(self.replicas.len());
        let was_alive = std::mem::replace(&mut self.replicas[at].alive, false);
        if !was_alive {
            return;
        }
        if self.rng.chance(500) {
            let time_us = self.rng.below(20 * SECOND);
            self.after(time_us, Event::Start(file));
        } else {
            self.start_replica(file);
        }
    }

    fn restart(&mut self) {
        self.store.restart(&mut self.rng);
        if self.plan.embedded {
            // It lives in the replica's own process.
            let file = self.newest_file();
            self.crash(file);
        }
    }
}
