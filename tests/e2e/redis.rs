//! Two replicas with one Redis: one line; and what becomes of it when Redis is killed.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;

use anteroom::seal;
use anteroom::seal::KeyRing;
use tempfile::TempDir;

use crate::stage::APP;
use crate::stage::MANY;
use crate::stage::Over;
use crate::stage::SOON;
use crate::stage::Ticket;
use crate::stage::Toml;
use crate::stage::call;
use crate::stage::enter;
use crate::stage::join;
use crate::stage::navigate;
use crate::stage::number;
use crate::stage::replace;
use crate::stage::shared;
use crate::stage::state;
use crate::stage::status;
use crate::stage::ticket;
use crate::stage::try_join;
use crate::support::anteroom::Anteroom;
use crate::support::http;
use crate::support::origin::Origin;
use crate::support::redis::Redis;
use crate::support::wait_for;

/// Two replicas in front of one origin, with one line.
pub(crate) struct Pair {
    pub(crate) redis: Redis,
    pub(crate) origin: Origin,
    pub(crate) replicas: [Anteroom; 2],
    /// What both have in common in their files.
    more: String,
    keys: TempDir,
}

impl Pair {
    /// With this Redis; one visitor may be inside, and nobody after it. (A line in Redis begins without credit: at a
    /// low rate the first one would wait long.)
    pub(crate) fn new(redis: Redis) -> Self {
        Self::with(redis, "active_max = 1")
    }

    /// With these lines of `[room.main]`.
    pub(crate) fn with(redis: Redis, room: &str) -> Self {
        let url = redis.url();
        Self::through(redis, [&url, &url], (MANY, room))
    }

    /// With this Redis at these addresses, one for each replica, and this rate.
    pub(crate) fn through(redis: Redis, urls: [&str; 2], (rate, room): (&str, &str)) -> Self {
        let origin = Origin::start();
        let keys = TempDir::new().unwrap();
        let [more, other] = urls.map(|url| shared(url, &keys));
        let start = |more: &str| {
            let toml = Toml {
                room,
                more,
                ..Toml::rate(rate)
            };
            Anteroom::start(|place| toml.text(place, origin.addr()))
        };
        let replicas = [start(&more), start(&other)];
        Self {
            redis,
            origin,
            replicas,
            more,
            keys,
        }
    }

    /// The keys they sign with.
    pub(crate) fn keys(&self) -> KeyRing {
        seal::load(&self.keys.path().join("ticket.keys")).unwrap()
    }

    /// Where visitors connect.
    pub(crate) fn addrs(&self) -> [SocketAddr; 2] {
        [self.replicas[0].addr(), self.replicas[1].addr()]
    }
}

#[test]
fn two_replicas_issue_one_line() {
    let pair = Pair::new(Redis::start());
    let [one, two] = pair.addrs();
    let tickets: Vec<_> = (0..40).map(|at| join([one, two][at % 2])).collect();
    let numbers: BTreeSet<_> = tickets.iter().map(|ticket| ticket.number).collect();
    assert_eq!(numbers, (1..=40).collect());
    for ticket in &tickets {
        for addr in [one, two] {
            assert_eq!(status(addr, &ticket.text)["number"], ticket.number);
        }
    }
    // Whoever one let in is inside at the other, which spends the same pace.
    let pass = enter(one, &tickets[0].text);
    assert_eq!(call(two, "/booking/", &pass).text(), "the portal");
    wait_for("both know who is inside", SOON, || {
        let inside = |replica: &Anteroom| {
            replica.metric("anteroom_inside{room=\"main\"}") == Some(1.0)
                && replica.metric("anteroom_instances{room=\"main\"}") == Some(2.0)
        };
        pair.replicas.iter().all(inside).then_some(())
    });
    let asked = crate::stage::ask(two, &tickets[1].text);
    assert_eq!(asked.status, 409, "{}", asked.text());
    let key = [("idempotency-key", "one-and-the-same")];
    let at = |addr| ticket(&try_join(addr, &key)).number;
    assert_eq!(at(one), at(two));
}

