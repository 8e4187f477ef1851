//! Rooms that go on without their store: whatever is cut off, killed or lost, the line and all doors together let in no
//! more than the pace.

use std::collections::BTreeMap;

use anteroom::line::door::Door;
use anteroom::line::ids::InstanceId;
use anteroom::line::lease::SETTLED_US;
use anteroom::line::settings::Settings;

use crate::plan::MILLI;
use crate::plan::Manners;
use crate::plan::SECOND;
use crate::scenarios::pass;
use crate::scenarios::settings;
use crate::scenarios::steady;
use crate::scenarios::world;
use crate::world::World;

/// Entries a second.
const RATE: u64 = 6;
/// Time between two looks at everybody.
const LOOK_US: u64 = 10 * MILLI;

/// A world whose replicas go on by themselves, with a crowd at every door.
struct Going {
    world: World,
    rate: u64,
    /// Each replica's door, and the exchange whose answer left it.
    doors: BTreeMap<InstanceId, (u64, u64, Door)>,
    /// Since when each has been answered without a break.
    settled: BTreeMap<InstanceId, (u64, u64)>,
    /// When somebody entered: by the line, or by a door.
    entries: Vec<u64>,
    by_door: u64,
    by_line: u64,
}

impl Going {
    /// Three replicas, and more who want to come in than there is pace for.
    fn new(seed: u64, rate: u64) -> Self {
        let auto = Manners {
            auto: 1_000,
            ..steady(1)
        };
        let paced = Settings {
            paced: true,
            guard_share_ppm: 0,
            ..settings(rate)
        };
        let mut going = Self {
            world: world(
                seed,
                200 * usize::try_from(rate).expect("a few"),
                auto,
                paced,
            ),
            rate,
            doors: BTreeMap::new(),
            settled: BTreeMap::new(),
            entries: Vec::new(),
            by_door: 0,
            by_line: 0,
        };
        going.go_on(20 * SECOND);
        assert!(going.by_line > 10 * rate, "{} entered", going.by_line);
        going
    }

    fn go_on(&mut self, time_us: u64) {
        let end_us = self.world.now_us + time_us;
        while self.world.now_us < end_us {
            let before = self.world.store.record.entered.len();
            pass(&mut self.world, LOOK_US);
            let now_us = self.world.now_us;
            for _ in before..self.world.store.record.entered.len() {
                self.entries.push(now_us);
                self.by_line += 1;
            }
            self.look_at_doors(now_us);
        }
    }

    /// Whoever stands at a door tries it.
    fn look_at_doors(&mut self, now_us: u64) {
        for replica in self.world.replicas.iter().filter(|r| r.alive) {
            let Some((answer, at_us)) = &replica.last else {
                continue;
            };
            let since_us = now_us + replica.clock_ahead_us - at_us;
            // What the product does with its health: up since the first answer after it was away.
            let settled = self
                .settled
                .entry(replica.instance)
                .or_insert((*at_us, *at_us));
            if answer.healing || at_us - settled.1 > 2 * SECOND {
                settled.0 = *at_us;
            }
            settled.1 = *at_us;
            if at_us - settled.0 < SETTLED_US {
                continue;
            }
            let left_by = (answer.sequence, *at_us);
            let door = self.doors.get(&replica.instance).copied();
            let door = door
                .filter(|door| (door.0, door.1) == left_by)
                .map(|door| door.2);
            let Some(mut door) = door.or_else(|| Door::of(answer)) else {
                continue;
            };
            while door.let_in(since_us) {
                self.entries.push(now_us);
                self.by_door += 1;
            }
            self.doors
                .insert(replica.instance, (left_by.0, left_by.1, door));
        }
    }

