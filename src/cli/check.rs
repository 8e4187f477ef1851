//! `anteroom check`: the loader a start and a reload go through, and nothing else.

use std::io;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;

use crate::cli::CONFIG_FILE;
use crate::cli::exit::Exit;
use crate::config;
use crate::config::Loaded;
use crate::config::Report;
use crate::config::Surroundings;

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The configuration file
    #[arg(default_value = CONFIG_FILE)]
    pub file: PathBuf,
    /// Print the problems as JSON to standard output
    #[arg(long)]
    pub json: bool,
    /// Treat warnings as errors
    #[arg(long)]
    pub deny_warnings: bool,
    /// Also say what is in force in each room at this time: "now", or a date and time, in the room's zone
    #[arg(long, value_name = "TIME", conflicts_with = "json")]
    pub at: Option<String>,
    /// Do not look for the files it names: the check is for another machine
    #[arg(long)]
    pub no_files: bool,
}

impl Check {
    /// Checks the file; ends with 3 if it cannot be used.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn run(&self, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Exit> {
        let surroundings = if self.no_files {
            Surroundings::elsewhere()
        } else {
            Surroundings::here()
        };
        let loaded = config::load(&self.file, &surroundings);
        let report: &Report = match &loaded {
            Ok(loaded) => &loaded.report,
            Err(report) => report,
        };
        if self.json {
            writeln!(out, "{:#}", report.to_json())?;
        } else if !report.problems().is_empty() {
            writeln!(err, "{report}")?;
        }
        let denied = self.deny_warnings && report.warnings() > 0;
        match &loaded {
            Ok(loaded) if !denied => {
                if !self.json {
                    writeln!(out, "{}: {}", self.file.display(), summary(loaded))?;
                }
                if let Some(at) = &self.at {
                    return preview(loaded, at, out, err);
                }
                Ok(Exit::Ok)
            }
            Ok(_) | Err(_) => Ok(Exit::ConfigInvalid),
        }
    }
}

/// One line that shows that the file was understood.
fn summary(loaded: &Loaded) -> String {
    let config = &loaded.config;
    let rooms: Vec<String> = config
        .rooms
        .values()
        .map(|room| format!("{} ({}, {})", room.name, room.rate, room.mode.name()))
        .collect();
    format!("ok; store {}; rooms {}", config.store.url, rooms.join(", "))
}

/// What is in force in each room at a time, and when it changes next.
fn preview(
    loaded: &Loaded,
    at: &str,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<Exit> {
    for room in loaded.config.rooms.values() {
        let zone = &room.texts.time_zone;
        let at = match at {
            "now" => Ok(Timestamp::now()),
            at => config::schedule::moment_in(at, zone),
        };
        let at = match at {
            Ok(at) => at,
            Err(fault) => {
                writeln!(err, "room {}: {fault}; {}", room.name, fault.remedy)?;
                return Ok(Exit::Failed);
            }
        };
        let shown = |at: Timestamp| {
            let at = at.to_zoned(zone.clone());
            at.strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
        };
        let now = room.in_force(at);
        writeln!(out, "room {} at {}: {now}", room.name, shown(at))?;
        if let Some(since) = now.since {
            writeln!(out, "  since {}", shown(since))?;
        }
        match room.next_change(at) {
            Some(next) => writeln!(out, "  from {} on: {}", shown(next), room.in_force(next))?,
            None => writeln!(out, "  nothing changes after that")?,
        }
    }
    Ok(Exit::Ok)
}