#[test]
fn one_replica_is_told_and_both_go_by_it() {
    let pair = Pair::new(Redis::start());
    let [one, two] = &pair.replicas;
    let toml = Toml {
        room: "active_max = 1\nmode = \"paused\"",
        more: &pair.more,
        ..Toml::rate("7200/h")
    };
    replace(one, &toml.text(one.place(), pair.origin.addr()));
    one.signal("HUP");
    for replica in [one, two] {
        wait_for("both go by it", SOON, || {
            let rate = replica.metric("anteroom_rate_target{room=\"main\"}");
            let paused = replica.metric("anteroom_state{mode=\"paused\",room=\"main\"}");
            (rate == Some(2.0) && paused == Some(1.0)).then_some(())
        });
        let page = navigate(replica.addr(), "/booking/", &[]);
        assert_eq!(state(&page), "paused");
    }
    // The other one's file says something else, and said so before: reading it again is no order.
    two.signal("HUP");
    wait_for("it has been read", SOON, || {
        two.log_all().contains("nothing has changed").then_some(())
    });
    let page = navigate(two.addr(), "/booking/", &[]);
    assert_eq!(state(&page), "paused");
}

#[test]
fn a_killed_redis_that_forgets_nothing_costs_nobody_anything() {
    let (pair, tickets) = outage(Redis::start_durable());
    // The one inside still is: the outage let in nobody, and neither does what comes after it.
    let asked = crate::stage::ask(pair.addrs()[0], &tickets[0].text);
    assert_eq!(asked.status, 409, "{}", asked.text());
    for replica in &pair.replicas {
        let inside = replica.metric("anteroom_inside{room=\"main\"}");
        assert_eq!(inside, Some(1.0));
    }
}

#[test]
fn a_killed_redis_that_forgets_everything_costs_nobody_a_place() {
    outage(Redis::start());
}

/// Plays an outage while people go on coming; the replicas after it, and those who waited during it.
fn outage(redis: Redis) -> (Pair, Vec<Ticket>) {
    let mut pair = Pair::new(redis);
    let [one, two] = pair.addrs();
    let pass = enter(one, &join(one).text);
    let mut tickets: Vec<_> = (0..6).map(|at| join([one, two][at % 2])).collect();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let (over, ending) = (&over, Over(&over));
        let coming = [one, two].map(|addr| scope.spawn(move || come(addr, over)));
        ready(&pair, 200);
        pair.redis.kill();
        ready(&pair, 503);
        while_away(&pair, &pass, &tickets);
        pair.redis.restart();
        ready(&pair, 200);
        for addr in [one, two] {
            assert_eq!(call(addr, "/booking/", &pass).text(), "the portal");
            keep_their_numbers(addr, &tickets);
            let newest = tickets.iter().map(|ticket| ticket.number).max();
            let newcomer = join(addr);
            assert!(Some(newcomer.number) > newest);
            tickets.push(newcomer);
        }
        drop(ending);
        let (came, turned_away): (Vec<_>, Vec<_>) =
            coming.into_iter().map(|one| one.join().unwrap()).unzip();
        assert!(turned_away.iter().all(|&times| times > 0));
        tickets.extend(came.into_iter().flatten());
    });
    let numbers: BTreeSet<_> = tickets.iter().map(|ticket| ticket.number).collect();
    assert_eq!(numbers.len(), tickets.len(), "a number twice");
    for ticket in tickets.iter().step_by(50) {
        let body = status(two, &ticket.text);
        assert_eq!(body["number"], ticket.number, "{body}");
    }
    for replica in &pair.replicas {
        let log = replica.log_all();
        let of_store =
            |line: &&str| line.contains("store is away") || line.contains("store is back");
        let lines: Vec<_> = log.lines().filter(of_store).collect();
        // On a machine that is busy with everything else it may have been away twice.
        let changes = ["store is away", "store is back"];
        let one_each = lines.iter().zip(changes.iter().cycle());
        assert!(
            lines.len().is_multiple_of(2)
                && one_each.clone().all(|(line, change)| line.contains(change)),
            "one line per change, but:\n{}",
            lines.join("\n")
        );
        assert!(!lines.is_empty(), "nothing was said");
    }
    (pair, tickets)
}

/// Waits until `/readyz` answers this at both.
pub(crate) fn ready(pair: &Pair, status: u16) {
    for replica in &pair.replicas {
        wait_for("readyz tells", SOON, || {
            (replica.readyz().status == status).then_some(())
        });
    }
}

/// Joins one after the other until it is over: the tickets, and how often there was no number.
pub(crate) fn come(addr: SocketAddr, over: &AtomicBool) -> (Vec<Ticket>, usize) {
    let (mut came, mut turned_away) = (Vec::new(), 0);
    while !over.load(Ordering::Relaxed) {
        let one = wait_for("a number, or the end", SOON, || {
            let reply = try_join(addr, &[]);
            assert_eq!(reply.status, 200, "{}", reply.text());
            if reply.json()["number"].is_u64() {
                return Some(Some(ticket(&reply)));
            }
            turned_away += 1;
            over.load(Ordering::Relaxed).then_some(None)
        });
        came.extend(one);
    }
    (came, turned_away)
}

