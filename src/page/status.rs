//! A view as JSON: the answer to a poll, what everybody may know of a room, and problem documents (RFC 9457).
//!
//! Written by hand, because a poll is the most frequent answer there is; the tests read it back with a JSON parser.

use crate::page::Public;
use crate::page::have::Have;
use crate::page::html::panel;
use crate::page::json::Json;
use crate::page::say::say;
use crate::page::say::title;
use crate::page::say::titled;
use crate::page::speaker::Speaker;
use crate::page::state::State;
use crate::page::view::View;
use crate::page::words::left;
use crate::page::words::wait;

/// Room for a status without a panel.
const STATUS_BYTES: usize = 1_024;
/// Longest `have` that is looked at.
const HAVE_BYTES_MAX: usize = 40;

/// The id of what a view says, by which a page knows that it has said it.
pub(crate) fn said(view: &View<'_>, from: Option<State>) -> String {
    let say = say(view, from);
    format!("{}{}", say.id, say.flags)
}

/// The answer to a poll of a page that shows `have`.
pub(crate) fn status(speaker: Speaker<'_>, have: &str) -> String {
    let view = speaker.view;
    let have = if have.len() > HAVE_BYTES_MAX {
        ""
    } else {
        have
    };
    let from = have.split('~').next().and_then(State::parse);
    let mut json = Json::new(STATUS_BYTES);
    json.number("v", 1);
    own_state(&mut json, view);
    json.maybe("stock", view.stock);
    json.number("poll_ms", view.poll_ms);
    match &view.message {
        None => json.null("msg"),
        Some(message) => {
            json.open("msg");
            json.text("id", message.id);
            json.text("level", if message.warning { "warning" } else { "info" });
            json.close();
        }
    }
    texts(&mut json, speaker, from);
    if Have::of(view).is(have) {
        json.null("panel");
    } else {
        json.text("panel", &panel(speaker));
    }
    json.finish()
}

/// A problem document: what a program is answered instead of the origin's page.
pub(crate) fn problem(speaker: Speaker<'_>, status: u16, retry_after_s: Option<u64>) -> String {
    let view = speaker.view;
    let mut json = Json::new(STATUS_BYTES);
    json.key("type");
    json.string(|out| {
        out.push_str(view.base);
        out.push('#');
        out.push_str(view.state.name());
    });
    let mut words = String::with_capacity(96);
    let keys = if view.state == State::Waiting && view.number.is_none() && !view.held {
        // Whoever holds no ticket does not wait for anything: what there is to do is to join.
        titled(&speaker, "join-h", &mut words);
        [Some("join-lead"), None, None]
    } else {
        title(&speaker, &mut words);
        say(view, None).keys
    };
    json.text("title", &words);
    json.number("status", u64::from(status));
    json.key("detail");
    speak(&mut json, speaker, &keys);
    own_state(&mut json, view);
    json.maybe("retry_after", retry_after_s);
    json.key("status_url");
    json.string(|out| {
        out.push_str(view.base);
        out.push_str("/status");
    });
    json.key("join_url");
    json.string(|out| {
        out.push_str(view.base);
        out.push_str("/join");
    });
    json.finish()
}

/// A problem that is not a visitor's state.
pub(crate) fn plain_problem(speaker: Speaker<'_>, keys: (&str, &str), status: u16) -> String {
    let mut json = Json::new(256);
    json.text("type", "about:blank");
    for (name, key) in [("title", keys.0), ("detail", keys.1)] {
        let mut words = String::with_capacity(96);
        speaker.plain(&mut words, key);
        json.text(name, &words);
    }
    json.number("status", u64::from(status));
    if status == 429 || status == 503 {
        json.number("retry_after", speaker.view.poll_ms.div_ceil(1000).max(1));
    }
    json.finish()
}

/// What everybody may know of a room.
pub(crate) fn public(public: &Public) -> String {
    let mut json = Json::new(256);
    json.number("v", 1);
    json.text("state", public.state.name());
    json.number("waiting", public.waiting);
    json.number("serving", public.serving);
    json.open("wait");
    json.flag("known", public.wait.known);
    json.number("lo_s", public.wait.lo_s);
    json.number("hi_s", public.wait.hi_s);
    json.close();
    json.maybe("stock", public.stock);
    match public.opens_at {
        None => json.null("opens_at"),
        Some(at) => json.moment("opens_at", at),
    }
    if let Some(draw) = public.draw {
        json.open("draw");
        json.text("commitment", &draw.commitment.to_string());
        json.flag("published", draw.published);
        json.close();
    }
    json.finish()
}

/// The members that status and problem document share.
fn own_state(json: &mut Json, view: &View<'_>) {
    json.text("state", view.state.name());
    json.flag("final", view.state.is_final());
    json.maybe("number", view.number);
    if let Some(index) = view.index {
        json.number("index", index);
    }
    json.number("serving", view.serving);
    json.maybe("place", view.shown_place());
    let known = wait(view).is_some();
    json.open("wait");
    json.flag("known", known);
    if known {
        json.number("lo_s", view.wait.lo_s);
        json.number("hi_s", view.wait.hi_s);
        json.clock("from", view, view.wait.from_us);
        json.clock("to", view, view.wait.to_us);
        json.text("trend", view.wait.trend.name());
    }
    json.close();
    match view.turn {
        None => json.null("turn"),
        Some(turn) => {
            json.open("turn");
            json.moment("called", turn.called);
            json.moment("enter_by", turn.enter_by);
            json.number("more_left", u64::from(turn.more_left));
            json.close();
        }
    }
    if view.asked {
        json.flag("asked", true);
        json.number("asked_wait_s", view.asked_wait_s);
    }
}

/// Every text a page may show without a new panel, and what is to be said aloud.
fn texts(json: &mut Json, speaker: Speaker<'_>, from: Option<State>) {
    let view = speaker.view;
    let numbered = view.state.has_place() && !view.is_pending();
    let wait = wait(view);
    json.open("text");
    json.key("title");
    json.string_of(|out| title(&speaker, out));
    for (name, key) in [
        ("place", numbered.then_some("place")),
        ("ahead", numbered.then_some("ahead")),
        ("wait", wait.map(|(range, _)| range)),
        ("clock", wait.map(|(_, clock)| clock)),
        ("left", left(view)),
    ] {
        match key {
            None => json.null(name),
            Some(key) => {
                json.key(name);
                json.string_of(|out| speaker.plain(out, key));
            }
        }
    }
    if view.state == State::Early {
        json.key("now");
        json.string_of(|out| speaker.plain(out, "early-now"));
        if view.early.is_some() {
            json.key("early");
            json.string_of(|out| speaker.plain(out, "early-count"));
        }
    }
    let say = say(view, from);
    json.key("say");
    speak(json, speaker, &say.keys);
    json.close();
    json.key("say_id");
    json.string(|out| {
        out.push_str(say.id);
        out.push_str(say.flags);
    });
}

/// Whole sentences, one after the other.
fn speak(json: &mut Json, speaker: Speaker<'_>, keys: &[Option<&'static str>]) {
    json.string_of(|out| {
        for key in keys.iter().flatten() {
            if !out.is_empty() {
                out.push(' ');
            }
            speaker.plain(out, key);
        }
    });
}
