//! How long a line heals or gathers, and what it does about a replica that stays away.

use super::SECOND;
use super::replicas::Replicas;
use super::replicas::TENTH;
use super::replicas::block;
use super::replicas::slice;
use super::visitor;
use crate::line::exchange::Exchange;
use crate::line::exchange::Finish;
use crate::line::exchange::INSTANCES_UNKNOWN;
use crate::line::exchange::Known;
use crate::line::exchange::Renewal;
use crate::line::exchange::Standing;
use crate::line::ids::InstanceId;
use crate::line::ids::KeyHash;
use crate::line::ids::Nonce;
use crate::line::ids::TicketId;

#[test]
fn healing_ends_as_soon_as_every_replica_that_was_live_has_reported() {
    let mut replicas = Replicas::new(2);
    let line = replicas.line.clone();
    replicas.join(2, 17);
    replicas.fail_over(line);
    let answer = replicas.join(1, 3);
    assert!(answer.healing && answer.issued == 0);
    replicas.clock_us += 6 * TENTH;
    assert!(replicas.join(1, 3).healing, "the second is missing");
    // What it says first may be a repetition, and is to be followed at once.
    let answer = replicas.join(2, 3);
    assert!(answer.healing && answer.more);
    replicas.clock_us += 1;
    let answer = replicas.join(2, 3);
    assert_eq!(
        (answer.healing, answer.first, answer.issued),
        (false, 18, 3)
    );
    assert_eq!(replicas.line.gap_last, 0);
}

#[test]
fn healing_lasts_for_two_ticks_of_a_replica_that_nobody_has_heard_of() {
    let mut replicas = Replicas::new(1);
    let line = replicas.line.clone();
    replicas.fail_over(line);
    let healed = replicas.tick_until_healed(1, 20);
    assert_eq!(healed, 6);
    assert_eq!(replicas.line.gap_last, 0);
}

#[test]
fn an_emptied_line_knows_from_its_replicas_how_many_there_are() {
    let mut replicas = Replicas::new(2);
    replicas.join(2, 17);
    replicas.tick(1);
    replicas.fail_over(crate::line::Line::new());
    replicas.join(1, 1);
    replicas.clock_us += 6 * TENTH;
    assert!(replicas.join(1, 1).healing, "the second is missing");
    replicas.join(2, 1);
    replicas.clock_us += 1;
    let answer = replicas.join(2, 1);
    assert_eq!((answer.healing, answer.first), (false, 18));
    // The next time the second stays away.
    replicas.tick(1);
    replicas.fail_over(crate::line::Line::new());
    let healed = replicas.tick_until_healed(1, 20);
    assert_eq!((healed, replicas.line.tail()), (16, 118));
}

#[test]
fn a_replica_that_stays_away_leaves_a_gap_as_wide_as_what_was_issued_lately() {
    let mut replicas = Replicas::new(2);
    replicas.join(2, 1_000);
    let line = replicas.line.clone();
    let lost = replicas.join(2, 50);
    assert_eq!((lost.first, lost.issued), (1_001, 50));
    replicas.fail_over(line);
    let healed = replicas.tick_until_healed(1, 20);
    assert_eq!(healed, 16);
    assert_eq!(
        (replicas.line.gap_first, replicas.line.gap_last),
        (1_001, 2_000)
    );
    let answer = replicas.join(1, 5);
    assert_eq!((answer.first, answer.issued), (2_001, 5));
    // It comes back with numbers of its own: they are nobody else's.
    let answer = replicas.join(2, 5);
    assert_eq!((answer.first, answer.healing), (2_006, false));
    // And with more than the gap has room for, it raises the tail.
    let knows = replicas.known.get_mut(&2).expect("it is there");
    knows.tail = 5_000;
    assert_eq!(replicas.join(2, 5).first, 5_001);
}

/// A line of three, and a gap of a hundred behind them, of whom these are heard from; then three more.
fn with_gap(heard: &[u64]) -> Replicas {
    let mut replicas = Replicas::new(2);
    replicas.join(1, 3);
    let line = replicas.line.clone();
    replicas.fail_over(line);
    replicas.tick_until_healed(1, 20);
    assert_eq!(replicas.line.head(), 3);
    if !heard.is_empty() {
        let heard = heard.to_vec();
        replicas.send(
            2,
            Exchange {
                heard,
                ..Exchange::default()
            },
        );
    }
    replicas.join(1, 3);
    assert_eq!((replicas.line.gap_first, replicas.line.gap_last), (4, 103));
    assert_eq!(replicas.line.tail(), 106);
    replicas
}

#[test]
fn numbers_of_a_gap_are_stepped_over_although_absence_is_not_proven() {
    let mut replicas = with_gap(&[]);
    replicas.known.remove(&2);
    replicas.tick(5);
    assert!(!replicas.line.absence_is_proven());
    assert_eq!(replicas.line.head(), 106);
    let turns: Vec<_> = replicas.line.turns.members_after(0).map(|t| t.0).collect();
    assert_eq!(turns, [1, 2, 3, 104, 105, 106]);
}

