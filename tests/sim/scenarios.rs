//! Histories with a purpose: a line in one particular trouble, and what must be true in it.

use anteroom::line::ids::KeyHash;
use anteroom::line::settings::NO_LIMIT;
use anteroom::line::settings::Settings;

use crate::person::State;
use crate::plan::MILLI;
use crate::plan::Manners;
use crate::plan::Plan;
use crate::plan::SECOND;
use crate::replica::File;
use crate::rng::Rng;
use crate::world::World;

pub(crate) const MINUTE: u64 = 60 * SECOND;

/// Visitors who wait, press after a while and stay inside.
pub(crate) fn steady(press_us: u64) -> Manners {
    Manners {
        never: 0,
        vanish: 0,
        wander: 0,
        shy: 0,
        hammer: 0,
        auto: 0,
        press_us,
    }
}

pub(crate) fn settings(per_second: u64) -> Settings {
    Settings {
        rate_per_hour: per_second * 3_600,
        ..Settings::default()
    }
}

/// A healthy world: these many come at once to three replicas.
pub(crate) fn world(seed: u64, people: usize, manners: Manners, settings: Settings) -> World {
    let plan = Plan {
        embedded: false,
        replicas: 3,
        people,
        at_once: people,
        arrival_us: SECOND,
        tick_us: 250 * MILLI,
        step_us: 100 * MILLI,
        latency_us: (MILLI, 5 * MILLI),
        lost: 0,
        twice: 0,
        poll_us: 0,
        manners,
        settings,
        troubles: Vec::new(),
        trouble: 0,
        opens_after_us: 0,
    };
    let mut world = World::with(Rng::new(seed), plan);
    // Nobody leaves by chance.
    world.steady = true;
    world
}

pub(crate) fn pass(world: &mut World, time_us: u64) {
    let passed = world.pass(time_us);
    assert!(passed.is_ok(), "{passed:?}");
}

/// Half of those waiting are gone from one moment to the next.
fn half_vanish(world: &mut World) {
    for person in world.people.iter_mut().step_by(2) {
        person.state = State::Away;
        person.visit += 1;
    }
}

/// At two a second, from the second minute on every minute has 97 % of its entries. Where everybody takes a minute to
/// press it is from half a minute after the first of them could, and a minute later with three quarters missing.
fn uses_its_pace(name: &str, vanish: bool, manners: Manners) {
    let short = Settings {
        turn_us: 2 * MINUTE,
        ..settings(2)
    };
    let mut world = world(7, 0, manners, short);
    // Nobody comes while the new line heals.
    pass(&mut world, 3 * SECOND);
    (0..2_400).for_each(|_| world.newcomer());
    // All press at the same time after their call.
    for person in &mut world.people {
        person.manner.press_us = manners.press_us;
    }
    pass(&mut world, 3 * SECOND);
    let start_us = world.store.record.now_us;
    if vanish {
        half_vanish(&mut world);
    }
    let both = vanish && manners.never > 0;
    let learning_us = if both { MINUTE } else { 0 };
    let first_us = MINUTE.max(manners.press_us + 30 * SECOND) + learning_us;
    pass(&mut world, first_us + 2 * MINUTE);
    let entries = &world.store.record.entries;
    for window in 0..=6 {
        let from_us = start_us + first_us + window * 10 * SECOND;
        let within = |at: &&u64| **at >= from_us && **at < from_us + MINUTE;
        let used = entries.iter().filter(within).count();
        assert!(
            used >= 117,
            "P4: {name}: {used} of 120 entries in the minute from second {}",
            (from_us - start_us) / SECOND
        );
    }
}

#[test]
fn the_pace_is_used_whether_pages_or_people_press() {
    let auto = Manners {
        auto: 1_000,
        ..steady(1)
    };
    uses_its_pace("auto", false, auto);
    uses_its_pace("5 s", false, steady(5 * SECOND));
    uses_its_pace("20 s", false, steady(20 * SECOND));
    uses_its_pace("60 s", false, steady(60 * SECOND));
}

#[test]
fn the_pace_is_used_when_half_of_the_line_is_gone_or_never_presses() {
    let never = |press_us| Manners {
        never: 500,
        ..steady(press_us)
    };
    let auto = Manners {
        auto: 1_000,
        ..steady(1)
    };
    uses_its_pace("half gone, auto", true, auto);
    uses_its_pace("half gone, 5 s", true, steady(5 * SECOND));
    uses_its_pace("half never, 5 s", false, never(5 * SECOND));
    uses_its_pace("half gone, half never, 20 s", true, never(20 * SECOND));
    uses_its_pace("half gone, half never, 60 s", true, never(60 * SECOND));
}

