//! P7 and P8: who is inside is served, and whoever is not meets a calm answer.

use anteroom::line::promises::Promise;

use super::Violation;
use super::people;
use crate::seen::Call;
use crate::seen::Run;
use crate::seen::Touches;

/// After the origin's trouble, connections to it may have to be found broken first.
const ORIGIN_BACK: u64 = 1_000_000;

pub(super) fn broken(run: &Run) -> Vec<Violation> {
    let mut broken = Vec::new();
    for (at, person) in people(run) {
        for heard in &person.heard {
            // While it is killed, stopped or started it cannot answer.
            if heard.life.is_none() {
                continue;
            }
            let from_us = heard.sent_us.saturating_sub(ORIGIN_BACK);
            let origin = run.troubled(from_us, heard.got_us, |t| t == Touches::Origin);
            let keys = run.troubled(heard.sent_us, heard.got_us, |t| t == Touches::Keys);
            let told = match &heard.answer {
                Ok(answer) if answer.from_origin => continue,
                Ok(answer) => format!("{} {}", answer.status, answer.state),
                Err(error) => error.clone(),
            };
            let is_served = origin.is_some() || (keys.is_some() && heard.answer.is_ok());
            if heard.call == Call::Page && !is_served {
                broken.push(Violation {
                    promise: Promise::P7,
                    what: format!("somebody inside got no page but {told:?}"),
                    people: vec![at],
                });
            }
            let is_calm = heard
                .answer
                .as_ref()
                .is_ok_and(|answer| answer.status < 500);
            if heard.call != Call::Page && !is_calm && origin.is_none() {
                broken.push(Violation {
                    promise: Promise::P8,
                    what: format!("{:?} was answered with {told:?}", heard.call),
                    people: vec![at],
                });
            }
        }
    }
    broken
}
