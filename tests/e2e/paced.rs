//! A room that goes on while its store is away: each replica at its share, all of them together never above the pace.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anteroom::clock::monotonic;

use crate::link::Link;
use crate::link::Mode;
use crate::redis::Pair;
use crate::redis::ready;
use crate::stage::Over;
use crate::stage::SOON;
use crate::stage::Ticket;
use crate::stage::ask;
use crate::stage::call;
use crate::stage::enter;
use crate::stage::join;
use crate::stage::navigate;
use crate::stage::navigate_with;
use crate::stage::state;
use crate::stage::status;
use crate::support::anteroom::Anteroom;
use crate::support::redis::Redis;
use crate::support::wait_for;

/// Entries a second, and the most that may come at once.
const RATE: f64 = 10.0;
const BURST: f64 = 10.0;
const ROOM: (&str, &str) = ("10/s", "on_store_failure = \"paced\"");
/// What a test sees of an entry may be this much later than another: two clients on a machine that is busy.
const SEEN_LATE_S: f64 = 0.5;
/// A replica uses no lease before the line has answered it for so long.
const SETTLED: Duration = Duration::from_secs(11);
/// Entries at each replica while the store is away that are enough to see its pace.
const ENOUGH: f64 = 25.0;
/// How many wait at each replica.
const CROWD: usize = 250;

fn metric(replica: &Anteroom, name: &str) -> f64 {
    let series = format!("anteroom_{name}{{room=\"main\"}}");
    replica.metric(&series).unwrap_or(0.0)
}

fn shows(replica: &Anteroom, name: &str, value: f64) -> bool {
    let series = format!("anteroom_{name}{{room=\"main\"}}");
    replica.metric(&series) == Some(value)
}

/// When somebody was seen to enter, and with which number and pass.
type Entries = Mutex<Vec<(Instant, u64, String)>>;

/// Those who hold these tickets go in, one after the other, as soon as they can, until it is over. Whoever waits sees a
/// place that never grows.
fn crowd(addr: SocketAddr, tickets: &[Ticket], entries: &Entries, over: &AtomicBool) {
    let last = tickets.last().unwrap();
    let mut place = u64::MAX;
    for ticket in tickets {
        if over.load(Ordering::Relaxed) {
            return;
        }
        let went_in = wait_for("somebody goes in, or it is over", SOON, || {
            let asked = ask(addr, &ticket.text);
            let body = asked.json();
            if asked.status == 200 {
                let pass = body["pass"].as_str().unwrap().to_owned();
                let mut entries = entries.lock().unwrap();
                entries.push((monotonic(), ticket.number, pass));
                return Some(true);
            }
            assert_eq!(asked.status, 409, "{body}");
            let state = body["state"].as_str().unwrap();
            let calm = ["waiting", "near", "turn", "late", "entering"];
            assert!(calm.contains(&state), "{body}");
            // Whoever was called and has asked goes in whether it looks again or not.
            if over.load(Ordering::Relaxed) && ["waiting", "near"].contains(&state) {
                return Some(false);
            }
            let seen = status(addr, &last.text)["place"].as_u64();
            let seen = seen.unwrap_or(place);
            assert!(seen <= place, "a place grew from {place} to {seen}");
            place = seen;
            None
        });
        if !went_in {
            return;
        }
    }
}

/// No window has more entries than the rate and its burst allow.
fn keeps_the_pace(entries: &Entries) -> usize {
    let entries = entries.lock().unwrap();
    let mut times: Vec<_> = entries.iter().map(|entry| entry.0).collect();
    times.sort_unstable();
    for (nth, from) in times.iter().enumerate() {
        for (more, to) in times[nth..].iter().enumerate() {
            let window_s = (*to - *from).as_secs_f64() + SEEN_LATE_S;
            let count = f64::from(u32::try_from(more + 1).unwrap());
            assert!(
                count <= RATE * window_s + BURST,
                "{count} entries in {window_s} s"
            );
        }
    }
    times.len()
}

fn settle(pair: &Pair) {
    let since = monotonic();
    wait_for("the replicas share the pace", SOON, || {
        let both = |replica: &Anteroom| metric(replica, "instances") >= 2.0;
        (pair.replicas.iter().all(both) && since.elapsed() >= SETTLED).then_some(())
    });
}

