//! A replica's side of a room against a real line: what is gathered, and what the picture has when people are told.

mod orders;

use std::collections::HashSet;
use std::time::Duration;

use prometheus::IntCounter;
use prometheus::IntGauge;
use tokio::sync::oneshot;

use crate::clock;
use crate::line::Line;
use crate::line::exchange::Exchange;
use crate::line::exchange::Finish;
use crate::line::exchange::HEALTH_MAX;
use crate::line::exchange::Health as OriginHealth;
use crate::line::exchange::ITEMS_MAX;
use crate::line::exchange::Known;
use crate::line::exchange::Renewal;
use crate::line::exchange::Standing;
use crate::line::exchange::Visitor;
use crate::line::ids::Epoch;
use crate::line::ids::InstanceId;
use crate::line::ids::TicketId;
use crate::room::event::Asked;
use crate::room::event::Event;
use crate::room::event::Joined;
use crate::room::gather::Gathered;
use crate::room::gather::Waiting;
use crate::room::mirror::Mirror;
use crate::room::mirror::Moment;
use crate::room::snapshot::Health;
use crate::room::stubs::Arrival;
use crate::room::stubs::Now;
use crate::room::stubs::Stubs;

const INSTANCE: InstanceId = InstanceId(7);

/// A line, and one replica of it.
struct World {
    line: Line,
    clock_us: u64,
    sequence: u64,
    gathered: Gathered,
    mirror: Mirror,
    stubs: Stubs,
}

/// Newcomers without a number of one replica.
fn stubs() -> Stubs {
    let given = IntCounter::new("given", "given").unwrap();
    let waiting = IntGauge::new("waiting", "waiting").unwrap();
    Stubs::new(INSTANCE, given, waiting)
}

fn now() -> Now {
    Now {
        at: clock::monotonic(),
        line_us: 0,
        epoch: Epoch::default(),
        room: u64::MAX,
    }
}

impl World {
    fn new() -> Self {
        Self {
            line: Line::new(),
            clock_us: 1_000_000_000,
            sequence: 0,
            gathered: Gathered::default(),
            mirror: Mirror::new(clock::monotonic()),
            stubs: stubs(),
        }
    }

    /// The next exchange leaves.
    fn send(&mut self) -> (Exchange, Waiting) {
        let (mut exchange, waiting) = self.gathered.take(self.mirror.known);
        self.sequence += 1;
        exchange.sequence = self.sequence;
        exchange.instance = INSTANCE;
        exchange.stubs = self.stubs.slices();
        (exchange, waiting)
    }

    /// Its answer comes.
    fn answer(&mut self, exchange: &Exchange, waiting: Waiting) {
        self.clock_us += 250_000;
        let answer = self.line.apply(self.clock_us, exchange).unwrap();
        let moment = Moment::at(clock::monotonic());
        self.stubs.number(&answer.stubs);
        self.mirror.apply(exchange, answer, moment);
        let stubs = &mut self.stubs;
        let unclaimed = self.mirror.tell(exchange, waiting, || stubs.give(now()));
        self.gathered.give_up(unclaimed);
    }

    fn exchange(&mut self) -> Exchange {
        let (exchange, waiting) = self.send();
        self.answer(&exchange, waiting);
        exchange
    }

    fn join(&mut self, id: u128, eager: bool) -> oneshot::Receiver<Joined> {
        let (reply, joined) = oneshot::channel();
        let id = TicketId(id);
        self.gathered.add(Event::Join { id, eager, reply });
        joined
    }

    /// A line with one visitor inside and `others` behind it.
    fn with_one_inside(others: u128) -> Self {
        let mut world = Self::new();
        let mut first = world.join(1, true);
        world.exchange();
        let joined = first.try_recv().unwrap();
        let Joined::Numbered {
            entered_until_us, ..
        } = joined
        else {
            panic!("{joined:?}");
        };
        assert!(entered_until_us.is_some());
        let waiting: Vec<_> = (2..2 + others).map(|id| world.join(id, false)).collect();
        world.exchange();
        drop(waiting);
        world
    }
}

fn visitor(number: u64, id: u128) -> Visitor {
    Visitor {
        number,
        id: TicketId(id),
    }
}

#[test]
fn newcomers_get_their_numbers_in_the_order_they_came() {
    let mut world = World::with_one_inside(0);
    let mut joins: Vec<_> = (10..15).map(|id| world.join(id, false)).collect();
    world.exchange();
    for (number, join) in (2..).zip(&mut joins) {
        let joined = join.try_recv().unwrap();
        assert!(
            matches!(joined, Joined::Numbered { number: n, .. } if n == number),
            "{joined:?}"
        );
    }
}

