//! A store that goes away under people: who is inside stays, who waits is told so, and who comes keeps its order.
//!
//! The outage lasts until enough people have come; with `ANTEROOM_FULL` in the environment, for a minute.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anteroom::clock;

use crate::redis::Pair;
use crate::redis::ready;
use crate::stage::APP;
use crate::stage::Over;
use crate::stage::SOON;
use crate::stage::Ticket;
use crate::stage::call;
use crate::stage::enter;
use crate::stage::is_full;
use crate::stage::join;
use crate::stage::status;
use crate::stage::try_join;
use crate::support::anteroom::Anteroom;
use crate::support::http;
use crate::support::redis::Redis;
use crate::support::wait_for;

/// So many come to each replica while there are no numbers.
const COMING: usize = 300;
/// Between two who come to the same replica.
const PAUSE: Duration = Duration::from_millis(5);
/// So long the replicas say at least that their store is away, in seconds: more than what is no outage to a line.
const AWAY_S: f64 = 3.0;
/// How long a full outage lasts.
const FULL: Duration = Duration::from_secs(60);
/// Whoever comes this much later than somebody at another replica came later for certain: two slices of arrivals, and
/// what the replicas may be apart in reading the line's clock.
const APART: Duration = Duration::from_millis(300);

/// A newcomer who got no number.
#[derive(Debug, Clone)]
struct Newcomer {
    stub: String,
    /// When it asked, and when it had been answered: it came in between.
    asked: Instant,
    answered: Instant,
}

/// Comes until it is over, with everybody else looking after their own: the newcomers without a number, in order.
fn come(addr: SocketAddr, before: &Before, over: &AtomicBool, came: &AtomicUsize) -> Vec<Newcomer> {
    let mut newcomers = Vec::new();
    let mut turn = 0;
    while !over.load(Ordering::Relaxed) {
        let asked = clock::monotonic();
        let reply = try_join(addr, &[]);
        let answered = clock::monotonic();
        let body = reply.json();
        assert_eq!(reply.status, 200, "{body}");
        if body["number"].is_null() {
            assert_eq!(body["state"], "waiting", "{body}");
            let stub = body["ticket"].as_str().unwrap().to_owned();
            newcomers.push(Newcomer {
                stub,
                asked,
                answered,
            });
            came.fetch_add(1, Ordering::Relaxed);
        }
        before.goes_on(addr, turn);
        turn += 1;
        // A steady stream of people, not as many as the machine can bear: the replicas need some of it.
        thread::sleep(PAUSE);
    }
    newcomers
}

/// Those who were there before the outage.
struct Before {
    passes: Vec<String>,
    waiting: Vec<Ticket>,
}

impl Before {
    fn new(pair: &Pair) -> Self {
        let [one, two] = pair.addrs();
        let passes = (0..2).map(|_| enter(one, &join(one).text)).collect();
        let waiting = (0..20).map(|at| join([one, two][at % 2])).collect();
        Self { passes, waiting }
    }

    /// Everybody inside is served, and whoever waits is told calmly that it does.
    fn goes_on(&self, addr: SocketAddr, turn: usize) {
        for pass in &self.passes {
            assert_eq!(call(addr, "/booking/", pass).text(), "the portal");
        }
        let ticket = &self.waiting[turn % self.waiting.len()];
        let headers = [APP, ("anteroom-ticket", ticket.text.as_str())];
        let reply = http::get(addr, "/.anteroom/main/status", &headers).unwrap();
        // Two threads ask for twenty: none of them comes back more than five times a second, unless the machine is fast.
        if reply.status == 429 {
            return;
        }
        let body = reply.json();
        assert_eq!(
            (reply.status, &body["number"]),
            (200, &ticket.number.into())
        );
        let state = body["state"].as_str().unwrap();
        assert!(
            ["waiting", "near", "turn", "late"].contains(&state),
            "{body}"
        );
        let poll_ms = body["poll_ms"].as_u64().unwrap();
        assert!((1_000..=120_000).contains(&poll_ms), "{body}");
    }
}

