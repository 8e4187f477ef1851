//! The text of a key file: one key per line, and comments.
//!
//! ```text
//! # id, created, secret
//! 5f0c19aa 2026-11-22T13:00:00Z 3b…(64 hexadecimal digits)
//! ```

use jiff::Timestamp;

use crate::line::ids::ParseIdError;
use crate::seal::ring::SecretKey;
use crate::seal::value::KeyId;

/// Most keys in a file and in a ring: more are a sign that nobody removes old ones.
pub const KEYS_MAX: usize = 16;

/// The largest key file, in bytes.
pub(super) const FILE_BYTES_MAX: usize = 64 * 1024;

/// What a new key file begins with.
pub(super) const HEADER: &str = "\
# The keys that sign anteroom's tickets and passes. Whoever has one can let anybody in: keep this file private
# (mode 0600), and the same on every replica. The newest key signs, all of them verify. To change keys run
# `anteroom keys rotate`; to drop old ones, once nobody waits with a ticket of theirs, `anteroom keys prune`.
# Each line: key id, when it was created, secret.
";

/// One key and where it stands.
#[derive(Debug, Clone)]
pub(super) struct KeyLine {
    /// 1 for the file's first line.
    pub(super) line: usize,
    pub(super) created: Timestamp,
    pub(super) key: SecretKey,
}

/// What is wrong with one line of a key file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineProblem {
    /// Not three fields.
    #[error("a key is written as: id, creation time, secret; here are {0} fields")]
    Fields(usize),
    /// The first field is no key id.
    #[error("the key id is {0}")]
    Id(ParseIdError),
    /// The second field is no time.
    #[error("the creation time is not like 2026-11-22T13:00:00Z")]
    Created,
    /// The third field is no secret.
    #[error("the secret is not 64 hexadecimal digits")]
    Secret,
    /// The id is taken.
    #[error("the key id {id} stands on line {first} already")]
    Twice {
        /// The id.
        id: KeyId,
        /// Where it was first.
        first: usize,
    },
    /// The bound is reached.
    #[error("there are more than {KEYS_MAX} keys: remove those nobody needs any more")]
    TooMany,
}

/// Reads all keys, oldest first (of two created in the same instant, the later line is the newer).
pub(super) fn parse(text: &str) -> Result<Vec<KeyLine>, (usize, LineProblem)> {
    let mut keys: Vec<KeyLine> = Vec::new();
    for (line, content) in (1..).zip(text.lines()) {
        let content = content.trim();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let read = parse_line(line, content).map_err(|problem| (line, problem))?;
        if let Some(other) = keys.iter().find(|other| other.key.id == read.key.id) {
            let (id, first) = (read.key.id, other.line);
            return Err((line, LineProblem::Twice { id, first }));
        }
        if keys.len() == KEYS_MAX {
            return Err((line, LineProblem::TooMany));
        }
        keys.push(read);
    }
    keys.sort_by_key(|key| key.created);
    Ok(keys)
}

/// One key as a line of the file, with its line end.
pub(super) fn format(created: Timestamp, key: &SecretKey) -> String {
    let [high, low] = key.halves();
    format!("{} {created} {high:032x}{low:032x}\n", key.id)
}

/// The file's text without the given lines.
pub(super) fn without(text: &str, lines: &[usize]) -> String {
    (1..)
        .zip(text.split_inclusive('\n'))
        .filter(|(line, _)| !lines.contains(line))
        .map(|(_, content)| content)
        .collect()
}

fn parse_line(line: usize, content: &str) -> Result<KeyLine, LineProblem> {
    let fields: Vec<&str> = content.split_whitespace().collect();
    let &[id, created, secret] = fields.as_slice() else {
        return Err(LineProblem::Fields(fields.len()));
    };
    let id: KeyId = id.parse().map_err(LineProblem::Id)?;
    let created: Timestamp = created.parse().map_err(|_| LineProblem::Created)?;
    let secret = parse_secret(secret).ok_or(LineProblem::Secret)?;
    Ok(KeyLine {
        line,
        created,
        key: SecretKey::from_halves(id, secret),
    })
}

fn parse_secret(text: &str) -> Option<[u128; 2]> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let (high, low) = text.split_at_checked(32)?;
    let half = |digits| u128::from_str_radix(digits, 16).ok();
    Some([half(high)?, half(low)?])
}
