//! What panel a page shows, as a tag that its script sends back: `waiting~1f00ba44`.

use std::fmt;

use askama::FastWritable;
use askama::Values as AskamaValues;
use askama::filters::HtmlSafe;

use crate::estimate::Wait;
use crate::page::state::State;
use crate::page::vars::stock_shown;
use crate::page::view::View;
use crate::page::words::is_slower;
use crate::page::words::left;
use crate::page::words::wait;

/// What panel a page shows: the state, and a hash of all that its texts do not replace. Written `waiting~1f00ba44`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Have {
    state: State,
    variation: u32,
}

impl Have {
    pub(crate) fn of(view: &View<'_>) -> Self {
        Self {
            state: view.state,
            variation: variation(view),
        }
    }

    /// Whether a page that says it has `have` needs no other panel. A bare state is taken for any panel of it: that is
    /// how a client that shows no panels asks.
    pub(crate) fn is(self, have: &str) -> bool {
        match have.split_once('~') {
            Some((state, hash)) => {
                state == self.state.name()
                    && u32::from_str_radix(hash, 16).ok() == Some(self.variation)
            }
            None => have == self.state.name(),
        }
    }
}

impl fmt::Display for Have {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}~{:x}", self.state.name(), self.variation)
    }
}

impl HtmlSafe for Have {}

impl FastWritable for Have {
    fn write_into(&self, out: &mut dyn fmt::Write, _: &dyn AskamaValues) -> askama::Result<()> {
        Ok(write!(out, "{self}")?)
    }
}
/// What a page must have to need no new panel: everything in it that a poll's texts do not replace.
fn variation(view: &View<'_>) -> u32 {
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
    let wait = wait(view);
    hash.text(view.lang.tag());
    hash.text(wait.map_or("", |(range, _)| range));
    hash.number(if wait.is_some_and(|(range, _)| range == "wait-more") {
        view.wait.from_us.unsigned_abs()
    } else {
        0
    });
    hash.number(
        u64::from(is_slower(view))
            | u64::from(view.scarce) << 1
            | u64::from(view.asked) << 2
            | u64::from(view.number.is_none()) << 3
            | u64::from(view.auto_enter) << 4
            | u64::from(view.draw) << 5
            | u64::from(view.wait.known) << 6
            | u64::from(left(view).is_some()) << 7
            | u64::from(!view.placed) << 8
            | u64::from(view.held) << 9,
    );
    hash.number(if view.asked {
        view.asked_wait_s.min(Wait::LONG_S + 1).div_ceil(60)
    } else {
        0
    });
    // To the minute, as they are shown: a deadline that is worked out anew at each poll may wander by less.
    let turn = view.turn.map(|turn| {
        if view.state == State::Turn {
            turn.enter_by
        } else {
            turn.called
        }
    });
    for at in [view.since, view.until, turn] {
        hash.number(at.map_or(0, |at| at.as_second().div_euclid(60).unsigned_abs()));
    }
    hash.number(view.turn.map_or(0, |turn| u64::from(turn.more_left.min(1))));
    hash.number(if view.scarce { stock_shown(view) } else { 0 });
    if let Some(message) = &view.message {
        hash.text(message.id);
        hash.text(message.lang.tag());
    }
    hash.fold()
}

/// FNV-1a: tells two panels apart; nothing secret or hostile is in it.
struct Fnv(u64);

impl Fnv {
    fn text(&mut self, text: &str) {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        self.number(0);
    }

    fn number(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x0000_0100_0000_01b3);
        self.0 ^= self.0 >> 29;
    }

    fn fold(&self) -> u32 {
        u32::try_from((self.0 ^ (self.0 >> 32)) & 0xffff_ffff).unwrap_or(0)
    }
}
