//! P3 and P4: the pace is a ceiling, and it is used.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use anteroom::line::promises::Promise;

use super::Violation;
use super::people;
use crate::seen::Call;
use crate::seen::Id;
use crate::seen::Kind;
use crate::seen::Run;

const SECOND: u64 = 1_000_000;
/// Windows that are looked at, in microseconds.
const WINDOWS: [u64; 3] = [SECOND, 5 * SECOND, 60 * SECOND];
/// After everything is ready again, the line may take this long to be at its pace.
const RECOVERY: u64 = 2 * SECOND;
/// Shorter calm stretches tell nothing.
const STRETCH: u64 = 3 * SECOND;
/// In a stretch this long, the line has moved on for half of it at least, as seen by people who poll every three seconds.
const STANDS: u64 = 8 * SECOND;
/// Between two looks at how many ask.
const STEP: u64 = SECOND / 4;

pub(super) fn broken(run: &Run) -> Vec<Violation> {
    let mut broken: Vec<_> = too_fast(run).into_iter().collect();
    broken.extend(too_fast_at_origin(run));
    broken.extend(strangers(run));
    broken.extend(unused(run));
    broken
}

/// The highest rate that may have been in force at any moment of this time; entries a second.
fn highest_rate(run: &Run, from_us: u64, until_us: u64) -> u64 {
    let of = run.rates.iter();
    let of = of.filter(|rate| rate.from_us <= until_us && from_us <= rate.until_us);
    of.map(|rate| rate.per_second).max().unwrap_or(0)
}

/// An entry: when it may have been granted at the earliest, in the test's time, and when it was seen, at the latest.
#[derive(Debug, Clone, Copy)]
struct Entry {
    id: Id,
    entered_us: u64,
    asked_us: u64,
    seen_us: u64,
    person: usize,
}

/// Every entry that a visitor saw. It was granted after its visitor first asked: with `enter`, or with the request that
/// made it join.
fn entries(run: &Run) -> Vec<Entry> {
    let mut entries: BTreeMap<(Id, u64), Entry> = BTreeMap::new();
    let mut asked: BTreeMap<Id, u64> = BTreeMap::new();
    for (_, person) in people(run) {
        let id = person
            .answers()
            .find_map(|(_, a)| a.ticket.map(|t| t.id).or(a.pass.map(|p| p.id)));
        let asks = person
            .heard
            .iter()
            .filter(|h| matches!(h.call, Call::Enter | Call::Join));
        // A navigation that joins asks as well; an app's join does not, but counting it is on the safe side.
        let first = asks.map(|heard| heard.sent_us).min();
        if let (Some(id), Some(first)) = (id, first) {
            let known = asked.entry(id).or_insert(first);
            *known = first.min(*known);
        }
    }
    for (at, person) in people(run) {
        for (heard, answer) in person.answers() {
            let Some(pass) = answer.pass else { continue };
            let entry = entries.entry((pass.id, pass.entered_us)).or_insert(Entry {
                id: pass.id,
                entered_us: pass.entered_us,
                asked_us: asked.get(&pass.id).copied().unwrap_or(0),
                seen_us: heard.got_us,
                person: at,
            });
            entry.seen_us = entry.seen_us.min(heard.got_us);
        }
    }
    entries.into_values().collect()
}

/// Entries in every window of line time stay within the rate and the burst, which is a second of it. The rate is the
/// highest that may have been in force from when the first of them asked until the last of them was seen in.
fn too_fast(run: &Run) -> Option<Violation> {
    let mut entries = entries(run);
    entries.sort_by_key(|entry| entry.entered_us);
    windows(
        &entries,
        |entry| entry.entered_us,
        |inside, window_us| {
            let from_us = inside.iter().map(|entry| entry.asked_us).min()?;
            let until_us = inside.iter().map(|entry| entry.seen_us).max()?;
            let rate = highest_rate(run, from_us, until_us);
            over(inside.len(), rate, window_us).then(|| Violation {
                promise: Promise::P3,
                what: format!(
                    "{} entries within {} s of line time at {rate}/s, seen until {} ms",
                    inside.len(),
                    window_us / SECOND,
                    until_us / 1_000
                ),
                people: inside.iter().rev().map(|entry| entry.person).collect(),
            })
        },
    )
}

