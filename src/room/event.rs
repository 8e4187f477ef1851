//! What the workers tell a room's exchanger, and what it tells them back.

use tokio::sync::oneshot;

use crate::line::exchange::Finish;
use crate::line::exchange::Health;
use crate::line::exchange::Known;
use crate::line::exchange::LostStub;
use crate::line::exchange::Renewal;
use crate::line::exchange::Standing;
use crate::line::exchange::Visitor;
use crate::line::ids::Epoch;
use crate::line::ids::KeyHash;
use crate::line::ids::TicketId;
use crate::room::stubs::Arrival;

/// What became of a join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joined {
    /// It has this number in this epoch.
    Numbered {
        /// The number.
        number: u64,
        /// The line's epoch.
        epoch: Epoch,
        /// Line time, in microseconds.
        now_us: u64,
        /// It went straight in; when its pass runs out, in line time.
        entered_until_us: Option<u64>,
        /// The presence slice in which the line noted it as present.
        slice: u64,
    },
    /// The line takes nobody now: it is full, or its mode issues no numbers.
    Refused,
    /// No number for now: the store is away, the line heals, or there was no answer in time. A newcomer has its place
    /// in the order of arrival; a join with a key has none yet.
    Away(Option<Arrival>),
}

/// What became of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// It was let in.
    Entered {
        /// When the pass runs out, in line time.
        until_us: u64,
        /// When it was let in, in line time.
        entered_us: u64,
    },
    /// Where it stands, without having been let in yet.
    Standing(Standing),
    /// No answer in time, or the store is away.
    Away,
}

/// One thing that happened at a worker.
#[derive(Debug)]
pub(crate) enum Event {
    Join {
        id: TicketId,
        eager: bool,
        reply: oneshot::Sender<Joined>,
    },
    JoinKeyed {
        key: KeyHash,
        /// The stub that it goes by, if it does by one.
        lost: LostStub,
        reply: oneshot::Sender<Joined>,
    },
    Ask {
        visitor: Visitor,
        reply: Option<oneshot::Sender<Asked>>,
    },
    Unask(Visitor),
    More(u64),
    Check {
        visitor: Visitor,
        reply: oneshot::Sender<Asked>,
    },
    Renew(Renewal),
    Finish(Finish),
    Heard(Vec<u64>),
    Told(u64),
    Floor {
        epoch: Epoch,
        tail: u64,
        head: u64,
    },
    /// What an authentic ticket or pass tells of a line that nobody here knows: its epoch, numbers and line time.
    Shown(Box<Known>),
    Stock(u64),
    SoldOut,
    /// How the origin did.
    Origin(Health),
    /// There are orders to take.
    Ordered,
    Leave(oneshot::Sender<()>),
}

impl Event {
    /// Whether somebody waits for the next exchange: everything else rides along or goes with the tick.
    pub(crate) fn is_urgent(&self) -> bool {
        match self {
            Self::Join { .. }
            | Self::JoinKeyed { .. }
            | Self::Ask { reply: Some(_), .. }
            | Self::Check { .. }
            | Self::Finish(_)
            | Self::More(_)
            | Self::SoldOut
            | Self::Ordered
            | Self::Leave(_) => true,
            Self::Ask { reply: None, .. }
            | Self::Unask(_)
            | Self::Renew(_)
            | Self::Heard(_)
            | Self::Told(_)
            | Self::Floor { .. }
            | Self::Shown(_)
            | Self::Stock(_)
            | Self::Origin(_) => false,
        }
    }
}
