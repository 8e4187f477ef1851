//! HTTP/2 to the letter: frames that no library would send, through the real binary, judged by what comes back.
//!
//! `conformance` has a case for each rule of RFC 9113 that a server can break, and of RFC 7541 that a decoder can, with
//! the section it follows from and what has to come of it: the frame, its stream and its error code. All are played
//! over cleartext with prior knowledge, every sixth over TLS as well. Where our library answers otherwise than by the
//! letter, the case says so and why it is harmless; should it change its ways, the case fails and is to be corrected.
//! `floods` has what costs the server more than the client, and looks at the process that has to bear it.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be had is a failure"
)]

#[path = "../support/mod.rs"]
mod support;

mod case;
mod coded;
mod compression;
mod floods;
mod frames;
mod front;
mod good;
mod kinds;
mod messages;
mod process;
mod streams;
mod wire;

use std::fmt::Write as _;

use crate::case::Case;
use crate::front::Front;

/// At least so many cases.
const CASES_MIN: usize = 146;

/// One case of so many is played over TLS as well.
const TLS_EVERY: usize = 6;

fn cases() -> Vec<Case> {
    [
        good::cases(),
        coded::cases(),
        frames::cases(),
        streams::cases(),
        streams::priorities(),
        kinds::cases(),
        kinds::settings(),
        kinds::windows(),
        kinds::continuations(),
        messages::cases(),
        messages::forbidden(),
        compression::cases(),
    ]
    .concat()
}

fn assert_kept(front: &Front, cases: &[Case]) {
    let mut report = String::new();
    let failed = case::play_all(front, cases);
    for (index, why) in &failed {
        let Case { name, rfc, .. } = &cases[*index];
        writeln!(report, "{name} ({rfc})\n    {why}").unwrap();
    }
    assert!(
        failed.is_empty(),
        "{} of {}:\n{report}",
        failed.len(),
        cases.len()
    );
}

#[test]
fn every_rule_of_http2_is_kept_over_cleartext() {
    let cases = cases();
    assert!(cases.len() >= CASES_MIN, "{} cases", cases.len());
    assert_kept(&Front::plain(), &cases);
}

#[test]
fn rules_of_http2_are_kept_over_tls() {
    let cases: Vec<_> = cases().into_iter().step_by(TLS_EVERY).collect();
    assert_kept(&Front::over_tls(), &cases);
}

#[test]
fn every_case_names_its_section_and_no_two_are_alike() {
    let cases = cases();
    for case in &cases {
        assert!(case.rfc.starts_with("RFC "), "{}", case.name);
        if let Some((letter, reason)) = &case.otherwise {
            assert!(*letter != case.want && !reason.is_empty(), "{}", case.name);
        }
        let alike = cases
            .iter()
            .filter(|other| other.name == case.name && other.rfc == case.rfc);
        assert_eq!(alike.count(), 1, "{} ({})", case.name, case.rfc);
    }
}