    /// No window, however long, has more entries than the pace and one second of it; where shares are less than one entry
    /// a second, so many buckets have one all the same.
    fn keeps_the_pace(&self, buckets: u64) {
        // What a window has at most is least where it begins: a bucket tells it for all of them.
        let rate = self.rate;
        let (mut credit_us, mut last_us) = ((rate + buckets) * SECOND, 0);
        for &at_us in &self.entries {
            credit_us = (credit_us + rate * (at_us - last_us))
                .min((rate + buckets) * SECOND + rate * LOOK_US);
            last_us = at_us;
            assert!(
                credit_us >= SECOND,
                "P3: more than {rate} a second at {} ms ({} by the line, {} by doors)",
                at_us / MILLI,
                self.by_line,
                self.by_door
            );
            credit_us -= SECOND;
        }
    }
}

#[test]
fn all_doors_together_keep_the_pace_when_the_store_is_away_and_use_it() {
    let mut going = Going::new(1, RATE);
    let before_us = going.world.now_us;
    going.world.store.away_until_us = before_us + 120 * SECOND;
    going.go_on(120 * SECOND);
    // All but the first seconds, and the one in which the credit fills.
    assert!(going.by_door >= RATE * 110, "{} by doors", going.by_door);
    // They find it again.
    going.go_on(3 * SECOND);
    let (doors, line) = (going.by_door, going.by_line);
    going.go_on(60 * SECOND);
    assert_eq!(going.by_door, doors, "a door stayed open");
    assert!(going.by_line > line + 300, "{} by the line", going.by_line);
    going.keeps_the_pace(0);
}

#[test]
fn a_replica_cut_off_has_its_share_and_the_line_the_rest() {
    let mut going = Going::new(2, RATE);
    going.world.replicas[1].cut_until_us = going.world.now_us + 90 * SECOND;
    going.go_on(10 * SECOND);
    let (doors, line) = (going.by_door, going.by_line);
    going.go_on(60 * SECOND);
    let (doors, line) = (going.by_door - doors, going.by_line - line);
    assert!((115..=121).contains(&doors), "{doors} by its door");
    assert!((230..=246).contains(&line), "{line} by the line");
    going.go_on(40 * SECOND);
    let line = going.by_line;
    going.go_on(30 * SECOND);
    let line = going.by_line - line;
    assert!(line >= 174, "{line}: its share was not given back");
    going.keeps_the_pace(0);
}

#[test]
fn a_killed_replicas_share_is_withheld_until_its_lease_ends_and_a_leaving_ones_not_at_all() {
    for (leaves, least, most) in [(false, 115, 126), (true, 174, 186)] {
        let mut going = Going::new(3, RATE);
        if leaves {
            going.world.replicas[2].leaving = true;
            going.world.send(2);
        } else {
            going.world.replicas[2].alive = false;
        }
        going.go_on(10 * SECOND);
        let line = going.by_line;
        going.go_on(30 * SECOND);
        let line_entered = going.by_line - line;
        assert!(
            (least..=most).contains(&line_entered),
            "leaves: {leaves}, {line_entered} entered"
        );
        going.keeps_the_pace(0);
    }
}

#[test]
fn whatever_is_cut_off_killed_or_lost_the_pace_holds() {
    let mut by_doors = 0;
    for seed in 0..12 {
        let mut going = Going::new(100 + seed, 3);
        for _ in 0..8 {
            let world = &mut going.world;
            let at = world.rng.index(world.replicas.len());
            let for_us = world.rng.between(SECOND, 60 * SECOND);
            match world.rng.below(7) {
                0 => world.store.away_until_us = world.now_us + for_us,
                1 | 2 => world.replicas[at].cut_until_us = world.now_us + for_us,
                3 => {
                    world.replicas[at].alive = false;
                    let file = world.newest_file();
                    world.start_replica(file);
                }
                4 => {
                    world.replicas[at].leaving = true;
                    world.send(at);
                }
                5 => world.store.restart(&mut world.rng),
                _ => world.store.empty(&mut world.rng),
            }
            let pause_us = going.world.rng.between(SECOND, 20 * SECOND);
            going.go_on(pause_us);
        }
        going.keeps_the_pace(3);
        by_doors += going.by_door;
    }
    assert!(by_doors > 150, "{by_doors} by doors");
}