/// Plays an outage with people coming to both replicas all the time; those who got no number, at each.
fn outage(
    pair: &mut Pair,
    before: &Before,
    begin: impl FnOnce(&mut Redis),
    end: impl FnOnce(&mut Redis),
) -> [Vec<Newcomer>; 2] {
    let [one, two] = pair.addrs();
    let over = AtomicBool::new(false);
    let came = [AtomicUsize::new(0), AtomicUsize::new(0)];
    thread::scope(|scope| {
        let (over, ending) = (&over, Over(&over));
        let coming = [(one, &came[0]), (two, &came[1])]
            .map(|(addr, came)| scope.spawn(move || come(addr, before, over, came)));
        begin(&mut pair.redis);
        let since = clock::monotonic();
        let deadline = SOON + FULL;
        wait_for("enough have come", deadline, || {
            let enough = came
                .iter()
                .all(|came| came.load(Ordering::Relaxed) >= COMING);
            let away = |replica: &Anteroom| {
                replica.metric("anteroom_store_away_seconds{room=\"main\"}") >= Some(AWAY_S)
            };
            let long = pair.replicas.iter().all(away) && (!is_full() || since.elapsed() >= FULL);
            (enough && long).then_some(())
        });
        end(&mut pair.redis);
        ready(pair, 200);
        drop(ending);
        coming.map(|one| one.join().unwrap())
    })
}

/// The number that a stub becomes, shown at this replica, and the ticket that takes its place.
pub(crate) fn become_ticket(addr: SocketAddr, stub: &str) -> Ticket {
    wait_for("a stub becomes a number", SOON, || {
        let headers = [APP, ("anteroom-ticket", stub)];
        let reply = http::get(addr, "/.anteroom/main/status", &headers).unwrap();
        let number = reply.json()["number"].as_u64()?;
        let text = reply.header("anteroom-ticket").unwrap().to_owned();
        assert_ne!(text, stub);
        assert!(reply.cookies().contains(&text), "{reply:?}");
        Some(Ticket { number, text })
    })
}

/// How the newcomers of an outage were numbered.
#[derive(Debug)]
struct Order {
    /// In the order of arrival.
    numbers: Vec<u64>,
    /// Two who came to different replicas, one certainly before the other, and how many of these have it the other way.
    pairs: u64,
    inverted: u64,
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (came, inverted, pairs) = (self.numbers.len(), self.inverted, self.pairs);
        write!(f, "{came} came, {inverted} of {pairs} pairs inverted")
    }
}

/// Whoever came in an outage has its number, in the order of arrival.
fn in_order(pair: &Pair, newcomers: &[Vec<Newcomer>; 2]) -> Order {
    let [one, two] = pair.addrs();
    let mut all: Vec<(&Newcomer, usize, u64)> = Vec::new();
    for (at, came) in newcomers.iter().enumerate() {
        // At the replica it did not come to.
        let elsewhere = [two, one][at];
        let tickets: Vec<_> = came
            .iter()
            .map(|newcomer| become_ticket(elsewhere, &newcomer.stub))
            .collect();
        let numbers: Vec<_> = tickets.iter().map(|ticket| ticket.number).collect();
        assert!(
            numbers.is_sorted_by(|a, b| a < b),
            "an inversion within a replica"
        );
        for (ticket, addr) in tickets.iter().zip([one, two, one]) {
            assert_eq!(status(addr, &ticket.text)["number"], ticket.number);
        }
        let rows = came.iter().zip(numbers);
        all.extend(rows.map(|(newcomer, number)| (newcomer, at, number)));
    }
    all.sort_unstable_by_key(|(newcomer, ..)| newcomer.answered);
    let (mut pairs, mut inverted) = (0_u64, 0_u64);
    for (nth, (newcomer, replica, number)) in all.iter().enumerate() {
        let certain = newcomer.answered + APART;
        let later = all[nth..].iter().filter(|other| other.1 != *replica);
        for other in later.filter(|other| other.0.asked > certain) {
            pairs += 1;
            inverted += u64::from(other.2 < *number);
        }
    }
    let numbers = all.into_iter().map(|(_, _, number)| number).collect();
    let order = Order {
        numbers,
        pairs,
        inverted,
    };
    assert!(pairs > 0 && 100 * inverted < pairs, "{order}");
    order
}

