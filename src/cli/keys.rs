//! `anteroom keys`: what is in the key file, a new key, and the end of old ones.

use std::io;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use clap::Subcommand;

use crate::cli::CONFIG_FILE;
use crate::cli::exit::Exit;
use crate::clock;
use crate::config;
use crate::config::Surroundings;
use crate::seal;
use crate::seal::KeyFileError;
use crate::seal::KeyInfo;

/// Arguments of `keys`.
#[derive(Debug, Args)]
pub struct Keys {
    /// What to do with the keys.
    #[command(subcommand)]
    pub command: Command,
    /// The configuration file, which names the key file
    #[arg(
        long,
        short,
        value_name = "FILE",
        default_value = CONFIG_FILE,
        global = true
    )]
    pub config: PathBuf,
    /// The key file, instead of the one the configuration names
    #[arg(long, value_name = "FILE", global = true)]
    pub file: Option<PathBuf>,
}

/// What to do with the keys.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the keys: id, when each was made, and which one signs
    List,
    /// Add a key; it signs from the next reload on, and the older ones go on verifying
    Rotate,
    /// Drop old keys; whoever holds a ticket or pass of theirs loses it with the next reload
    Prune {
        /// How many of the newest to keep
        #[arg(long, value_name = "N", default_value_t = 1)]
        keep: usize,
        /// Drop them; without it, only say which
        #[arg(long)]
        yes: bool,
    },
}

impl Keys {
    /// Does it; ends with 4 when old keys would be dropped and nobody said yes.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn run(&self, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Exit> {
        let path = match self.key_file() {
            Ok(path) => path,
            Err(report) => {
                writeln!(err, "{report}")?;
                return Ok(Exit::ConfigInvalid);
            }
        };
        let done = match &self.command {
            Command::List => seal::list(&path).map(listed),
            Command::Rotate => seal::rotate(&path, clock::wall_us())
                .map(|id| vec![format!("added {id}: it signs from the next reload on")]),
            Command::Prune { keep, yes: true } => seal::prune(&path, *keep)
                .map(|ids| ids.iter().map(|id| format!("dropped {id}")).collect()),
            Command::Prune { keep, yes: false } => return would_prune(&path, *keep, err),
        };
        match done {
            Ok(lines) => {
                for line in lines {
                    writeln!(out, "{line}")?;
                }
                Ok(Exit::Ok)
            }
            Err(error) => failed(&error, err),
        }
    }

    fn key_file(&self) -> Result<PathBuf, config::Report> {
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        let loaded = config::load(&self.config, &Surroundings::elsewhere())?;
        Ok(loaded.config.tickets.key_file.clone())
    }
}

fn listed(keys: Vec<KeyInfo>) -> Vec<String> {
    let line = |key: KeyInfo| {
        let signs = if key.signs { "  signs" } else { "" };
        format!("{}  {}{signs}", key.id, key.created)
    };
    keys.into_iter().map(line).collect()
}

/// Says which keys would be dropped.
fn would_prune(path: &std::path::Path, keep: usize, err: &mut dyn Write) -> io::Result<Exit> {
    let keys = match seal::list(path) {
        Ok(keys) => keys,
        Err(error) => return failed(&error, err),
    };
    let gone = keys.len().saturating_sub(keep);
    for key in keys.iter().take(gone) {
        writeln!(err, "would drop {}, made {}", key.id, key.created)?;
    }
    if gone == 0 {
        writeln!(err, "there is nothing to drop")?;
        return Ok(Exit::Ok);
    }
    writeln!(
        err,
        "whoever holds a ticket or pass of theirs loses it with the next reload; say --yes to drop them"
    )?;
    Ok(Exit::NeedsConfirmation)
}

fn failed(error: &KeyFileError, err: &mut dyn Write) -> io::Result<Exit> {
    writeln!(err, "{error}")?;
    Ok(Exit::Failed)
}
