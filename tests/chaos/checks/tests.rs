//! Made-up histories, each of which breaks one promise: what no check finds would go unnoticed.

use anteroom::line::promises::Promise;

use super::broken;
use crate::seen::Answer;
use crate::seen::Arrival;
use crate::seen::Call;
use crate::seen::End;
use crate::seen::Heard;
use crate::seen::Id;
use crate::seen::Kind;
use crate::seen::Life;
use crate::seen::Pass;
use crate::seen::Person;
use crate::seen::Rate;
use crate::seen::Run;
use crate::seen::Ticket;
use crate::seen::Touches;
use crate::seen::Trouble;

const MILLI: u64 = 1_000;
const SECOND: u64 = 1_000_000;
/// Line time at the run's beginning.
const LINE: u64 = 1_700_000_000_000_000;

fn heard(at_ms: u64, call: Call, answer: Answer) -> Heard {
    let life = Life {
        replica: 0,
        life: 0,
    };
    Heard {
        sent_us: at_ms * MILLI,
        got_us: at_ms * MILLI + 10 * MILLI,
        replica: 0,
        life: Some(life),
        call,
        answer: Ok(answer),
    }
}

fn told(state: &str, number: u64, place: u64, serving: u64) -> Answer {
    Answer {
        status: 200,
        state: state.to_owned(),
        number: Some(number),
        place: Some(place),
        serving: Some(serving),
        ..Answer::default()
    }
}

fn joined(id: Id, number: u64, head: u64) -> Answer {
    let ticket = Ticket {
        epoch: [1; 16],
        number,
        id,
    };
    Answer {
        ticket: Some(ticket),
        ..told("waiting", number, number.saturating_sub(head), head)
    }
}

fn let_in(id: Id, number: u64, entered_ms: u64) -> Answer {
    let entered_us = LINE + entered_ms * MILLI;
    let pass = Pass {
        epoch: [1; 16],
        number,
        id,
        until_us: entered_us + 20 * SECOND,
        entered_us,
    };
    Answer {
        status: 200,
        state: "entered".to_owned(),
        number: Some(number),
        pass: Some(pass),
        ..Answer::default()
    }
}

fn page() -> Answer {
    Answer {
        status: 200,
        from_origin: true,
        ..Answer::default()
    }
}

/// Somebody who joins, is called, asks, and is let in at its second try half a second before this time.
fn visitor(id: u64, in_ms: u64) -> Person {
    let head = id.saturating_sub(1);
    let (name, id, number) = (format!("{id}"), Id::from(id), id);
    let asked = Answer {
        asked: true,
        status: 409,
        ..told("entering", number, 0, 1_000)
    };
    Person {
        name,
        kind: Kind::Steady,
        end: End::Served,
        heard: vec![
            heard(number, Call::Join, joined(id, number, 0)),
            heard(
                1_000 + number,
                Call::Poll,
                told("waiting", number, number - head, head),
            ),
            heard(2_000 + number, Call::Poll, told("turn", number, 0, 1_000)),
            heard(2_100 + number, Call::Enter, asked),
            heard(in_ms, Call::Enter, let_in(id, number, in_ms - 500)),
            heard(in_ms + 20, Call::Page, page()),
        ],
    }
}

/// A run that keeps every promise: forty visitors enter at ten a second, from the third second on.
fn honest() -> Run {
    let in_ms = |id: u64| 3_000 + id * 100;
    let arrival = |id: u64| Arrival {
        at_us: (in_ms(id) + 25) * MILLI,
        id: Some(Id::from(id)),
    };
    let rate = Rate {
        per_second: 10,
        from_us: 0,
        until_us: u64::MAX,
    };
    Run {
        people: (1..=80).map(|id| visitor(id, in_ms(id))).collect(),
        arrivals: (1..=80).map(arrival).collect(),
        troubles: Vec::new(),
        rates: vec![rate],
        returns: 3,
    }
}

/// What a changed run breaks; each promise once.
fn breaks(change: impl Fn(&mut Run)) -> Vec<Promise> {
    let mut run = honest();
    change(&mut run);
    let mut promises: Vec<_> = broken(&run).iter().map(|broken| broken.promise).collect();
    promises.sort_unstable();
    promises.dedup();
    promises
}

fn during(touches: Touches, from_us: u64, until_us: u64) -> Trouble {
    Trouble {
        from_us,
        until_us,
        touches,
        what: String::new(),
    }
}

#[test]
fn an_honest_run_breaks_nothing() {
    assert_eq!(broken(&honest()), []);
}

