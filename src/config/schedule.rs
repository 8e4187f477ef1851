//! A room's own calendar: scheduled events, what is in force at a time, and what comes next.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::AmbiguousOffset;
use jiff::tz::TimeZone;

use crate::config::fault::Code;
use crate::config::fault::Fault;
use crate::config::keys::forms;
use crate::config::keys::forms::Moment;
use crate::config::room::Room;
use crate::config::units::Rate;
use crate::line::settings::Mode;
use crate::line::settings::NO_LIMIT;

/// Most scheduled events of a room: the line remembers twice as many proposals.
pub(super) const EVENTS_MAX: usize = 32;

/// `[[room.<name>.schedule]]`: from a time on, what it names holds instead of what held before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// From when on.
    pub at: Timestamp,
    /// How many visitors may go in per hour, minute or second.
    pub rate: Option<Rate>,
    /// How many may be inside at once.
    pub active_max: Option<u64>,
    /// What the room does with visitors.
    pub mode: Option<Mode>,
}

/// What a room's file says for one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InForce {
    /// Since when; `None` for what held before every event.
    pub since: Option<Timestamp>,
    /// How many visitors may go in per hour, minute or second.
    pub rate: Rate,
    /// How many may be inside at once; [`NO_LIMIT`] for no limit.
    pub active_max: u64,
    /// What the room does with visitors, once it is open.
    pub mode: Mode,
    /// The room is yet to open.
    pub early: bool,
}

/// A moment as written, by the clock of this zone where it names no offset.
///
/// # Errors
/// When it is no date and time, or a clock time that does not exist or exists twice because clocks change then: the
/// remedy names both readings.
pub fn moment_in(text: &str, zone: &TimeZone) -> Result<Timestamp, Fault> {
    let clock = match forms::moment(text)? {
        Moment::Instant(instant) => return Ok(instant),
        Moment::Clock(clock) => clock,
    };
    let found = zone.to_ambiguous_timestamp(clock);
    let message = match found.offset() {
        AmbiguousOffset::Unambiguous { .. } => {
            return found.compatible().map_err(|_| {
                let reason = "it is too far from now";
                Fault::new(Code::OutOfRange, "not a time there is", reason, "")
            });
        }
        AmbiguousOffset::Gap { .. } => "a clock time that does not exist",
        AmbiguousOffset::Fold { .. } => "a clock time that exists twice",
    };
    let written = |reading: Result<Timestamp, jiff::Error>| {
        let at = reading.ok()?.to_zoned(zone.clone());
        Some(at.strftime("\"%Y-%m-%dT%H:%M:%S%:z\"").to_string())
    };
    let remedy = match [found.earlier(), found.later()].map(written) {
        [Some(one), Some(other)] => format!("write {one} or {other}"),
        [_, _] => String::from("write the offset from UTC, or another time"),
    };
    let reason = "clocks change then: it can be meant in two ways";
    Err(Fault::new(Code::ClockChange, message, reason, remedy))
}

impl Room {
    /// What the file says at each time, in order: first what holds before every event.
    pub fn steps(&self) -> impl Iterator<Item = InForce> {
        let mut now = InForce {
            since: None,
            rate: self.rate,
            active_max: self.active_max,
            mode: self.mode,
            early: false,
        };
        let events = self.events.iter().map(move |event| {
            now = InForce {
                since: Some(event.at),
                rate: event.rate.unwrap_or(now.rate),
                active_max: event.active_max.unwrap_or(now.active_max),
                mode: event.mode.unwrap_or(now.mode),
                early: false,
            };
            now
        });
        std::iter::once(now).chain(events)
    }

    /// What the file says for this time. What operators or the origin said meanwhile is not in it.
    #[must_use]
    pub fn in_force(&self, at: Timestamp) -> InForce {
        let begun = |step: &InForce| step.since.is_none_or(|since| since <= at);
        let mut now = self.steps().filter(begun).last().unwrap_or(InForce {
            since: None,
            rate: self.rate,
            active_max: self.active_max,
            mode: self.mode,
            early: false,
        });
        now.early = self.schedule.opens_at.is_some_and(|opens| at < opens);
        let closed = self.schedule.closes_at.filter(|&closes| closes <= at);
        if closed.is_some() && now.mode != Mode::SoldOut {
            now.mode = Mode::Closed;
            now.since = closed.max(now.since);
        }
        now
    }

    /// When something of it changes next, after this time.
    #[must_use]
    pub fn next_change(&self, after: Timestamp) -> Option<Timestamp> {
        let times = self.events.iter().map(|event| event.at);
        let ends = [self.schedule.opens_at, self.schedule.closes_at];
        times
            .chain(ends.into_iter().flatten())
            .filter(|&at| at > after)
            .min()
    }
}

impl fmt::Display for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.early {
            "early, nobody is let in; then "
        } else {
            ""
        };
        write!(f, "{state}{}, rate {}", self.mode.name(), self.rate)?;
        match self.active_max {
            NO_LIMIT => Ok(()),
            most => write!(f, ", active_max {most}"),
        }
    }
}
