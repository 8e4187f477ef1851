//! What a line keeps when its store lost something, and when two epochs meet.

use super::Bench;
use super::SECOND;
use super::START;
use super::per_second;
use super::visitor;
use crate::line::Line;
use crate::line::exchange::Answer;
use crate::line::exchange::Exchange;
use crate::line::exchange::Finish;
use crate::line::exchange::Known;
use crate::line::exchange::Renewal;
use crate::line::exchange::Standing;
use crate::line::ids::Epoch;
use crate::line::ids::InstanceId;
use crate::line::ids::KeyHash;
use crate::line::ids::Nonce;
use crate::line::ids::TicketId;
use crate::line::settings::Settings;
use crate::line::state::ENTRY;

const OLD: Epoch = Epoch {
    created_us: START - 3_600 * SECOND,
    nonce: Nonce(1),
};

/// One exchange of a replica that knows this much, with a store that can lose writes.
fn tell(line: &mut Line, clock_us: u64, instance: u64, known: Known) -> Answer {
    let sequence = line.answered.get(&InstanceId(instance));
    let exchange = Exchange {
        instance: InstanceId(instance),
        sequence: sequence.map_or(1, |last| last.sequence + 1),
        nonce: Nonce(instance),
        store: KeyHash(7),
        known,
        ..Exchange::default()
    };
    line.apply(clock_us, &exchange).expect("a valid exchange")
}

#[test]
fn an_epoch_made_for_want_of_one_gives_way_for_good() {
    let mut line = Line::new();
    let knows = Known {
        epoch: Some(OLD),
        tail: 100,
        head: 40,
        now_us: START - 50 * SECOND,
        ..Known::default()
    };
    let newcomer = tell(&mut line, START, 2, Known::default());
    assert_eq!((newcomer.healing, newcomer.epoch), (true, Epoch::default()));
    assert_eq!(tell(&mut line, START + 1_000, 1, knows).epoch, OLD);
    // The newcomer reports the newest epoch it was ever answered, and does not undo this.
    let known = Known {
        epoch: Some(newcomer.epoch),
        now_us: newcomer.now_us,
        ..Known::default()
    };
    let healed = tell(&mut line, START + 2_000, 2, known);
    assert_eq!((healed.epoch, healed.tail, healed.head), (OLD, 100, 40));
}

#[test]
fn line_time_of_a_known_epoch_does_not_follow_a_clock_that_jumped() {
    let now_us = START - 3_000 * SECOND;
    let known = |now_us| Known {
        epoch: Some(OLD),
        now_us,
        ..Known::default()
    };
    let mut line = Line::new();
    // Healing begins a microsecond later than whatever was before it.
    assert_eq!(tell(&mut line, START, 1, known(now_us)).now_us, now_us + 1);
    let later = tell(&mut line, START, 2, known(now_us + SECOND));
    assert_eq!(later.now_us, now_us + SECOND);
    assert!(tell(&mut line, START + SECOND, 1, known(now_us)).healing);
}

#[test]
fn what_was_answered_before_a_loss_is_counted_on_from() {
    let mut line = Line::new();
    tell(&mut line, START, 1, Known::default());
    // As after its first number.
    line.provisional = false;
    let epoch = tell(&mut line, START + 2 * SECOND, 1, Known::default()).epoch;
    let known = Known {
        epoch: Some(epoch),
        entries: 20,
        finished: 9,
        tail: 50,
        head: 30,
        ..Known::default()
    };
    tell(&mut line, START + 2 * SECOND, 1, known);
    let exchange = Exchange {
        instance: InstanceId(1),
        sequence: 9,
        store: KeyHash(7),
        known,
        asks: vec![visitor(5)],
        finishes: vec![Finish {
            visitor: visitor(6),
            until_us: START + 60 * SECOND,
        }],
        ..Exchange::default()
    };
    let answer = line.apply(START + 4 * SECOND, &exchange).expect("valid");
    assert_eq!((answer.entered.len(), answer.entries), (1, 21));
    assert_eq!((answer.finished.len(), answer.finished_to), (1, 10));
}

#[test]
fn tickets_of_another_epoch_mean_nothing() {
    let mut bench = Bench::new(per_second(1));
    bench.join(50);
    let foreign = Exchange {
        instance: InstanceId(5),
        sequence: 1,
        known: Known {
            epoch: Some(OLD),
            ..Known::default()
        },
        asks: vec![visitor(1)],
        checks: vec![visitor(2)],
        heard: vec![40],
        renewals: vec![Renewal {
            id: TicketId(9),
            until_us: START + 60 * SECOND,
            entered_us: START,
        }],
        finishes: vec![Finish {
            visitor: visitor(40),
            until_us: START + 60 * SECOND,
        }],
        ..Exchange::default()
    };
    let answer = bench.line.apply(bench.clock_us, &foreign).expect("valid");
    assert!(answer.standings.is_empty() && answer.entered.is_empty());
    assert_eq!((answer.counts.inside, answer.counts.asking), (0, 0));
    let checks = vec![visitor(1), visitor(40)];
    let answer = bench.send(Exchange {
        checks,
        ..Exchange::default()
    });
    assert!(matches!(
        answer.standings[..],
        [Standing::Turn { .. }, Standing::Waiting]
    ));
}

