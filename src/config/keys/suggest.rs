//! Finding keys by what somebody typed: exactly, by part of the path, or the nearest name.

use crate::config::keys::Key;
use crate::config::keys::SECTIONS;
use crate::config::keys::Section;

/// The name most like the one given, if any is like it at all: a third of its letters may differ, three at most.
pub fn nearest<'a>(given: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_ascii_lowercase().replace('-', "_");
    let allowed = (given.chars().count() / 3).clamp(1, 3);
    names
        .into_iter()
        .map(|name| (strsim::osa_distance(&given, &name.replace('-', "_")), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, name)| name)
}

/// Every key a path may mean: `turn`, `room.turn`, `room.*.turn` and `room.vaccination.turn` mean the same one.
#[must_use]
pub fn find(path: &str) -> Vec<(&'static Section, &'static Key)> {
    let mut found = Vec::new();
    for section in SECTIONS {
        for key in section.keys {
            if means(path, section, key) {
                found.push((section, key));
            }
        }
    }
    found
}

/// Whether a path means this key.
fn means(path: &str, section: &Section, key: &Key) -> bool {
    if path == key.name {
        return true;
    }
    let Some((above, name)) = path.rsplit_once('.') else {
        return false;
    };
    let above = match above.rsplit_once('.') {
        // An element of a list of tables.
        Some((table, at)) if at.bytes().all(|b| b.is_ascii_digit()) && section.is_listed() => table,
        _ => above,
    };
    let same = |given: &str, wanted: &str| given == wanted || wanted == "*";
    let parts = |path: &'static str| path.split('.');
    let matches = above.split('.').count() == parts(section.path).count()
        && above
            .split('.')
            .zip(parts(section.path))
            .all(|(given, wanted)| same(given, wanted));
    name == key.name && (matches || above == section.stem())
}
