//! What an exchange costs the server: a number of commands that follows neither the crowd nor its requests.

use anteroom::line::exchange::EXPIRED_MAX;
use anteroom::line::exchange::Exchange;
use anteroom::line::exchange::Proposal;
use anteroom::line::exchange::Renewal;
use anteroom::line::exchange::StubSlice;
use anteroom::line::ids::KeyHash;
use anteroom::line::ids::TicketId;
use anteroom::line::settings::Settings;

use crate::durability::visitor;
use crate::faults::Replica;
use crate::server::Server;

/// Exchanges counted together.
const EXCHANGES: u64 = 40;
/// Most commands of one in which nothing happens.
const IDLE_MAX: u64 = 16;
/// Most commands of the largest exchange.
const COMMANDS_MAX: u64 = 300;

/// Commands so far, those inside scripts included.
fn commands(redis: &mut redis::Connection) -> u64 {
    commands_like(redis, |name| name != "info")
}

/// Commands of these names so far, those inside scripts included.
fn commands_like(redis: &mut redis::Connection, is_like: impl Fn(&str) -> bool) -> u64 {
    let info: String = redis::cmd("INFO")
        .arg("commandstats")
        .query(redis)
        .expect("statistics");
    let calls = |line: &str| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        let calls: u64 = rest.split(',').next()?.parse().ok()?;
        is_like(name).then_some(calls)
    };
    info.lines().filter_map(calls).sum()
}

/// Every other stub was given to nobody, so that each of these makes a block.
fn slice(n: u64) -> StubSlice {
    StubSlice {
        at_us: n,
        first: 2 * n + 1,
        count: 1,
    }
}

/// A line of 20,000 with some inside, at a rate of 10/s.
async fn busy_line(server: &Server) -> Replica {
    let mut replica = Replica::open(server.url()).await;
    replica.heal().await;
    let settings = Settings {
        rate_per_hour: 36_000,
        // No slice begins while this test runs: that would cost some commands of its own.
        presence_us: 3_600_000_000,
        ..Settings::default()
    };
    let proposal = Proposal {
        content: KeyHash(1),
        changed: true,
        settings,
    };
    let joins = Exchange {
        joins: 10_000,
        proposal: Some(proposal),
        ..Exchange::default()
    };
    replica.send(joins).await;
    replica.join(10_000).await;
    let asks = (1..=200).map(visitor).collect();
    let asking = Exchange {
        asks,
        ..Exchange::default()
    };
    while replica.send(asking.clone()).await.counts.inside < 20 {}
    replica
}

#[tokio::test]
async fn polls_and_admitted_requests_cost_no_commands() {
    let server = Server::start();
    let mut redis = server.connect();
    let mut replica = busy_line(&server).await;
    // Nobody enters and nobody is called while it is counted.
    let paused = Proposal {
        content: KeyHash(2),
        changed: true,
        settings: Settings {
            rate_per_hour: 0,
            presence_us: 3_600_000_000,
            ..Settings::default()
        },
    };
    let paused = Exchange {
        proposal: Some(paused),
        ..Exchange::default()
    };
    let mut until_us = replica.send(paused).await.now_us;
    let start = commands(&mut redis);
    for _ in 0..EXCHANGES {
        until_us = replica.send(Exchange::default()).await.now_us;
    }
    let idle = commands(&mut redis) - start;
    let start = commands(&mut redis);
    for round in 0..EXCHANGES {
        let heard = (1_000 + round..2_500 + round).collect();
        let renewals = (1..=500).map(|id| Renewal {
            id: TicketId(id),
            until_us: until_us + 900_000_000,
            entered_us: until_us,
        });
        let exchange = Exchange {
            heard,
            renewals: renewals.collect(),
            ..Exchange::default()
        };
        until_us = replica.send(exchange).await.now_us;
    }
    let used = commands(&mut redis) - start;
    println!("{} commands per idle exchange", idle / EXCHANGES);
    assert!(
        idle <= EXCHANGES * IDLE_MAX,
        "{idle} commands in {EXCHANGES} idle exchanges"
    );
    assert!(
        used <= idle + idle / 20,
        "{used} commands with requests, {idle} without"
    );
}

