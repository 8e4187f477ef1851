//! P1: a number is issued once, and nobody enters more often than returning allows.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use anteroom::line::promises::Promise;

use super::Violation;
use super::people;
use crate::seen::Epoch;
use crate::seen::Id;
use crate::seen::Pass;
use crate::seen::Run;
use crate::seen::Touches;

pub(super) fn broken(run: &Run) -> Vec<Violation> {
    let mut broken = twice_issued(run);
    broken.extend(twice_entered(run));
    broken
}

/// No two tickets with one number, no two numbers with one ticket.
fn twice_issued(run: &Run) -> Vec<Violation> {
    let mut owners: BTreeMap<(Epoch, u64), BTreeMap<Id, usize>> = BTreeMap::new();
    let mut numbers: BTreeMap<Id, BTreeMap<(Epoch, u64), usize>> = BTreeMap::new();
    for (at, person) in people(run) {
        for (_, answer) in person.answers() {
            let ticket = answer.ticket.map(|t| ((t.epoch, t.number), t.id));
            let pass = answer.pass.map(|p| ((p.epoch, p.number), p.id));
            for (number, id) in ticket.into_iter().chain(pass) {
                owners.entry(number).or_default().entry(id).or_insert(at);
                numbers.entry(id).or_default().entry(number).or_insert(at);
            }
        }
    }
    let shared = owners.iter().filter(|(_, owners)| owners.len() > 1);
    let shared = shared.map(|((_, number), owners)| Violation {
        promise: Promise::P1,
        what: format!("number {number} was issued to {} visitors", owners.len()),
        people: owners.values().copied().collect(),
    });
    let changed = numbers.values().filter(|numbers| numbers.len() > 1);
    let changed = changed.map(|numbers| Violation {
        promise: Promise::P1,
        what: format!(
            "one ticket had the numbers {:?}",
            numbers.keys().map(|n| n.1)
        ),
        people: numbers.values().copied().collect(),
    });
    shared.chain(changed).collect()
}

/// One entry as its passes tell it.
struct Entry {
    entered_us: u64,
    /// The last line time at which it was known to be inside.
    until_us: u64,
    /// Since when, on the test's clock, somebody can have seen it.
    sent_us: u64,
    got_us: u64,
    person: usize,
}

/// Entries beyond the first need a pass that ran out (returning), or a store that lost the record of it since. Passes
/// of one entry say the same moment of entering, however often they were signed.
fn twice_entered(run: &Run) -> Vec<Violation> {
    let mut entries: BTreeMap<Id, Vec<Entry>> = BTreeMap::new();
    for (person, who) in people(run) {
        for (heard, answer) in who.answers() {
            let Some(pass) = answer.pass else { continue };
            note(
                entries.entry(pass.id).or_default(),
                &pass,
                (person, heard.sent_us, heard.got_us),
            );
        }
    }
    let mut broken = Vec::new();
    for list in entries.values_mut() {
        list.sort_by_key(|entry| entry.entered_us);
        let mut returned = 0;
        for (first, second) in list.iter().zip(list.iter().skip(1)) {
            let was_lost = run.troubled(first.sent_us, second.got_us, |t| t == Touches::Loss);
            let ran_out = first.until_us <= second.entered_us;
            returned += u64::from(ran_out);
            if was_lost.is_none() && (!ran_out || returned > run.returns) {
                let people: BTreeSet<_> = [first.person, second.person].into();
                let (one, other) = (first.entered_us, second.entered_us);
                broken.push(Violation {
                    promise: Promise::P1,
                    what: format!("one ticket entered at {one} and again at {other} (line time)"),
                    people: people.into_iter().collect(),
                });
            }
        }
    }
    broken
}

fn note(list: &mut Vec<Entry>, pass: &Pass, (person, sent_us, got_us): (usize, u64, u64)) {
    let held = list
        .iter_mut()
        .find(|entry| entry.entered_us == pass.entered_us);
    match held {
        Some(entry) => {
            entry.until_us = entry.until_us.max(pass.until_us);
            entry.sent_us = entry.sent_us.min(sent_us);
            entry.got_us = entry.got_us.max(got_us);
        }
        None => list.push(Entry {
            entered_us: pass.entered_us,
            until_us: pass.until_us,
            sent_us,
            got_us,
            person,
        }),
    }
}
