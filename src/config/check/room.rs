//! A room's section: what its values mean, and what in them does not go together.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::config::check::Check;
use crate::config::fault::Code;
use crate::config::fault::Fault;
use crate::config::keys::forms;
use crate::config::room::Enter;
use crate::config::room::Guard;
use crate::config::room::OnStoreFailure;
use crate::config::room::Order;
use crate::config::room::Room;
use crate::config::room::Schedule;
use crate::config::room::Texts;
use crate::config::schedule::moment_in;
use crate::config::units::Rate;
use crate::config::units::Span;
use crate::config::values::Values;
use crate::line::settings::Mode;
use crate::line::settings::NO_LIMIT;

impl Check<'_> {
    pub(super) fn room(&mut self, values: &Values) -> Room {
        self.not_empty(values, "paths");
        self.not_empty(values, "languages");
        self.distinct(values, "languages");
        let mode = values.text("mode").unwrap_or_default();
        let time_zone = values
            .text("time_zone")
            .and_then(|name| TimeZone::get(name).ok());
        let time_zone = time_zone.unwrap_or(TimeZone::UTC);
        let room = Room {
            name: values.name().to_owned(),
            origin: values.text("origin").unwrap_or_default().to_owned(),
            hosts: values.parsed_list("hosts"),
            paths: values.parsed_list("paths"),
            methods: values
                .list("methods")
                .iter()
                .filter_map(|(text, _)| forms::method(text).ok())
                .collect(),
            bypass: values.parsed_list("bypass"),
            rate: Rate::from_per_hour(values.number("rate")),
            active_max: if values.written("active_max") {
                values.number("active_max")
            } else {
                NO_LIMIT
            },
            mode: Mode::ALL
                .into_iter()
                .find(|one| one.name() == mode)
                .unwrap_or_default(),
            enter: if values.text("enter") == Some("auto") {
                Enter::Auto
            } else {
                Enter::Button
            },
            presence: values.duration("presence"),
            turn: values.duration("turn"),
            late_share_ppm: values.number("late_share"),
            pass_idle: values.duration("pass_idle"),
            pass_max: values.duration("pass_max"),
            visitor_in_flight: values.number("visitor_in_flight"),
            visitor_rate: Rate::from_per_hour(values.number("visitor_rate")),
            grace: values.duration("grace"),
            returns: values.number("returns"),
            hold: values.duration("hold"),
            line_max: values.number("line_max"),
            guard: guard(values),
            stock_ends: values.flag("stock_ends"),
            on_store_failure: Self::on_store_failure(values),
            upgrades: values
                .list("upgrades")
                .iter()
                .map(|(text, _)| text.to_ascii_lowercase())
                .collect(),
            texts: texts(values, time_zone.clone()),
            schedule: self.schedule(values, &time_zone),
            events: Vec::new(),
        };
        self.times(values, &room);
        self.pace(values, &room);
        if values.absent("phone") {
            let reason = "some of those who wait cannot do it on a screen";
            let remedy = "give a number people can call instead: phone = \"…\"";
            self.note(
                values,
                "phone",
                Fault::new(Code::NoPhone, "no telephone number", reason, remedy),
            );
        }
        room
    }

    /// What happens to newcomers while the store is away.
    fn on_store_failure(values: &Values) -> OnStoreFailure {
        match values.text("on_store_failure") {
            Some("paced") => OnStoreFailure::Paced,
            Some("open") => OnStoreFailure::Open,
            Some(_) | None => OnStoreFailure::Hold,
        }
    }

    /// When the room opens and closes by itself.
    fn schedule(&mut self, values: &Values, zone: &TimeZone) -> Schedule {
        let order = if values.text("order") == Some("draw") {
            Order::Draw
        } else {
            Order::Arrival
        };
        let opens_at = self.instant(values, "opens_at", zone);
        let closes_at = self.instant(values, "closes_at", zone);
        if opens_at
            .zip(closes_at)
            .is_some_and(|(opens, closes)| closes <= opens)
        {
            let fault = Fault::new(
                Code::OutOfRange,
                "not after `opens_at`",
                "the room would never be open",
                "",
            );
            self.note(values, "closes_at", fault);
        }
        Schedule {
            opens_at,
            closes_at,
            order,
        }
    }

    /// A moment; a clock time that does not exist or exists twice when clocks change is refused.
    pub(super) fn instant(
        &mut self,
        values: &Values,
        name: &str,
        zone: &TimeZone,
    ) -> Option<Timestamp> {
        match moment_in(values.text(name)?, zone) {
            Ok(instant) => Some(instant),
            Err(fault) => {
                self.note(values, name, fault);
                None
            }
        }
    }

    /// Windows of time that do not go together.
    fn times(&mut self, values: &Values, room: &Room) {
        let polls = room.presence.saturating_mul(4) / 5;
        if room.turn < polls {
            let least = Span::from_micros(u64::try_from(polls.as_micros()).unwrap_or(u64::MAX));
            let reason = "a page may be told to wait two fifths of `presence` between two polls";
            let remedy = format!("use at least \"{least}\"; \"10m\" is the default");
            let fault = Fault::new(
                Code::ShortTurn,
                "a turn shorter than two polls",
                reason,
                remedy,
            );
            let name = if values.written("turn") {
                "turn"
            } else {
                "presence"
            };
            self.note(values, name, fault);
        }
        if room.pass_max < room.pass_idle
            && (values.written("pass_max") || values.written("pass_idle"))
        {
            let reason = "an entry would end before its pass could idle out";
            let remedy = "make pass_max at least pass_idle";
            let fault = Fault::new(
                Code::OutOfRange,
                "`pass_max` is shorter than `pass_idle`",
                reason,
                remedy,
            );
            let name = if values.written("pass_max") {
                "pass_max"
            } else {
                "pass_idle"
            };
            self.note(values, name, fault);
        }
    }

    /// A pace that is not what it seems.
    fn pace(&mut self, values: &Values, room: &Room) {
        if room.mode != Mode::Open || !values.written("rate") {
            return;
        }
        if room.rate.per_hour() == 0 {
            let reason = "the room is open and nobody is let in";
            let remedy = "give a rate, or say it with mode = \"paused\"";
            self.note(
                values,
                "rate",
                Fault::new(Code::ZeroRate, "a rate of zero", reason, remedy),
            );
        }
        let idle_s = room.pass_idle.as_secs();
        let stay = u128::from(room.rate.per_hour()) * u128::from(idle_s) / 3_600;
        if values.written("active_max") && u128::from(room.active_max) < stay {
            let idle = Span::from_micros(idle_s * 1_000_000);
            let reason = format!("{} × {idle} of idling out is {stay} inside", room.rate);
            let remedy =
                "raise it, shorten `pass_idle`, or let the origin answer Anteroom-Command: finish";
            let message = "the limit, not the rate, holds the line back";
            self.note(
                values,
                "active_max",
                Fault::new(Code::TightLimit, message, reason, remedy),
            );
        }
    }

    /// Notes elements that come twice.
    fn distinct(&mut self, values: &Values, name: &str) {
        let items = values.list(name);
        for (at, (text, span)) in items.iter().enumerate() {
            if items.iter().take(at).any(|(before, _)| before == text) {
                let reason = "it stands earlier in the list";
                let fault = Fault::new(Code::Conflict, "given twice", reason, "leave one out");
                self.problems
                    .push(values.problem_at(name, fault, span.clone()));
            }
        }
    }
}

/// When an origin in trouble slows the pace.
fn guard(values: &Values) -> Guard {
    Guard {
        is_on: values.flag("guard"),
        latency: values.duration("guard_latency"),
        share_ppm: values.number("guard_share"),
        recovery: values.duration("guard_recovery"),
    }
}

/// What visitors are told.
fn texts(values: &Values, time_zone: TimeZone) -> Texts {
    Texts {
        name: values.text("name").unwrap_or(values.name()).to_owned(),
        languages: values
            .list("languages")
            .iter()
            .map(|(text, _)| text.clone())
            .collect(),
        time_zone,
        phone: values.text("phone").map(str::to_owned),
    }
}
