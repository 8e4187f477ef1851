//! Who comes while no number can be issued keeps its place in the order of arrival.

use super::SECOND;
use super::per_second;
use super::replicas::Replicas;
use super::replicas::TENTH;
use super::replicas::block;
use super::replicas::slice;
use crate::line::exchange::Exchange;
use crate::line::exchange::LostStub;
use crate::line::exchange::NEWS_MAX;
use crate::line::exchange::Proposal;
use crate::line::exchange::Refused;
use crate::line::exchange::STUB_SLICES_MAX;
use crate::line::exchange::StubBlock;
use crate::line::exchange::StubSlice;
use crate::line::ids::InstanceId;
use crate::line::ids::KeyHash;
use crate::line::settings::Mode;
use crate::line::settings::Settings;

fn proposal(content: u128, settings: Settings) -> Option<Proposal> {
    Some(Proposal {
        content: KeyHash(content),
        changed: true,
        settings,
    })
}

#[test]
fn stubs_are_numbered_ahead_of_the_newcomers_of_their_exchange() {
    let mut replicas = Replicas::new(2);
    replicas.join(2, 10);
    let answer = replicas.stubs(1, &[slice(0, 1, 3), slice(TENTH, 4, 2)], 7);
    assert_eq!(answer.stubs, [block(1, 1, 5, 11)]);
    assert_eq!((answer.first, answer.issued, answer.tail), (16, 7, 22));
    // Every replica learns of it, once.
    let answer = replicas.join(2, 1);
    assert_eq!((answer.stubs, answer.first), (vec![block(1, 1, 5, 11)], 23));
    assert!(replicas.join(2, 1).stubs.is_empty());
}

#[test]
fn stubs_of_all_replicas_are_numbered_in_order_of_arrival_when_the_line_has_healed() {
    let mut replicas = Replicas::new(3);
    replicas.join(1, 10);
    replicas.tick(1);
    let line = replicas.line.clone();
    replicas.fail_over(line);
    replicas.clock_us += SECOND;
    let one = [slice(10, 1, 3), slice(30, 4, 4), slice(50, 8, 1)];
    let answer = replicas.stubs(1, &one, 5);
    assert!(answer.healing && answer.stubs.is_empty() && answer.issued == 0);
    replicas.stubs(2, &[slice(20, 1, 2)], 5);
    replicas.join(3, 0);
    replicas.clock_us += 6 * TENTH;
    replicas.stubs(1, &one, 5);
    replicas.join(2, 5);
    // At the same time, the instance decides.
    let answer = replicas.stubs(3, &[slice(30, 1, 1), slice(40, 2, 1)], 5);
    assert!(!answer.healing);
    let expected = [
        block(1, 1, 3, 11),
        block(2, 1, 2, 14),
        block(1, 4, 4, 16),
        block(3, 1, 2, 20),
        block(1, 8, 1, 22),
    ];
    assert_eq!(answer.stubs, expected);
    assert_eq!((answer.first, answer.issued), (23, 5));
}

#[test]
fn a_stub_is_numbered_once_however_often_it_is_told_of() {
    let mut replicas = Replicas::new(1);
    replicas.stubs(1, &[slice(0, 1, 3), slice(TENTH, 4, 2)], 0);
    // The answer got lost, the last slice grew, and the two were merged.
    let answer = replicas.stubs(1, &[slice(0, 1, 9)], 0);
    assert_eq!(answer.stubs, [block(1, 6, 4, 6)]);
    assert_eq!(replicas.stubs(1, &[slice(0, 1, 9)], 0).tail, 9);
    // While they are kept, the newest list is all there is.
    let paused = Settings {
        mode: Mode::Closed,
        ..per_second(1)
    };
    replicas.send(
        1,
        Exchange {
            proposal: proposal(2, paused),
            ..Exchange::default()
        },
    );
    let answer = replicas.stubs(1, &[slice(SECOND, 10, 2), slice(2 * SECOND, 12, 2)], 1);
    assert_eq!(
        (answer.tail, answer.healing, answer.more),
        (9, false, false)
    );
    replicas.stubs(1, &[slice(SECOND, 10, 5)], 1);
    let full = Settings {
        line_max: 0,
        ..per_second(1)
    };
    let answer = replicas.send(
        1,
        Exchange {
            proposal: proposal(3, full),
            joins: 1,
            ..Exchange::default()
        },
    );
    // They were promised a place; who comes now was not.
    assert_eq!(answer.stubs, [block(1, 10, 5, 10)]);
    assert_eq!((answer.tail, answer.issued), (14, 0));
}

