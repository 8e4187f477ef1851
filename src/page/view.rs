//! Everything a rendering needs to know about one visitor, as plain data.
//!
//! The gate fills a [`View`] from its snapshot of the room; the page, the status and the problem document are three
//! renderings of it. Nothing in here is looked up later.

use jiff::Timestamp;

use crate::estimate::Wait;
use crate::page::code::Code;
use crate::page::lang::Lang;
use crate::page::state::State;
use crate::page::texts::Texts;

/// One visitor as its page shows it, at one moment.
#[derive(Debug, Clone)]
pub struct View<'a> {
    /// The room's words.
    pub texts: &'a Texts,
    /// The language to speak.
    pub lang: Lang,
    /// The visitor picked the language on the page: links keep it as `lang`.
    pub lang_asked: bool,
    /// What the page says.
    pub state: State,
    /// The time on the wall, for the texts.
    pub now: Timestamp,
    /// Where the room's own addresses begin, without a slash at the end: `/.anteroom/vaccination`.
    pub base: &'a str,
    /// Where the visitor wanted to go: a same-origin relative address, checked by the gate and without the page's own
    /// `auto=60`.
    pub return_to: &'a str,
    /// The code that finds this place again; `None` while there is no ticket.
    pub code: Option<Code>,
    /// Set for browsers without cookies: the ticket as it travels in addresses.
    pub ticket: Option<&'a str>,
    /// The ticket's number; `None` without a ticket. The page then is calm and comes back by itself.
    pub number: Option<u64>,
    /// Without a number, the visitor has a place in the order of arrival, and gets its number by that.
    pub held: bool,
    /// The line has told how far it has come, so that `serving` and `place` are true. Until then a page with a place
    /// on it is calm as well, and comes back by itself.
    pub placed: bool,
    /// The last number called.
    pub serving: u64,
    /// How many are to be called up to and including this visitor: `max(number − serving, 0)`.
    pub place: u64,
    /// The place the visitor began at; without it there is no progress bar.
    pub start_place: Option<u64>,
    /// How long until it is called.
    pub wait: Wait,
    /// Its turn, in `turn`, `late` and `entering`.
    pub turn: Option<Turn>,
    /// It has pressed the button and is waiting to be let in; there is no button then.
    pub asked: bool,
    /// How long somebody asking is going to wait, in seconds; read when `asked`.
    pub asked_wait_s: u64,
    /// When it began: the pause, the origin's trouble, the end of booking, the move to another device.
    pub since: Option<Timestamp>,
    /// When it is going to change: the opening, the end of the pause, when to try again, more to book.
    pub until: Option<Timestamp>,
    /// How many wait for the opening; read in `early`.
    pub early: Option<u64>,
    /// The ticket's index in a draw: what whoever checks it looks up. It is no place.
    pub index: Option<u64>,
    /// The places in the line are drawn by lot at the opening; read in `early`.
    pub draw: bool,
    /// How many are left to book, as the origin says.
    pub stock: Option<u64>,
    /// The stock may not last until this visitor.
    pub scarce: bool,
    /// The operator's message of the day.
    pub message: Option<Message<'a>>,
    /// When to ask again, in milliseconds; the page adds jitter.
    pub poll_ms: u64,
    /// The room lets visitors in by itself (`enter = "auto"`): the page presses the button for them.
    pub auto_enter: bool,
    /// The visitor switched on a refresh every minute (`?auto=60`); the gate sends the `Refresh` header.
    pub auto_refresh: bool,
    /// The page answers a form that was refused: it says what was not sent.
    pub not_sent: bool,
}

/// A called visitor's time to enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// When it was called.
    pub called: Timestamp,
    /// Until when it enters on time.
    pub enter_by: Timestamp,
    /// How often it can still ask for more time.
    pub more_left: u32,
}

/// What the operator wants everybody in the room to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Changes with the text: a page that has shown this id is not sent it again.
    pub id: &'a str,
    /// The text, with no markup.
    pub text: &'a str,
    /// The language it is in.
    pub lang: Lang,
    /// Show it as a warning.
    pub warning: bool,
}

impl<'a> View<'a> {
    /// A newcomer nobody knows anything about yet, waiting without a number.
    #[must_use]
    pub fn new(texts: &'a Texts, state: State, now: Timestamp) -> Self {
        Self {
            texts,
            lang: texts.lang(),
            lang_asked: false,
            state,
            now,
            base: "",
            return_to: "/",
            code: None,
            ticket: None,
            number: None,
            held: false,
            placed: true,
            serving: 0,
            place: 0,
            start_place: None,
            wait: Wait::UNKNOWN,
            turn: None,
            asked: false,
            asked_wait_s: 0,
            since: None,
            until: None,
            early: None,
            index: None,
            draw: false,
            stock: None,
            scarce: false,
            message: None,
            poll_ms: 15_000,
            auto_enter: false,
            auto_refresh: false,
            not_sent: false,
        }
    }

    /// The visitor is to have a place in the line, and there is none to show yet: the line heals, or its store is away.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.state.has_place() && self.shown_place().is_none()
    }

    /// There is nothing to show, and still a place that is certainly kept.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        !self.is_pending() || (self.held && self.number.is_none())
    }

    /// The visitor's place, where it is known.
    #[must_use]
    pub fn shown_place(&self) -> Option<u64> {
        self.number.filter(|_| self.placed).map(|_| self.place)
    }
}
