//! P2 and P5: calls in the order of numbers, and places that are never lost.

use std::collections::BTreeMap;

use anteroom::line::promises::Promise;

use super::Violation;
use super::people;
use crate::seen::Answer;
use crate::seen::Call;
use crate::seen::End;
use crate::seen::Epoch;
use crate::seen::Heard;
use crate::seen::Kind;
use crate::seen::Life;
use crate::seen::Person;
use crate::seen::Run;
use crate::seen::Touches;

/// From getting a stub to somebody else's coming: beyond this, who came first is certain, in microseconds.
const STUBS_APART: u64 = 2_000_000;

pub(super) fn broken(run: &Run) -> Vec<Violation> {
    let mut broken = falls(run);
    broken.extend(out_of_order(run));
    broken.extend(overtaken(run));
    broken.extend(lost(run));
    broken
}

/// The head never falls: what a process told once, it does not take back in an answer to whoever asked after that.
/// (Two processes may be apart by what they have not heard yet.)
fn falls(run: &Run) -> Vec<Violation> {
    let mut told: BTreeMap<Life, Vec<(&Heard, u64, usize)>> = BTreeMap::new();
    for (at, person) in people(run) {
        for (heard, answer) in person.answers() {
            // A replica that has not heard of the line yet knows no head.
            let head = answer.serving.filter(|_| answer.place.is_some());
            if let (Some(life), Some(head)) = (heard.life, head) {
                told.entry(life).or_default().push((heard, head, at));
            }
        }
    }
    let mut broken = Vec::new();
    for (life, mut answers) in told {
        answers.sort_by_key(|(heard, ..)| heard.sent_us);
        let mut by_end = answers.clone();
        by_end.sort_by_key(|(heard, ..)| heard.got_us);
        let mut ended = by_end.iter().peekable();
        let mut highest: Option<(u64, usize)> = None;
        for &(heard, head, at) in &answers {
            while let Some((_, before, by)) = ended.next_if(|(h, ..)| h.got_us < heard.sent_us) {
                if highest.is_none_or(|(highest, _)| *before > highest) {
                    highest = Some((*before, *by));
                }
            }
            if let Some((before, by)) = highest.filter(|&(before, _)| head < before) {
                broken.push(Violation {
                    promise: Promise::P2,
                    what: format!("the head fell from {before} to {head} at {life:?}"),
                    people: vec![at, by],
                });
                break;
            }
        }
    }
    broken
}

/// A visitor in its turn who asked: its number, when that was known to be heard, and when it entered.
struct Asked {
    person: usize,
    number: u64,
    /// The last time at which it was certainly not called yet.
    waited_us: u64,
    sent_us: u64,
    /// The first answer that says that it asks.
    heard_us: u64,
    entered_us: u64,
    got_us: u64,
}

/// Who asks in its turn enters in the order of numbers: of two who do, the one with the lower number is in first if
/// its asking had been answered before the other one's was sent, provided that nothing was wrong from the first
/// asking to the second one's entry. A store that has lost something since either was called may have lost its turn:
/// it is late then, whatever its replica still shows.
fn out_of_order(run: &Run) -> Vec<Violation> {
    let mut asked: Vec<_> = people(run)
        .filter_map(|(at, person)| asking(at, person))
        .collect();
    asked.sort_by_key(|one| one.number);
    let mut broken = Vec::new();
    for (at, low) in asked.iter().enumerate() {
        let passed = asked[at + 1..].iter().find(|high| {
            low.heard_us < high.sent_us
                && high.entered_us < low.entered_us
                && run
                    .troubled(low.sent_us, high.got_us.max(low.heard_us), |t| {
                        t != Touches::Pace
                    })
                    .is_none()
                && run
                    .troubled(low.waited_us.min(high.waited_us), low.sent_us, |t| {
                        t == Touches::Loss
                    })
                    .is_none()
        });
        if let Some(high) = passed {
            broken.push(Violation {
                promise: Promise::P2,
                what: format!(
                    "{} entered before {}, who asked earlier",
                    high.number, low.number
                ),
                people: vec![low.person, high.person],
            });
        }
    }
    broken
}

fn asking(at: usize, person: &Person) -> Option<Asked> {
    if person.kind != Kind::Steady {
        return None;
    }
    let sent = person
        .heard
        .iter()
        .position(|heard| heard.call == Call::Enter)?;
    let before = person.heard[..sent]
        .iter()
        .rev()
        .find_map(|h| h.answer.as_ref().ok())?;
    let waits = person.heard[..sent].iter().rev().find(|heard| {
        let answer = heard.answer.as_ref();
        answer.is_ok_and(|answer| answer.place.is_some_and(|place| place > 0))
    });
    let after = person.heard.iter().skip(sent);
    let mut answers = after
        .clone()
        .filter_map(|h| Some((h, h.answer.as_ref().ok()?)));
    let (heard, pass) = answers.find_map(|(h, answer)| Some((h, answer.pass?)))?;
    let mut answers = after.filter_map(|h| Some((h, h.answer.as_ref().ok()?)));
    let (first, _) = answers.find(|(_, answer)| answer.asked || answer.state == "entering")?;
    (before.state == "turn").then_some(Asked {
        person: at,
        number: pass.number,
        waited_us: waits.or(person.heard.first())?.sent_us,
        sent_us: person.heard[sent].sent_us,
        heard_us: first.got_us,
        entered_us: pass.entered_us,
        got_us: heard.got_us,
    })
}

