//! Histories of a portal in trouble: what the guard makes of it, and what it costs whom.

use anteroom::line::exchange::Standing;
use anteroom::line::exchange::Visitor;

use crate::plan::Manners;
use crate::plan::SECOND;
use crate::scenarios::MINUTE;
use crate::scenarios::pass;
use crate::scenarios::settings;
use crate::scenarios::steady;
use crate::scenarios::world;
use crate::trouble::Origin;
use crate::world::World;

/// Three replicas before a line of 1,100 at five a second, whose portal is in this trouble from the second minute on.
fn in_trouble(seed: u64, origin: Origin) -> World {
    let auto = Manners {
        auto: 500,
        ..steady(10 * SECOND)
    };
    let mut world = world(seed, 1_100, auto, settings(5));
    pass(&mut world, MINUTE);
    world.origin = origin;
    world.origin_until_us = u64::MAX;
    world
}

/// How many entered in this time.
fn entries_in(world: &mut World, time_us: u64) -> usize {
    let before = world.store.record.entries.len();
    pass(world, time_us);
    world.store.record.entries.len() - before
}

#[test]
fn a_dead_origin_gets_a_probe_now_and_then_and_nobody_loses_a_turn_to_it() {
    let mut world = in_trouble(14, Origin::Down);
    pass(&mut world, 20 * SECOND);
    let head = world.store.line.head();
    let probes = entries_in(&mut world, 11 * MINUTE);
    assert!((110..=145).contains(&probes), "P3: {probes} entered");
    let called = world.store.line.head() - head;
    assert!(called <= 200, "{called} were called to a dead origin");
    // Turns of ten minutes would have run out long ago.
    let late = world.store.record.holders.iter().filter(|(id, holder)| {
        let visitor = Visitor {
            number: holder.number,
            id: **id,
        };
        world.store.shadow.standing(visitor) == Standing::Late
    });
    assert_eq!(late.count(), 0, "P5: somebody has lost its turn");
    world.origin_until_us = 0;
    pass(&mut world, MINUTE + 20 * SECOND);
    let used = entries_in(&mut world, MINUTE);
    assert!(
        used >= 291,
        "P4: {used} of 300 entries, the origin well again"
    );
}

#[test]
fn a_slow_origin_gets_less_and_less_and_the_pace_comes_back_with_it() {
    let mut world = in_trouble(15, Origin::Slow);
    let tens = [(); 4].map(|()| entries_in(&mut world, 10 * SECOND));
    assert!(
        tens[0] <= 35 && tens[1] < tens[0] && tens[2] <= tens[1] && tens[3] <= 3,
        "{tens:?} in ten seconds each, of 50"
    );
    world.origin_until_us = 0;
    pass(&mut world, 80 * SECOND);
    let used = entries_in(&mut world, MINUTE);
    assert!(
        used >= 291,
        "P4: {used} of 300 entries, the origin well again"
    );
}