/// Whoever comes now is behind all of them, and nobody has anybody else's number.
fn others_queue_behind(pair: &Pair, before: &Before, numbers: &[u64]) {
    let last = *numbers.iter().max().unwrap();
    let mut taken: Vec<_> = numbers.to_vec();
    taken.extend(before.waiting.iter().map(|ticket| ticket.number));
    for addr in pair.addrs() {
        let newcomer = join(addr);
        assert!(
            newcomer.number > last,
            "{} is not behind {last}",
            newcomer.number
        );
        taken.push(newcomer.number);
        for ticket in &before.waiting {
            assert_eq!(status(addr, &ticket.text)["number"], ticket.number);
        }
        for pass in &before.passes {
            assert_eq!(call(addr, "/booking/", pass).text(), "the portal");
        }
    }
    let many = taken.len();
    taken.sort_unstable();
    taken.dedup();
    assert_eq!(taken.len(), many, "a number twice");
    // One that comes when all have been heard from finds the line as it was.
    let logs = pair.replicas.iter().map(Anteroom::log_all);
    assert!(logs.collect::<String>().contains("the line has healed"));
    for replica in &pair.replicas {
        let left = replica.metric("anteroom_stubs_waiting{room=\"main\"}");
        assert_eq!(left, Some(0.0));
        let given = replica.metric("anteroom_stubs_total{room=\"main\"}");
        assert!(given >= Some(f64::from(u32::try_from(COMING).unwrap())));
        let log = replica.log_all();
        // On a machine that is busy with everything else it may have been away twice.
        let [away, back] =
            ["the store is away", "the store is back"].map(|line| log.matches(line).count());
        assert!(away > 0 && away == back, "{log}");
    }
}

/// Plays an outage that begins and ends like this; nobody's order is lost by it.
fn keeps_the_order(
    redis: Redis,
    begin: impl FnOnce(&mut Redis),
    end: impl FnOnce(&mut Redis),
) -> Order {
    // Two may be inside, and two are.
    let mut pair = Pair::with(redis, "active_max = 2");
    let before = Before::new(&pair);
    let newcomers = outage(&mut pair, &before, begin, end);
    let order = in_order(&pair, &newcomers);
    others_queue_behind(&pair, &before, &order.numbers);
    order
}

#[test]
fn whoever_comes_while_redis_is_down_is_numbered_in_the_order_of_arrival() {
    let order = keeps_the_order(Redis::start_durable(), Redis::kill, Redis::restart);
    println!("{order}");
}

#[test]
fn a_redis_that_comes_back_empty_loses_nobodys_order() {
    let order = keeps_the_order(Redis::start(), Redis::kill, Redis::restart);
    println!("{order}");
}

#[test]
fn a_redis_that_hangs_and_goes_on_loses_nobodys_order() {
    let order = keeps_the_order(Redis::start(), |redis| redis.freeze(), |redis| redis.thaw());
    println!("{order}");
}