#[test]
fn a_newcomer_who_has_gone_before_the_exchange_leaves_gets_no_number() {
    let mut world = World::new();
    drop(world.join(1, true));
    let mut stays = world.join(2, true);
    assert_eq!(world.exchange().joins, 1);
    assert!(matches!(
        stays.try_recv().unwrap(),
        Joined::Numbered { number: 1, .. }
    ));
}

#[test]
fn a_number_that_nobody_took_is_given_up() {
    let mut world = World::with_one_inside(0);
    let mut told = world.join(5, false);
    let (exchange, mut waiting) = world.send();
    // The store does not answer, then it does after all.
    waiting.turn_away(|| world.stubs.give(now()));
    let told = told.try_recv().unwrap();
    assert!(
        matches!(told, Joined::Away(Some(Arrival { index: 1, .. }))),
        "{told:?}"
    );
    // Being told again gives it no second place.
    waiting.turn_away(|| world.stubs.give(now()));
    assert_eq!(world.stubs.waiting(), 1);
    world.answer(&exchange, waiting);
    let next = world.exchange();
    let given_up: Vec<_> = next.finishes.iter().map(|f| f.visitor).collect();
    assert_eq!(given_up, [visitor(2, 5)]);
    // Whoever it was for has one all the same, by its place in the order of arrival.
    assert_eq!((world.line.tail(), world.stubs.waiting()), (3, 0));
}

#[test]
fn whoever_is_let_in_is_told_and_the_picture_has_it() {
    let mut world = World::with_one_inside(1);
    let (reply, mut asked) = oneshot::channel();
    world.mirror.await_entry(TicketId(2), reply);
    for _ in 0..20 {
        world.gathered.add(Event::Ask {
            visitor: visitor(2, 2),
            reply: None,
        });
        world.exchange();
        if let Ok(asked) = asked.try_recv() {
            assert!(matches!(asked, Asked::Entered { .. }), "{asked:?}");
            let picture = &world.mirror.picture;
            let now_us = picture.answer().unwrap().now_us;
            assert!(picture.is_inside(TicketId(2), now_us) && !picture.is_asking(TicketId(2)));
            return;
        }
    }
    panic!("two entries a second, and nobody was let in within five");
}

#[test]
fn a_longer_turn_is_in_the_picture_as_soon_as_it_is_answered() {
    let mut world = World::with_one_inside(1);
    let before_us = world.mirror.picture.turn_until_us(2).unwrap();
    let (reply, mut checked) = oneshot::channel();
    world.gathered.add(Event::More(2));
    world.gathered.add(Event::Check {
        visitor: visitor(2, 2),
        reply,
    });
    world.exchange();
    let standing = checked.try_recv().unwrap();
    let after_us = world.mirror.picture.turn_until_us(2).unwrap();
    assert!(after_us > before_us);
    assert_eq!(
        standing,
        Asked::Standing(Standing::Turn { until_us: after_us })
    );
}

#[test]
fn an_ask_taken_back_before_it_left_never_leaves() {
    let mut gathered = Gathered::default();
    let visitor = visitor(1, 1);
    gathered.add(Event::Ask {
        visitor,
        reply: None,
    });
    gathered.add(Event::Unask(visitor));
    let (exchange, _) = gathered.take(Known::default());
    assert_eq!((exchange.asks.len(), exchange.unasks.len()), (0, 1));
}

#[test]
fn an_exchange_keeps_its_bounds_and_the_rest_goes_with_the_next() {
    let mut gathered = Gathered::default();
    let renewed = ITEMS_MAX + 1;
    for id in 0..renewed {
        let id = TicketId(id as u128);
        for until_us in [5, 9] {
            gathered.add(Event::Renew(Renewal {
                id,
                until_us,
                entered_us: 1,
            }));
        }
    }
    gathered.add(Event::Told(u64::MAX));
    let next = || Some(gathered.take(Known::default()).0);
    let exchanges: Vec<_> = std::iter::from_fn(next)
        .take_while(|exchange| !exchange.renewals.is_empty())
        .collect();
    // What one may cost the store is reached before the lists' own bounds.
    assert!((1..ITEMS_MAX).contains(&exchanges[0].renewals.len()));
    assert!(exchanges.iter().all(|exchange| exchange.validate().is_ok()));
    let all = || exchanges.iter().flat_map(|exchange| &exchange.renewals);
    let ids: HashSet<_> = all().map(|renewal| renewal.id).collect();
    assert_eq!((ids.len(), all().count()), (renewed, renewed));
    assert!(all().all(|renewal| renewal.until_us == 9));
}

