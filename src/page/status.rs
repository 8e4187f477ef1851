//! A view as JSON: the answer to a poll, what everybody may know of a room, and problem documents (RFC 9457).
//!
//! Written by hand, because a poll is the most frequent answer there is; the tests read it back with a JSON parser.

use std::fmt;
use std::fmt::Write as _;

use askama::FastWritable;
use askama::Values as AskamaValues;
use askama::filters::HtmlSafe;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::page::Public;
use crate::page::html::panel;
use crate::page::speaker::Speaker;
use crate::page::state::State;
use crate::page::vars::local;
use crate::page::view::View;
use crate::page::words::left;
use crate::page::words::say;
use crate::page::words::title;
use crate::page::words::variation;
use crate::page::words::wait;

/// Room for a status without a panel.
const STATUS_BYTES: usize = 1_024;
/// Longest `have` that is looked at.
const HAVE_BYTES_MAX: usize = 40;

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
    fn is(self, have: &str) -> bool {
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
    title(&speaker, &mut words);
    json.text("title", &words);
    json.number("status", u64::from(status));
    let say = say(view, None);
    json.key("detail");
    speak(&mut json, speaker, &say.keys);
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
    json.finish()
}

/// The members that status and problem document share.
fn own_state(json: &mut Json, view: &View<'_>) {
    json.text("state", view.state.name());
    json.flag("final", view.state.is_final());
    json.maybe("number", view.number);
    json.number("serving", view.serving);
    match view.number {
        None => json.null("place"),
        Some(_) => json.number("place", view.place),
    }
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
    let numbered = view.state.has_place() && view.number.is_some();
    let wait = wait(view);
    let early = view.state == State::Early;
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
    if early {
        json.key("now");
        json.string_of(|out| speaker.plain(out, "early-now"));
        json.key("early");
        json.string_of(|out| speaker.plain(out, "early-count"));
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

/// A JSON object being written.
struct Json {
    out: String,
    scratch: String,
    first: bool,
}

impl Json {
    fn new(bytes: usize) -> Self {
        let mut out = String::with_capacity(bytes);
        out.push('{');
        Self {
            out,
            scratch: String::with_capacity(96),
            first: true,
        }
    }

    /// Begins a member; `name` needs no escaping.
    fn key(&mut self, name: &str) {
        if !self.first {
            self.out.push(',');
        }
        self.first = false;
        self.out.push('"');
        self.out.push_str(name);
        self.out.push_str("\":");
    }

    fn number(&mut self, name: &str, value: u64) {
        self.key(name);
        let written = write!(self.out, "{value}");
        debug_assert!(written.is_ok(), "a string takes everything");
    }

    fn maybe(&mut self, name: &str, value: Option<u64>) {
        match value {
            Some(value) => self.number(name, value),
            None => self.null(name),
        }
    }

    fn flag(&mut self, name: &str, value: bool) {
        self.key(name);
        self.out.push_str(if value { "true" } else { "false" });
    }

    fn null(&mut self, name: &str) {
        self.key(name);
        self.out.push_str("null");
    }

    fn text(&mut self, name: &str, value: &str) {
        self.key(name);
        self.out.push('"');
        quote(&mut self.out, value);
        self.out.push('"');
    }

    /// A string that needs no escaping.
    fn string(&mut self, write: impl FnOnce(&mut String)) {
        self.out.push('"');
        write(&mut self.out);
        self.out.push('"');
    }

    /// A string of anything.
    fn string_of(&mut self, write: impl FnOnce(&mut String)) {
        self.scratch.clear();
        write(&mut self.scratch);
        self.out.push('"');
        quote(&mut self.out, &self.scratch);
        self.out.push('"');
    }

    /// A time of day on the room's clock, `09:40`.
    fn clock(&mut self, name: &str, view: &View<'_>, wall_us: i64) {
        match Timestamp::from_microsecond(wall_us) {
            Err(_) => self.null(name),
            Ok(at) => {
                let at = local(view, at);
                self.key(name);
                let written = write!(self.out, "\"{:02}:{:02}\"", at.hour(), at.minute());
                debug_assert!(written.is_ok(), "a string takes everything");
            }
        }
    }

    /// A moment in UTC to the second (RFC 3339).
    fn moment(&mut self, name: &str, at: Timestamp) {
        let at = TimeZone::UTC.to_datetime(at);
        self.key(name);
        let written = write!(
            self.out,
            "\"{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z\"",
            at.year(),
            at.month(),
            at.day(),
            at.hour(),
            at.minute(),
            at.second()
        );
        debug_assert!(written.is_ok(), "a string takes everything");
    }

    fn open(&mut self, name: &str) {
        self.key(name);
        self.out.push('{');
        self.first = true;
    }

    fn close(&mut self) {
        self.out.push('}');
        self.first = false;
    }

    fn finish(mut self) -> String {
        self.out.push('}');
        self.out
    }
}

/// Adds a string's characters as RFC 8259 §7 wants them.
fn quote(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c == '"' || c == '\\' || c < ' ') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let mut letters = from.chars();
        match letters.next() {
            Some('\n') => out.push_str("\\n"),
            Some(special @ ('"' | '\\')) => {
                out.push('\\');
                out.push(special);
            }
            other => {
                let code = u32::from(other.unwrap_or(' '));
                let written = write!(out, "\\u{code:04x}");
                debug_assert!(written.is_ok(), "a string takes everything");
            }
        }
        rest = letters.as_str();
    }
    out.push_str(rest);
}
