//! The promises, judged by what was seen from outside: each check is a predicate over a whole run.
//!
//! What a check allows for is written beside it. Nothing is allowed for because it happens.

mod numbers;
mod order;
mod pace;
mod served;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fmt::Write as _;

use anteroom::line::promises::Promise;

use crate::seen::Heard;
use crate::seen::Person;
use crate::seen::Run;

/// Most lines of a visitor's history that are shown.
const HISTORY_MAX: usize = 60;

/// A promise that was broken, how, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) promise: Promise,
    pub(crate) what: String,
    /// Those whose histories show it, as places in the run's list.
    pub(crate) people: Vec<usize>,
}

impl Violation {
    /// Something about the parts themselves: they did not come back, or did not do what an operator said.
    pub(crate) fn of_parts(what: &str, why: &str) -> Self {
        Self {
            promise: Promise::P8,
            what: format!("{what}: {why}"),
            people: Vec::new(),
        }
    }
}

/// Every promise that this run broke.
pub(crate) fn broken(run: &Run) -> Vec<Violation> {
    let mut broken = numbers::broken(run);
    broken.extend(order::broken(run));
    broken.extend(pace::broken(run));
    broken.extend(served::broken(run));
    broken
}

pub(crate) use pace::judged_us;

/// A violation with what it takes to understand it.
pub(crate) fn told(run: &Run, violation: &Violation) -> String {
    let mut text = format!("{:?} is broken: {}\n", violation.promise, violation.what);
    for &at in violation.people.iter().take(2) {
        let Some(person) = run.people.get(at) else {
            continue;
        };
        writeln!(
            text,
            "  visitor {}, in the end {:?}:",
            person.name, person.end
        )
        .expect("a string takes everything");
        let skipped = person.heard.len().saturating_sub(HISTORY_MAX);
        for heard in person.heard.iter().skip(skipped) {
            writeln!(text, "    {}", Line(heard)).expect("a string takes everything");
        }
    }
    text
}

/// What went wrong and when.
pub(crate) fn time_line(run: &Run) -> String {
    let seconds = |us: u64| format!("{}.{:03}", us / 1_000_000, us / 1_000 % 1_000);
    let line = |trouble: &crate::seen::Trouble| {
        let (from, until) = (seconds(trouble.from_us), seconds(trouble.until_us));
        format!("  {from} to {until} s: {}\n", trouble.what)
    };
    run.troubles.iter().map(line).collect()
}

struct Line<'a>(&'a Heard);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Heard {
            sent_us,
            got_us,
            replica,
            life,
            call,
            answer,
        } = self.0;
        let life = life.map_or("between lives".to_owned(), |life| {
            format!("life {}", life.life)
        });
        write!(
            f,
            "{}.{:03} +{} ms, replica {replica} ({life}), {call:?}: ",
            sent_us / 1_000_000,
            sent_us / 1_000 % 1_000,
            (got_us - sent_us) / 1_000
        )?;
        match answer {
            Err(error) => write!(f, "{error}"),
            Ok(answer) if answer.from_origin => write!(f, "the portal"),
            Ok(answer) => {
                write!(f, "{} {}", answer.status, answer.state)?;
                let told = [
                    ("number", answer.number),
                    ("place", answer.place),
                    ("serving", answer.serving),
                ];
                for (name, value) in told {
                    if let Some(value) = value {
                        write!(f, ", {name} {value}")?;
                    }
                }
                if answer.asked {
                    write!(f, ", asked")?;
                }
                if let Some(pass) = answer.pass {
                    write!(
                        f,
                        ", a pass of {} entered at {}",
                        pass.number, pass.entered_us
                    )?;
                }
                Ok(())
            }
        }
    }
}

/// Everybody with a place in the list.
fn people(run: &Run) -> impl Iterator<Item = (usize, &Person)> {
    run.people.iter().enumerate()
}
