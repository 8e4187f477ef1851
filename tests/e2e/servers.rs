//! An origin on several servers, which come and go while visitors are at work, and what one visitor may ask of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;

use crate::stage::APP;
use crate::stage::MANY;
use crate::stage::Over;
use crate::stage::SOON;
use crate::stage::Stage;
use crate::stage::Toml;
use crate::stage::call;
use crate::stage::enter;
use crate::stage::join;
use crate::stage::replace;
use crate::support::anteroom::Anteroom;
use crate::support::anteroom::Place;
use crate::support::http;
use crate::support::http::Kept;
use crate::support::http::Reply;
use crate::support::origin::Answer;
use crate::support::origin::Origin;
use crate::support::wait_for;

/// The file of [`Toml`] with these servers, and these further lines of the origin's.
fn text(place: &Place, servers: &[SocketAddr], more: &str) -> String {
    let toml = Toml {
        origin: more,
        ..Toml::rate(MANY)
    };
    let text = toml.text(place, servers[0]);
    let urls: Vec<_> = servers
        .iter()
        .map(|addr| format!("\"http://{addr}\""))
        .collect();
    let one = format!("url = \"http://{}\"", servers[0]);
    text.replace(&one, &format!("urls = [{}]", urls.join(", ")))
        .replace("workers = 1", "workers = 2")
}

/// The value of a server's series.
fn shown(anteroom: &Anteroom, series: &str, server: SocketAddr) -> Option<f64> {
    anteroom.metric(&format!(
        "anteroom_origin_server_{series}{{origin=\"portal\",server=\"{server}\"}}"
    ))
}