fn while_away(pair: &Pair, pass: &str, tickets: &[Ticket]) {
    for replica in &pair.replicas {
        let why = replica.readyz().text();
        assert!(
            why.contains("main") && why.contains("store is away, for "),
            "{why}"
        );
        let room = http::get(replica.admin(), "/api/v1/rooms/main", &[]).unwrap();
        let room = room.json();
        assert_eq!(room["store"], "away", "{room}");
        assert!(room["store_away_s"].is_u64(), "{room}");
        let up = replica.metric("anteroom_store_up{room=\"main\"}");
        assert_eq!(up, Some(0.0));
    }
    let [one, two] = pair.addrs();
    let before = pair.origin.count();
    goes_on_answering(one, &tickets[0]);
    for addr in [one, two] {
        assert_eq!(call(addr, "/booking/", pass).text(), "the portal");
        keep_their_numbers(addr, tickets);
        newcomers_wait(addr);
    }
    assert_eq!(pair.origin.count(), before + 2);
}

fn keep_their_numbers(addr: SocketAddr, tickets: &[Ticket]) {
    for ticket in tickets {
        let body = wait_for("a poll is answered", SOON, || {
            Some(status(addr, &ticket.text)).filter(|body| body["v"] == 1)
        });
        assert_eq!(body["number"], ticket.number, "{body}");
        let headers = [("anteroom-ticket", ticket.text.as_str())];
        let page = navigate(addr, "/booking/", &headers);
        assert_eq!((page.status, number(&page)), (200, Some(ticket.number)));
        assert!(
            ["waiting", "near", "turn", "late"].contains(&state(&page)),
            "{page:?}"
        );
    }
}

/// Line time stands still without the store; a second is a second all the same to somebody who polls.
fn goes_on_answering(addr: SocketAddr, ticket: &Ticket) {
    let mut answered = 0;
    wait_for("polls are answered", SOON, || {
        let headers = [APP, ("anteroom-ticket", ticket.text.as_str())];
        let reply = http::get(addr, "/.anteroom/main/status", &headers).unwrap();
        assert!([200, 429].contains(&reply.status), "{reply:?}");
        answered += usize::from(reply.status == 200);
        (answered == 25).then_some(())
    });
}

