//! Waiting is nearly free: polls and admitted requests cost Redis no command of their own.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anteroom::clock;

use crate::redis::Pair;
use crate::stage::APP;
use crate::stage::enter;
use crate::stage::join;
use crate::support::http::Kept;
use crate::support::redis::Redis;
use crate::support::wait_for;

/// Who waits; everybody polls [`POLLS`] times.
const WAITING: usize = 500;
const POLLS: usize = 20;
/// Requests of the one who is inside.
const ADMITTED: usize = 10_000;
/// Clients at once.
const CLIENTS: usize = 4;
/// Exchanges of an idle line that are looked at.
const IDLE_EXCHANGES: u64 = 40;
/// An idle replica's exchanges are this far apart.
const TICK: Duration = Duration::from_millis(250);

/// What Redis had been asked at one moment.
#[derive(Debug, Clone, Copy)]
struct Asked {
    exchanges: u64,
    commands: u64,
    at: Instant,
}

impl Asked {
    fn of(redis: &Redis) -> Self {
        let calls = redis.calls();
        let of = |name: &str| {
            let mut all = calls.iter().filter(|(held, _)| held == name);
            all.next().map_or(0, |(_, calls)| *calls)
        };
        Self {
            exchanges: of("evalsha") + of("eval"),
            commands: calls
                .iter()
                .filter(|(name, _)| name != "info" && name != "quit")
                .map(|(_, calls)| calls)
                .sum(),
            at: clock::monotonic(),
        }
    }

    fn since(self, before: Self) -> Spent {
        Spent {
            exchanges: self.exchanges - before.exchanges,
            commands: self.commands - before.commands,
            ticks: (self.at - before.at).as_secs_f64() / TICK.as_secs_f64(),
        }
    }
}

/// What Redis was asked in between.
#[derive(Debug, Clone, Copy)]
struct Spent {
    exchanges: u64,
    commands: u64,
    ticks: f64,
}

#[test]
fn ten_thousand_polls_and_admitted_requests_cost_redis_what_an_idle_line_costs() {
    let pair = Pair::new(Redis::start());
    let [one, two] = pair.addrs();
    let pass = enter(one, &join(one).text);
    let tickets: Vec<_> = (0..WAITING)
        .map(|at| join([one, two][at % 2]).text)
        .collect();

    let begin = Asked::of(&pair.redis);
    wait_for(
        "the idle line has been watched",
        Duration::from_secs(60),
        || {
            let spent = Asked::of(&pair.redis).since(begin);
            (spent.exchanges >= IDLE_EXCHANGES).then_some(())
        },
    );
    let idle = Asked::of(&pair.redis).since(begin);

    let begin = Asked::of(&pair.redis);
    thread::scope(|scope| {
        for (mine, addr) in tickets.chunks(WAITING / CLIENTS).zip([one, two, one, two]) {
            scope.spawn(move || poll(addr, mine));
        }
        for addr in [one, two] {
            let pass = pass.as_str();
            scope.spawn(move || go_in(addr, pass, ADMITTED / 2));
        }
    });
    // What was heard is told with the next ticks.
    let ticked = Asked::of(&pair.redis).exchanges + 8;
    wait_for("all of it is told", Duration::from_secs(20), || {
        (Asked::of(&pair.redis).exchanges >= ticked).then_some(())
    });
    let busy = Asked::of(&pair.redis).since(begin);
    println!("idle {idle:?}\nbusy {busy:?}");

    // No exchange leaves because of them: never more than two replicas' ticks, whatever the machine is doing.
    let ticks = 2.0 * (busy.ticks + 1.0);
    assert!(exact(busy.exchanges) <= 1.05 * ticks, "{busy:?}");
    // And an exchange that carries what was heard asks no more of Redis than one that carries nothing.
    let each = |spent: Spent| exact(spent.commands) / exact(spent.exchanges);
    assert!(
        each(busy) <= 1.05 * each(idle),
        "idle {idle:?}, busy {busy:?}"
    );
    assert!(pair.origin.count() >= ADMITTED);
}

/// Counts here are far below 2⁵³.
fn exact(count: u64) -> f64 {
    u32::try_from(count).map(f64::from).unwrap()
}

fn poll(addr: SocketAddr, tickets: &[String]) {
    let mut line = Kept::connect(addr).unwrap();
    for _ in 0..POLLS {
        for ticket in tickets {
            let headers = [APP, ("anteroom-ticket", ticket.as_str())];
            let path = "GET /.anteroom/main/status?have=none";
            let reply = line.request(path, &headers).unwrap();
            // Somebody's sixth poll within a second is turned away, and costs nothing either.
            assert!([200, 429].contains(&reply.status), "{reply:?}");
        }
    }
}

fn go_in(addr: SocketAddr, pass: &str, times: usize) {
    let mut line = Kept::connect(addr).unwrap();
    for _ in 0..times {
        let headers = [APP, ("anteroom-pass", pass)];
        let reply = line.request("GET /booking/", &headers).unwrap();
        assert_eq!(reply.status, 200, "{reply:?}");
    }
}
