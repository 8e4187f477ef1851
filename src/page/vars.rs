//! The values a text may name: one fixed vocabulary, worked out from a view only when a text asks for it.
//!
//! Because every text draws on the same vocabulary, a translator may use a value the source does not, and a name
//! outside it is an error of the file, found at load.

use jiff::Timestamp;
use jiff::civil::DateTime;

use crate::page::view::View;

/// A name a text may use, as `$place`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Var {
    Place,
    Ahead,
    Start,
    Stock,
    Early,
    Lo,
    Hi,
    LoHours,
    LoMinutes,
    HiHours,
    HiMinutes,
    Left,
    LeftHours,
    Asked,
    Idle,
    Retry,
    Now,
    From,
    To,
    Since,
    Until,
    By,
    Called,
    SinceDate,
    UntilDate,
    SinceIs,
    UntilIs,
    Service,
    Phone,
    Hours,
    Weekday,
    Day,
    Month,
}

impl Var {
    pub(crate) const NAMES: [(&'static str, Self); 33] = [
        ("place", Self::Place),
        ("ahead", Self::Ahead),
        ("start", Self::Start),
        ("stock", Self::Stock),
        ("early", Self::Early),
        ("lo", Self::Lo),
        ("hi", Self::Hi),
        ("lo-hours", Self::LoHours),
        ("lo-minutes", Self::LoMinutes),
        ("hi-hours", Self::HiHours),
        ("hi-minutes", Self::HiMinutes),
        ("left", Self::Left),
        ("left-hours", Self::LeftHours),
        ("asked", Self::Asked),
        ("idle", Self::Idle),
        ("retry", Self::Retry),
        ("now", Self::Now),
        ("from", Self::From),
        ("to", Self::To),
        ("since", Self::Since),
        ("until", Self::Until),
        ("by", Self::By),
        ("called", Self::Called),
        ("since-date", Self::SinceDate),
        ("until-date", Self::UntilDate),
        ("since-is", Self::SinceIs),
        ("until-is", Self::UntilIs),
        ("service", Self::Service),
        ("phone", Self::Phone),
        ("hours", Self::Hours),
        ("weekday", Self::Weekday),
        ("day", Self::Day),
        ("month", Self::Month),
    ];

    /// The variable of this name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, var)| *var)
    }
}

/// A variable's value for one visitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// There is none; it is written as nothing.
    None,
    /// A whole number, grouped as the language does.
    Number(u64),
    /// A time of day in the room's time zone.
    Clock(DateTime),
    /// A day in the room's time zone.
    Date(DateTime),
    /// Words.
    Text(&'a str),
    /// A telephone number, which can be pressed to call it.
    Phone(&'a str),
}

/// The value of `var` in this view.
pub(crate) fn value<'v>(view: &'v View<'_>, var: Var) -> Value<'v> {
    let wait = &view.wait;
    match var {
        Var::Place => Value::Number(view.place),
        Var::Ahead => Value::Number(view.place.saturating_sub(1)),
        Var::Start => number(view.start_place),
        Var::Stock => Value::Number(stock_shown(view)),
        Var::Early => number(view.early),
        Var::Lo => Value::Number(wait.lo_s / 60),
        Var::Hi => Value::Number(wait.hi_s.div_ceil(60)),
        Var::LoHours => Value::Number(wait.lo_s / 3600),
        Var::LoMinutes => Value::Number(wait.lo_s % 3600 / 60),
        Var::HiHours => Value::Number(wait.hi_s.div_ceil(60) / 60),
        Var::HiMinutes => Value::Number(wait.hi_s.div_ceil(60) % 60),
        Var::Left => Value::Number(left_minutes(view)),
        Var::LeftHours => Value::Number(left_hours(view)),
        Var::Asked => Value::Number(asked_minutes(view)),
        Var::Idle => Value::Number(view.texts.idle_min),
        Var::Retry => Value::Number(view.poll_ms.div_ceil(1000).max(1)),
        Var::Now => clock(view, Some(view.now)),
        Var::From => clock(view, Timestamp::from_microsecond(wait.from_us).ok()),
        Var::To => clock(view, Timestamp::from_microsecond(wait.to_us).ok()),
        Var::Since => clock(view, view.since),
        Var::Until => clock(view, view.until),
        Var::By => clock(view, view.turn.map(|turn| turn.enter_by)),
        Var::Called => clock(view, view.turn.map(|turn| turn.called)),
        Var::SinceDate => date(view, view.since),
        Var::UntilDate => date(view, view.until),
        Var::SinceIs => Value::Text(day(view, view.since)),
        Var::UntilIs => Value::Text(day(view, view.until)),
        Var::Service => Value::Text(view.texts.name.get(view.lang).1),
        Var::Phone => Value::Phone(&view.texts.phone),
        Var::Hours => Value::Text(view.texts.phone_hours.get(view.lang).1),
        Var::Weekday | Var::Day | Var::Month => Value::None,
    }
}

/// Whole minutes until the turn runs out or the room opens; a begun minute counts before an opening and not in a turn,
/// so that neither promises too much.
pub(crate) fn left_minutes(view: &View<'_>) -> u64 {
    let (end, round_up) = match view.turn {
        Some(turn) => (Some(turn.enter_by), 0),
        None => (view.until, 59),
    };
    end.map_or(0, |end| {
        let seconds = end.as_second().saturating_sub(view.now.as_second()).max(0);
        u64::try_from((seconds + round_up) / 60).unwrap_or(0)
    })
}

/// The stock to two digits, rounded down: it is said with "about", and does not change with every booking.
pub(crate) fn stock_shown(view: &View<'_>) -> u64 {
    let stock = view.stock.unwrap_or(0);
    let mut unit = 1;
    while stock / unit >= 100 {
        unit *= 10;
    }
    stock / unit * unit
}

/// Hours instead of minutes, from two hours up; below, 0.
fn left_hours(view: &View<'_>) -> u64 {
    match left_minutes(view) / 60 {
        0 | 1 => 0,
        hours => hours,
    }
}

/// Minutes that somebody who has pressed the button still waits: 0 for less than one.
fn asked_minutes(view: &View<'_>) -> u64 {
    match view.asked_wait_s {
        0..60 => 0,
        seconds => seconds.div_ceil(60),
    }
}

fn number(value: Option<u64>) -> Value<'static> {
    value.map_or(Value::None, Value::Number)
}

fn clock(view: &View<'_>, at: Option<Timestamp>) -> Value<'static> {
    at.map_or(Value::None, |at| Value::Clock(local(view, at)))
}

fn date(view: &View<'_>, at: Option<Timestamp>) -> Value<'static> {
    at.map_or(Value::None, |at| Value::Date(local(view, at)))
}

/// Whether a moment is `today`, another `day`, or there is `none`.
fn day(view: &View<'_>, at: Option<Timestamp>) -> &'static str {
    match at {
        None => "none",
        Some(at) if local(view, at).date() == local(view, view.now).date() => "today",
        Some(_) => "day",
    }
}

/// A moment on the room's clock.
pub(crate) fn local(view: &View<'_>, at: Timestamp) -> DateTime {
    view.texts.time_zone.to_datetime(at)
}
