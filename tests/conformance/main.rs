//! HTTP/1.1 to the letter: raw bytes through the real binary, judged by the bytes that a recording origin saw.
//!
//! Two suites. *Conformance* has a case for each rule of RFC 9110 and RFC 9112 that concerns an intermediary: what is
//! valid must pass unharmed, what is not must be refused, and the connection must be as good as before. *Smuggling*
//! sends what is known to be read in two ways, over HTTP/1.1 and HTTP/2: nothing of it may reach the origin in a form
//! that is not plain, nor past the gate. `ANTEROOM_PEERS=1` plays both through nginx and `HAProxy` as well, where they
//! are installed, and prints what each scored.

#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that cannot go on panics; a check looks at the one thing it is about"
)]

#[path = "../support/mod.rs"]
mod support;

mod alive;
mod answers;
mod case;
mod client;
mod down;
mod fields;
mod framing;
mod front;
mod h2;
mod hops;
mod origin;
mod paths;
mod peers;
mod play;
mod replies;
mod smuggle;
mod target;
mod wire;

use std::fmt::Write as _;
use std::time::Duration;

use crate::case::Case;
use crate::client::PATIENCE;
use crate::front::Front;

/// At least so many cases.
const CASES_MIN: usize = 200;
/// At least so many payloads.
const PAYLOADS_MIN: usize = 300;

/// What failed in one of the suites.
#[derive(Debug)]
struct Score {
    count: usize,
    /// What it was, and why it failed.
    failed: Vec<(String, String)>,
}

impl Score {
    fn of(count: usize, failed: &[(usize, String)], name: impl Fn(usize) -> String) -> Self {
        let named = failed
            .iter()
            .map(|(index, why)| (name(*index), why.clone()));
        Self {
            count,
            failed: named.collect(),
        }
    }

    fn and(mut self, other: Self) -> Self {
        self.count += other.count;
        self.failed.extend(other.failed);
        self
    }

    fn assert_clean(&self, at_least: usize) {
        assert!(self.count >= at_least, "{} of them", self.count);
        let mut report = String::new();
        for (what, why) in &self.failed {
            writeln!(report, "{what}\n    {why}").unwrap();
        }
        let failed = self.failed.len();
        assert!(failed == 0, "{failed} of {}:\n{report}", self.count);
    }
}

fn conformance() -> Vec<Case> {
    [
        target::cases(),
        target::hosts(),
        fields::cases(),
        framing::cases(),
        framing::chunks(),
        hops::cases(),
        replies::cases(),
        alive::cases(),
    ]
    .concat()
}

/// Every rule: what is valid passes, what is not is refused.
fn conform(front: &Front, patience: Duration) -> Score {
    let cases = conformance();
    let failed = play::all(&cases, |case, id| play::case(front, patience, case, id));
    Score::of(cases.len(), &failed, |index| {
        let Case {
            name, rfc, send, ..
        } = &cases[index];
        let send: String = String::from_utf8_lossy(send).chars().take(200).collect();
        format!("{name} ({rfc}): {send:?}")
    })
}

/// Everything that is read in two ways.
fn smuggle(front: &Front, patience: Duration) -> Score {
    let payloads = smuggle::payloads();
    let failed = play::all(&payloads, |payload, id| {
        smuggle::play(front, patience, payload, &id.replace('k', "s"))
    });
    let one = Score::of(payloads.len(), &failed, |index| {
        payloads[index].name.clone()
    });
    let spellings = paths::SPELLINGS;
    let failed = play::all(spellings, |spelling, id| {
        paths::play(front, patience, spelling, &id.replace('k', "p"))
    });
    one.and(Score::of(spellings.len(), &failed, |index| {
        spellings[index].to_owned()
    }))
}

/// What HTTP/2 can say and HTTP/1.1 cannot.
fn convert_down(front: &Front, patience: Duration) -> Score {
    let payloads = down::payloads();
    let failed = play::all(&payloads, |payload, id| {
        down::play(front, patience, payload, &id.replace('k', "d"))
    });
    Score::of(payloads.len(), &failed, |index| {
        payloads[index].name.clone()
    })
}

#[test]
fn what_is_valid_passes_unharmed_and_what_is_not_is_refused() {
    conform(&Front::anteroom(), PATIENCE).assert_clean(CASES_MIN);
}

#[test]
fn nothing_is_smuggled_past_the_gate() {
    let front = Front::anteroom();
    let score = smuggle(&front, PATIENCE).and(convert_down(&front, PATIENCE));
    score.assert_clean(PAYLOADS_MIN);
}

/// What peers make of it is printed and not judged.
#[test]
fn peers_play_the_same_suites_when_they_are_asked_to() {
    if std::env::var_os("ANTEROOM_PEERS").is_none() {
        return;
    }
    let own = (Front::anteroom(), Front::anteroom());
    let rows = std::iter::once(own).chain(peers::all());
    println!(
        "| | rules kept | forwarded | hidden requests | past the gate |\n|---|---|---|---|---|"
    );
    for (front, over_http2) in rows {
        let patience = peers::PATIENCE;
        let rules = conform(&front, patience);
        let score = smuggle(&front, patience).and(convert_down(&over_http2, patience));
        let of = |kind: &str| {
            let failed = score
                .failed
                .iter()
                .filter(|(_, why)| why.starts_with("unsafe"));
            failed.filter(|(_, why)| why.contains(kind)).count()
        };
        println!(
            "| {} | {} of {} | {} of {} | {} | {} |",
            front.name,
            rules.count - rules.failed.len(),
            rules.count,
            of(""),
            score.count,
            of("/smuggled"),
            of("/booking"),
        );
        if front.name == "anteroom" {
            rules.assert_clean(CASES_MIN);
            score.assert_clean(PAYLOADS_MIN);
        }
        if std::env::var("ANTEROOM_PEERS").is_ok_and(|how| how == "all") {
            for (what, why) in rules.failed.iter().chain(&score.failed) {
                println!("{}: {what}\n    {why}", front.name);
            }
        }
    }
}
