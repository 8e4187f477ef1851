//! The rooms: which requests wait, for which origin, at which pace, and what visitors are told.

use std::time::Duration;

use aws_lc_rs::digest;
use http::Method;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::config::pattern::HostPattern;
use crate::config::pattern::PathPattern;
use crate::config::schedule::Event;
use crate::config::schedule::InForce;
use crate::config::units::Rate;
use crate::line::constants::settings_row;
use crate::line::ids::KeyHash;
use crate::line::settings::Mode;
use crate::line::settings::Settings;

/// Languages there are pages in.
pub const LANGUAGES: [&str; 2] = ["en", "it"];

/// `[room.<name>]`: one line in front of a set of routes of one origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Its name: in paths, cookies, metrics and the store.
    pub name: String,
    /// The name of its origin.
    pub origin: String,
    /// Hosts it protects; empty means any host.
    pub hosts: Vec<HostPattern>,
    /// Paths it protects; at least one.
    pub paths: Vec<PathPattern>,
    /// Methods it protects; empty means all.
    pub methods: Vec<Method>,
    /// Paths among them that go straight to the origin.
    pub bypass: Vec<PathPattern>,
    /// How many visitors may go in per hour, minute or second.
    pub rate: Rate,
    /// How many may be inside at once; [`NO_LIMIT`](crate::line::settings::NO_LIMIT) for no limit.
    pub active_max: u64,
    /// What the room does with visitors.
    pub mode: Mode,
    /// Whether a called visitor presses a button, or its page enters by itself.
    pub enter: Enter,
    /// How long a visitor counts as present after it was heard from.
    pub presence: Duration,
    /// How long a called visitor may enter on time.
    pub turn: Duration,
    /// The least share of entries for late and returning visitors, in millionths.
    pub late_share_ppm: u64,
    /// How long a pass lasts without being used.
    pub pass_idle: Duration,
    /// How long a pass can be renewed, from its entry.
    pub pass_max: Duration,
    /// Most requests of one visitor at the origin at once, at each replica; 0 for no limit.
    pub visitor_in_flight: u64,
    /// Most requests of one visitor in a time, at each replica; zero for no limit.
    pub visitor_rate: Rate,
    /// How long after a pass ran out a request with a body is still forwarded.
    pub grace: Duration,
    /// How many times somebody may come back in after idling out.
    pub returns: u64,
    /// How long a request itself waits instead of showing a page.
    pub hold: Duration,
    /// How many of those present may wait before the line is full.
    pub line_max: u64,
    /// When an origin that fails or is slow slows the pace.
    pub guard: Guard,
    /// Whether nothing left to book ends the line.
    pub stock_ends: bool,
    /// What happens to newcomers while the store is away.
    pub on_store_failure: OnStoreFailure,
    /// Protocols an upgrade may lead to, in lower case.
    pub upgrades: Vec<String>,
    /// What visitors are told.
    pub texts: Texts,
    /// When it opens and closes by itself.
    pub schedule: Schedule,
    /// What changes at a time, in order.
    pub events: Vec<Event>,
}

/// When an origin that fails or is slow slows the pace by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    /// Whether it may.
    pub is_on: bool,
    /// A response that begins later than this after its request is slow.
    pub latency: Duration,
    /// The share of failed or slow responses at which it does, in millionths.
    pub share_ppm: u64,
    /// How long it takes from a stopped pace back to the whole rate.
    pub recovery: Duration,
}

/// What a room's pages say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts {
    /// The service's name; the room's name when none is given.
    pub name: String,
    /// Languages offered, the default first.
    pub languages: Vec<String>,
    /// The zone clock times are shown in.
    pub time_zone: TimeZone,
    /// Whom to call instead.
    pub phone: Option<String>,
}

/// When a room opens and closes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// When the line begins to be called.
    pub opens_at: Option<Timestamp>,
    /// When booking ends.
    pub closes_at: Option<Timestamp>,
    /// How those who came before the opening are ordered.
    pub order: Order,
}

/// How a called visitor goes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enter {
    /// The visitor presses a button.
    Button,
    /// The page enters by itself.
    Auto,
}

/// What happens to newcomers while the store is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnStoreFailure {
    /// They see a calm page that holds their arrival order.
    Hold,
    /// Each replica goes on with its share of the last rate.
    Paced,
    /// They go through.
    Open,
}

/// How those who came before the opening are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As they came.
    Arrival,
    /// By a draw.
    Draw,
}

impl Room {
    /// The settings the line obeys before any scheduled event.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings {
            rate_per_hour: self.rate.per_hour(),
            active_max: self.active_max,
            mode: self.mode,
            presence_us: micros(self.presence),
            turn_us: micros(self.turn),
            late_share_ppm: self.late_share_ppm,
            pass_idle_us: micros(self.pass_idle),
            returns: self.returns,
            line_max: self.line_max,
            guard_share_ppm: if self.guard.is_on {
                // None would be a share that every response has: one bad one is too much.
                self.guard.share_ppm.max(1)
            } else {
                0
            },
            guard_recovery_us: micros(self.guard.recovery),
            opens_at_us: instant(self.schedule.opens_at),
            draw: self.schedule.opens_at.is_some() && self.schedule.order == Order::Draw,
            closes_at_us: instant(self.schedule.closes_at),
            paced: self.on_store_failure == OnStoreFailure::Paced,
        }
    }

    /// The settings the line obeys from when on (microseconds since 1970, the first from 0 on), with their content.
    pub fn settings_by_time(&self) -> impl Iterator<Item = (u64, Settings, KeyHash)> {
        self.steps().map(|step| {
            let InForce {
                since,
                rate,
                active_max,
                mode,
                ..
            } = step;
            let settings = Settings {
                rate_per_hour: rate.per_hour(),
                active_max,
                mode,
                ..self.settings()
            };
            let since_us = instant(since);
            (since_us, settings, content(&settings, since_us))
        })
    }

    /// The content of [`settings`](Self::settings).
    #[must_use]
    pub fn content(&self) -> KeyHash {
        content(&self.settings(), 0)
    }
}

/// 128 bits of SHA-256 over exactly these settings, and the event they come from: two files that mean the same pace
/// have the same content, and a change of texts or routes alone proposes nothing to the line.
fn content(settings: &Settings, since_us: u64) -> KeyHash {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(b"anteroom settings 1");
    // A file that says nothing of going on without the store has the content it had before there was that.
    let row = settings_row(settings);
    let said = row.len() - usize::from(!settings.paced);
    for number in row.into_iter().take(said).chain([since_us]) {
        hash.update(&number.to_be_bytes());
    }
    let mut bits = [0; 16];
    for (bit, byte) in bits.iter_mut().zip(hash.finish().as_ref()) {
        *bit = *byte;
    }
    KeyHash(u128::from_be_bytes(bits))
}

/// A moment in microseconds since 1970; 0 for none.
fn instant(at: Option<Timestamp>) -> u64 {
    at.map_or(0, |at| u64::try_from(at.as_microsecond()).unwrap_or(0))
}

/// Whole microseconds; every duration of a room is bounded far below the type's range.
fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_of_a_file_stays_what_it_was_before_a_setting_it_does_not_name() {
        let settings = Settings::default();
        // The same bytes, hashed by another program.
        let before = KeyHash(0x1a4b_691a_4020_16a6_7ba6_b620_8409_39de);
        assert_eq!(content(&settings, 0), before);
        let paced = Settings {
            paced: true,
            ..settings
        };
        assert_ne!(content(&paced, 0), before);
    }
}
