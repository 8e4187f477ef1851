//! An opening at a time: early tickets before it, a draw that two replicas and anybody else agree on after it.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use anteroom::seal::Published;
use jiff::SignedDuration;
use jiff::Timestamp;
use serde_json::Value;
use tempfile::TempDir;

use crate::stage::APP;
use crate::stage::MANY;
use crate::stage::SOON;
use crate::stage::Stage;
use crate::stage::Toml;
use crate::stage::ask;
use crate::stage::enter;
use crate::stage::join;
use crate::stage::navigate;
use crate::stage::replace;
use crate::stage::shared;
use crate::stage::state;
use crate::stage::status;
use crate::stage::try_join;
use crate::support::anteroom::Anteroom;
use crate::support::http;
use crate::support::origin::Origin;
use crate::support::redis::Redis;
use crate::support::wait_for;

/// How many come before the opening.
const EARLY: usize = 24;

/// Lines of a room that opens at this time; one visitor may be inside, so that the rest go on having numbers.
fn opens(at: Timestamp, order: &str) -> String {
    format!("active_max = 1\nopens_at = \"{at}\"\norder = \"{order}\"")
}

/// Some time that the test will not see.
fn much_later() -> Timestamp {
    Timestamp::now() + SignedDuration::from_hours(1)
}

/// What everybody is told of a draw.
fn draw(addr: SocketAddr) -> Published {
    let reply = http::get(addr, "/.anteroom/main/draw", &[APP]).unwrap();
    serde_json::from_slice(&reply.body).unwrap()
}

fn public(addr: SocketAddr) -> Value {
    let reply = http::get(addr, "/.anteroom/main/public", &[APP]).unwrap();
    reply.json()
}

/// An early ticket, and the index it has in the draw.
struct Early {
    text: String,
    index: u64,
}

/// Joins before the opening.
fn come(addr: SocketAddr) -> Early {
    let body = try_join(addr, &[]).json();
    assert_eq!(
        (&body["state"], &body["number"]),
        (&Value::from("early"), &Value::Null),
        "{body}"
    );
    Early {
        text: body["ticket"].as_str().unwrap().to_owned(),
        index: body["index"].as_u64().unwrap(),
    }
}

/// Waits until this replica knows what the draw is committed to.
fn committed(addr: SocketAddr) -> String {
    wait_for("a commitment", SOON, || draw(addr).commitment)
}

/// Waits until the seed is out, and checks it as anybody could.
fn opened(addr: SocketAddr) -> Published {
    wait_for("the opening", SOON, || {
        let draw = draw(addr);
        draw.seed.is_some().then_some(draw)
    })
}

/// Empties Redis and waits until both replicas have a line again.
fn lose_everything(redis: &Redis, replicas: &[Anteroom; 2]) {
    assert!(redis.ask("FLUSHALL").starts_with("+OK"));
    wait_for("a replica has noticed", SOON, || {
        let state = redis.ask("EXISTS {anteroom:1:main}:state");
        state.starts_with(":1").then_some(())
    });
    for replica in replicas {
        wait_for("the line is back", SOON, || {
            (replica.readyz().status == 200).then_some(())
        });
    }
}

#[test]
fn everybody_who_was_early_has_the_number_the_published_seed_gives_whatever_redis_loses() {
    let (redis, origin) = (Redis::start(), Origin::start());
    let keys = TempDir::new().unwrap();
    let more = shared(&redis.url(), &keys);
    let text = |replica: &Anteroom, room: &str| {
        let toml = Toml {
            room,
            more: &more,
            ..Toml::rate(MANY)
        };
        toml.text(replica.place(), origin.addr())
    };
    let room = opens(much_later(), "draw");
    let toml = Toml {
        room: &room,
        more: &more,
        ..Toml::rate(MANY)
    };
    let start = || Anteroom::start(|place| toml.text(place, origin.addr()));
    let replicas = [start(), start()];
    let [one, two] = [replicas[0].addr(), replicas[1].addr()];

    let early: Vec<_> = (0..EARLY).map(|at| come([one, two][at % 2])).collect();
    let indices: BTreeSet<_> = early.iter().map(|early| early.index).collect();
    assert_eq!(indices, (1..=EARLY as u64).collect());
    let page = navigate(one, "/booking/", &[]);
    assert_eq!(state(&page), "early");
    let shown = public(two);
    assert_eq!(shown["state"], "early");
    assert!(shown["opens_at"].is_string(), "{shown}");
    assert_eq!(ask(one, &early[0].text).status, 409);

    let promised = committed(one);
    assert_eq!(committed(two), promised);
    assert_eq!(draw(one).seed, None);
    lose_everything(&redis, &replicas);
    for addr in [one, two] {
        let now = draw(addr);
        assert_eq!((now.commitment.as_ref(), now.seed), (Some(&promised), None));
        assert_eq!(status(addr, &early[3].text)["state"], "early");
    }

    // The opening is moved to now.
    let room = opens(Timestamp::now() + SignedDuration::from_secs(1), "draw");
    for replica in &replicas {
        replace(replica, &text(replica, &room));
        replica.signal("HUP");
    }
    let published = opened(one);
    assert_eq!(opened(two), published);
    let drawn = published.verify().unwrap();
    // The page that was opened in a browser took part as well.
    assert_eq!(published.last, Some(EARLY as u64 + 1));
    let keep_their_numbers = || {
        for (at, early) in early.iter().enumerate() {
            let body = status([one, two][at % 2], &early.text);
            let number = drawn.number(early.index);
            assert_eq!(body["number"], number, "{body}");
            assert_eq!(body["index"], early.index, "{body}");
        }
    };
    keep_their_numbers();
    assert_eq!(join(two).number, EARLY as u64 + 2);
    lose_everything(&redis, &replicas);
    keep_their_numbers();
    assert_eq!(opened(two), published);

    // The first to be called is who drew the first number, unless that is the browser's.
    let first = early.iter().min_by_key(|early| drawn.number(early.index));
    enter(one, &first.unwrap().text);
}

