//! What can only be wrong between sections: names nothing defines, and requests two rooms claim.

use std::ops::Range;

use crate::config::check::Check;
use crate::config::fault::Code;
use crate::config::fault::Fault;
use crate::config::keys::nearest;
use crate::config::read::Reading;
use crate::config::report::Problem;
use crate::config::values::Values;

impl Check<'_> {
    /// Everything that is wrong between sections.
    pub(super) fn across(&mut self, reading: &Reading) {
        self.missing(reading, "origin.*", "[origin.portal]");
        self.missing(reading, "room.*", "[room.booking]");
        self.same_routes(reading);
        self.walked_past(reading);
        let defined = |name| reading.all("origin.*").any(|origin| origin.name() == name);
        let mut rooms = reading.all("room.*").peekable();
        if rooms.peek().is_some() && rooms.all(|room| room.text("origin").is_some_and(defined)) {
            self.unused_origins(reading);
        } else {
            self.origins_of_rooms(reading);
        }
    }

    fn missing(&mut self, reading: &Reading, path: &'static str, example: &str) {
        if !reading.begun.contains(&path) {
            let what = path.trim_end_matches(".*");
            let fault = Fault::new(
                Code::MissingKey,
                format!("no {what}"),
                format!("a configuration has at least one {what}"),
                format!("begin one: {example}"),
            );
            self.problems.push(Problem {
                fault,
                key: what.to_owned(),
                span: 0..0,
            });
        }
    }

    /// Rooms name origins that are there.
    fn origins_of_rooms(&mut self, reading: &Reading) {
        for room in reading.all("room.*") {
            let Some(name) = room.text("origin") else {
                continue;
            };
            if reading.all("origin.*").any(|origin| origin.name() == name) {
                continue;
            }
            let near = nearest(name, reading.all("origin.*").map(Values::name));
            let remedy = match near {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("define it: [origin.{name}]"),
            };
            let fault = Fault::new(
                Code::Undefined,
                "no such origin",
                format!("there is no [origin.{name}]"),
                remedy,
            );
            self.note(room, "origin", fault);
        }
    }

    /// Every origin is of use, and with several it is clear where requests outside every room go.
    fn unused_origins(&mut self, reading: &Reading) {
        let mut claimed: Vec<&Values> = Vec::new();
        for origin in reading.all("origin.*") {
            let hosts = origin.list("hosts");
            if hosts.is_empty()
                && !reading
                    .all("room.*")
                    .any(|room| room.text("origin") == Some(origin.name()))
            {
                let reason = "no room names it and it takes no host's other requests";
                let fault = Fault::new(
                    Code::UnusedOrigin,
                    "an origin nothing uses",
                    reason,
                    "leave it out",
                );
                self.problems.push(Problem {
                    fault,
                    key: origin.path.clone(),
                    span: origin.span.clone(),
                });
            } else if let Some(other) = claimed
                .iter()
                .find(|other| overlap(hosts, other.list("hosts")))
            {
                let other = &other.path;
                let reason =
                    format!("requests outside every room go to [{other}], the first by name");
                let remedy = "give each origin its own `hosts`";
                let fault = Fault::new(
                    Code::SameHosts,
                    "two origins for the same hosts",
                    reason,
                    remedy,
                );
                self.note(origin, "hosts", fault);
            } else {
                claimed.push(origin);
            }
        }
    }

    /// A room that names its hosts keeps nobody waiting who reaches its origin by another one.
    fn walked_past(&mut self, reading: &Reading) {
        for room in reading.all("room.*") {
            let origin = reading
                .all("origin.*")
                .find(|origin| room.text("origin") == Some(origin.name()));
            let Some(origin) = origin else { continue };
            if room.list("hosts").is_empty() || !origin.list("hosts").is_empty() {
                continue;
            }
            let reason = format!(
                "[{}] names no hosts: asked for by any other name or address, it answers without the room",
                origin.path
            );
            let fault = Fault::new(
                Code::WalkedPast,
                "a room that can be walked past",
                reason,
                "give the origin the same `hosts`, or leave the room's out",
            );
            self.note(room, "hosts", fault);
        }
    }

    /// No two rooms claim the same hosts, path and method: which of them is meant could not be said.
    fn same_routes(&mut self, reading: &Reading) {
        let rooms: Vec<&Values> = reading.all("room.*").collect();
        for (at, room) in rooms.iter().enumerate() {
            for other in rooms.iter().take(at) {
                if !overlap(room.list("hosts"), other.list("hosts"))
                    || !may_overlap(room.list("methods"), other.list("methods"))
                {
                    continue;
                }
                let claimed = |path: &str| other.list("paths").iter().any(|(text, _)| text == path);
                let found: Vec<Range<usize>> = room
                    .list("paths")
                    .iter()
                    .filter(|(path, _)| claimed(path))
                    .map(|(_, span)| {
                        if room.written("paths") {
                            span.clone()
                        } else {
                            room.span.clone()
                        }
                    })
                    .collect();
                for span in found {
                    let message = "two rooms for the same requests";
                    let reason = format!(
                        "[{}] has this path too, for the same hosts and methods",
                        other.path
                    );
                    let remedy =
                        "give them different hosts or paths; the closer path wins where both match";
                    let fault = Fault::new(Code::SameRoute, message, reason, remedy);
                    self.problems.push(room.problem_at("paths", fault, span));
                }
            }
        }
    }
}

/// Whether two lists of hosts have one in common; two empty ones both mean every host.
fn overlap(one: &[(String, Range<usize>)], other: &[(String, Range<usize>)]) -> bool {
    if one.is_empty() || other.is_empty() {
        return one.is_empty() && other.is_empty();
    }
    one.iter().any(|(text, _)| {
        other
            .iter()
            .any(|(same, _)| same.eq_ignore_ascii_case(text))
    })
}

/// Whether two lists of methods have one in common; an empty one means all.
fn may_overlap(one: &[(String, Range<usize>)], other: &[(String, Range<usize>)]) -> bool {
    one.is_empty()
        || other.is_empty()
        || one
            .iter()
            .any(|(text, _)| other.iter().any(|(same, _)| same == text))
}