/// Somebody inside, until ten seconds after it was last heard from.
fn inside() -> Bench {
    let mut bench = Bench::new(Settings {
        pass_idle_us: 10 * SECOND,
        ..per_second(10)
    });
    bench.join(1);
    assert_eq!(bench.ask(1).counts.inside, 1);
    bench
}

fn renewal(bench: &Bench) -> Vec<Renewal> {
    let until_us = bench.line.now_us + 10 * SECOND;
    vec![Renewal {
        id: TicketId(1),
        until_us,
        entered_us: bench.line.now_us,
    }]
}

#[test]
fn a_finished_pass_is_not_revived_by_a_newer_one_of_the_same_ticket() {
    let mut bench = inside();
    let first_us = bench.line.now_us + SECOND;
    let renewals = renewal(&bench);
    bench.send(Exchange {
        renewals,
        ..Exchange::default()
    });
    // Another tab still holds the first pass, and leaves.
    let finish = Finish {
        visitor: visitor(1),
        until_us: first_us,
    };
    bench.send(Exchange {
        finishes: vec![finish],
        ..Exchange::default()
    });
    for _ in 0..3 {
        bench.wait(6 * SECOND);
        let renewals = renewal(&bench);
        let answer = bench.send(Exchange {
            renewals,
            ..Exchange::default()
        });
        assert_eq!(answer.counts.inside, 0);
    }
}

#[test]
fn who_is_inside_again_by_a_late_renewal_does_not_ask() {
    let mut bench = inside();
    bench.wait(11 * SECOND);
    bench.set(Settings {
        rate_per_hour: 0,
        ..per_second(10)
    });
    assert_eq!(bench.ask(1).counts.asking_late, 1);
    let renewals = renewal(&bench);
    let answer = bench.send(Exchange {
        renewals,
        ..Exchange::default()
    });
    assert_eq!((answer.counts.inside, answer.counts.asking_late), (1, 0));
}

#[test]
fn a_pass_signed_again_says_when_its_visitor_entered_also_after_the_record_was_lost() {
    let mut bench = inside();
    let entered_us = bench.line.now_us;
    bench.wait(4 * SECOND);
    let until_us = entered_us + 10 * SECOND;
    let expected = [Standing::Inside {
        until_us,
        entered_us,
    }];
    assert_eq!(bench.ask(1).standings, expected);
    // Renewed, it is the same stay, whatever a replica says of it.
    let mut renewals = renewal(&bench);
    renewals[0].entered_us = bench.line.now_us;
    bench.send(Exchange {
        renewals: renewals.clone(),
        ..Exchange::default()
    });
    let until_us = renewals[0].until_us;
    let expected = [Standing::Inside {
        until_us,
        entered_us,
    }];
    assert_eq!(bench.ask(1).standings, expected);
    // Idled out and back within the grace, or lost by the store: what the pass says counts, but never the future.
    for said_us in [entered_us, 1 << 51] {
        bench.wait(11 * SECOND);
        let mut renewals = renewal(&bench);
        renewals[0].entered_us = said_us;
        let until_us = renewals[0].until_us;
        let answer = bench.send(Exchange {
            renewals,
            checks: vec![visitor(1)],
            ..Exchange::default()
        });
        let expected = [Standing::Inside {
            until_us,
            entered_us: said_us.min(answer.now_us),
        }];
        assert_eq!(answer.standings, expected);
    }
}

#[test]
fn entries_that_a_store_lost_are_not_paid_for_by_the_time_in_which_they_were_made() {
    let mut bench = Bench::new(per_second(5));
    bench.join(1);
    bench.ask(1);
    // What it goes back to; four seconds later it has used up all that it earned since, and is lost.
    let mut line = bench.line.clone();
    for _ in 0..4 {
        bench.wait(SECOND);
    }
    line.reserve(20);
    line.forfeit_credit();
    bench.line = line;
    bench.wait(SECOND / 10);
    assert_eq!(bench.line.credit, 0);
    bench.wait(SECOND / 5);
    assert_eq!(bench.line.credit, ENTRY);

    // With its epoch lost as well, it does not begin with an entry either.
    let mut line = Line::new();
    line.reserve(20);
    line.forfeit_credit();
    bench.line = line;
    bench.last = None;
    bench.set(per_second(5));
    assert_eq!(bench.line.credit, 0);
    bench.wait(SECOND / 5);
    assert_eq!(bench.line.credit, ENTRY);
}