/// A newcomer: when it first asked for a number, when it held a stub, if it did, and when it had its number.
struct Newcomer {
    person: usize,
    number: u64,
    came_us: u64,
    stub_us: Option<u64>,
    numbered_us: u64,
}

/// Newcomers who came while no numbers were issued are numbered in the order in which they came: whoever held a stub
/// this long before somebody else came has the lower number, across all replicas. (Closer together, they may have come
/// in one slice, or to replicas whose line times were apart.)
///
/// That is for an outage of the store, from which it comes back once: while one replica alone is away from it, or is
/// killed, the others go on numbering; and what was lost after the stubs had their numbers is numbered anew.
fn overtaken(run: &Run) -> Vec<Violation> {
    let came: Vec<_> = people(run).filter_map(|(at, p)| newcomer(at, p)).collect();
    let mut broken = Vec::new();
    for low in &came {
        let Some(stub_us) = low.stub_us else { continue };
        let is_alone = |t| matches!(t, Touches::Replica(_) | Touches::Machine);
        let alone = run.troubled(
            stub_us.saturating_sub(STUBS_APART),
            low.numbered_us,
            is_alone,
        );
        let again = run.troubles.iter().any(|t| {
            let is_outage = matches!(t.touches, Touches::Loss | Touches::Store);
            is_outage && stub_us < t.from_us && t.from_us < low.numbered_us
        });
        let ahead = came
            .iter()
            .find(|high| high.came_us > stub_us + STUBS_APART && high.number < low.number);
        if let Some(high) = ahead.filter(|_| alone.is_none() && !again) {
            broken.push(Violation {
                promise: Promise::P2,
                what: format!("{} came after {}, who held a stub", high.number, low.number),
                people: vec![low.person, high.person],
            });
        }
    }
    broken
}

fn newcomer(at: usize, person: &Person) -> Option<Newcomer> {
    // Somebody's second browser comes with a ticket.
    let first = person
        .heard
        .first()
        .filter(|heard| heard.call == Call::Join)?;
    let mut answers = person.answers();
    let (numbered, number) = answers.find_map(|(h, answer)| Some((h, answer.ticket?.number)))?;
    let stub = person.answers().find(|(_, answer)| answer.stub);
    Some(Newcomer {
        person: at,
        number,
        came_us: first.sent_us,
        stub_us: stub.map(|(heard, _)| heard.got_us),
        numbered_us: numbered.got_us,
    })
}

/// Nobody loses its place: the number stays, the place does not grow, who was called stays called (both as one process
/// tells it), the line stays the same one, and whoever goes on asking gets in.
fn lost(run: &Run) -> Vec<Violation> {
    let mut broken = Vec::new();
    let mut line: Option<Epoch> = None;
    for (at, person) in people(run) {
        let mut say = |what: String| {
            broken.push(Violation {
                promise: Promise::P5,
                what,
                people: vec![at],
            });
        };
        let mut number = None;
        let mut told: BTreeMap<Life, (u64, bool)> = BTreeMap::new();
        for (heard, answer) in person.answers() {
            for epoch in answer
                .ticket
                .map(|t| t.epoch)
                .into_iter()
                .chain(answer.pass.map(|p| p.epoch))
            {
                if *line.get_or_insert(epoch) != epoch {
                    say("the line is another one".to_owned());
                    line = Some(epoch);
                }
            }
            let now = answer.ticket.map(|t| t.number).or(answer.number);
            if let (Some(before), Some(now)) = (number, now)
                && before != now
            {
                say(format!("its number was {before} and is {now}"));
            }
            number = number.or(now);
            if let Some(why) = refused(run, heard, answer) {
                say(why);
            }
            let Some(life) = heard
                .life
                .filter(|_| answer.place.is_some() && heard.call != Call::Join)
            else {
                continue;
            };
            let now = (answer.place.unwrap_or(0), is_called(answer));
            if let Some(&before) = told.get(&life) {
                if now.0 > before.0 {
                    say(format!("its place grew from {} to {}", before.0, now.0));
                }
                let waits = matches!(answer.state.as_str(), "waiting" | "near" | "early");
                if before.1 && waits {
                    say("it was called and waits again".to_owned());
                }
            }
            told.insert(life, now);
        }
        let leaves = person.heard.iter().any(|heard| heard.call == Call::Leave);
        let is_denied = |answer: &Answer| answer.state == "left" && !leaves;
        if person.answers().any(|(_, answer)| is_denied(answer)) {
            say("it was told that it left, and never did".to_owned());
        }
        if person.end == End::Waiting {
            say("it never got in".to_owned());
        }
    }
    broken
}

fn is_called(answer: &Answer) -> bool {
    matches!(
        answer.state.as_str(),
        "turn" | "late" | "entering" | "entered" | "returning"
    )
}

/// Answers that deny a ticket. While keys change, a replica may not know the newest one yet: for a moment it says that
/// it cannot read a ticket, and leaves it alone.
fn refused(run: &Run, heard: &Heard, answer: &Answer) -> Option<String> {
    let denied = matches!(
        answer.state.as_str(),
        "invalid" | "expired" | "moved" | "closed" | "sold-out" | "full"
    );
    let keys = run.troubled(heard.sent_us, heard.got_us, |t| t == Touches::Keys);
    (denied && keys.is_none()).then(|| format!("it was told {:?}", answer.state))
}