#[test]
fn an_emptied_redis_lets_nobody_in_who_left_and_counts_those_inside() {
    let pair = Pair::with(Redis::start(), "active_max = 1");
    let [one, two] = pair.addrs();
    let gone = join(one);
    let left = enter(one, &gone.text);
    let quit = [
        APP,
        ("anteroom-ticket", gone.text.as_str()),
        ("anteroom-pass", left.as_str()),
    ];
    http::post(one, "/.anteroom/main/leave", &quit, b"").unwrap();
    let inside = enter(two, &join(two).text);
    let (waiting, gave_up) = (join(one), join(two));
    let quit = [APP, ("anteroom-ticket", gave_up.text.as_str())];
    http::post(two, "/.anteroom/main/leave", &quit, b"").unwrap();
    let all_know = |ticket: &str, state: &str| {
        for addr in [one, two] {
            wait_for("both know", SOON, || {
                (status(addr, ticket)["state"] == state).then_some(())
            });
        }
    };
    all_know(&gone.text, "left");
    all_know(&gave_up.text, "left");

    let over = AtomicBool::new(false);
    let healed = |replica: &Anteroom| replica.log_all().matches("the line has healed").count();
    let before = pair.replicas.each_ref().map(healed);
    let numbers: Vec<_> = thread::scope(|scope| {
        let (over, ending) = (&over, Over(&over));
        let coming = [one, two].map(|addr| scope.spawn(move || crate::redis::come(addr, over).0));
        wait_for("people come", SOON, || {
            (pair.replicas[0].metric("anteroom_waiting{room=\"main\"}") > Some(50.0)).then_some(())
        });
        assert!(pair.redis.ask("FLUSHALL").starts_with("+OK"));
        for (replica, before) in pair.replicas.iter().zip(before) {
            wait_for("the line has healed once more", SOON, || {
                (healed(replica) > before).then_some(())
            });
        }
        drop(ending);
        coming
            .into_iter()
            .flat_map(|one| one.join().unwrap())
            .collect()
    });
    let mut seen: Vec<_> = numbers.iter().map(|ticket| ticket.number).collect();
    seen.extend([gone.number, waiting.number, gave_up.number]);
    let many = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), many, "a number twice");
    for addr in [one, two] {
        for ticket in [&gone, &gave_up] {
            let asked = crate::stage::ask(addr, &ticket.text);
            assert_eq!(
                (asked.status, &asked.json()["state"]),
                (409, &"left".into())
            );
        }
        assert_ne!(call(addr, "/booking/", &left).text(), "the portal");
        assert_eq!(call(addr, "/booking/", &inside).text(), "the portal");
        // There is one inside, and room for one.
        let asked = crate::stage::ask(addr, &waiting.text);
        assert_eq!(asked.status, 409, "{}", asked.text());
    }
    for replica in &pair.replicas {
        let inside = replica.metric("anteroom_inside{room=\"main\"}");
        assert_eq!(inside, Some(1.0));
    }
}

/// How much of a processor a process has used, in ticks of a hundredth of a second.
fn used_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields: Vec<_> = fields.split_ascii_whitespace().collect();
    // utime and stime, the 14th and 15th field of proc(5); the first two are cut off.
    let ticks = |at: usize| fields[at].parse::<u64>().unwrap();
    ticks(11) + ticks(12)
}

#[test]
fn a_replica_that_nobody_visits_costs_nearly_nothing_in_an_outage_and_after_it() {
    let mut pair = Pair::new(Redis::start_durable());
    let (span, share) = if is_full() {
        (FULL, 0.02)
    } else {
        // On a machine that is busy with everything else, a loop that does not wait is still found out.
        (Duration::from_secs(3), 0.5)
    };
    let spends = |pair: &Pair, when: &str| {
        let since = clock::monotonic();
        let before = pair
            .replicas
            .each_ref()
            .map(|replica| used_ticks(replica.pid()));
        wait_for("the time is over", span + SOON, || {
            (since.elapsed() >= span).then_some(())
        });
        let most = share * since.elapsed().as_secs_f64();
        for (replica, before) in pair.replicas.iter().zip(before) {
            let used = u32::try_from(used_ticks(replica.pid()) - before).unwrap();
            let used_s = f64::from(used) / 100.0;
            assert!(used_s <= most, "{when}: {used_s} s in {} s", span.as_secs());
        }
    };
    pair.redis.kill();
    ready(&pair, 503);
    spends(&pair, "during the outage");
    pair.redis.restart();
    ready(&pair, 200);
    spends(&pair, "after the outage");
}