#[test]
fn a_number_issued_twice_is_found() {
    let found = breaks(|run| {
        let twin = Answer {
            ticket: Some(Ticket {
                epoch: [1; 16],
                number: 5,
                id: 1_005,
            }),
            ..told("waiting", 5, 5, 0)
        };
        let mut other = visitor(81, 11_100);
        other.kind = Kind::Vanishing;
        other.end = End::Gone;
        other.heard = vec![heard(50, Call::Join, twin)];
        run.people.push(other);
    });
    assert_eq!(found, [Promise::P1]);
}

#[test]
fn a_second_entry_is_found_unless_the_store_lost_the_first_or_the_pass_ran_out() {
    let again = |run: &mut Run, entered_ms: u64| {
        let more = heard(entered_ms + 10, Call::Enter, let_in(3, 3, entered_ms));
        run.people[2].heard.push(more);
    };
    assert_eq!(breaks(|run| again(run, 15_000)), [Promise::P1]);
    let lost = |run: &mut Run| {
        again(run, 15_000);
        run.troubles
            .push(during(Touches::Loss, 13 * SECOND, 14 * SECOND));
    };
    assert_eq!(breaks(lost), []);
    assert_eq!(breaks(|run| again(run, 40_000)), []);
    let too_often = |run: &mut Run| {
        for round in 1..=4 {
            again(run, 40_000 * round);
        }
    };
    assert_eq!(breaks(too_often), [Promise::P1]);
}

#[test]
fn a_head_that_falls_is_found_at_one_process_and_not_between_two() {
    let look = |run: &mut Run, life: u32| {
        let mut poll = heard(5_000, Call::Poll, told("waiting", 2_000, 1_010, 990));
        poll.life = Some(Life { replica: 0, life });
        let mut other = visitor(81, 11_100);
        (other.kind, other.end) = (Kind::Vanishing, End::Gone);
        other.heard = vec![poll];
        run.people.push(other);
    };
    assert_eq!(breaks(|run| look(run, 0)), [Promise::P2]);
    assert_eq!(breaks(|run| look(run, 2)), []);
}

#[test]
fn a_newcomer_who_overtakes_somebody_with_a_stub_is_found() {
    let stubbed = |run: &mut Run, at_ms: u64| {
        let stub = Answer {
            stub: true,
            status: 200,
            state: "waiting".to_owned(),
            ..Answer::default()
        };
        let late = |id: Id, number: u64, at_ms: u64| {
            let mut person = visitor(number, 11_100);
            (person.kind, person.end) = (Kind::Vanishing, End::Gone);
            person.heard = vec![heard(at_ms, Call::Join, joined(id, number, 1_000))];
            person
        };
        let mut first = late(202, 202, 9_000);
        first.heard.insert(0, heard(1_000, Call::Join, stub));
        run.people.extend([first, late(201, 201, at_ms)]);
    };
    assert_eq!(breaks(|run| stubbed(run, 4_000)), [Promise::P2]);
    assert_eq!(breaks(|run| stubbed(run, 2_000)), []);
    let alone = |run: &mut Run| {
        stubbed(run, 4_000);
        let replica = during(Touches::Replica(0), 500 * MILLI, 2 * SECOND);
        run.troubles.push(replica);
    };
    assert_eq!(breaks(alone), []);
}

#[test]
fn whoever_enters_before_somebody_who_asked_earlier_is_found_unless_something_was_wrong() {
    let swap = |run: &mut Run| {
        let times = [
            run.people[9].heard[4].clone(),
            run.people[30].heard[4].clone(),
        ];
        for (at, id, from) in [(9, 10_u64, &times[1]), (30, 31, &times[0])] {
            let entered_ms = from.sent_us / MILLI - 500;
            run.people[at].heard[4].answer = Ok(let_in(Id::from(id), id, entered_ms));
        }
    };
    assert_eq!(breaks(swap), [Promise::P2]);
    for trouble in [
        during(Touches::Replica(1), 3 * SECOND, 4 * SECOND),
        // It was called before that, and may be late since.
        during(Touches::Loss, 1_900 * MILLI, 1_950 * MILLI),
    ] {
        let troubled = |run: &mut Run| {
            swap(run);
            run.troubles.push(trouble.clone());
        };
        assert_eq!(breaks(troubled), []);
    }
}