#[test]
fn whoever_is_heard_from_with_a_number_of_the_gap_is_called_in_its_turn() {
    let mut replicas = with_gap(&[50, 51]);
    replicas.tick(5);
    let turns: Vec<_> = replicas.line.turns.members_after(0).map(|t| t.0).collect();
    assert_eq!(turns, [1, 2, 3, 50, 51, 104, 105, 106]);
}

#[test]
fn after_a_silence_the_line_gathers_the_stubs_of_every_replica() {
    let mut replicas = Replicas::new(2);
    replicas.clock_us += 30 * SECOND;
    let answer = replicas.stubs(1, &[slice(20, 1, 2)], 1);
    assert!(answer.healing && answer.issued == 0 && answer.stubs.is_empty());
    assert!(answer.more);
    // The other repeats what it sent before, and tells of its stubs in its second exchange.
    assert!(replicas.join(2, 1).healing);
    replicas.clock_us += 1;
    let answer = replicas.stubs(2, &[slice(10, 1, 3)], 1);
    assert!(answer.healing, "the first may have more to tell");
    replicas.clock_us += 1;
    let answer = replicas.stubs(1, &[slice(20, 1, 2)], 1);
    assert!(!answer.healing);
    assert_eq!(answer.stubs, [block(2, 1, 3, 1), block(1, 1, 2, 4)]);
    assert_eq!((answer.first, answer.issued), (6, 1));
    // One that stays away is not waited for, and nothing was lost that it could know of.
    replicas.clock_us += 30 * SECOND;
    assert!(replicas.join(1, 1).healing);
    let healed = replicas.tick_until_healed(1, 20);
    assert_eq!((healed, replicas.line.gap_last), (15, 0));
}

#[test]
fn the_only_replica_of_a_line_gathers_nobody() {
    let mut replicas = Replicas::new(1);
    replicas.clock_us += 30 * SECOND;
    let answer = replicas.send(
        1,
        Exchange {
            joins: 1,
            eager: vec![TicketId(1)],
            ..Exchange::default()
        },
    );
    assert_eq!((answer.healing, answer.issued), (false, 1));
    assert_eq!(answer.entered.len(), 1);
}

#[test]
fn nobody_shows_a_line_that_only_gathers_another_epoch() {
    let mut replicas = Replicas::new(2);
    let epoch = replicas.line.epoch();
    replicas.clock_us += 30 * SECOND;
    let mut newer = epoch.expect("there is one");
    newer.created_us += SECOND;
    let knows = Known {
        epoch: Some(newer),
        now_us: replicas.clock_us,
        ..Known::default()
    };
    replicas.known.insert(2, knows);
    assert!(replicas.join(2, 1).healing);
    assert_eq!(replicas.line.epoch(), epoch);
}

#[test]
fn what_replicas_know_of_passes_counts_while_the_line_heals() {
    let mut replicas = Replicas::new(2);
    replicas.join(1, 3);
    let line = replicas.line.clone();
    replicas.fail_over(line);
    let now_us = replicas.line.now_us;
    let until_us = now_us + 60 * SECOND;
    let answer = replicas.send(
        1,
        Exchange {
            renewals: vec![Renewal {
                id: TicketId(1),
                until_us,
                entered_us: now_us,
            }],
            finishes: vec![Finish {
                visitor: visitor(2),
                until_us,
            }],
            checks: vec![visitor(1), visitor(2)],
            ..Exchange::default()
        },
    );
    assert!(answer.healing);
    assert_eq!(answer.counts.inside, 1);
    let entered_us = now_us;
    let inside = Standing::Inside {
        until_us,
        entered_us,
    };
    assert_eq!(answer.standings, [inside, Standing::Spent]);
    // Of another epoch it means nothing.
    let exchange = Exchange {
        instance: InstanceId(9),
        sequence: 1,
        nonce: Nonce(1),
        store: KeyHash(8),
        renewals: vec![Renewal {
            id: TicketId(3),
            until_us,
            entered_us,
        }],
        ..Exchange::default()
    };
    let answer = replicas.line.apply(replicas.clock_us, &exchange);
    assert_eq!(answer.expect("valid").counts.inside, 1);
}

#[test]
fn what_an_exchange_can_raise_the_tail_to_is_known_before_it_is_applied() {
    let mut replicas = Replicas::new(1);
    replicas.join(1, 10);
    let line = replicas.line.clone();
    replicas.fail_over(line);
    replicas.join(1, 0);
    replicas.clock_us += 2 * SECOND;
    // Nobody knows how many there were who were told of numbers: a quarter of them is left out.
    let exchange = Exchange {
        instance: InstanceId(9),
        sequence: 1,
        store: replicas.store,
        known: Known {
            epoch: replicas.line.epoch(),
            tail: 1_000_000,
            instances: INSTANCES_UNKNOWN,
            ..Known::default()
        },
        ..Exchange::default()
    };
    let highest = replicas.line.highest_after(&exchange);
    let answer = replicas.line.apply(replicas.clock_us, &exchange).unwrap();
    assert!(answer.tail >= 1_250_000, "no gap: {}", answer.tail);
    assert!(answer.tail <= highest, "{} above {highest}", answer.tail);
}
