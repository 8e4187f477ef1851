//! Which texts a view shows: the table behind every page, kept apart from how they are marked up.

use crate::page::lang::Lang;
use crate::page::speaker::Speaker;
use crate::page::state::State;
use crate::page::vars::left_minutes;
use crate::page::vars::stock_shown;
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
fn asked(view: &View<'_>) -> bool {
    view.asked && matches!(view.state, State::Turn | State::Late | State::Returning)
}

fn heading(view: &View<'_>) -> &'static str {
    if asked(view) {
        return "asked-h";
    }
    match view.state {
        State::Early => "early-h",
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
        return vec!["asked-lead"];
    }
    if view.is_pending() && matches!(view.state, State::Waiting | State::Near) {
        return vec!["pending-lead"];
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
    if !wait.known || view.number.is_none() || !matches!(view.state, State::Waiting | State::Near) {
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

fn is_slower(view: &View<'_>) -> bool {
    view.wait.known && view.wait.trend == crate::estimate::Trend::Slower
}

/// The page's title without the service's name: the number first, for a row of narrow tabs.
pub(crate) fn title(speaker: &Speaker<'_>, out: &mut String) {
    let view = speaker.view;
    let key = match view.state {
        State::Waiting if view.number.is_some() => "title-count",
        State::Turn if !view.asked => "title-turn",
        State::Late if !view.asked => "late-title",
        State::Early => "early-title",
        State::SoldOut => "sold-out-title",
        _ => heading(view),
    };
    speaker.plain(out, key);
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
        _ if asked(view) => one("asked", "asked-lead"),
        State::Early => match left_minutes(view) {
            0..=1 => one("early-1", "early-say"),
            2..=5 => one("early-5", "early-say"),
            6..=10 => one("early-10", "early-say"),
            _ => one("early", "early-lead"),
        },
        State::Waiting if view.number.is_none() => one("pending", "pending-lead"),
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

/// What a page must have to need no new panel: everything in it that a poll's texts do not replace.
pub(crate) fn variation(view: &View<'_>) -> u32 {
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
            | u64::from(left(view).is_some()) << 7,
    );
    hash.number(if view.asked {
        view.asked_wait_s.div_ceil(60)
    } else {
        0
    });
    for at in [view.since, view.until, view.turn.map(|turn| turn.enter_by)] {
        hash.number(at.map_or(0, |at| at.as_second().unsigned_abs()));
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

/// The language tag a text needs when it is not in the page's own language.
pub(crate) fn foreign(of: Lang, page: Lang) -> Option<Lang> {
    (of != page).then_some(of)
}
