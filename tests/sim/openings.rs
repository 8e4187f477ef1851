//! Openings with a purpose: who is called in which order, and what a store may lose on the way there.

use std::collections::BTreeMap;

use anteroom::line::ids::TicketId;
use anteroom::line::settings::Settings;
use anteroom::seal::Drawn;

use crate::plan::MILLI;
use crate::plan::SECOND;
use crate::scenarios;
use crate::visit::seed;
use crate::world::World;

/// How many come before the opening, which is this long after the beginning.
const EARLY: usize = 900;
const OPENS_US: u64 = 30 * SECOND;

/// A line that is yet to open, with everybody in it who comes before that.
fn early(seed: u64, draw: bool) -> World {
    let settings = Settings {
        draw,
        presence_us: 20 * SECOND,
        ..scenarios::settings(5)
    };
    let auto = scenarios::steady(SECOND);
    let mut world = scenarios::opening(seed, EARLY, auto, settings, OPENS_US);
    scenarios::pass(&mut world, OPENS_US - 5 * SECOND);
    let line = &world.store.line;
    assert_eq!((line.tail(), line.head()), (EARLY as u64, 0));
    assert!(world.store.record.entries.is_empty());
    world
}

/// Lets the line open and everybody in; in which order they went in, by id.
fn all_enter(world: &mut World) -> Vec<TicketId> {
    let end_us = world.now_us + 300 * SECOND;
    while world.store.record.entries.len() < EARLY {
        scenarios::pass(world, 500 * MILLI);
        assert!(world.now_us < end_us, "P4: not everybody was let in");
    }
    world.store.record.entered.clone()
}

/// The order in which the early line came: index by id.
fn indices(world: &World) -> BTreeMap<TicketId, u64> {
    let tickets = world.people.iter().filter_map(|person| {
        let (_, visitor) = person.ticket?;
        Some((visitor.id, person.index.unwrap_or(visitor.number)))
    });
    tickets.collect()
}

/// The most that are called before the first of them asks: 25 seconds of the rate, and a little.
const STOCK: u64 = 150;

/// Calls go in the order of numbers; whoever is called asks soon, so who goes in is no further from its place than the
/// stock of called people reaches.
fn is_in_order(entered: &[TicketId], number: impl Fn(TicketId) -> u64) {
    for (place, &id) in (1..).zip(entered) {
        let off = number(id).abs_diff(place);
        assert!(
            off <= STOCK,
            "number {} went in as the {place}th",
            number(id)
        );
    }
}

#[test]
fn an_opening_by_arrival_calls_whoever_came_first() {
    let mut world = early(21, false);
    let entered = all_enter(&mut world);
    let indices = indices(&world);
    is_in_order(&entered, |id| indices[&id]);
}

#[test]
fn an_opening_by_draw_calls_in_the_order_that_was_drawn() {
    for trouble in [false, true] {
        let mut world = early(22, true);
        if trouble {
            world.store.empty(&mut world.rng);
        }
        let entered = all_enter(&mut world);
        let indices = indices(&world);
        let drawn = Drawn::new(seed(), 0, EARLY as u64);
        is_in_order(&entered, |id| drawn.number(indices[&id]));
        let moved = entered
            .iter()
            .zip(1..)
            .filter(|&(id, place): &(&TicketId, u64)| indices[id].abs_diff(place) > STOCK);
        assert!(moved.count() > 300, "nothing was drawn");
    }
}