#[test]
fn nobody_is_numbered_ahead_of_stubs_that_one_exchange_cannot_number() {
    let mut replicas = Replicas::new(2);
    let answer = replicas.stubs(1, &[slice(0, 1, 150_000), slice(1, 150_001, 30_000)], 5);
    assert!(answer.healing && answer.more);
    assert_eq!(
        (answer.stubs, answer.issued),
        (vec![block(1, 1, 100_000, 1)], 0)
    );
    let answer = replicas.join(2, 5);
    assert!(!answer.healing);
    let expected = [block(1, 1, 100_000, 1), block(1, 100_001, 80_000, 100_001)];
    assert_eq!(answer.stubs, expected);
    assert_eq!((answer.first, answer.issued), (180_001, 5));
    assert!(answer.head > 0);
}

#[test]
fn blocks_are_told_as_many_at_a_time_as_an_answer_holds() {
    let mut replicas = Replicas::new(2);
    // Every other index belongs to nobody, so that no two slices make one block.
    let many: Vec<_> = (0..STUB_SLICES_MAX as u64)
        .map(|n| slice(n, 2 * n + 1, 1))
        .collect();
    let answer = replicas.stubs(1, &many, 0);
    assert_eq!((answer.stubs.len(), answer.more), (NEWS_MAX, true));
    let mut told = answer.stubs;
    let answer = replicas.join(1, 0);
    told.extend(answer.stubs);
    let expected: Vec<_> = (0..STUB_SLICES_MAX as u64)
        .map(|n| block(1, 2 * n + 1, 1, n + 1))
        .collect();
    assert_eq!(told, expected);
    assert!(replicas.join(1, 0).stubs.is_empty());
}

#[test]
fn slices_out_of_order_or_empty_are_refused() {
    let slices: [&[StubSlice]; 4] = [
        &[slice(0, 0, 1)],
        &[slice(0, 1, 0)],
        &[slice(0, 1, 2), slice(0, 2, 1)],
        &[slice(1 << 52, 1, 1)],
    ];
    for stubs in slices {
        let exchange = Exchange {
            stubs: stubs.to_vec(),
            ..Exchange::default()
        };
        assert_eq!(exchange.validate(), Err(Refused::OutOfRange("stubs")));
    }
    let exchange = Exchange {
        stubs: (1..=STUB_SLICES_MAX as u64 + 1)
            .map(|n| slice(0, n, 1))
            .collect(),
        ..Exchange::default()
    };
    assert_eq!(exchange.validate(), Err(Refused::TooMuch("stubs")));
}

#[test]
fn whoever_held_a_stub_counts_as_present_once_it_has_a_number() {
    let mut replicas = Replicas::new(1);
    replicas.stubs(1, &[slice(0, 1, 4)], 0);
    let present = &replicas.line.present;
    let heard = crate::line::bits::next_in_any(present, 3, 10);
    assert_eq!(heard, Some(4));
}

#[test]
fn whoever_gets_a_number_is_told_of_which_line_even_while_others_have_yet_to_get_theirs() {
    let mut replicas = Replicas::new(1);
    // As before its first number.
    replicas.line.provisional = true;
    let answer = replicas.stubs(1, &[slice(0, 1, 180_000)], 0);
    assert!(answer.healing && answer.tail > 0 && !answer.stubs.is_empty());
    assert_eq!(Some(answer.epoch), replicas.line.epoch);
}

#[test]
fn the_number_of_a_stub_that_was_lost_is_remembered_longer_than_its_key() {
    let mut replicas = Replicas::new(2);
    replicas.join(1, 10);
    let lost = |index| LostStub {
        instance: InstanceId(77),
        index,
    };
    let claim = Exchange {
        keyed: vec![KeyHash(1), KeyHash(2), KeyHash(3)],
        // The second goes by a key of its visitor's.
        lost: vec![lost(5), lost(0), lost(2)],
        ..Exchange::default()
    };
    let answer = replicas.send(1, claim.clone());
    assert_eq!(answer.keyed, [11, 12, 13]);
    let one = |first, number| StubBlock {
        instance: InstanceId(77),
        first,
        count: 1,
        number,
    };
    assert_eq!(answer.stubs, [one(5, 11), one(2, 13)]);
    // Whoever is shown it from now on knows its number, and need not ask.
    assert_eq!(replicas.join(2, 0).stubs, [one(5, 11), one(2, 13)]);
    // Shown at both at once, it got one number.
    let again = replicas.send(2, claim);
    assert_eq!(again.keyed, [11, 12, 13]);
    assert!(again.stubs.is_empty());
}

#[test]
fn an_exchange_says_of_each_join_by_a_key_whose_stub_it_is_or_of_none() {
    let mut replicas = Replicas::new(1);
    let refused = replicas.line.apply(
        replicas.clock_us,
        &Exchange {
            keyed: vec![KeyHash(1), KeyHash(2)],
            lost: vec![LostStub::default()],
            sequence: 1,
            ..Exchange::default()
        },
    );
    assert_eq!(refused, Err(Refused::OutOfRange("lost")));
}
