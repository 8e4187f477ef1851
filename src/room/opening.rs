//! A replica's part in an opening: what it commits to, whose draw it is, and what an operator has to know of it.

use std::sync::Arc;

use tracing::error;
use tracing::info;
use tracing::warn;

use crate::line::exchange::Answer;
use crate::line::ids::Epoch;
use crate::line::opening::Opening;
use crate::seal::Drawn;
use crate::seal::KeyRing;
use crate::seal::Seed;

/// The draw of a room's line, as one replica knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Draw {
    /// Nobody is drawn, or no seed is committed to yet.
    #[default]
    None,
    /// One of this replica's keys makes the seed that was committed to.
    Ours {
        /// The seed; secret until the line opens.
        seed: Seed,
        /// Who has which number, once the line is open.
        drawn: Option<Drawn>,
    },
    /// None of them does: this replica can tell nobody's number.
    Foreign,
}

/// The keys a replica draws with, and what it said of the opening last.
#[derive(Debug, Default)]
pub(crate) struct Draws {
    pub(crate) room: String,
    keys: Option<Arc<KeyRing>>,
    /// What the draw was last worked out from.
    from: Option<(Epoch, Opening)>,
    draw: Draw,
    ignored_us: u64,
}

impl Draws {
    /// Takes other keys into use.
    pub(crate) fn use_keys(&mut self, keys: Arc<KeyRing>) {
        self.keys = Some(keys);
        self.from = None;
    }

    /// What this replica reports of the opening: what it was answered; and where no seed is committed to, its own.
    pub(crate) fn reported(&self, known: Opening, answer: &Answer) -> Opening {
        let told = answer.opening;
        // While the line heals it is told, and what it says may be what it has lost.
        let keeps = known.early.is_some() && told.early.is_none();
        if keeps || (answer.healing && told.at_us == 0) {
            return known;
        }
        let certain = !answer.healing && answer.epoch != Epoch::default();
        if certain && told.draws && told.draw.is_none() && told.early.is_none() {
            let own = self.seeds(answer.epoch, told.at_us).next();
            let draw = own.map(|seed| seed.commitment());
            return Opening { draw, ..told };
        }
        told
    }

    /// Works out whose draw it is, when anything it depends on is new.
    pub(crate) fn of(&mut self, answer: &Answer) -> Draw {
        let (epoch, opening) = (answer.epoch, answer.opening);
        if self.from.replace((epoch, opening)) == Some((epoch, opening)) {
            return self.draw;
        }
        let before = self.draw;
        self.draw = match opening.draw {
            None => Draw::None,
            Some(committed) => {
                let mut seeds = self.seeds(epoch, opening.at_us);
                match seeds.find(|seed| seed.commitment() == committed) {
                    None => Draw::Foreign,
                    Some(seed) => Draw::Ours {
                        seed,
                        drawn: opening
                            .early
                            .map(|early| Drawn::new(seed, opening.after, early)),
                    },
                }
            }
        };
        self.say(before, &opening);
        self.draw
    }

    /// One line in the log for each thing that happens to an opening.
    fn say(&self, before: Draw, opening: &Opening) {
        let room = &self.room;
        match (opening.draw, self.draw) {
            (Some(committed), Draw::Foreign) if before != Draw::Foreign => error!(
                room.name = %room, %committed,
                "the draw was committed to with a key that is not in this replica's key file: it cannot tell numbers",
            ),
            (Some(committed), Draw::Ours { .. }) if !matches!(before, Draw::Ours { .. }) => {
                info!(room.name = %room, %committed, "the draw is committed to");
            }
            (_, Draw::None | Draw::Ours { .. } | Draw::Foreign) => {}
        }
    }

    /// Says that the line has opened, and that an opening announced after that changes nothing.
    pub(crate) fn note(&mut self, before: Option<&Answer>, answer: &Answer) {
        let (opening, settings) = (&answer.opening, &answer.settings);
        let Some(early) = opening.early else { return };
        if before.is_some_and(|before| before.opening.is_awaited()) {
            info!(room.name = %self.room, early, "the line has opened");
        }
        let other = (settings.opens_at_us, settings.draw) != (opening.at_us, opening.draws);
        if settings.opens_at_us > 0 && other && self.ignored_us != settings.opens_at_us {
            self.ignored_us = settings.opens_at_us;
            warn!(
                room.name = %self.room,
                "the line has opened already: another `opens_at` or `order` changes nothing for it",
            );
        }
    }

    fn seeds(&self, epoch: Epoch, at_us: u64) -> impl Iterator<Item = Seed> {
        let keys = self.keys.iter();
        keys.flat_map(move |keys| keys.draw_seeds(&self.room, epoch, at_us))
    }
}
