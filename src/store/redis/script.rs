//! The script that is a line in Redis: its text, its keys and its fingerprint.
//!
//! One script applies one exchange, atomically and in a few dozen commands. It is written in parts under `lua/`;
//! the line's own constants are put in where their names stand, so no bound is written down twice.

use aws_lc_rs::digest;

use crate::line::constants::constants;
use crate::line::constants::settings_row;
use crate::line::exchange::PAGE_NUMBERS;
use crate::line::settings::INTEGER_MAX;
use crate::line::settings::Settings;
use crate::store::redis::wire;

/// The parts of the script, in order.
const PARTS: [&str; 13] = [
    include_str!("lua/begin.lua"),
    include_str!("lua/lease.lua"),
    include_str!("lua/guard.lua"),
    include_str!("lua/follow.lua"),
    include_str!("lua/opening.lua"),
    include_str!("lua/stubs.lua"),
    include_str!("lua/open.lua"),
    include_str!("lua/hear.lua"),
    include_str!("lua/places.lua"),
    include_str!("lua/lists.lua"),
    include_str!("lua/pace.lua"),
    include_str!("lua/call.lua"),
    include_str!("lua/answer.lua"),
];

/// The version of what is kept under the keys; another one has keys of its own.
const SCHEMA: u32 = 1;

/// How long a room's keys outlive its last replica, in seconds: 30 days.
const KEYS_KEPT_S: u64 = 30 * 24 * 3_600;

/// What the room's keys are called after the common part, in the order the script takes them.
const KEYS: [&str; 28] = [
    "state",
    "answered",
    "seen",
    "contents",
    "stubs",
    "present-0",
    "present-1",
    "present-2",
    "entries",
    "turns",
    "called",
    "numbers",
    "longer",
    "asking",
    "asking-turn",
    "asking-late",
    "inside",
    "inside-since",
    "inside-order",
    "resigned",
    "finished",
    "finished-order",
    "keyed",
    "keyed-until",
    "stub-blocks",
    "stub-marks",
    "leases",
    "present-any",
];

/// What the script remembers of some of them, in the order in which it packs it: see `begin.lua`.
const DUE: [&str; 8] = [
    "INSIDE_DUE",
    "FINISHED_DUE",
    "TURNS_DUE",
    "ASKING_DUE",
    "KEYED_DUE",
    "ASKED_FIRST",
    "CALLED_LAST",
    "NONE_LATE",
];

/// The names of a room's keys, all in one hash slot.
pub(crate) fn keys(prefix: &str, room: &str) -> Vec<String> {
    let name = |key: &&str| format!("{{{prefix}:{SCHEMA}:{room}}}:{key}");
    KEYS.iter().map(name).collect()
}

/// The script as Redis is given it.
#[derive(Debug)]
pub(crate) struct Script {
    /// Its text.
    pub(crate) text: String,
    /// SHA-1 of the text, in hexadecimal, by which Redis knows it.
    pub(crate) sha: String,
}

impl Script {
    /// Puts the script together.
    pub(crate) fn new() -> Self {
        let text = fill_in(&PARTS.concat());
        let sha = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
        let sha = sha.as_ref().iter().map(|byte| format!("{byte:02x}"));
        Self {
            sha: sha.collect(),
            text,
        }
    }
}

/// An opening of which nothing is agreed, as the script writes it down.
fn no_opening() -> String {
    let zeros = |count: usize| "\\000".repeat(count);
    format!("'{}{:064}{}'", zeros(24), 0, zeros(8))
}

/// A format that begins with these fields, in two parts.
fn in_parts(format: &str, first: &str) -> [String; 2] {
    let rest = format.strip_prefix(first).unwrap_or_default();
    [format!("'{first}'"), format!("'>{rest}'")]
}

