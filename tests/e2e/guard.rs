//! The guard: an origin in trouble slows the pace and stops it, by what those inside meet; well again, it gets it back.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU16;
use std::sync::atomic::Ordering;
use std::thread;

use tempfile::TempDir;

use crate::stage::APP;
use crate::stage::MANY;
use crate::stage::Over;
use crate::stage::SOON;
use crate::stage::Stage;
use crate::stage::Toml;
use crate::stage::call;
use crate::stage::enter;
use crate::stage::join;
use crate::stage::navigate;
use crate::stage::shared;
use crate::stage::state;
use crate::stage::status;
use crate::support::anteroom::Anteroom;
use crate::support::http;
use crate::support::origin::Answer;
use crate::support::origin::Origin;
use crate::support::redis::Redis;
use crate::support::wait_for;

const RATIO: &str = "anteroom_guard_ratio{room=\"main\"}";

/// An origin that answers with this status, until it is another.
fn origin(status: &Arc<AtomicU16>) -> Origin {
    let status = Arc::clone(status);
    Origin::answering(move |_| Answer {
        status: status.load(Ordering::Relaxed),
        ..Answer::page("the portal")
    })
}

/// Those who are inside: what fails fewer than three says nothing of the origin. Visitors are told apart by one of 48 marks
/// only, and among three of them two may share one; eight of them have three for certain, but for one case in a hundred
/// million.
fn eight_inside(replica: &Anteroom) -> [String; 8] {
    [(); 8].map(|()| enter(replica.addr(), &join(replica.addr()).text))
}

/// Those inside go on using the origin until the ratio is this.
fn until(replicas: &[&Anteroom], passes: &[String], ratio: f64) {
    wait_for("the guard to see it", SOON, || {
        for replica in replicas {
            for pass in passes {
                call(replica.addr(), "/booking/", pass);
            }
        }
        let is = |replica: &&Anteroom| replica.metric(RATIO) == Some(ratio);
        replicas.iter().all(is).then_some(())
    });
}

#[test]
fn an_origin_that_fails_stops_the_pace_and_gets_it_back_when_it_is_well() {
    let answers = Arc::new(AtomicU16::new(200));
    let toml = Toml {
        room: "guard_recovery = \"2s\"",
        ..Toml::rate(MANY)
    };
    let stage = Stage::before(origin(&answers), &toml);
    let passes = eight_inside(&stage.anteroom);
    assert_eq!(stage.anteroom.metric(RATIO), Some(1.0));
    answers.store(503, Ordering::Relaxed);
    until(&[&stage.anteroom], &passes, 0.0);

    // One probe goes in; whoever comes after it has a place, and is told what is the matter.
    let waiting = wait_for("somebody waits", SOON, || {
        let page = navigate(stage.addr(), "/booking/", &[]);
        (state(&page) != "entered").then_some(page)
    });
    assert_eq!(state(&waiting), "origin");
    assert!(
        waiting
            .text()
            .contains("There is a problem with the booking service"),
        "{}",
        waiting.text()
    );
    let public = http::get(stage.addr(), "/.anteroom/main/public", &[APP]).unwrap();
    assert_eq!(public.json()["state"], "origin");
    let ticket = join(stage.addr());
    let told = status(stage.addr(), &ticket.text);
    assert_eq!(
        (&told["state"], &told["number"]),
        (&"origin".into(), &ticket.number.into())
    );
    assert_eq!(told["wait"]["known"], false);

    answers.store(200, Ordering::Relaxed);
    until(&[&stage.anteroom], &passes, 1.0);
    enter(stage.addr(), &ticket.text);
    let log = stage.anteroom.log_all();
    assert!(log.contains("the guard has stopped the pace"), "{log}");
    assert!(log.contains("gives back the whole rate"), "{log}");
}

#[test]
fn an_origin_that_hangs_is_noticed_before_it_answers() {
    let answers = Arc::new(AtomicBool::new(true));
    let toml = Toml {
        room: "guard_latency = \"200ms\"\nguard_recovery = \"1s\"",
        ..Toml::rate(MANY)
    };
    let stage = Stage::before(Origin::holding(&answers), &toml);
    let passes = eight_inside(&stage.anteroom);
    answers.store(false, Ordering::Relaxed);
    thread::scope(|scope| {
        let _over = Over(&answers);
        for pass in passes.iter().cycle().take(24) {
            let stage = &stage;
            scope.spawn(move || assert_eq!(call(stage.addr(), "/booking/", pass).status, 200));
        }
        wait_for("the pace is halved", SOON, || {
            (stage.anteroom.metric(RATIO)? < 1.0).then_some(())
        });
    });
    until(&[&stage.anteroom], &passes, 1.0);
}

#[test]
fn what_one_replica_sees_of_the_origin_holds_for_all() {
    let answers = Arc::new(AtomicU16::new(200));
    let (redis, keys) = (Redis::start(), TempDir::new().unwrap());
    let portal = origin(&answers);
    let more = shared(&redis.url(), &keys);
    let toml = Toml {
        more: &more,
        room: "guard_recovery = \"2s\"",
        ..Toml::rate(MANY)
    };
    let start = || Anteroom::start(|place| toml.text(place, portal.addr()));
    let (one, two) = (start(), start());
    let passes = eight_inside(&one);
    answers.store(500, Ordering::Relaxed);
    wait_for("both stop", SOON, || {
        for pass in &passes {
            call(one.addr(), "/booking/", pass);
        }
        let stopped = |replica: &Anteroom| replica.metric(RATIO) == Some(0.0);
        (stopped(&one) && stopped(&two)).then_some(())
    });
    answers.store(200, Ordering::Relaxed);
    until(&[&two, &one], &passes, 1.0);
}

#[test]
fn switched_off_it_lets_the_pace_be() {
    let answers = Arc::new(AtomicU16::new(200));
    let toml = Toml {
        room: "guard = false",
        ..Toml::rate(MANY)
    };
    let stage = Stage::before(origin(&answers), &toml);
    let pass = enter(stage.addr(), &join(stage.addr()).text);
    answers.store(503, Ordering::Relaxed);
    let exchanges = || {
        let metric = "anteroom_exchange_seconds_count{room=\"main\"}";
        stage.anteroom.metric(metric).unwrap_or(0.0)
    };
    let before = exchanges();
    // Four exchanges are a second, which is when it would judge.
    wait_for("it could have judged twice", SOON, || {
        call(stage.addr(), "/booking/", &pass);
        (exchanges() >= before + 10.0).then_some(())
    });
    assert_eq!(stage.anteroom.metric(RATIO), Some(1.0));
    enter(stage.addr(), &join(stage.addr()).text);
}

#[test]
fn what_fails_one_visitor_alone_leaves_the_pace_to_the_others_and_an_origin_that_is_gone_stops_it()
{
    let answers = Arc::new(AtomicU16::new(500));
    let origin = origin(&answers);
    let mut stage = Stage::before(origin, &Toml::rate(MANY));
    let pass = enter(stage.addr(), &join(stage.addr()).text);
    let exchanges = |stage: &Stage| {
        let metric = "anteroom_exchange_seconds_count{room=\"main\"}";
        stage.anteroom.metric(metric).unwrap_or(0.0)
    };
    let before = exchanges(&stage);
    wait_for("it has judged a few times", SOON, || {
        call(stage.addr(), "/booking/", &pass);
        (exchanges(&stage) >= before + 20.0).then_some(())
    });
    assert_eq!(stage.anteroom.metric(RATIO), Some(1.0));
    stage.origin.stop();
    until(&[&stage.anteroom], &[pass], 0.0);
}