/// Plays a crowd at both replicas through an outage: it begins, each of those cut off lets enough in, and it ends.
fn play(
    pair: &mut Pair,
    cut_off: &[usize],
    begin: impl FnOnce(&mut Pair),
    end: impl FnOnce(&mut Pair),
) {
    let addrs = pair.addrs();
    settle(pair);
    let tickets = addrs.map(|addr| (0..CROWD).map(|_| join(addr)).collect::<Vec<_>>());
    let (entries, over) = (Entries::default(), AtomicBool::new(false));
    thread::scope(|scope| {
        let ending = Over(&over);
        for (addr, tickets) in addrs.into_iter().zip(&tickets) {
            let (entries, over) = (&entries, &over);
            scope.spawn(move || crowd(addr, tickets, entries, over));
        }
        wait_for("people go in", SOON, || {
            (entries.lock().unwrap().len() >= 20).then_some(())
        });
        begin(pair);
        wait_for("enough have gone in by themselves", SOON, || {
            let enough = |&at: &usize| metric(&pair.replicas[at], "paced_entered_total") >= ENOUGH;
            cut_off.iter().all(enough).then_some(())
        });
        for &at in cut_off {
            assert!(shows(&pair.replicas[at], "paced_rate", RATE / 2.0));
            assert_eq!(pair.replicas[at].readyz().status, 503);
        }
        if let Some(other) = (0..2).find(|at| !cut_off.contains(at)) {
            assert!(shows(&pair.replicas[other], "withheld_rate", RATE / 2.0));
        }
        end(pair);
        ready(pair, 200);
        let before = entries.lock().unwrap().len();
        wait_for("people go in by the line again", SOON, || {
            (entries.lock().unwrap().len() >= before + 20).then_some(())
        });
        drop(ending);
    });
    let entered = keeps_the_pace(&entries);
    for replica in &pair.replicas {
        wait_for("the line knows of everybody inside", SOON, || {
            let all = f64::from(u32::try_from(entered).unwrap());
            (shows(replica, "inside", all) && shows(replica, "withheld_rate", 0.0)).then_some(())
        });
        assert!(shows(replica, "paced_rate", 0.0));
        let log = replica.log_all();
        let count = |line: &str| log.matches(line).count();
        assert_eq!(
            count("letting people in at this replica's share"),
            count("the store lets people in again"),
            "{log}"
        );
    }
    let entries = entries.into_inner().unwrap();
    for (nth, (_, _, pass)) in entries.iter().enumerate().step_by(10) {
        assert_eq!(call(addrs[nth % 2], "/booking/", pass).text(), "the portal");
    }
    // Nobody went back: whoever was called still is, wherever it looks.
    let highest = entries.iter().map(|entry| entry.1).max().unwrap();
    for ticket in tickets.iter().flatten().filter(|t| t.number <= highest) {
        for addr in addrs {
            assert_eq!(status(addr, &ticket.text)["place"], 0);
        }
    }
}

#[test]
fn a_room_goes_on_at_its_pace_while_redis_is_down() {
    let redis = Redis::start_durable();
    let url = redis.url();
    let mut pair = Pair::through(redis, [&url, &url], ROOM);
    play(
        &mut pair,
        &[0, 1],
        |pair| pair.redis.kill(),
        |pair| pair.redis.restart(),
    );
}

#[test]
fn a_room_goes_on_at_its_pace_while_redis_hangs() {
    let redis = Redis::start();
    let url = redis.url();
    let mut pair = Pair::through(redis, [&url, &url], ROOM);
    play(
        &mut pair,
        &[0, 1],
        |pair| pair.redis.freeze(),
        |pair| pair.redis.thaw(),
    );
}

#[test]
fn a_replica_that_alone_is_cut_off_goes_on_at_its_share_and_the_line_at_the_rest() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let redis = Redis::start();
    let link = runtime.block_on(Link::to(redis.addr()));
    let (straight, through) = (redis.url(), format!("redis://{}", link.addr()));
    let mut pair = Pair::through(redis, [&through, &straight], ROOM);
    play(
        &mut pair,
        &[0],
        |_| link.set(Mode::Silent),
        |_| link.set(Mode::Pass),
    );
}

#[test]
fn a_quiet_room_stays_open_within_its_share_while_redis_is_down() {
    let redis = Redis::start_durable();
    let url = redis.url();
    let mut pair = Pair::through(redis, [&url, &url], ROOM);
    // A line in which nobody ever had a number may yet turn out to be another one.
    enter(pair.addrs()[0], &join(pair.addrs()[0]).text);
    settle(&pair);
    pair.redis.kill();
    for replica in &pair.replicas {
        wait_for("it goes on", SOON, || {
            (metric(replica, "paced_rate") > 0.0).then_some(())
        });
        // Whoever does not go straight in keeps its place, and does soon.
        let first = navigate(replica.addr(), "/booking/", &[]);
        let cookies = first.cookies();
        let entered = wait_for("a newcomer goes in", SOON, || {
            let page = navigate_with(replica.addr(), "/booking/", &cookies);
            (state(&page) == "entered" || page.text() == "the portal").then_some(page)
        });
        assert_eq!(entered.text(), "the portal");
    }
    pair.redis.restart();
    ready(&pair, 200);
    let let_in = pair.replicas.each_ref();
    let let_in = let_in.map(|replica| metric(replica, "paced_entered_total"));
    for replica in &pair.replicas {
        wait_for("the line knows of them", SOON, || {
            shows(replica, "inside", 1.0 + let_in.iter().sum::<f64>()).then_some(())
        });
    }
}