#[test]
fn what_was_said_of_one_epoch_is_not_told_to_another() {
    let mut gathered = Gathered::default();
    let (reply, mut checked) = oneshot::channel();
    let visitor = visitor(4, 4);
    gathered.add(Event::Check { visitor, reply });
    gathered.add(Event::Heard(vec![4]));
    gathered.add(Event::Finish(Finish {
        visitor,
        until_us: 1,
    }));
    gathered.add(Event::SoldOut);
    gathered.forget_visitors();
    assert_eq!(checked.try_recv().unwrap(), Asked::Away);
    let (exchange, _) = gathered.take(Known::default());
    assert!(exchange.heard.is_empty() && exchange.finishes.is_empty() && exchange.sold_out);
}

#[test]
fn the_last_exchange_carries_what_is_still_to_be_told_and_asks_for_nothing() {
    let mut gathered = Gathered::default();
    let (reply, mut joined) = oneshot::channel();
    let (id, visitor) = (TicketId(3), visitor(3, 3));
    let eager = true;
    gathered.add(Event::Join { id, eager, reply });
    gathered.add(Event::Ask {
        visitor,
        reply: None,
    });
    gathered.add(Event::Finish(Finish {
        visitor,
        until_us: 1,
    }));
    let mut stubs = stubs();
    let last = gathered.take_last(Known::default(), || stubs.give(now()));
    assert!(last.validate().is_ok() && last.leaving);
    assert_eq!((last.joins, last.finishes.len()), (0, 1));
    assert!(matches!(joined.try_recv().unwrap(), Joined::Away(Some(_))));
}

#[test]
fn a_ticket_that_the_line_calls_spent_is_spent_for_this_replica() {
    let mut line = Line::new();
    let mut mirror = Mirror::new(clock::monotonic());
    let exchange = Exchange {
        sequence: 1,
        joins: 1,
        checks: vec![visitor(1, 7)],
        asks: vec![visitor(1, 8)],
        ..Exchange::default()
    };
    let mut answer = line.apply(1_000_000_000, &exchange).unwrap();
    answer.standings = vec![Standing::Spent, Standing::Spent];
    mirror.apply(&exchange, answer, Moment::at(clock::monotonic()));
    for id in [7, 8] {
        assert!(mirror.picture.is_finished(TicketId(id)), "{id}");
    }
}

#[test]
fn settings_that_the_store_has_lost_are_proposed_again_and_no_others() {
    let mut line = Line::new();
    let mut mirror = Mirror::new(clock::monotonic());
    let exchange = Exchange {
        sequence: 1,
        ..Exchange::default()
    };
    let mut answer = line.apply(1_000_000_000, &exchange).unwrap();
    assert_eq!(mirror.lost_settings(&answer), None);
    answer.revision = 5;
    answer.settings.mode = crate::line::settings::Mode::Paused;
    let (settings, content) = (answer.settings, answer.content);
    mirror.apply(&exchange, answer.clone(), Moment::at(clock::monotonic()));
    assert_eq!(mirror.lost_settings(&answer), None);
    answer.revision = 4;
    answer.settings.mode = crate::line::settings::Mode::Open;
    let lost = mirror.lost_settings(&answer).unwrap();
    assert_eq!(
        (lost.settings, lost.content, lost.changed),
        (settings, content, true)
    );
}

#[test]
fn whoever_was_turned_away_is_numbered_before_those_who_come_later() {
    let mut world = World::with_one_inside(0);
    let arrivals: Vec<_> = (0..3).filter_map(|_| world.stubs.give(now())).collect();
    let mut later = world.join(9, false);
    let picture = &world.mirror.picture;
    assert!(arrivals.iter().all(|a| picture.number_by(a).is_none()));
    let exchange = world.exchange();
    assert_eq!(exchange.stubs.iter().map(|s| s.count).sum::<u64>(), 3);
    let picture = &world.mirror.picture;
    let numbers: Vec<_> = arrivals.iter().map(|a| picture.number_by(a)).collect();
    assert_eq!(numbers, [Some(2), Some(3), Some(4)]);
    let later = later.try_recv().unwrap();
    assert!(
        matches!(later, Joined::Numbered { number: 5, .. }),
        "{later:?}"
    );
    assert!(world.exchange().stubs.is_empty());
    // Of another replica, or one that was never given, there is no number.
    let (instance, index) = (InstanceId(8), 4);
    let [first, ..] = arrivals[..] else { panic!() };
    for other in [Arrival { instance, ..first }, Arrival { index, ..first }] {
        assert_eq!(world.mirror.picture.number_by(&other), None);
    }
}