#[test]
fn entries_above_the_pace_are_found_by_line_time_and_at_the_origin() {
    let rushed = |run: &mut Run| {
        for id in 41..=65 {
            run.people[id - 1] = visitor(id as u64, 7_000);
            run.arrivals[id - 1].at_us = 7_025 * MILLI;
        }
    };
    assert_eq!(breaks(rushed), [Promise::P3]);
    // At a rate that was in force until a while before, they were not too many.
    let was_faster = |run: &mut Run| {
        rushed(run);
        run.rates.push(Rate {
            per_second: 30,
            from_us: 0,
            until_us: 3 * SECOND,
        });
    };
    assert_eq!(breaks(was_faster), []);
    // Line time that runs too fast does not show by line time.
    let rushed_by_line = |run: &mut Run| {
        for id in 1..=60_u64 {
            let at = usize::try_from(id).unwrap() - 1;
            let mut person = visitor(id, 3_000 + id * 20);
            person.heard[3].sent_us = (2_900 + id * 20) * MILLI;
            person.heard[3].got_us = (2_905 + id * 20) * MILLI;
            person.heard[4].answer = Ok(let_in(Id::from(id), id, 3_000 + id * 100));
            run.people[at] = person;
            run.arrivals[at].at_us = (3_025 + id * 20) * MILLI;
        }
    };
    assert_eq!(breaks(rushed_by_line), [Promise::P3]);
}

#[test]
fn a_pace_that_is_not_used_while_people_ask_is_found_unless_something_was_wrong() {
    let slow = |run: &mut Run| {
        for id in 1..=80_u64 {
            let at = usize::try_from(id).unwrap() - 1;
            run.people[at] = visitor(id, 3_000 + id * 140);
            run.arrivals[at].at_us = (3_025 + id * 140) * MILLI;
        }
    };
    assert_eq!(breaks(slow), [Promise::P4]);
    let troubled = |run: &mut Run| {
        slow(run);
        for at in 0..16 {
            run.troubles
                .push(during(Touches::Store, at * SECOND, at * SECOND + 1));
        }
    };
    assert_eq!(breaks(troubled), []);
}

#[test]
fn a_place_that_is_lost_is_found() {
    let say = |run: &mut Run, answer: Answer| {
        run.people[79]
            .heard
            .insert(2, heard(1_500, Call::Poll, answer));
    };
    let changes: [&dyn Fn(&mut Run); 7] = [
        &|run| say(run, told("left", 80, 0, 79)),
        // It grew, its number changed, it is denied.
        &|run| say(run, told("waiting", 80, 2, 79)),
        &|run| say(run, told("waiting", 79, 1, 79)),
        &|run| say(run, told("invalid", 80, 0, 79)),
        // It never got in, it is in another line, it was called and waits again.
        &|run| run.people[5].end = End::Waiting,
        &|run| {
            let mut answer = joined(1_080, 80, 79);
            answer.ticket = answer.ticket.map(|t| Ticket {
                epoch: [2; 16],
                ..t
            });
            say(run, answer);
        },
        &|run| {
            let waits = heard(2_050 + 80, Call::Poll, told("waiting", 80, 0, 1_000));
            run.people[79].heard.insert(3, waits);
        },
    ];
    for (at, change) in changes.iter().enumerate() {
        assert_eq!(breaks(change), [Promise::P5], "change {at}");
    }
}

#[test]
fn somebody_inside_who_is_not_served_is_found_unless_the_origin_or_its_replica_was_down() {
    let thrown_out = |run: &mut Run| {
        let refused = heard(9_000, Call::Page, told("late", 3, 0, 1_000));
        run.people[2].heard.push(refused);
    };
    assert_eq!(breaks(thrown_out), [Promise::P7]);
    let without_origin = |run: &mut Run| {
        thrown_out(run);
        run.troubles
            .push(during(Touches::Origin, 8 * SECOND, 9 * SECOND));
        // The pace is judged elsewhere.
        run.troubles.push(during(Touches::Machine, 0, 20 * SECOND));
    };
    assert_eq!(breaks(without_origin), []);
    let killed = |run: &mut Run| {
        thrown_out(run);
        run.people[2].heard.last_mut().unwrap().life = None;
    };
    assert_eq!(breaks(killed), []);
    let silent = |run: &mut Run| {
        let mut unanswered = heard(9_000, Call::Page, page());
        unanswered.answer = Err("the connection broke".to_owned());
        run.people[2].heard.push(unanswered);
    };
    assert_eq!(breaks(silent), [Promise::P7]);
}

#[test]
fn an_answer_that_is_not_calm_and_a_stranger_at_the_origin_are_found() {
    let wild = |run: &mut Run| {
        let mut answer = told("late", 3, 0, 1_000);
        answer.status = 500;
        run.people[2].heard.push(heard(9_000, Call::Poll, answer));
    };
    assert_eq!(breaks(wild), [Promise::P8]);
    let stranger = |run: &mut Run| {
        run.arrivals.push(Arrival {
            at_us: SECOND,
            id: Some(4_711),
        });
    };
    assert_eq!(breaks(stranger), [Promise::P8]);
    let nameless = |run: &mut Run| {
        run.arrivals.push(Arrival {
            at_us: SECOND,
            id: None,
        });
    };
    assert_eq!(breaks(nameless), [Promise::P8]);
}