/// Replaces the names of constants by their values.
fn fill_in(text: &str) -> String {
    let mut values: Vec<(&str, String)> = constants()
        .into_iter()
        .map(|(name, value)| (name, value.to_string()))
        .collect();
    let counts = "I8".repeat(21);
    let [answer_begins, answer_ends] = in_parts(wire::ANSWER_FORMAT, &format!(">I8I8c16{counts}"));
    let [state_begins, state_ends] = in_parts(wire::STATE_FORMAT, &format!(">I8c16I8c32{counts}"));
    let defaults = settings_row(&Settings::default()).map(|value| value.to_string());
    values.extend([
        ("DEFAULT_SETTINGS", defaults.join(", ")),
        ("NO_ID", format!("'{:032}'", 0)),
        ("NO_NONCE", format!("'{:016}'", 0)),
        ("NO_LEASES", format!("'{}'", "\\0".repeat(48))),
        ("NO_LEASE", format!("'{}'", "\\0".repeat(16))),
        ("NO_HEALTH", format!("'{}'", "\\0".repeat(24))),
        ("EXCHANGE_FORMAT", format!("'{}'", wire::EXCHANGE_FORMAT)),
        ("PROPOSAL_FORMAT", format!("'{}'", wire::PROPOSAL_FORMAT)),
        ("STATE_FORMAT", format!("'{}'", wire::STATE_FORMAT)),
        ("ANSWER_BEGINS", answer_begins),
        ("ANSWER_ENDS", answer_ends),
        ("STATE_BEGINS", state_begins),
        ("STATE_ENDS", state_ends),
        ("OPENING_FORMAT", format!("'{}'", wire::OPENING_FORMAT)),
        // An opening of which nothing is agreed, its last field and its commitment, and a seed nobody committed to.
        ("NO_OPENING", no_opening()),
        ("EARLY_AT", "89".to_owned()),
        ("COMMITMENT_AT", "25".to_owned()),
        ("DUE_FORMAT", format!("'{}'", wire::DUE_FORMAT)),
        ("DUE_BYTES", wire::bytes_of(wire::DUE_FORMAT).to_string()),
        ("DUE_N", DUE.len().to_string()),
        ("NO_COMMITMENT", format!("'{:064}'", 0)),
        ("SLICE_FORMAT", format!("'{}'", wire::SLICE_FORMAT)),
        ("BLOCK_FORMAT", format!("'{}'", wire::BLOCK_FORMAT)),
        ("LOST_FORMAT", format!("'{}'", wire::LOST_FORMAT)),
        ("LOST_BYTES", wire::bytes_of(wire::LOST_FORMAT).to_string()),
        (
            "STATE_BYTES",
            wire::bytes_of(wire::STATE_FORMAT).to_string(),
        ),
        ("EPOCH_KEYS_FIRST", "6".to_owned()),
        ("PRESENT_FIRST", "6".to_owned()),
        ("KEYS_KEPT_S", KEYS_KEPT_S.to_string()),
        // Most arguments handed to one command: a multiple of what one member or bit takes, below Lua's own limit.
        ("ARGS_MAX", "6000".to_owned()),
        ("AHEAD_ROWS", "250".to_owned()),
        // Above every number and every time: see `begin.lua`.
        ("NOTHING", INTEGER_MAX.to_string()),
        ("PAGE_BYTES", (PAGE_NUMBERS / 8).to_string()),
    ]);
    let key_names = KEYS.map(|key| key.to_uppercase().replace('-', "_"));
    let keys = key_names.iter().zip(1..);
    values.extend(keys.map(|(name, at)| (name.as_str(), format!("KEYS[{at}]"))));
    let due = DUE.iter().zip(1..);
    values.extend(due.map(|(&name, at)| (name, format!("due[{at}]"))));
    let standings = wire::STANDINGS.iter().enumerate();
    values.extend(standings.map(|(code, &name)| (name, code.to_string())));
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_name) {
        let (before, from_name) = rest.split_at(start);
        let end = from_name.find(|c| !is_name(c)).unwrap_or(from_name.len());
        let (name, after) = from_name.split_at(end);
        let value = values.iter().find(|(known, _)| *known == name);
        filled.push_str(before);
        filled.push_str(value.map_or(name, |(_, value)| value));
        rest = after;
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What the script may use: commands that Redis 6.2 has and whose cost does not grow with the line, save BITPOS,
    /// which the server runs over a byte array, and BITOP and BITCOUNT likewise, once a second at most.
    const ALLOWED: [&str; 23] = [
        "BITCOUNT",
        "BITFIELD",
        "BITOP",
        "BITPOS",
        "EXPIRE",
        "GET",
        "GETRANGE",
        "HDEL",
        "HGET",
        "HGETALL",
        "HSET",
        "SET",
        "SETRANGE",
        "TIME",
        "UNLINK",
        "ZADD",
        "ZCARD",
        "ZCOUNT",
        "ZMSCORE",
        "ZRANGE",
        "ZRANGEBYSCORE",
        "ZREM",
        "ZREMRANGEBYRANK",
    ];

    #[test]
    fn only_commands_of_redis_6_2_are_used() {
        let text = Script::new().text;
        let mut used = BTreeSet::new();
        for call in text.split("call(").skip(1) {
            let Some(command) = call.strip_prefix('\'').and_then(|c| c.split('\'').next()) else {
                panic!("a command that is not written out: {call:.40}");
            };
            used.insert(command);
        }
        let unknown: Vec<_> = used
            .iter()
            .filter(|c| **c != "ZSCORE" && !ALLOWED.contains(c))
            .collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }

    #[test]
    fn no_constant_is_left_unnamed_and_no_global_is_made() {
        let text = Script::new().text;
        for (name, _) in constants() {
            assert!(!text.contains(&format!(" {name} ")), "{name}");
        }
    }

    #[test]
    fn what_the_first_layout_of_the_state_had_stands_where_it_stood() {
        let counts = "I8".repeat(31);
        let first = format!(">I8c16I8c32{counts}c32I8I8I8I8");
        let rest = wire::STATE_FORMAT.strip_prefix(first.as_str());
        // The opening follows, and zeros are none: see `begin.lua`.
        assert!(rest.is_some_and(|rest| rest.starts_with("c96")));
        let nothing = no_opening();
        let commitment = nothing.trim_matches('\'').replace("\\000", "\0");
        let at = wire::bytes_of(">I8I8I8");
        assert_eq!((commitment.len(), commitment.as_bytes()[at]), (96, b'0'));
        assert!(fill_in("COMMITMENT_AT").ends_with(&(at + 1).to_string()));
    }

    #[test]
    fn the_keys_of_a_room_share_one_slot() {
        let keys = keys("anteroom", "main");
        assert!(keys.iter().all(|key| key.starts_with("{anteroom:1:main}:")));
        assert_eq!(keys.len(), 28);
    }
}
