//! What is said in few words: the title of the page's tab, and the milestones a screen reader is told.
//!
//! A milestone's id is worked out from the view alone. The page keeps which it has said, so that the server need not.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "most states have nothing of their own to say"
)]

use crate::page::speaker::Speaker;
use crate::page::state::State;
use crate::page::vars::left_minutes;
use crate::page::view::View;
use crate::page::words::asked;
use crate::page::words::asked_lead;
use crate::page::words::heading;
use crate::page::words::is_slower;
use crate::page::words::pending_lead;
use crate::page::words::wait;

/// The page's title without the service's name: the number first, for a row of narrow tabs.
pub(crate) fn title(speaker: &Speaker<'_>, out: &mut String) {
    let view = speaker.view;
    let key = match view.state {
        State::Waiting if !view.is_pending() => "title-count",
        State::Turn if !view.asked => "title-turn",
        State::Late if !view.asked => "late-title",
        State::Early => "early-title",
        State::SoldOut => "sold-out-title",
        _ => heading(view),
    };
    titled(speaker, key, out);
}

/// A text and the service's name.
pub(crate) fn titled(speaker: &Speaker<'_>, key: &str, out: &mut String) {
    speaker.plain(out, key);
    let view = speaker.view;
    let (_, name) = view.texts.name.get(view.lang);
    if !name.is_empty() {
        out.push_str(" – ");
        out.push_str(name);
    }
}

/// What a screen reader is told, and the id by which a page knows that it has said it.
pub(crate) struct Say {
    /// Its milestone.
    pub(crate) id: &'static str,
    /// Flags that make another id of it: the wait grew longer, the stock may not last.
    pub(crate) flags: &'static str,
    /// The texts, whole sentences each.
    pub(crate) keys: [Option<&'static str>; 3],
}

/// The milestone a view is at; `from` is the state the page showed before, if it says so.
pub(crate) fn say(view: &View<'_>, from: Option<State>) -> Say {
    let one = |id, key| Say {
        id,
        flags: "",
        keys: [Some(key), None, None],
    };
    match view.state {
        _ if asked(view) => one("asked", asked_lead(view)),
        State::Early => match left_minutes(view) {
            0..=1 => one("early-1", "early-say"),
            2..=5 => one("early-5", "early-say"),
            6..=10 => one("early-10", "early-say"),
            _ => one("early", "early-lead"),
        },
        State::Waiting if view.is_pending() => one("pending", pending_lead(view)),
        State::Waiting => waiting(view, from),
        State::Near => one("near", "say-near"),
        State::Turn => match view.turn.map(|_| left_minutes(view)) {
            None => one("turn", "turn-say-open"),
            Some(0..=1) => one("turn-1", "turn-say-left"),
            Some(2) => one("turn-2", "turn-say-left"),
            Some(3..=5) => one("turn-5", "turn-say-left"),
            Some(_) => one("turn", "turn-say"),
        },
        State::Late => one("late", "late-say"),
        State::Paused => one("paused", "paused-lead"),
        State::Origin => one("origin", "origin-lead"),
        State::SoldOut => one("sold-out", "sold-out-lead"),
        State::Full => one("full", "full-lead"),
        State::Moved => one("moved", "moved-lead"),
        state => one(state.name(), heading(view)),
    }
}

fn waiting(view: &View<'_>, from: Option<State>) -> Say {
    let start = view.start_place.unwrap_or(u64::MAX);
    let id = [
        (100, "100"),
        (1_000, "1000"),
        (start / 4, "quarter"),
        (start / 2, "half"),
    ]
    .into_iter()
    .filter(|(mark, _)| view.place <= *mark && *mark < start && *mark < u64::MAX / 4)
    .min()
    .map_or(if view.wait.known { "start" } else { "new" }, |(_, id)| id);
    let slower = is_slower(view);
    Say {
        id,
        flags: match (slower, view.scarce) {
            (false, false) => "",
            (true, false) => "-slower",
            (false, true) => "-scarce",
            (true, true) => "-slower-scarce",
        },
        keys: [
            matches!(from, Some(State::Paused | State::Origin)).then_some("moving-say"),
            Some(match wait(view) {
                _ if slower => "say-slower",
                Some(("wait-range", _)) => "say-wait",
                _ => "say-place",
            }),
            view.scarce.then_some("say-scarce"),
        ],
    }
}
