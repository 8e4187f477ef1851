//! What a room's files tell of its line, after whatever way the last process ended.

use serde::Deserialize;
use serde::Serialize;

use crate::line::Line;
use crate::line::exchange::Exchange;
use crate::store::StoreError;
use crate::store::memory::files::Files;

/// The version of all of a room's files.
pub(super) const VERSION: u32 = 1;

/// The whole line, and which journal goes on from it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Snapshot<L> {
    pub(super) version: u32,
    pub(super) generation: u64,
    pub(super) line: L,
}

/// The first line of a journal.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) version: u32,
    pub(super) generation: u64,
}

/// One exchange of a journal, and the store's clock as it was applied.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record<E> {
    pub(super) clock_us: u64,
    pub(super) exchange: E,
}

/// Numbers that may have been issued, known to be on the disk before any of them was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reserved {
    pub(super) version: u32,
    /// No number above this one was issued.
    pub(super) tail: u64,
    /// Which start of the machine this is known of: since then, nothing written is lost.
    pub(super) boot: String,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) line: Line,
    pub(super) generation: u64,
    pub(super) reserved: Reserved,
    /// The journal had not got its name yet.
    pub(super) journal_is_new: bool,
}

/// Only what every version has, to tell them apart.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// Reads all files of a room and plays the journal to the snapshot.
///
/// When writes may have been lost (the machine was started since, or the journal is damaged), the numbers reserved
/// count as issued and no credit is left.
pub(super) fn read(files: &Files, boot: &str) -> Result<Found, StoreError> {
    let mut found = Found::default();
    if let Some(reserved) = files.read("reserved")? {
        found.reserved = parse(files, "reserved", &reserved)?;
    }
    if let Some(snapshot) = files.read("snapshot")? {
        let snapshot: Snapshot<Line> = parse(files, "snapshot", &snapshot)?;
        found.line = snapshot.line;
        found.generation = snapshot.generation;
    }
    // Every snapshot has a journal that goes on from it.
    let mut damaged = found.generation > 0;
    for kind in ["journal", "journal.new"] {
        let Some(journal) = files.read(kind)? else {
            continue;
        };
        if let Some(is_whole) = play(files, &journal, &mut found)? {
            damaged = !is_whole;
            found.journal_is_new = kind == "journal.new";
        }
    }
    let lost = damaged || boot.is_empty() || found.reserved.boot != boot;
    if lost && found.reserved.tail > 0 {
        found.line.reserve(found.reserved.tail);
        found.line.forfeit_credit();
    }
    if damaged {
        tracing::warn!(
            file.path = %files.path("journal").display(), line.tail = found.line.tail(),
            "the journal is damaged: numbering goes on behind every number that may have been issued",
        );
    }
    Ok(found)
}

/// Applies a journal's exchanges; whether all of it was whole, or nothing when it does not go on from the snapshot (which
/// then has all of it, or nothing was written to it yet). A last line without its end is no damage: its exchange was
/// never answered.
fn play(files: &Files, journal: &[u8], found: &mut Found) -> Result<Option<bool>, StoreError> {
    let mut lines = journal.split_inclusive(|&byte| byte == b'\n');
    let Some(header) = lines.next().and_then(checked) else {
        return Ok(None);
    };
    let header: Header = parse(files, "journal", header)?;
    if header.generation != found.generation {
        return Ok(None);
    }
    for line in lines {
        let Some(content) = checked(line) else {
            return Ok(Some(!line.ends_with(b"\n")));
        };
        let Ok(record) = serde_json::from_slice::<Record<Exchange>>(content) else {
            return Ok(Some(false));
        };
        // One that the line refused then, it refuses now.
        drop(found.line.apply(record.clock_us, &record.exchange));
    }
    Ok(Some(true))
}

/// Reads a file's JSON, of this version.
fn parse<'a, T: Deserialize<'a>>(
    files: &Files,
    kind: &str,
    content: &'a [u8],
) -> Result<T, StoreError> {
    let wrong = |cause: String| StoreError::File {
        path: files.path(kind),
        cause,
    };
    let Versioned { version } =
        serde_json::from_slice(content).map_err(|error| wrong(error.to_string()))?;
    if version != VERSION {
        return Err(wrong(format!(
            "it is of version {version}, and this release reads version {VERSION}"
        )));
    }
    serde_json::from_slice(content).map_err(|error| wrong(error.to_string()))
}

/// Length of a checksum and the blank after it.
const CHECKSUM: usize = 17;

/// A line of a journal: a checksum, a blank, the content, an end of line.
pub(super) fn seal(content: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut line = vec![b' '; CHECKSUM];
    serde_json::to_writer(&mut line, content)?;
    let sum = format!("{:016x}", checksum(&line[CHECKSUM..]));
    line[..CHECKSUM - 1].copy_from_slice(sum.as_bytes());
    line.push(b'\n');
    Ok(line)
}

/// The content of a journal's line, if the line is whole.
fn checked(line: &[u8]) -> Option<&[u8]> {
    let (sum, content) = line.strip_suffix(b"\n")?.split_at_checked(CHECKSUM)?;
    let sum = std::str::from_utf8(sum).ok()?.strip_suffix(' ')?;
    let whole = u64::from_str_radix(sum, 16) == Ok(checksum(content));
    whole.then_some(content)
}

/// Tells a damaged line from a whole one (FNV-1a, 64 bits); it is no protection against anybody.
fn checksum(content: &[u8]) -> u64 {
    content.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
