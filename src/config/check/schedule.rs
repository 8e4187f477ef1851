//! A room's scheduled events: their times in order, each with something to change.

use crate::config::check::Check;
use crate::config::fault::Code;
use crate::config::fault::Fault;
use crate::config::room::Room;
use crate::config::schedule::Event;
use crate::config::units::Rate;
use crate::config::values::Values;
use crate::line::settings::Mode;

impl Check<'_> {
    /// A room's events, in the order they stand in the file.
    pub(super) fn events(&mut self, tables: &[&Values], room: &Room) -> Vec<Event> {
        let mut events: Vec<Event> = Vec::new();
        for values in tables {
            let names = ["rate", "active_max", "mode"];
            if names.iter().all(|name| values.absent(name)) {
                let reason = "nothing changes at its time";
                let remedy = "give a rate, active_max or mode, or leave it out";
                let fault = Fault::new(Code::MissingKey, "an event without effect", reason, remedy);
                self.note(values, "at", fault);
            }
            let Some(at) = self.instant(values, "at", &room.texts.time_zone) else {
                continue;
            };
            if events.last().is_some_and(|before| at <= before.at) {
                let reason = "the event before it is not earlier";
                let remedy = "put events in the order of their times";
                let fault = Fault::new(Code::OutOfRange, "out of order", reason, remedy);
                self.note(values, "at", fault);
            }
            if room.schedule.closes_at.is_some_and(|closes| at >= closes) {
                let reason = "the room is closed by then";
                let remedy = "move the event or `closes_at`";
                let fault = Fault::new(Code::OutOfRange, "not before `closes_at`", reason, remedy);
                self.note(values, "at", fault);
            }
            let mode = values.text("mode");
            events.push(Event {
                at,
                rate: values
                    .written("rate")
                    .then(|| Rate::from_per_hour(values.number("rate"))),
                active_max: values
                    .written("active_max")
                    .then(|| values.number("active_max")),
                mode: Mode::ALL.into_iter().find(|one| Some(one.name()) == mode),
            });
        }
        events
    }
}