#[tokio::test]
async fn the_largest_exchange_costs_a_few_hundred_commands() {
    let server = Server::start();
    let mut redis = server.connect();
    let mut replica = busy_line(&server).await;
    let fast = Proposal {
        content: KeyHash(3),
        changed: true,
        settings: Settings {
            rate_per_hour: 36_000_000,
            ..Settings::default()
        },
    };
    let exchange = Exchange {
        joins: 10_000,
        eager: (0..256).map(|n| TicketId(1_000_000 + n)).collect(),
        keyed: (0..500).map(KeyHash).collect(),
        heard: (1..=1_500).collect(),
        asks: (1..=500).map(visitor).collect(),
        checks: (300..800).map(visitor).collect(),
        more: (1..=500).collect(),
        stubs: (0..1_000).map(slice).collect(),
        proposal: Some(fast),
        ..Exchange::default()
    };
    let start = commands(&mut redis);
    replica.send(exchange).await;
    let used = commands(&mut redis) - start;
    println!("{used} commands in the largest exchange");
    assert!(used < COMMANDS_MAX, "{used} commands in one exchange");
}

/// Newcomers come to a full line four times a second. Those in it have gone: as many join as may, and nobody after them
/// until these have gone as well.
#[tokio::test]
async fn those_present_are_counted_once_a_second_however_many_want_to_join() {
    let server = Server::start();
    let mut redis = server.connect();
    let mut replica = Replica::open(server.url()).await;
    let settings = Settings {
        rate_per_hour: 0,
        line_max: 1_000,
        presence_us: 1_000_000,
        ..Settings::default()
    };
    let proposal = Proposal {
        content: KeyHash(1),
        changed: true,
        settings,
    };
    let mut clock_us = 1_700_000_000_000_000;
    let mut exchange = Exchange {
        proposal: Some(proposal),
        ..Exchange::default()
    };
    let mut send = async |joins| {
        clock_us += 250_000;
        exchange.joins = joins;
        let answer = replica.send_at(clock_us, exchange.clone()).await;
        exchange.proposal = None;
        answer
    };
    while send(0).await.healing {}
    assert_eq!(send(2_000).await.issued, 1_000);
    for _ in 0..12 {
        assert_eq!(send(0).await.head, 0);
    }
    let mut counts = || commands_like(&mut redis, |name| name == "bitcount");
    assert_eq!(counts(), 0);
    let mut answers = Vec::new();
    for _ in 0..10 {
        answers.push((send(5_000).await.issued, counts()));
    }
    let (some, none) = (1_000, 0);
    let second = [(none, 2); 4];
    let [first, third] =
        [1, 3].map(|count| [(some, count), (none, count), (none, count), (none, count)]);
    assert_eq!(answers, [first, second, third].concat()[..10]);
    let pattern = "*present-any";
    let left: Vec<String> = redis::cmd("KEYS")
        .arg(pattern)
        .query(&mut redis)
        .expect("keys");
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn what_runs_out_together_goes_a_bounded_number_at_a_time() {
    let server = Server::start();
    let mut replica = Replica::open(server.url()).await;
    replica.heal().await;
    // Before the first number nobody can be told for certain which line it is.
    replica.join(1).await;
    let now_us = replica.send(Exchange::default()).await.now_us;
    let renewal = |id| Renewal {
        id: TicketId(id),
        until_us: now_us + 3_000_000,
        entered_us: now_us,
    };
    let together = Exchange {
        renewals: (1..=250).map(renewal).collect(),
        ..Exchange::default()
    };
    let mut inside = replica.send(together).await.counts.inside;
    assert_eq!(inside, 250);
    let mut at_once = Vec::new();
    while inside > 0 {
        let answer = replica.send(Exchange::default()).await;
        assert!(answer.now_us < now_us + 60_000_000, "{inside} stay inside");
        let gone = inside - answer.counts.inside;
        if gone > 0 {
            at_once.push(gone);
            assert_eq!(answer.more, gone == EXPIRED_MAX as u64);
        }
        inside = answer.counts.inside;
    }
    assert_eq!(at_once, [100, 100, 50]);
}

#[tokio::test]
async fn what_nobody_uses_any_more_goes_away_by_itself() {
    let server = Server::start();
    let mut redis = server.connect();
    let mut replica = busy_line(&server).await;
    let leaving = Exchange {
        leaving: true,
        ..Exchange::default()
    };
    replica.send(leaving).await;
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut redis).expect("keys");
    assert!(keys.len() > 8, "{keys:?}");
    for key in keys {
        let ttl: i64 = redis::cmd("TTL")
            .arg(&key)
            .query(&mut redis)
            .expect("a time");
        assert!(ttl > 0, "{key} stays for ever");
    }
}
