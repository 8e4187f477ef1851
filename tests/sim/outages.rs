//! Outages under a stream of newcomers: nobody loses its place in the order of arrival.

use anteroom::line::exchange::Visitor;

use crate::plan::MILLI;
use crate::plan::Manners;
use crate::plan::SECOND;
use crate::scenarios::pass;
use crate::scenarios::settings;
use crate::scenarios::steady;
use crate::scenarios::world;
use crate::world::World;

/// Newcomers, one every so often, for so long; whom it was.
fn stream(world: &mut World, every_us: u64, for_us: u64) -> std::ops::Range<usize> {
    let first = world.people.len();
    let end_us = world.now_us + for_us;
    while world.now_us < end_us {
        pass(world, every_us);
        world.newcomer();
    }
    first..world.people.len()
}

/// Three replicas of a line that some wait in, at one a second.
fn busy() -> World {
    let auto = Manners {
        auto: 1_000,
        ..steady(1)
    };
    let mut world = world(20, 60, auto, settings(1));
    pass(&mut world, 20 * SECOND);
    assert!(world.store.line.tail() >= 60);
    world
}

/// The tickets of these people who got a stub, in the order in which they got them.
fn by_arrival(world: &World, people: std::ops::Range<usize>) -> Vec<(u64, Visitor)> {
    let mut rows: Vec<_> = world.people[people]
        .iter()
        .filter(|person| person.arrived_us > 0)
        .map(|person| {
            let (_, visitor) = person.ticket.expect("everybody has a ticket by now");
            (person.arrived_us, visitor)
        })
        .collect();
    rows.sort_by_key(|row| row.0);
    rows
}

/// Who came more than half a second before somebody else is ahead of it, and who came later is behind all of these.
fn keeps_the_order(world: &World, during: std::ops::Range<usize>, least: usize, tail: u64) {
    let rows = by_arrival(world, during);
    assert!(rows.len() >= least, "{} got stubs", rows.len());
    let mut highest = 0;
    for (at, &(arrived_us, visitor)) in rows.iter().enumerate() {
        assert!(
            visitor.number > tail,
            "{visitor:?} was numbered before {tail}"
        );
        let earlier = rows[..at].iter().rev();
        let sure = earlier.skip_while(|row| row.0 + 500 * MILLI > arrived_us);
        for (_, other) in sure {
            assert!(
                other.number < visitor.number,
                "P2: {other:?} came before {visitor:?}"
            );
        }
        highest = highest.max(visitor.number);
    }
    let after = world.people.iter().filter(|p| p.arrived_us == 0);
    let behind = after.filter_map(|p| p.ticket.filter(|t| t.1.number > tail));
    for (_, other) in behind {
        assert!(other.number > highest, "P2: {other:?} came after {highest}");
    }
}

#[test]
fn newcomers_of_an_outage_are_numbered_in_order_of_arrival() {
    let mut world = busy();
    let tail = world.store.line.tail();
    world.store.away_until_us = world.now_us + 60 * SECOND;
    pass(&mut world, 2 * SECOND);
    let during = stream(&mut world, 100 * MILLI, 55 * SECOND);
    // They come within a second.
    pass(&mut world, 10 * SECOND);
    stream(&mut world, 100 * MILLI, 5 * SECOND);
    pass(&mut world, 10 * SECOND);
    keeps_the_order(&world, during, 500, tail);
    assert!(!world.store.shadow.has_gap());
}

#[test]
fn newcomers_of_a_fail_over_that_loses_writes_are_numbered_in_order_of_arrival() {
    let mut world = busy();
    let tail = world.store.line.tail();
    world.store.away_until_us = world.now_us + 10 * SECOND;
    pass(&mut world, 2 * SECOND);
    let during = stream(&mut world, 50 * MILLI, 7 * SECOND);
    let rng = &mut world.rng;
    world.store.restart(rng);
    pass(&mut world, 10 * SECOND);
    stream(&mut world, 100 * MILLI, 5 * SECOND);
    pass(&mut world, 10 * SECOND);
    keeps_the_order(&world, during, 120, tail);
}

#[test]
fn a_replica_that_alone_was_cut_off_has_its_newcomers_numbered_when_it_is_back() {
    let mut world = busy();
    world.replicas[1].cut_until_us = world.now_us + 30 * SECOND;
    pass(&mut world, 2 * SECOND);
    let during = stream(&mut world, 100 * MILLI, 20 * SECOND);
    pass(&mut world, 20 * SECOND);
    let rows = by_arrival(&world, during);
    assert!(rows.len() >= 30, "{} got stubs", rows.len());
    let numbers: Vec<_> = rows.iter().map(|row| row.1.number).collect();
    assert!(numbers.is_sorted(), "P2: {numbers:?}");
}
