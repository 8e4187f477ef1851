//! From values that are right each by itself to a configuration that is right as a whole.

mod cross;
mod origin;
mod replica;
mod room;
mod schedule;

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::Config;
use crate::config::Surroundings;
use crate::config::fault::Code;
use crate::config::fault::Fault;
use crate::config::read::Reading;
use crate::config::report::Problem;
use crate::config::values::Values;

/// What a check knows besides the values, and the problems it finds.
pub(super) struct Check<'a> {
    base: &'a Path,
    surroundings: &'a Surroundings,
    problems: Vec<Problem>,
}

/// Makes a configuration of what was read, and finds what is wrong between its parts. With an error among the
/// problems the configuration is not to be used.
pub(super) fn check(
    reading: &Reading,
    base: &Path,
    surroundings: &Surroundings,
) -> (Option<Config>, Vec<Problem>) {
    let mut check = Check {
        base,
        surroundings,
        problems: Vec::new(),
    };
    let config = check.config(reading);
    check.across(reading);
    (config, check.problems)
}

impl Check<'_> {
    fn config(&mut self, reading: &Reading) -> Option<Config> {
        let tls = reading
            .all("server.tls")
            .next()
            .map(|values| self.tls(values));
        let server = reading
            .all("server")
            .next()
            .map(|values| self.server(values, tls))?;
        let admin = reading
            .all("admin")
            .next()
            .map(|values| self.admin(values, &server))?;
        let store = reading
            .all("store")
            .next()
            .map(|values| self.store(values))?;
        let tickets = reading
            .all("tickets")
            .next()
            .map(|values| self.tickets(values))?;
        let log = reading.all("log").next().map(|values| self.log(values))?;
        let mut origins = BTreeMap::new();
        for values in reading.all("origin.*") {
            origins.insert(values.name().to_owned(), Arc::new(self.origin(values)));
        }
        let mut rooms = BTreeMap::new();
        for values in reading.all("room.*") {
            let mut room = self.room(values);
            let within = format!("{}.schedule.", values.path);
            let events: Vec<_> = reading
                .all("room.*.schedule")
                .filter(|event| event.path.starts_with(&within))
                .collect();
            room.events = self.events(&events, &room);
            rooms.insert(values.name().to_owned(), Arc::new(room));
        }
        Some(Config {
            server,
            admin,
            store,
            tickets,
            log,
            origins,
            rooms,
        })
    }

    /// Notes a problem with a key.
    fn note(&mut self, values: &Values, name: &str, fault: Fault) {
        self.problems.push(values.problem(name, fault));
    }

    /// A path, taken from the configuration file's folder where it is relative.
    fn path(&self, values: &Values, name: &str) -> PathBuf {
        self.base.join(values.text(name).unwrap_or_default())
    }

    /// A path of a file that has to be there.
    fn file(&mut self, values: &Values, name: &str) -> Option<PathBuf> {
        let path = self.base.join(values.text(name)?);
        if self.surroundings.files
            && let Err(error) = std::fs::File::open(&path).and_then(|file| file.metadata())
        {
            let message = format!("cannot read {}", path.display());
            let remedy = if path.is_absolute() {
                "create it, or check for another machine with --no-files"
            } else {
                "paths are relative to the configuration file's folder"
            };
            self.note(
                values,
                name,
                Fault::new(Code::FileMissing, message, error.to_string(), remedy),
            );
        }
        Some(path)
    }

    /// Notes an empty list where at least one element is needed.
    fn not_empty(&mut self, values: &Values, name: &str) {
        if values.written(name) && values.list(name).is_empty() {
            let reason = "it needs at least one element";
            self.note(
                values,
                name,
                Fault::new(Code::OutOfRange, "an empty list", reason, ""),
            );
        }
    }
}
