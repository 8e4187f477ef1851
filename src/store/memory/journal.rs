//! The journal: every exchange since the last snapshot, written before it is answered.
//!
//! The line is deterministic, so the snapshot and the journal give exactly the line that was. What the process wrote
//! survives the process; against a loss of power, numbers are reserved on the disk ahead of being issued, and an epoch is
//! on it before anybody hears of it.

use std::fs;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use crate::line::Line;
use crate::line::exchange::Exchange;
use crate::line::ids::Epoch;
use crate::store::StoreError;
use crate::store::memory::files::Files;
use crate::store::memory::files::disk;
use crate::store::memory::replay;
use crate::store::memory::replay::Header;
use crate::store::memory::replay::Record;
use crate::store::memory::replay::Reserved;
use crate::store::memory::replay::Snapshot;
use crate::store::memory::replay::VERSION;

/// Numbers reserved at a time.
const BLOCK: u64 = 10_000;
/// A journal is this long before the line is written down whole instead, unless the line itself is longer.
const JOURNAL_BYTES_MIN: u64 = 4 << 20;
/// After a failure to do so, it is tried again this much later.
const JOURNAL_BYTES_MORE: u64 = 1 << 20;

/// A room's journal, open for writing.
#[derive(Debug)]
pub(super) struct Journal {
    files: Files,
    file: File,
    generation: u64,
    /// Length of what is known to be whole.
    bytes: u64,
    /// Something may stand behind that length which must go first.
    torn: bool,
    /// The file has not got its name yet.
    is_new: bool,
    compact_at: u64,
    reserved: Reserved,
    /// The epoch of the line that was last written down whole.
    epoch: Option<Epoch>,
}

impl Journal {
    /// Opens a room's files, finds the line they tell of and begins a new journal.
    pub(super) fn open(directory: PathBuf, room: &str) -> Result<(Line, Self), StoreError> {
        let files = Files::lock(directory, room)?;
        let boot = boot_id();
        let found = replay::read(&files, &boot)?;
        if found.journal_is_new {
            files.commit("journal")?;
        }
        let begun = begin(&files, found.generation + 1, &found.line)?;
        let mut journal = Self {
            files,
            file: begun.file,
            generation: found.generation + 1,
            bytes: begun.bytes,
            torn: false,
            is_new: true,
            compact_at: begun.compact_at,
            reserved: Reserved::default(),
            epoch: found.line.epoch(),
        };
        journal.name()?;
        // Only now, when the snapshot has the numbers that may have been lost, are they told to be of this boot.
        journal.reserve(Reserved {
            version: VERSION,
            tail: found.reserved.tail.max(found.line.tail()),
            boot,
        })?;
        Ok((found.line, journal))
    }

    /// Makes sure that no number this exchange can issue is lost with the power.
    pub(super) fn reserve_for(
        &mut self,
        line: &Line,
        exchange: &Exchange,
    ) -> Result<(), StoreError> {
        let highest = line.highest_after(exchange);
        if highest <= self.reserved.tail {
            return Ok(());
        }
        self.reserve(Reserved {
            tail: highest + BLOCK,
            ..self.reserved.clone()
        })
    }

    fn reserve(&mut self, reserved: Reserved) -> Result<(), StoreError> {
        let write = |to: &mut dyn Write| Ok(serde_json::to_writer(to, &reserved)?);
        self.files.prepare("reserved", write)?;
        self.files.commit("reserved")?;
        self.files.sync()?;
        self.reserved = reserved;
        Ok(())
    }

    /// Writes one exchange down, in one system call.
    pub(super) fn append(&mut self, clock_us: u64, exchange: &Exchange) -> Result<(), StoreError> {
        let path = || self.files.path("journal");
        let line =
            replay::seal(&Record { clock_us, exchange }).map_err(|error| StoreError::File {
                path: path(),
                cause: error.to_string(),
            })?;
        if self.torn {
            self.file
                .set_len(self.bytes)
                .map_err(|source| disk(&path(), "repaired", source))?;
        }
        self.torn = true;
        self.file
            .write_all(&line)
            .map_err(|source| disk(&path(), "written", source))?;
        self.torn = false;
        self.bytes += line.len() as u64;
        Ok(())
    }

    /// Writes the whole line down unless one of its epoch is on the disk already.
    pub(super) fn keep_epoch(&mut self, line: &Line) -> Result<(), StoreError> {
        if self.epoch == line.epoch() {
            return Ok(());
        }
        self.compact(line)
    }

    /// Writes the whole line down once the journal has become long; should that fail, the journal simply grows on.
    pub(super) fn compact_when_due(&mut self, line: &Line) {
        if self.bytes < self.compact_at {
            return;
        }
        if let Err(error) = self.compact(line) {
            self.compact_at = self.bytes + JOURNAL_BYTES_MORE;
            tracing::warn!(%error, "the line could not be written down whole; its journal goes on");
        }
    }

    /// Writes the whole line down, and that no other number was issued.
    pub(super) fn close(&mut self, line: &Line) -> Result<(), StoreError> {
        self.compact(line)?;
        self.reserve(Reserved {
            tail: line.tail(),
            ..self.reserved.clone()
        })
    }

    fn compact(&mut self, line: &Line) -> Result<(), StoreError> {
        self.name()?;
        let begun = begin(&self.files, self.generation + 1, line)?;
        self.generation += 1;
        (self.file, self.bytes, self.compact_at) = (begun.file, begun.bytes, begun.compact_at);
        (self.torn, self.is_new) = (false, true);
        self.name()?;
        self.epoch = line.epoch();
        Ok(())
    }

    /// Gives a new journal its name; until then, whoever reads the files finds it under its first one.
    fn name(&mut self) -> Result<(), StoreError> {
        if self.is_new {
            self.files.commit("journal")?;
            self.is_new = false;
            self.files.sync()?;
        }
        Ok(())
    }
}

/// A journal that has just begun.
struct Begun {
    file: File,
    bytes: u64,
    compact_at: u64,
}

/// Writes a snapshot, and the beginning of the journal that goes on from it. That one comes first: once the snapshot
/// has its name, the journal of before no longer counts.
fn begin(files: &Files, generation: u64, line: &Line) -> Result<Begun, StoreError> {
    let mut bytes = 0;
    let file = files.prepare("journal", |to| {
        let header = replay::seal(&Header {
            version: VERSION,
            generation,
        })?;
        bytes = header.len() as u64;
        to.write_all(&header)
    })?;
    let snapshot = Snapshot {
        version: VERSION,
        generation,
        line,
    };
    let written = files.prepare("snapshot", |to| Ok(serde_json::to_writer(to, &snapshot)?))?;
    let length = written.metadata().map_or(0, |metadata| metadata.len());
    files.commit("snapshot")?;
    Ok(Begun {
        file,
        bytes,
        compact_at: JOURNAL_BYTES_MIN.max(length),
    })
}

/// Tells one start of the machine from another; empty where the system does not say, which counts as another each time.
fn boot_id() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}
