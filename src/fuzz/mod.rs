//! What hostile bytes meet first, as functions that must hold for any input whatever.
//!
//! Each takes bytes and asserts more than that nothing panics: what is written reads back, what we take for a request
//! the strictest reader takes for the same one, nothing altered is believed. `tests/fuzz` gives them to libFuzzer, with
//! what it found interesting as corpora; the test here plays those and some thousand mutations of them each time.

#[cfg(test)]
mod tests;

/// One of them.
pub type Target = fn(&[u8]);

/// All of them, by the names of their corpora.
pub const TARGETS: [(&str, Target); 14] = [
    ("accept", crate::message::fuzz::accept),
    ("answer", crate::store::redis::fuzz::answer),
    ("config", crate::config::fuzz::config),
    ("cookies", crate::message::fuzz::cookies),
    ("forwarded", crate::message::fuzz::forwarded),
    ("frames", crate::server::fuzz_wire::frames),
    ("framing", crate::server::fuzz::framing),
    ("keys", crate::seal::fuzz::keys),
    ("path", crate::config::fuzz::path),
    ("proxied", crate::server::fuzz_wire::proxied),
    ("query", crate::gate::fuzz::query),
    ("sessions", crate::seal::fuzz::sessions),
    ("signed", crate::seal::fuzz::signed),
    ("units", crate::config::fuzz::units),
];

/// The one of this name.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    found.map(|(_, target)| *target)
}
