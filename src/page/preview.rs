//! Every page with made-up values, for operators to look at and for tests to go over.

use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::estimate::Trend;
use crate::estimate::Wait;
use crate::page::Calm;
use crate::page::Pages;
use crate::page::code::Code;
use crate::page::lang::Lang;
use crate::page::state::State;
use crate::page::texts::Localized;
use crate::page::texts::Texts;
use crate::page::view::Message;
use crate::page::view::Turn;
use crate::page::view::View;

/// Twelve minutes past nine in the morning, UTC, on a Sunday.
const NOW_S: i64 = 1_795_338_720;
const MINUTE_S: i64 = 60;

/// Pages beside the one each state has: variations of a state, and calm pages.
const MORE: [(&str, State); 16] = [
    ("early-day", State::Early),
    ("waiting-new", State::Waiting),
    ("waiting-long", State::Waiting),
    ("waiting-slower", State::Waiting),
    ("waiting-scarce", State::Waiting),
    ("waiting-message", State::Waiting),
    ("waiting-auto", State::Waiting),
    ("pending", State::Waiting),
    ("pending-held", State::Waiting),
    ("pending-kept", State::Waiting),
    ("not-sent", State::Waiting),
    ("turn-auto", State::Turn),
    ("turn-asked", State::Turn),
    ("paused-open", State::Paused),
    ("returning-asked", State::Returning),
    ("closed-until", State::Closed),
];

/// The calm pages by name.
const CALM: [(&str, Calm); 8] = [
    ("leave", Calm::Leave),
    ("leave-inside", Calm::LeaveInside),
    ("inside-origin", Calm::InsideOrigin),
    ("too-many", Calm::TooMany),
    ("crowded", Calm::Crowded),
    ("bad-request", Calm::BadRequest),
    ("not-found", Calm::NotFound),
    ("trouble", Calm::Trouble),
];

/// The names of everything [`preview`] shows.
pub fn scenes() -> impl Iterator<Item = &'static str> {
    State::ALL
        .into_iter()
        .map(State::name)
        .chain(MORE.into_iter().map(|(name, _)| name))
        .chain(CALM.into_iter().map(|(name, _)| name))
}

/// A page as visitors of a made-up vaccination portal would see it; `None` for a name that is none of [`scenes`].
#[must_use]
pub fn preview(pages: &Pages, scene: &str, lang: Lang) -> Option<Bytes> {
    let texts = sample_texts();
    preview_with(pages, &texts, scene, lang)
}

/// The same with a room's own texts.
#[must_use]
pub fn preview_with(pages: &Pages, texts: &Texts, scene: &str, lang: Lang) -> Option<Bytes> {
    if let Some((_, kind)) = CALM.iter().find(|(name, _)| *name == scene) {
        let mut view = sample(texts, State::Waiting, lang);
        view.poll_ms = 30_000;
        return Some(pages.calm(*kind, &view));
    }
    Some(pages.html(&view(texts, scene, lang)?))
}

/// Hands the made-up view of a scene that is no calm page to `look`, for benches.
pub fn with_scene(scene: &str, lang: Lang, look: impl FnOnce(&View<'_>)) {
    let texts = sample_texts();
    if let Some(view) = view(&texts, scene, lang) {
        look(&view);
    }
}

/// The made-up view of a scene that is no calm page.
pub(crate) fn view<'a>(texts: &'a Texts, scene: &str, lang: Lang) -> Option<View<'a>> {
    let more = MORE.iter().find(|(name, _)| *name == scene);
    let state = more.map(|(_, state)| *state).or(State::parse(scene))?;
    let mut view = sample(texts, state, lang);
    match scene {
        "early-day" => view.until = at(26 * 60),
        "waiting-new" => view.wait = Wait::UNKNOWN,
        "waiting-long" => {
            view.wait.hi_s = Wait::LONG_S + 1;
            view.wait.from_us = (NOW_S + 228 * MINUTE_S) * 1_000_000;
        }
        "waiting-slower" => view.wait.trend = Trend::Slower,
        "waiting-scarce" => view.scarce = true,
        "waiting-message" => {
            view.message = Some(Message {
                id: "m1",
                text: "Today only first doses can be booked.",
                lang: Lang::En,
                warning: false,
            });
        }
        "waiting-auto" => view.auto_refresh = true,
        "pending" => {
            view.number = None;
            view.code = None;
        }
        "pending-held" => {
            view.number = None;
            view.code = None;
            view.held = true;
        }
        "pending-kept" => view.placed = false,
        "not-sent" => view.not_sent = true,
        "turn-auto" => view.auto_enter = true,
        "turn-asked" | "returning-asked" => {
            view.asked = true;
            view.asked_wait_s = 130;
        }
        "paused-open" => view.until = None,
        "closed-until" => view.until = at(48 * 60),
        _ => {}
    }
    Some(view)
}