#[test]
fn a_replica_with_another_key_says_so_and_shows_no_order_of_its_own() {
    let (redis, origin) = (Redis::start(), Origin::start());
    let room = opens(much_later(), "draw");
    let start = |keys: &TempDir| {
        let more = shared(&redis.url(), keys);
        let toml = Toml {
            room: &room,
            more: &more,
            ..Toml::rate(MANY)
        };
        Anteroom::start(|place| toml.text(place, origin.addr()))
    };
    let (own, others) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let one = start(&own);
    come(one.addr());
    let promised = committed(one.addr());
    let two = Anteroom::start_unready(|place| {
        let more = shared(&redis.url(), &others);
        let toml = Toml {
            room: &room,
            more: &more,
            ..Toml::rate(MANY)
        };
        toml.text(place, origin.addr())
    });
    let why = wait_for("it says why", SOON, || {
        let reply = two.readyz();
        let text = reply.text();
        (reply.status == 503 && text.contains("committed to with a key")).then_some(text)
    });
    assert!(why.contains("main"), "{why}");
    assert_eq!(committed(two.addr()), promised);
    let said = two.log_all().matches("it cannot tell numbers").count();
    assert_eq!(said, 1);
    assert_eq!(one.readyz().status, 200);
}

#[test]
fn without_a_draw_whoever_came_first_is_called_first() {
    let room = opens(much_later(), "arrival");
    let stage = Stage::new(&Toml {
        room: &room,
        ..Toml::rate(MANY)
    });
    let early: Vec<_> = (0..3)
        .map(|_| {
            let body = try_join(stage.addr(), &[]).json();
            assert_eq!(
                (&body["state"], &body["number"]),
                (&Value::from("early"), &Value::Null)
            );
            body["ticket"].as_str().unwrap().to_owned()
        })
        .collect();
    let reply = http::get(stage.addr(), "/.anteroom/main/draw", &[APP]).unwrap();
    assert_eq!(reply.status, 404);
    let room = opens(Timestamp::now(), "arrival");
    stage.rewrite(&Toml {
        room: &room,
        ..Toml::rate(MANY)
    });
    stage.anteroom.signal("HUP");
    for (number, ticket) in (1..).zip(&early) {
        wait_for("its number", SOON, || {
            let body = status(stage.addr(), ticket);
            (body["number"] == number).then_some(())
        });
    }
    enter(stage.addr(), &early[0]);
}

#[test]
fn a_room_closes_when_its_time_has_come() {
    let closes = format!("closes_at = \"{}\"", Timestamp::now());
    let stage = Stage::new(&Toml::rate(MANY));
    assert_eq!(state(&navigate(stage.addr(), "/booking/", &[])), "entered");
    stage.rewrite(&Toml {
        room: &closes,
        ..Toml::rate(MANY)
    });
    stage.anteroom.signal("HUP");
    wait_for("it is closed", SOON, || {
        let page = navigate(stage.addr(), "/booking/", &[]);
        (state(&page) == "closed").then_some(())
    });
}

#[test]
fn a_scheduled_event_comes_by_itself_and_a_restart_does_not_bring_it_again() {
    let event = |at: Timestamp| format!("[[room.main.schedule]]\nat = \"{at}\"\nrate = \"7/s\"");
    let past = event(Timestamp::now() + SignedDuration::from_secs(3));
    let mut stage = Stage::new(&Toml {
        room: &past,
        ..Toml::rate(MANY)
    });
    let rate = |stage: &Stage| stage.anteroom.metric("anteroom_rate_target{room=\"main\"}");
    wait_for("the event", SOON, || {
        (rate(&stage) == Some(7.0)).then_some(())
    });
    let revision = |stage: &Stage| {
        let series = "anteroom_settings_revision{room=\"main\"}";
        stage.anteroom.metric(series)
    };
    let before = revision(&stage);
    stage.anteroom.drain();
    stage.anteroom.restart();
    wait_for("its line", SOON, || {
        (rate(&stage) == Some(7.0)).then_some(())
    });
    assert_eq!(revision(&stage), before);
    // A file whose events are all to come says what holds until then.
    let later = event(much_later());
    stage.rewrite(&Toml {
        room: &later,
        ..Toml::rate(MANY)
    });
    stage.anteroom.signal("HUP");
    wait_for("the rate of before", SOON, || {
        (rate(&stage) == Some(100.0)).then_some(())
    });
}