#[test]
fn a_line_that_heals_gives_newcomers_their_places_and_is_told_what_it_may_have_lost() {
    let mut world = World::with_one_inside(1);
    let until_us = world.mirror.picture.answer().unwrap().now_us + 60_000_000;
    world.gathered.add(Event::Finish(Finish {
        visitor: visitor(2, 2),
        until_us,
    }));
    world.exchange();
    assert_eq!(world.mirror.report(), (vec![], vec![]), "it does not heal");
    let mut joins: Vec<_> = (5..8).map(|id| world.join(id, false)).collect();
    let (exchange, waiting) = world.send();
    let mut answer = world.line.apply(world.clock_us, &exchange).unwrap();
    (answer.healing, answer.issued) = (true, 0);
    let at = Moment::at(clock::monotonic());
    world.mirror.apply(&exchange, answer, at);
    let stubs = &mut world.stubs;
    world.mirror.tell(&exchange, waiting, || stubs.give(now()));
    for (index, join) in (1..).zip(&mut joins) {
        let told = join.try_recv().unwrap();
        assert!(
            matches!(told, Joined::Away(Some(a)) if a.index == index),
            "{told:?}"
        );
    }
    let (inside, spent) = world.mirror.report();
    let inside: Vec<_> = inside.iter().map(|pass| pass.id).collect();
    let spent: Vec<_> = spent.iter().map(|finish| finish.visitor.id).collect();
    assert_eq!((inside, spent), (vec![TicketId(1)], vec![TicketId(2)]));
    assert_eq!(world.mirror.report(), (vec![], vec![]), "once");
}

#[test]
fn a_stub_is_lost_once_the_line_has_been_up_for_long_and_nobody_told_of_it() {
    let world = World::with_one_inside(0);
    let mut picture = world.mirror.picture;
    let at_us = picture.answer().unwrap().now_us;
    let lost = Arrival {
        instance: InstanceId(8),
        index: 1,
        at_us: at_us - 20_000_000,
        epoch: Epoch::default(),
    };
    let after = |seconds| picture.up_since + Duration::from_secs(seconds);
    assert!(!picture.is_lost(&lost, after(9)));
    assert!(picture.is_lost(&lost, after(10)));
    // Its replica may be away for a moment, by itself.
    assert!(!picture.is_lost(&Arrival { at_us, ..lost }, after(10)));
    let wrong = at_us + 3_600_000_000;
    let of_a_wrong_clock = Arrival {
        at_us: wrong,
        ..lost
    };
    assert!(picture.is_lost(&of_a_wrong_clock, after(10)));
    let now = after(60);
    picture.health = Health::Away { since: now };
    assert!(!picture.is_lost(&lost, now));
}

#[test]
fn what_was_seen_of_the_origin_is_told_once_and_not_when_the_store_was_away() {
    let mut gathered = Gathered::default();
    let saw = |answered, failed, slow| {
        Event::Origin(OriginHealth {
            answered,
            failed,
            slow,
            witnesses: 1 << failed,
        })
    };
    gathered.add(saw(5, 7, 2));
    gathered.turn_away(|| unreachable!("nobody waits"));
    gathered.add(saw(5, 1, 2));
    gathered.forget_visitors();
    gathered.add(saw(u64::MAX, 2, u64::MAX));
    let (exchange, _) = gathered.take(Known::default());
    assert!(exchange.validate().is_ok());
    let told = (exchange.origin.answered, exchange.origin.failed);
    assert_eq!((told, exchange.origin.witnesses), ((HEALTH_MAX, 3), 0b110));
    let (next, _) = gathered.take(Known::default());
    assert_eq!(next.origin, OriginHealth::default());
}

#[test]
fn the_picture_says_that_the_pace_is_stopped_and_turns_stand_still_in_it() {
    let mut world = World::with_one_inside(3);
    let health = OriginHealth {
        failed: 20,
        witnesses: 0b111,
        ..OriginHealth::default()
    };
    let before_us = world.mirror.picture.mode_since_us;
    for _ in 0..8 {
        world.gathered.add(Event::Origin(health));
        world.exchange();
    }
    let picture = &world.mirror.picture;
    assert!(picture.is_stopped() && picture.mode_since_us >= before_us);
    let later = picture.at + Duration::from_secs(1);
    assert_eq!(picture.turn_us(picture.at), picture.turn_us(later));
    assert!(picture.line_us(picture.at) < picture.line_us(later));
}