/// A visitor as it might be in this state.
fn sample<'a>(texts: &'a Texts, state: State, lang: Lang) -> View<'a> {
    let now = at(0).unwrap_or_default();
    let mut view = View::new(texts, state, now);
    view.lang = lang;
    view.base = "/.anteroom/vaccination";
    view.return_to = "/booking/?step=1";
    view.code = Some(Code::of(0x9DE9_4268_5600_0000_0000_0000_0000_0000));
    view.number = Some(9_620);
    view.serving = 8_385;
    view.place = 1_235;
    view.start_place = Some(4_120);
    view.wait = wait(25, 35);
    view.stock = Some(912);
    view.since = at(-60);
    view.draw = true;
    match state {
        State::Early => {
            view.until = at(19);
            view.early = Some(4_200);
        }
        State::Near => {
            view.place = 38;
            view.wait = wait(0, 4);
        }
        State::Turn | State::Late | State::Entering | State::Entered => {
            view.place = 0;
            view.turn = at(-1).zip(at(9)).map(|(called, enter_by)| Turn {
                called,
                enter_by,
                more_left: 10,
            });
        }
        State::Paused | State::Full => view.until = at(18),
        State::SoldOut => view.until = at(11 * 24 * 60),
        State::Cookies => view.ticket = Some("v1.example"),
        State::Closed | State::Invalid | State::Expired | State::Left => view.code = None,
        State::Waiting | State::Returning | State::Origin | State::Moved => {}
    }
    if matches!(state, State::Full | State::SoldOut) {
        view.code = None;
    }
    view
}

fn wait(from_min: i64, to_min: i64) -> Wait {
    Wait {
        known: true,
        lo_s: (from_min * MINUTE_S).unsigned_abs(),
        hi_s: (to_min * MINUTE_S).unsigned_abs(),
        from_us: (NOW_S + (from_min + 3) * MINUTE_S) * 1_000_000,
        to_us: (NOW_S + (to_min + 3) * MINUTE_S) * 1_000_000,
        trend: Trend::Steady,
    }
}

fn at(minutes: i64) -> Option<Timestamp> {
    Timestamp::from_second(NOW_S + minutes * MINUTE_S).ok()
}

/// The made-up portal's words.
pub(crate) fn sample_texts() -> Texts {
    let both = |en: &str, it: &str| {
        Localized::from_texts(vec![(Lang::En, en.to_owned()), (Lang::It, it.to_owned())])
    };
    Texts {
        org: both("Regional Health Authority", "Azienda sanitaria regionale"),
        phone: "+39 000 000 0000".to_owned(),
        phone_hours: both("8am to 8pm, every day", "tutti i giorni, ore 8–20"),
        ready: vec![
            both("your health card", "la tessera sanitaria"),
            both("the date you want", "la data che preferisce"),
            both("a phone number we can call", "un numero di telefono"),
        ],
        time_zone: TimeZone::get("Europe/Rome").unwrap_or(TimeZone::UTC),
        idle_min: 15,
        privacy_url: "/privacy".to_owned(),
        accessibility_url: "/accessibility".to_owned(),
        other_url: "/other".to_owned(),
        ..Texts::new(both("Book a vaccination", "Prenota una vaccinazione"))
    }
}
