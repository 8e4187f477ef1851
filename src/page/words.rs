//! Which texts a view shows: the table behind every page, kept apart from how they are marked up.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "most states have nothing of their own to say; `heading` and `leads` name them all"
)]

use crate::estimate::Trend;
use crate::estimate::Wait;
use crate::page::lang::Lang;
use crate::page::state::State;
use crate::page::vars::left_minutes;
use crate::page::view::View;

/// The names of the texts a panel shows.
#[derive(Debug)]
pub(crate) struct Words {
    /// The one heading.
    pub(crate) heading: &'static str,
    /// The sentences under it.
    pub(crate) leads: Vec<&'static str>,
    /// The visitor has pressed the button and waits.
    pub(crate) asked: bool,
    /// What the main button says, or the link in its place.
    pub(crate) button: &'static str,
    /// The time left, in a turn or before an opening.
    pub(crate) left: Option<&'static str>,
    /// A turn can be made longer.
    pub(crate) more: bool,
    /// A code can be typed in.
    pub(crate) find: bool,
    /// There is something to say about what comes later, or elsewhere, once nothing is to be had here.
    pub(crate) elsewhere: bool,
    /// How many places the visitor has come forward.
    pub(crate) come: u64,
    /// The wait and the clock.
    pub(crate) wait: Option<(&'static str, &'static str)>,
    /// What else is to be said about the wait.
    pub(crate) notes: Vec<&'static str>,
    /// The visitor waits, and gets all that is offered meanwhile.
    pub(crate) waits: bool,
}

impl Words {
    /// The texts for a view.
    pub(crate) fn of(view: &View<'_>) -> Self {
        let state = view.state;
        Self {
            heading: heading(view),
            leads: leads(view),
            asked: asked(view),
            button: match state {
                State::Late => "btn-late",
                State::Left => "btn-rejoin",
                State::Invalid | State::Expired => "btn-join",
                _ => "btn-enter",
            },
            left: left(view),
            more: view.turn.is_some_and(|turn| turn.more_left > 0),
            find: state == State::Invalid && view.texts.other_devices,
            elsewhere: view.until.is_some()
                || !view.texts.other_url.is_empty()
                || (state == State::SoldOut && !view.texts.phone.is_empty()),
            come: view
                .start_place
                .map_or(0, |start| start.saturating_sub(view.place)),
            wait: wait(view),
            notes: notes(view),
            waits: state.has_place() || state == State::Early,
        }
    }

    /// Common questions and their answers.
    pub(crate) fn questions(&self) -> [(&'static str, &'static str); 3] {
        [
            ("faq-close-q", "faq-close"),
            ("faq-refresh-q", "faq-refresh"),
            ("faq-tabs-q", "faq-tabs"),
        ]
    }
}

/// Has pressed the button, and is to wait longer than a page that says "you are going in" may claim.
pub(crate) fn asked(view: &View<'_>) -> bool {
    view.asked && matches!(view.state, State::Turn | State::Late | State::Returning)
}