/// The same at the origin, on the test's own clock, whatever line time does: of those who asked and were there within
/// one window, no more came than the rate and the burst allow. Who was kept from following at once (its replica died
/// under it, its answer was lost) came in a longer window, and counts there.
fn too_fast_at_origin(run: &Run) -> Option<Violation> {
    let mut first: BTreeMap<Id, u64> = BTreeMap::new();
    for arrival in &run.arrivals {
        if let Some(id) = arrival.id {
            first.entry(id).or_insert(arrival.at_us);
        }
    }
    let mut all: Vec<_> = presses(run)
        .into_iter()
        .filter_map(|(id, (asked_us, person))| {
            let seen_us = *first.get(&id)?;
            Some(Entry {
                id,
                entered_us: 0,
                asked_us,
                seen_us,
                person,
            })
        })
        .collect();
    all.sort_by_key(|entry| entry.asked_us);
    for (at, begin) in all.iter().enumerate() {
        for window_us in WINDOWS {
            let until_us = begin.asked_us + window_us;
            let inside = all[at..]
                .iter()
                .take_while(|entry| entry.asked_us <= until_us);
            let inside: Vec<_> = inside.filter(|entry| entry.seen_us <= until_us).collect();
            let rate = highest_rate(run, begin.asked_us, until_us);
            if over(inside.len(), rate, window_us) {
                return Some(Violation {
                    promise: Promise::P3,
                    what: format!(
                        "{} came to the origin within {} s at {rate}/s, from {} ms on",
                        inside.len(),
                        window_us / SECOND,
                        begin.asked_us / 1_000
                    ),
                    people: inside.iter().map(|entry| entry.person).collect(),
                });
            }
        }
    }
    None
}

/// When each ticket first asked, as far as it ever did: before that it cannot have entered.
fn presses(run: &Run) -> BTreeMap<Id, (u64, usize)> {
    let mut presses: BTreeMap<Id, (u64, usize)> = BTreeMap::new();
    for (at, person) in people(run) {
        let id = person
            .answers()
            .find_map(|(_, a)| a.ticket.map(|t| t.id).or(a.pass.map(|p| p.id)));
        let straight = person
            .answers()
            .any(|(h, a)| h.call == Call::Join && a.pass.is_some());
        let asks = person
            .heard
            .iter()
            .filter(|heard| heard.call == Call::Enter || (straight && heard.call == Call::Join));
        if let (Some(id), Some(first)) = (id, asks.map(|heard| heard.sent_us).min()) {
            let known = presses.entry(id).or_insert((first, at));
            known.0 = known.0.min(first);
        }
    }
    presses
}

/// Whether more than rate × window + burst came.
fn over(count: usize, rate: u64, window_us: u64) -> bool {
    let allowed = u128::from(rate) * u128::from(window_us + SECOND) / u128::from(SECOND);
    count as u128 > allowed.max(1)
}

/// The first window, from any entry on, of which this says something.
fn windows(
    entries: &[Entry],
    time: impl Fn(&Entry) -> u64,
    judge: impl Fn(&[Entry], u64) -> Option<Violation>,
) -> Option<Violation> {
    (0..entries.len()).find_map(|at| {
        WINDOWS.into_iter().find_map(|window_us| {
            let until_us = time(&entries[at]) + window_us;
            let count = entries[at..]
                .iter()
                .take_while(|entry| time(entry) <= until_us)
                .count();
            judge(&entries[at..at + count], window_us)
        })
    })
}

/// Nobody is at the origin whom no pass let in.
fn strangers(run: &Run) -> Option<Violation> {
    let passes = people(run).flat_map(|(_, person)| person.answers());
    let passes: BTreeSet<_> = passes
        .filter_map(|(_, answer)| Some(answer.pass?.id))
        .collect();
    // An answer that let somebody in may have been lost: of those only the ticket is known.
    let tickets = people(run).flat_map(|(_, person)| person.answers());
    let tickets: BTreeSet<_> = tickets
        .filter_map(|(_, answer)| Some(answer.ticket?.id))
        .collect();
    let unknown = |id: &Id| !passes.contains(id) && !tickets.contains(id);
    let nameless = run
        .arrivals
        .iter()
        .filter(|arrival| arrival.id.is_none())
        .count();
    let strangers: BTreeSet<_> = run
        .arrivals
        .iter()
        .filter_map(|a| a.id)
        .filter(unknown)
        .collect();
    // Somebody let straight in whose only answer was lost has shown neither.
    let lost = people(run).flat_map(|(_, person)| &person.heard);
    let lost = lost
        .filter(|h| h.call == Call::Join && h.answer.is_err())
        .count();
    (nameless > 0 || strangers.len() > lost).then(|| Violation {
        promise: Promise::P8,
        what: format!(
            "{nameless} nameless and {} unknown visitors came to the origin",
            strangers.len()
        ),
        people: Vec::new(),
    })
}

