//! What an origin may have in flight is a total over replicas: however many there are, it never sees more at once.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::stage::APP;
use crate::stage::MANY;
use crate::stage::Over;
use crate::stage::SOON;
use crate::stage::Stage;
use crate::stage::Toml;
use crate::stage::shared;
use crate::support::anteroom::Anteroom;
use crate::support::http;
use crate::support::origin::Answer;
use crate::support::origin::Origin;
use crate::support::redis::Redis;
use crate::support::wait_for;

/// What the origin may have in flight.
const TOTAL: usize = 7;

/// What an origin works on, which takes its time.
#[derive(Default)]
struct Desk {
    now: AtomicUsize,
    most: AtomicUsize,
    seen: AtomicUsize,
}

impl Desk {
    fn origin(self: &Arc<Self>) -> Origin {
        let desk = Arc::clone(self);
        Origin::answering(move |_| {
            let now = desk.now.fetch_add(1, Ordering::SeqCst) + 1;
            desk.most.fetch_max(now, Ordering::SeqCst);
            thread::park_timeout(Duration::from_millis(5));
            desk.now.fetch_sub(1, Ordering::SeqCst);
            desk.seen.fetch_add(1, Ordering::SeqCst);
            Answer::page("the portal")
        })
    }

    /// Waits until it has answered so many more.
    fn answer(&self, requests: usize) {
        let until = self.seen.load(Ordering::SeqCst) + requests;
        wait_for("the origin to be used", SOON, || {
            (self.seen.load(Ordering::SeqCst) >= until).then_some(())
        });
    }

    /// So many at once are reached, and never more.
    fn has_at_most(&self, limit: usize) {
        self.most.store(0, Ordering::SeqCst);
        self.answer(200);
        wait_for("all that is allowed to be used", SOON, || {
            (self.most.load(Ordering::SeqCst) >= limit).then_some(())
        });
        self.answer(100);
        assert_eq!(self.most.load(Ordering::SeqCst), limit);
    }
}

/// Waits until every replica knows its share.
fn settle(replicas: &[Anteroom], share: usize) {
    let expected = f64::from(u32::try_from(share).unwrap());
    wait_for("the shares", SOON, || {
        let knows = |replica: &Anteroom| {
            replica.metric("anteroom_origin_in_flight_max{origin=\"portal\"}") == Some(expected)
        };
        replicas.iter().all(knows).then_some(())
    });
}

#[test]
fn an_origin_never_gets_more_at_once_than_its_total_while_replicas_come_and_go() {
    let (redis, keys) = (Redis::start(), TempDir::new().unwrap());
    let desk = Arc::new(Desk::default());
    let origin = desk.origin();
    let more = shared(&redis.url(), &keys);
    let limit = format!("max_in_flight = {TOTAL}");
    let toml = Toml {
        more: &more,
        // Several workers, among whom so few are not divided.
        server: "",
        origin: &limit,
        ..Toml::rate(MANY)
    };
    let start = || {
        Anteroom::start(|place| {
            let text = toml.text(place, origin.addr());
            text.replace("workers = 1", "workers = 3")
        })
    };
    let over = AtomicBool::new(false);
    let failed = AtomicUsize::new(0);
    let (over, failed) = (&over, &failed);
    let mut replicas = vec![start()];
    thread::scope(|scope| {
        let _over = Over(over);
        // Eight who want something from it all the time. Whoever finds no room within the second it waits is told so.
        let press = |addr| {
            for _ in 0..8 {
                scope.spawn(move || {
                    while !over.load(Ordering::Relaxed) {
                        let reply = http::get(addr, "/elsewhere", &[APP]);
                        if !reply.is_ok_and(|reply| matches!(reply.status, 200 | 503)) {
                            failed.fetch_add(1, Ordering::Relaxed);
                            // Its replica is gone.
                            return;
                        }
                    }
                });
            }
        };
        press(replicas[0].addr());
        settle(&replicas, TOTAL);
        desk.has_at_most(TOTAL);
        for live in [2, 3] {
            replicas.push(start());
            press(replicas[live - 1].addr());
            settle(&replicas, TOTAL / live);
            // Those that were in flight above it have ended.
            desk.answer(4 * TOTAL);
            desk.has_at_most(TOTAL / live * live);
        }
        assert_eq!(failed.load(Ordering::Relaxed), 0);
        // One leaves as it should, which cuts those off who press it; the others take over what it had.
        let mut last = replicas.pop().unwrap();
        last.drain();
        settle(&replicas, TOTAL / 2);
        desk.has_at_most(TOTAL / 2 * 2);
        // One dies. It counts until it has been silent for five seconds.
        let mut last = replicas.pop().unwrap();
        last.kill();
        settle(&replicas, TOTAL);
        desk.has_at_most(TOTAL);
    });
}

#[test]
fn a_replica_that_is_asked_for_more_than_its_share_lets_it_wait_and_then_says_so() {
    let answers = Arc::new(AtomicBool::new(false));
    let toml = Toml {
        origin: "max_in_flight = 2",
        ..Toml::rate(MANY)
    };
    let stage = Stage::before(Origin::holding(&answers), &toml);
    let get = || http::get(stage.addr(), "/elsewhere", &[APP]).unwrap();
    thread::scope(|scope| {
        let _over = Over(&answers);
        let two = [(); 2].map(|()| scope.spawn(get));
        wait_for("both to be there", SOON, || {
            (stage.origin.count() == 2).then_some(())
        });
        let third = get();
        assert_eq!(third.status, 503);
        assert!(third.header("retry-after").is_some());
        assert_eq!(stage.origin.count(), 2);
        answers.store(true, Ordering::Relaxed);
        for reply in two {
            assert_eq!(reply.join().unwrap().status, 200);
        }
        assert_eq!(get().status, 200);
    });
}

#[test]
fn another_total_holds_at_once_for_those_in_flight_as_well() {
    let answers = Arc::new(AtomicBool::new(false));
    let at_most = |total| Toml {
        origin: total,
        ..Toml::rate(MANY)
    };
    let stage = Stage::before(Origin::holding(&answers), &at_most("max_in_flight = 2"));
    let get = || http::get(stage.addr(), "/elsewhere", &[APP]).unwrap();
    let arrived = |count| {
        wait_for("them to be there", SOON, || {
            (stage.origin.count() == count).then_some(())
        });
    };
    thread::scope(|scope| {
        let _over = Over(&answers);
        let mut in_flight = vec![scope.spawn(get), scope.spawn(get)];
        arrived(2);
        stage.rewrite(&at_most("max_in_flight = 3"));
        stage.anteroom.signal("HUP");
        settle(std::slice::from_ref(&stage.anteroom), 3);
        in_flight.push(scope.spawn(get));
        arrived(3);
        assert_eq!(get().status, 503);
        assert_eq!(stage.origin.count(), 3);
        answers.store(true, Ordering::Relaxed);
        for reply in in_flight {
            assert_eq!(reply.join().unwrap().status, 200);
        }
    });
}