/// How long somebody who has pressed the button still waits, where that can be said.
pub(crate) fn asked_lead(view: &View<'_>) -> &'static str {
    if view.asked_wait_s > Wait::LONG_S {
        "asked-open"
    } else {
        "asked-lead"
    }
}

pub(crate) fn heading(view: &View<'_>) -> &'static str {
    if asked(view) {
        return "asked-h";
    }
    match view.state {
        State::Early => "early-h",
        State::Waiting if view.number.is_none() => "pending-h",
        State::Waiting => "waiting-h",
        State::Near => "near-h",
        State::Turn => "turn-h",
        State::Late if view.turn.is_some() => "late-h",
        State::Late => "late-h-open",
        State::Entering => "entering-h",
        State::Entered => "entered-h",
        State::Returning => "returning-h",
        State::Paused => "paused-h",
        State::Origin => "origin-h",
        State::Full => "full-h",
        State::SoldOut => "sold-out-h",
        State::Closed => "closed-h",
        State::Invalid => "invalid-h",
        State::Expired => "expired-h",
        State::Moved => "moved-h",
        State::Cookies => "cookies-h",
        State::Left => "left-h",
    }
}

fn leads(view: &View<'_>) -> Vec<&'static str> {
    if asked(view) {
        return vec![asked_lead(view)];
    }
    if view.is_pending() && matches!(view.state, State::Waiting | State::Near) {
        return vec![pending_lead(view)];
    }
    match view.state {
        State::Early => vec!["early-lead"],
        State::Waiting if !view.wait.known => vec!["waiting-lead", "waiting-new"],
        State::Waiting if view.wait.is_long() => vec!["waiting-long"],
        State::Waiting => vec!["waiting-lead"],
        State::Near => vec!["near-lead"],
        State::Turn if view.turn.is_some() => vec!["turn-lead"],
        State::Turn => vec!["turn-lead-open"],
        State::Late => vec!["late-lead"],
        State::Entering => vec!["entering-lead"],
        State::Entered => vec!["entered-lead"],
        State::Returning => vec!["returning-lead", "returning-safe"],
        State::Paused => vec!["paused-lead"],
        State::Origin => vec!["origin-lead"],
        State::Full => vec!["full-lead"],
        State::SoldOut => vec!["sold-out-lead"],
        State::Closed => vec!["closed-lead"],
        State::Invalid => vec!["invalid-lead"],
        State::Expired => vec!["expired-lead"],
        State::Moved => vec!["moved-lead"],
        State::Cookies => vec!["cookies-lead"],
        State::Left => vec!["left-lead"],
    }
}

/// What somebody reads whose place cannot be shown yet. A newcomer has none, or one in the order of arrival; a ticket's
/// holder still has its own, unless its line has ended meanwhile: that cannot be told yet.
pub(crate) fn pending_lead(view: &View<'_>) -> &'static str {
    if view.number.is_some() {
        "pending-kept"
    } else if view.held {
        "pending-held"
    } else {
        "pending-lead"
    }
}

/// The text for the time left, where there is one.
pub(crate) fn left(view: &View<'_>) -> Option<&'static str> {
    match view.state {
        State::Turn if view.turn.is_some() && !view.asked => Some("turn-left"),
        // Beyond two days the heading's date says it better than a number of hours.
        State::Early if view.until.is_some() && left_minutes(view) <= 48 * 60 => Some("early-left"),
        _ => None,
    }
}

/// The texts for the wait and its clock, where they are known and the line moves.
pub(crate) fn wait(view: &View<'_>) -> Option<(&'static str, &'static str)> {
    let wait = &view.wait;
    if !wait.known
        || view.shown_place().is_none()
        || !matches!(view.state, State::Waiting | State::Near)
    {
        return None;
    }
    let range = match wait.lo_s {
        _ if wait.is_long() => "wait-more",
        0..60 => "wait-less",
        _ if wait.hi_s >= 2 * 3600 => "wait-hours",
        _ => "wait-range",
    };
    let clock = match range {
        "wait-more" => "clock-after",
        "wait-less" => "clock-before",
        _ => "clock-between",
    };
    Some((range, clock))
}

fn notes(view: &View<'_>) -> Vec<&'static str> {
    let mut notes = Vec::new();
    let until_today = || {
        let day = |at| view.texts.time_zone.to_datetime(at).date();
        view.until.is_none_or(|until| day(until) == day(view.now))
    };
    match view.state {
        State::Paused if view.until.is_none() => notes.push("paused-open"),
        State::Paused if until_today() => notes.push("paused-until"),
        State::Paused => notes.push("paused-until-day"),
        State::Origin => notes.push("origin-note"),
        State::Cookies => notes.push("cookies-note"),
        State::Waiting if !view.is_pending() => {
            if view.wait.is_long() {
                notes.push("waiting-long-note");
            }
            if is_slower(view) {
                notes.push("waiting-slower");
            }
            if view.scarce {
                notes.push("waiting-scarce");
            }
        }
        _ => {}
    }
    notes
}

pub(crate) fn is_slower(view: &View<'_>) -> bool {
    view.wait.known && view.wait.trend == Trend::Slower
}

/// The language tag a text needs when it is not in the page's own language.
pub(crate) fn foreign(of: Lang, page: Lang) -> Option<Lang> {
    (of != page).then_some(of)
}