#[test]
fn nobody_waits_behind_a_thousand_who_vanished() {
    let short = Settings {
        presence_us: 20 * SECOND,
        ..settings(1)
    };
    let closed = Settings {
        rate_per_hour: 0,
        ..short
    };
    let mut world = world(8, 1_000, steady(SECOND), closed);
    pass(&mut world, 10 * SECOND);
    let gone: Vec<_> = (0..world.people.len()).collect();
    for person in gone {
        world.people[person].state = State::Away;
        world.people[person].visit += 1;
    }
    (0..20).for_each(|_| world.newcomer());
    // Bits are kept for a window and a half.
    pass(&mut world, 32 * SECOND);
    assert_eq!(world.store.line.head(), 0);
    world.put_file(File {
        content: KeyHash(9),
        settings: short,
    });
    let mut waited_us = 0;
    while world.store.line.settings().rate_per_hour == 0 || world.store.line.head() <= 1_000 {
        pass(&mut world, 50 * MILLI);
        if world.store.line.settings().rate_per_hour > 0 {
            waited_us += 50 * MILLI;
        }
        assert!(
            waited_us <= SECOND,
            "P6: the next present visitor was not called within a second"
        );
    }
    assert_eq!(world.store.record.skipped, 1_000);
}

/// A line of 1,200, of whom some were called.
fn long_line(seed: u64) -> World {
    let mut world = world(seed, 1_200, steady(4 * SECOND), settings(2));
    pass(&mut world, 2 * MINUTE);
    assert_eq!(world.store.record.skipped, 0);
    world
}

#[test]
fn a_store_silent_for_ninety_seconds_makes_nobody_late() {
    let mut world = long_line(10);
    world.store.away_until_us = world.now_us + 90 * SECOND;
    pass(&mut world, 4 * MINUTE);
    assert!(world.store.line.head() > 500);
    assert_eq!(world.store.record.skipped, 0, "P5: somebody was skipped");
}

#[test]
fn a_replica_cut_off_for_ninety_seconds_makes_nobody_late() {
    let mut world = long_line(11);
    world.replicas[1].cut_until_us = world.now_us + 90 * SECOND;
    pass(&mut world, 4 * MINUTE);
    assert!(world.store.line.head() > 500);
    assert_eq!(world.store.record.skipped, 0, "P5: somebody was skipped");
}

#[test]
fn while_the_store_is_away_nobody_enters_and_nobody_runs_out() {
    let idle = Settings {
        pass_idle_us: 30 * SECOND,
        turn_us: 30 * SECOND,
        ..settings(2)
    };
    let mut world = world(12, 500, steady(4 * SECOND), idle);
    pass(&mut world, 2 * MINUTE);
    let inside = world.store.shadow.inside.len();
    let entered = world.store.record.entries.len();
    assert!(inside > 100);
    world.store.away_until_us = world.now_us + 3 * MINUTE;
    pass(&mut world, 3 * MINUTE - SECOND);
    assert_eq!(
        world.store.record.entries.len(),
        entered,
        "P8: somebody entered"
    );
    pass(&mut world, 4 * SECOND);
    assert!(
        world.store.shadow.inside.len() >= inside,
        "P7: a pass ran out"
    );
}

#[test]
fn a_tight_active_max_is_filled_again_and_again() {
    let tight = Settings {
        active_max: 50,
        pass_idle_us: 20 * SECOND,
        line_max: NO_LIMIT,
        ..settings(20)
    };
    let mut world = world(13, 1_000, steady(3 * SECOND), tight);
    world.steady = false;
    pass(&mut world, MINUTE);
    let (mut full, mut looks) = (0, 0);
    while world.now_us < 4 * MINUTE {
        pass(&mut world, 500 * MILLI);
        looks += 1;
        full += u64::from(world.store.shadow.inside.len() >= 45);
    }
    assert!(
        full * 100 >= looks * 90,
        "{full} of {looks} times nearly full"
    );
}

/// With one in ten who never presses, and people who stay for twenty seconds: from the second minute on, what
/// `active_max` allows is inside.
#[test]
fn a_tight_active_max_is_used_although_one_in_ten_never_presses() {
    let tight = Settings {
        active_max: 50,
        pass_idle_us: 20 * SECOND,
        line_max: NO_LIMIT,
        ..settings(20)
    };
    let no_shows = Manners {
        never: 100,
        ..steady(5 * SECOND)
    };
    let mut world = world(14, 1_500, no_shows, tight);
    world.steady = false;
    pass(&mut world, MINUTE);
    let (mut inside, mut looks) = (0, 0);
    while world.now_us < 5 * MINUTE {
        pass(&mut world, 500 * MILLI);
        looks += 1;
        inside += world.store.shadow.inside.len() as u64;
    }
    let allowed = looks * tight.active_max;
    assert!(
        inside * 100 >= allowed * 97,
        "P4: {inside} of {allowed} inside, looked at {looks} times"
    );
}
