//! A visitor: what its ticket says, and what it will do next.

use anteroom::line::exchange::Visitor;
use anteroom::line::ids::Epoch;
use anteroom::line::ids::InstanceId;
use anteroom::line::ids::KeyHash;
use anteroom::line::ids::TicketId;

use crate::plan::Manners;
use crate::rng::Rng;
use crate::shadow::Stub;

/// Where a visitor believes to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Comes for a number.
    New,
    /// Waits for the response that brings its ticket.
    Joining { since_us: u64 },
    /// Holds a stub of a replica, which had seen so many epochs then.
    Stub { stub: Stub, epochs: u64 },
    /// Holds a ticket and polls.
    Waiting,
    /// Holds a pass.
    Inside { until_us: u64 },
    /// Holds a pass it no longer uses.
    Idle,
    /// The tab is closed; perhaps for good.
    Away,
    /// Was told that the ticket is spent.
    Spent,
}

/// How a visitor behaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    pub(crate) never: bool,
    pub(crate) vanish: bool,
    pub(crate) wander: bool,
    pub(crate) shy: bool,
    pub(crate) hammer: bool,
    pub(crate) auto: bool,
    /// How long after it saw its turn it presses.
    pub(crate) press_us: u64,
}

/// One visitor.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) manner: Manner,
    pub(crate) state: State,
    pub(crate) ticket: Option<(Epoch, Visitor)>,
    /// The id its next ticket will have, and the key it joins with.
    pub(crate) id: TicketId,
    pub(crate) key: Option<KeyHash>,
    /// The replica it usually reaches.
    pub(crate) home: usize,
    /// When it will press, once it has seen that it may.
    pub(crate) press_at_us: Option<u64>,
    /// It gave its ticket up, whether or not the store has heard of it.
    pub(crate) left: bool,
    /// The place it was last shown, and by whom.
    pub(crate) place: Option<(InstanceId, u64)>,
    /// When it got its stub, in true time.
    pub(crate) arrived_us: u64,
    /// Its next visit: an older one that is still planned is void.
    pub(crate) visit: u64,
}

impl Person {
    pub(crate) fn new(rng: &mut Rng, manners: &Manners) -> Self {
        let manner = Manner {
            never: rng.chance(manners.never),
            vanish: rng.chance(manners.vanish),
            wander: rng.chance(manners.wander),
            shy: rng.chance(manners.shy),
            hammer: rng.chance(manners.hammer),
            auto: rng.chance(manners.auto),
            press_us: rng.below(manners.press_us),
        };
        let mut person = Self {
            manner,
            state: State::New,
            ticket: None,
            id: TicketId(0),
            key: None,
            home: rng.index(16),
            press_at_us: None,
            left: false,
            place: None,
            arrived_us: 0,
            visit: 0,
        };
        person.renew_id(rng);
        person
    }

    /// Comes as somebody new: what was asked before and never answered is forgotten.
    pub(crate) fn renew_id(&mut self, rng: &mut Rng) {
        self.id = TicketId(rng.wide());
        // An app's ticket takes its id from its key, whichever replica answers.
        self.key = rng.chance(150).then_some(KeyHash(self.id.0));
        self.ticket = None;
        self.place = None;
        self.left = false;
        self.press_at_us = None;
        self.state = State::New;
    }
}