#[test]
fn servers_are_added_and_taken_out_by_reloads_and_no_request_fails() {
    let origins = [(); 3].map(|()| Origin::start());
    let addrs = origins.each_ref().map(Origin::addr);
    let anteroom = Anteroom::start(|place| text(place, &addrs[..1], ""));
    let (over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let ask = |body: &[u8]| {
        // Half of them on a connection of their own, and with a body.
        let mut line = Kept::connect(anteroom.addr()).unwrap();
        while !over.load(Ordering::Relaxed) {
            let reply = line.request("GET /elsewhere", &[APP]).unwrap();
            assert_eq!((reply.status, reply.text().as_str()), (200, "the portal"));
            let reply = http::post(anteroom.addr(), "/elsewhere", &[APP], body).unwrap();
            assert_eq!((reply.status, reply.text().as_str()), (200, "the portal"));
            asked.fetch_add(2, Ordering::Relaxed);
        }
    };
    let goes_on = || {
        let until = asked.load(Ordering::Relaxed) + 40;
        wait_for("requests", SOON, || {
            (asked.load(Ordering::Relaxed) >= until).then_some(())
        });
    };
    thread::scope(|scope| {
        let ending = Over(&over);
        let asking: Vec<_> = (0..4).map(|_| scope.spawn(|| ask(b"a form"))).collect();
        goes_on();
        for servers in [
            &addrs[..],
            &addrs[1..2],
            &addrs[1..],
            &addrs[..2],
            &addrs[..1],
        ] {
            replace(&anteroom, &text(anteroom.place(), servers, ""));
            anteroom.signal("HUP");
            wait_for("the servers of the file are shown", SOON, || {
                let is_right = |addr: &SocketAddr| {
                    shown(&anteroom, "up", *addr).is_some() == servers.contains(addr)
                };
                addrs.iter().all(is_right).then_some(())
            });
            let counts = origins.each_ref().map(Origin::count);
            goes_on();
            for (index, addr) in addrs.iter().enumerate() {
                // What was begun before may end there.
                let more = origins[index].count() - counts[index];
                assert!(
                    servers.contains(addr) || more <= 8,
                    "{more} to one that is gone"
                );
                assert!(
                    !servers.contains(addr) || more > 0,
                    "none to one that is there"
                );
            }
        }
        drop(ending);
        for one in asking {
            one.join().unwrap();
        }
    });
    assert_eq!(
        anteroom
            .metric("anteroom_origin_in_flight{origin=\"portal\"}")
            .map(|n| n < 5.0),
        Some(true)
    );
}

#[test]
fn a_request_in_flight_to_a_server_that_is_taken_out_ends_and_counts_until_then() {
    let answers = Arc::new(AtomicBool::new(false));
    let (old, new) = (Origin::holding(&answers), Origin::start());
    let limit = "max_in_flight = 1";
    let anteroom = Anteroom::start(|place| text(place, &[old.addr()], limit));
    let get = || http::get(anteroom.addr(), "/elsewhere", &[APP]).unwrap();
    thread::scope(|scope| {
        let _over = Over(&answers);
        let first = scope.spawn(get);
        wait_for("it is there", SOON, || (old.count() == 1).then_some(()));
        replace(&anteroom, &text(anteroom.place(), &[new.addr()], limit));
        anteroom.signal("HUP");
        wait_for("the new server is shown", SOON, || {
            shown(&anteroom, "up", new.addr())
        });
        // One is all that may be in flight, and it is at the old server.
        assert_eq!((get().status, new.count()), (503, 0));
        answers.store(true, Ordering::Relaxed);
        assert_eq!(first.join().unwrap().status, 200);
        assert_eq!((get().status, new.count()), (200, 1));
    });
}

#[test]
fn a_server_that_dies_is_passed_over_shown_as_that_and_used_again_when_it_is_back() {
    let (mut one, two) = (Origin::start(), Origin::start());
    let addrs = [one.addr(), two.addr()];
    let anteroom = Anteroom::start(|place| text(place, &addrs, ""));
    let ask = || {
        let reply = http::get(anteroom.addr(), "/elsewhere", &[APP]).unwrap();
        assert_eq!((reply.status, reply.text().as_str()), (200, "the portal"));
    };
    wait_for("both are used", SOON, || {
        ask();
        (one.count() > 0 && two.count() > 0).then_some(())
    });
    one.stop();
    wait_for("it is passed over", SOON, || {
        ask();
        (shown(&anteroom, "ejected", addrs[0]) == Some(1.0)).then_some(())
    });
    assert!(shown(&anteroom, "ejections_total", addrs[0]) >= Some(1.0));
    assert_eq!(shown(&anteroom, "ejected", addrs[1]), Some(0.0));
    let log = anteroom.log_all();
    assert_eq!(log.matches("a server is passed over").count(), 1, "{log}");
    let before = one.count();
    one.start_again();
    wait_for("it is used again", SOON, || {
        ask();
        (one.count() >= before + 5).then_some(())
    });
    wait_for("it is shown as that", SOON, || {
        (shown(&anteroom, "ejected", addrs[0]) == Some(0.0)).then_some(())
    });
    assert!(anteroom.log_all().contains("a server answers again"));
    assert!(
        anteroom.metric("anteroom_origin_repeats_total{origin=\"portal\",reason=\"unsent\"}")
            >= Some(1.0)
    );
}

#[test]
fn each_replica_checks_its_servers_once_and_says_when_that_changes_something() {
    let is_well = Arc::new(AtomicBool::new(true));
    let told = Arc::clone(&is_well);
    let one = Origin::answering(move |seen| {
        let fails = seen.target == "/health" && !told.load(Ordering::Relaxed);
        Answer {
            status: if fails { 500 } else { 200 },
            ..Answer::page("the portal")
        }
    });
    let two = Origin::start();
    let addrs = [one.addr(), two.addr()];
    let check = "health_path = \"/health\"\nhealth_interval = \"500ms\"\nhealth_fail_after = 2";
    let anteroom = Anteroom::start(|place| text(place, &addrs, check));
    let is_up = |up: f64| {
        wait_for("the checks' outcome", SOON, || {
            (shown(&anteroom, "up", addrs[0]) == Some(up)).then_some(())
        });
    };
    is_up(1.0);
    is_well.store(false, Ordering::Relaxed);
    is_up(0.0);
    assert_eq!(shown(&anteroom, "up", addrs[1]), Some(1.0));
    assert!(shown(&anteroom, "checks_failed_total", addrs[0]) >= Some(2.0));
    let others = || {
        one.seen()
            .iter()
            .filter(|seen| seen.target != "/health")
            .count()
    };
    let before = others();
    for _ in 0..20 {
        assert_eq!(
            http::get(anteroom.addr(), "/elsewhere", &[APP])
                .unwrap()
                .status,
            200
        );
    }
    assert_eq!(others(), before);
    is_well.store(true, Ordering::Relaxed);
    is_up(1.0);
    // Two workers, and one of them asks: what the origin saw is what was counted.
    let counted = wait_for("the count of checks", SOON, || {
        let before = one.count() - others();
        let counted = shown(&anteroom, "checks_total", addrs[0])?;
        let after = one.count() - others();
        (before == after).then_some((counted, after))
    });
    let seen = f64::from(u32::try_from(counted.1).unwrap());
    assert!((seen - counted.0).abs() <= 2.0, "{counted:?}");
    let log = anteroom.log_all();
    assert_eq!(log.matches("a server fails its checks").count(), 1, "{log}");
    assert_eq!(
        log.matches("a server's checks pass again").count(),
        1,
        "{log}"
    );
}

/// A room whose visitors have this limit, before an origin that holds its answers until told.
fn limited(answers: &Arc<AtomicBool>, room: &str) -> Stage {
    let toml = Toml {
        room,
        ..Toml::rate(MANY)
    };
    Stage::before(Origin::holding(answers), &toml)
}

fn pass(stage: &Stage) -> String {
    enter(stage.addr(), &join(stage.addr()).text)
}

fn refused(stage: &Stage, limit: &str) -> f64 {
    let series = format!("anteroom_visitor_limited_total{{limit=\"{limit}\",room=\"main\"}}");
    stage.anteroom.metric(&series).unwrap_or(0.0)
}

#[test]
fn a_visitor_with_as_much_in_flight_as_it_may_is_told_so_and_others_go_on() {
    let answers = Arc::new(AtomicBool::new(true));
    let stage = limited(&answers, "visitor_in_flight = 2");
    let (mine, yours) = (pass(&stage), pass(&stage));
    answers.store(false, Ordering::Relaxed);
    let before = stage.origin.count();
    let arrived = |count| {
        wait_for("them to be there", SOON, || {
            (stage.origin.count() == before + count).then_some(())
        });
    };
    thread::scope(|scope| {
        let _over = Over(&answers);
        let mut in_flight = Vec::new();
        for _ in 0..2 {
            in_flight.push(scope.spawn(|| call(stage.addr(), "/booking/", &mine)));
        }
        arrived(2);
        let third = call(stage.addr(), "/booking/", &mine);
        assert_eq!(
            (third.status, third.header("retry-after")),
            (429, Some("1"))
        );
        assert_eq!(
            third.header("content-type"),
            Some("application/problem+json")
        );
        in_flight.push(scope.spawn(|| call(stage.addr(), "/booking/", &yours)));
        arrived(3);
        answers.store(true, Ordering::Relaxed);
        for reply in in_flight {
            assert_eq!(reply.join().unwrap().text(), "the portal");
        }
        assert_eq!(call(stage.addr(), "/booking/", &mine).text(), "the portal");
    });
    wait_for("it is counted", SOON, || {
        (refused(&stage, "in-flight") >= 1.0).then_some(())
    });
    let limited = "anteroom_requests_total{decision=\"limited\",room=\"main\"}";
    assert_eq!(stage.anteroom.metric(limited), Some(1.0));
}

#[test]
fn a_visitor_that_asks_too_fast_is_slowed_down_and_then_told_so() {
    let answers = Arc::new(AtomicBool::new(true));
    let stage = limited(&answers, "visitor_rate = \"1/min\"");
    let (mine, yours) = (pass(&stage), pass(&stage));
    assert_eq!(call(stage.addr(), "/booking/", &mine).status, 200);
    let second = call(stage.addr(), "/booking/", &mine);
    assert_eq!(
        (second.status, second.header("retry-after")),
        (429, Some("1"))
    );
    assert_eq!(call(stage.addr(), "/booking/", &yours).status, 200);
    wait_for("it is counted", SOON, || {
        (refused(&stage, "rate") >= 1.0).then_some(())
    });
    // Without the limit everything goes on, with the same pass.
    stage.rewrite(&Toml::rate(MANY));
    stage.anteroom.signal("HUP");
    wait_for("there is no limit", SOON, || {
        let reply: Reply = call(stage.addr(), "/booking/", &mine);
        (reply.status == 200).then_some(())
    });
}