fn newcomers_wait(addr: SocketAddr) {
    let page = navigate(addr, "/booking/", &[]);
    assert_eq!(
        (page.status, state(&page), number(&page)),
        (200, "waiting", None)
    );
    assert!(
        page.header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
    let joined = try_join(addr, &[]);
    assert_eq!(
        (joined.status, &joined.json()["number"]),
        (200, &serde_json::Value::Null)
    );
}

#[test]
fn an_emptied_store_gets_back_the_settings_that_were_in_force() {
    let pair = Pair::with(Redis::start(), "mode = \"paused\"");
    let before = join(pair.addrs()[0]);
    assert!(pair.redis.ask("FLUSHALL").starts_with("+OK"));
    let mut numbers = BTreeSet::from([before.number]);
    for at in 0..20 {
        let addr = pair.addrs()[at % 2];
        let page = wait_for("a newcomer gets a number again", SOON, || {
            let page = navigate(addr, "/booking/", &[]);
            // Until it notices, a replica may have numbers of before; while the line heals there are none.
            (at > 0 || number(&page) > Some(before.number + 1)).then_some(page)
        });
        if let Some(number) = number(&page) {
            assert!(numbers.insert(number), "{number} was issued twice");
            assert_eq!(state(&page), "paused", "{page:?}");
        }
    }
    assert_eq!(pair.origin.count(), 0);
    for replica in &pair.replicas {
        let revision = replica.metric("anteroom_settings_revision{room=\"main\"}");
        assert!(revision >= Some(1.0), "{revision:?}");
    }
}

#[test]
fn replicas_that_start_without_their_store_hold_everybody_until_it_is_there() {
    let mut redis = Redis::start();
    redis.kill();
    let origin = Origin::start();
    let keys = TempDir::new().unwrap();
    let more = shared(&redis.url(), &keys);
    let toml = Toml {
        more: &more,
        ..Toml::rate(MANY)
    };
    let replica = Anteroom::start_unready(|place| toml.text(place, origin.addr()));
    newcomers_wait(replica.addr());
    assert_eq!(replica.readyz().status, 503);
    assert_eq!(origin.count(), 0);
    redis.restart();
    wait_for("it is ready by itself", SOON, || {
        (replica.readyz().status == 200).then_some(())
    });
    // Two came meanwhile, and their numbers are before this one's.
    let page = navigate(replica.addr(), "/booking/", &[]);
    assert_eq!(
        (page.text(), number(&page)),
        ("the portal".to_owned(), Some(3))
    );
}

#[test]
fn a_replica_that_starts_without_its_store_knows_the_numbers_it_is_shown() {
    let mut pair = Pair::new(Redis::start());
    let [one, _] = pair.addrs();
    let (entered, waiting) = (join(one), join(one));
    let pass = enter(one, &entered.text);
    pair.redis.kill();
    let toml = Toml {
        more: &pair.more,
        ..Toml::default()
    };
    let portal = pair.origin.addr();
    let replica = Anteroom::start_unready(|place| toml.text(place, portal));
    let fresh = replica.addr();

    let body = status(fresh, &waiting.text);
    assert_eq!(body["number"], waiting.number, "{body}");
    assert_eq!(body["place"], serde_json::Value::Null, "{body}");
    let shown = [("anteroom-ticket", waiting.text.as_str())];
    let page = navigate(fresh, "/booking/", &shown);
    assert_eq!((page.status, number(&page)), (200, Some(waiting.number)));
    assert!(
        page.text()
            .contains("If you have a place in the queue, it is kept")
    );
    let (ticket, pass) = (entered.text.as_str(), pass.as_str());
    let both = [APP, ("anteroom-ticket", ticket), ("anteroom-pass", pass)];
    let reply = http::get(fresh, "/.anteroom/main/status", &both).unwrap();
    let own = (state(&reply).to_owned(), reply.json()["number"].as_u64());
    assert_eq!(own, ("entered".to_owned(), Some(entered.number)));
    assert_eq!(call(fresh, "/booking/", pass).text(), "the portal");
}

#[test]
fn a_store_and_all_replicas_that_forget_everything_at_once_cost_nobody_a_place() {
    let mut pair = Pair::new(Redis::start());
    let [one, two] = pair.addrs();
    let mut tickets: Vec<_> = (0..30).map(|at| join([one, two][at % 2])).collect();
    let pass = enter(one, &tickets[0].text);
    pair.redis.kill();
    pair.replicas.iter_mut().for_each(Anteroom::kill);
    pair.redis.restart();
    pair.replicas.iter_mut().for_each(Anteroom::restart);
    // Whoever was inside is; it is not the last of those who came that is heard from first.
    assert_eq!(call(two, "/booking/", &pass).text(), "the portal");
    let last = tickets.split_off(25);
    keep_their_numbers(one, &tickets);
    let fresh = wait_for("numbers are given again", SOON, || {
        let reply = try_join(two, &[]);
        reply.json()["number"].as_u64()
    });
    assert!(fresh > 30, "P1: number {fresh} was issued before");
    keep_their_numbers(two, &last);
    keep_their_numbers(one, &tickets);
}

#[test]
fn a_line_that_was_tampered_with_is_noticed_once_per_kind_and_counted() {
    let pair = Pair::new(Redis::start());
    enter(pair.addrs()[0], &join(pair.addrs()[0]).text);
    let broken = "anteroom_promise_broken_total{promise=\"P2\",room=\"main\"}";
    let total = || -> Option<f64> {
        let seen = pair.replicas.iter().map(|replica| replica.metric(broken));
        seen.sum()
    };
    assert_eq!(total(), Some(0.0));
    for round in 1..=3 {
        // The head, behind created, nonce, provisional, store and tail, beyond every number there is.
        let head = format!(
            "SETRANGE {{anteroom:1:main}}:state 72 \"\\x00\\x00\\x00\\x00\\x00\\x00\\x0{round}\\x00\""
        );
        assert!(pair.redis.ask(&head).starts_with(':'));
        wait_for("it is counted", SOON, || {
            (total() >= Some(f64::from(round))).then_some(())
        });
    }
    let logs = pair.replicas.iter().map(Anteroom::log_all);
    let said: usize = logs
        .map(|log| log.matches("the head passed the tail").count())
        .sum();
    assert!((1..=2).contains(&said), "said {said} times by two replicas");
}