/// The pace is used: in every calm stretch through which people asked all the time, 97 % of it entered, but for half a
/// second of it at the stretch's ends. A stretch begins when everything has been ready for a while; nothing is touched
/// in it, and it ends with the next trouble. Between the last entry seen before it and the last one seen in it, line
/// time tells how many were due: when somebody sees that it is in is its own affair.
fn unused(run: &Run) -> Vec<Violation> {
    let mut entries = entries(run);
    entries.sort_by_key(|entry| entry.entered_us);
    let presses = presses(run);
    let mut broken = Vec::new();
    for (from_us, until_us, rate) in busy(run, &entries, &presses) {
        let seen = |by_us| entries.iter().rev().find(|entry| entry.seen_us <= by_us);
        let begin_us = seen(from_us).map_or(0, |entry| entry.entered_us);
        let Some(end_us) = seen(until_us).map(|entry| entry.entered_us) else {
            continue;
        };
        let begin_us = if begin_us == 0 { end_us } else { begin_us };
        let within = |entry: &&Entry| begin_us < entry.entered_us && entry.entered_us <= end_us;
        let entered = entries.iter().filter(within).count() as u128;
        let due = u128::from(rate) * u128::from(end_us - begin_us) * 97 / 100 / u128::from(SECOND);
        let stands = until_us - from_us >= STANDS && end_us - begin_us < (until_us - from_us) / 2;
        if stands || entered + u128::from(rate) / 2 + 1 < due {
            let line_ms = (end_us - begin_us) / 1_000;
            broken.push(Violation {
                promise: Promise::P4,
                what: format!(
                    "{entered} entered in {line_ms} ms of line time, from {} to {} ms at {rate}/s, while people asked",
                    from_us / 1_000,
                    until_us / 1_000
                ),
                people: Vec::new(),
            });
        }
    }
    broken
}

/// For how long the use of the pace can be judged in this run, in microseconds.
pub(crate) fn judged_us(run: &Run) -> u64 {
    let parts = busy(run, &entries(run), &presses(run));
    parts
        .iter()
        .map(|(from_us, until_us, _)| until_us - from_us)
        .sum()
}

/// Stretches between troubles, with the rate in force.
fn calm(run: &Run) -> Vec<(u64, u64, u64)> {
    let end_us = people(run)
        .flat_map(|(_, p)| &p.heard)
        .map(|h| h.got_us)
        .max()
        .unwrap_or(0);
    let mut stretches = Vec::new();
    let mut from_us = 0;
    let mut troubles: Vec<_> = run.troubles.iter().collect();
    troubles.sort_by_key(|trouble| trouble.from_us);
    for trouble in troubles {
        stretches.push((from_us, trouble.from_us));
        from_us = from_us.max(trouble.until_us);
    }
    stretches.push((from_us, end_us));
    let rated = |(from_us, until_us)| (from_us, until_us, highest_rate(run, from_us, until_us));
    stretches.into_iter().map(rated).collect()
}

/// The parts of the calm stretches through which at least two seconds' worth of steady visitors had asked and were not
/// in yet.
fn busy(
    run: &Run,
    entries: &[Entry],
    presses: &BTreeMap<Id, (u64, usize)>,
) -> Vec<(u64, u64, u64)> {
    let steady = |person: &usize| {
        run.people
            .get(*person)
            .is_some_and(|p| p.kind == Kind::Steady)
    };
    let times: Vec<_> = entries
        .iter()
        .filter_map(|entry| {
            let &(asked_us, person) = presses.get(&entry.id)?;
            steady(&person).then_some((asked_us, entry.seen_us))
        })
        .collect();
    let asking = |at_us: u64| {
        let asking = times
            .iter()
            .filter(|(asked, seen)| asked + SECOND / 2 <= at_us && at_us < *seen);
        asking.count() as u64
    };
    let mut parts = Vec::new();
    for (from_us, until_us, rate) in calm(run) {
        let (mut begin_us, mut at_us) = (from_us + RECOVERY, from_us + RECOVERY);
        while at_us <= until_us {
            if asking(at_us) < rate * 2 {
                parts.push((begin_us, at_us.saturating_sub(STEP), rate));
                begin_us = at_us + STEP;
            }
            at_us += STEP;
        }
        parts.push((begin_us, at_us.saturating_sub(STEP), rate));
    }
    parts.retain(|(from_us, until_us, _)| *until_us >= from_us + STRETCH);
    parts
}
