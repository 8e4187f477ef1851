//! What an exchange costs through a store: the embedded one, and a Redis server of the benchmark's own.
//!
//! Times are the replica's, from sending to the answer read; commands (those inside the script included) and CPU are the
//! server's own counters.
#![allow(
    clippy::print_stdout,
    reason = "a benchmark is there to print what it measured"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Duration;

use anteroom::clock;
use anteroom::line::exchange::Answer;
use anteroom::line::exchange::Exchange;
use anteroom::line::exchange::JOINS_MAX;
use anteroom::line::exchange::Known;
use anteroom::line::exchange::Proposal;
use anteroom::line::ids::InstanceId;
use anteroom::line::ids::KeyHash;
use anteroom::line::settings::Settings as LineSettings;
use anteroom::seal;
use anteroom::store::Settings;
use anteroom::store::Store;
use anteroom::store::memory;
use anteroom::store::redis;
use support::redis::Redis;
use tempfile::TempDir;

/// How many wait when it begins.
const WAITING: [u64; 2] = [10, 1_000_000];
/// No row takes longer.
const ROW: Duration = Duration::from_millis(2_500);
/// Exchanges of a row, if there is time for them.
const EXCHANGES: u32 = 4_000;

/// A store, and the one replica that uses it.
struct Rig {
    store: Store,
    instance: InstanceId,
    sequence: u64,
    known: Known,
}

impl Rig {
    async fn open(settings: &Settings, room: &str, waiting: u64) -> Self {
        let store = Store::open(settings, room).await.expect("a store");
        let mut rig = Self {
            store,
            instance: seal::instance_id(),
            sequence: 0,
            known: Known::default(),
        };
        let heals = clock::monotonic();
        while rig.send(&Exchange::default()).await.healing {
            assert!(clock::monotonic() - heals < Duration::from_secs(10));
        }
        let settings = LineSettings {
            // A slice that begins would cost something of its own.
            presence_us: 3_600_000_000,
            line_max: 1 << 40,
            ..LineSettings::default()
        };
        let proposal = Proposal {
            content: KeyHash(1),
            changed: true,
            settings,
        };
        rig.send(&Exchange {
            proposal: Some(proposal),
            ..Exchange::default()
        })
        .await;
        let mut left = waiting;
        while left > 0 {
            let joins = left.min(JOINS_MAX);
            left -= joins;
            rig.send(&Exchange {
                joins,
                ..Exchange::default()
            })
            .await;
        }
        rig
    }

    async fn send(&mut self, exchange: &Exchange) -> Answer {
        self.sequence += 1;
        let exchange = Exchange {
            instance: self.instance,
            sequence: self.sequence,
            known: self.known,
            nonce: seal::nonce(),
            ..exchange.clone()
        };
        let answer = self.store.exchange(&exchange).await.expect("an answer");
        self.known = Known {
            epoch: Some(answer.epoch).filter(|epoch| epoch.created_us > 0),
            tail: answer.tail,
            head: answer.head,
            now_us: answer.now_us,
            turns: answer.turns_to,
            entries: answer.entries,
            finished: answer.finished_to,
            opening: answer.opening,
            stubs: answer.stubs_to,
            instances: answer.counts.instances,
            lease_per_hour: answer.lease_per_hour,
            withheld_per_hour: answer.withheld_per_hour,
        };
        answer
    }

    /// Sends as many as there is time for; how many, and microseconds of each.
    async fn measure(&mut self, exchange: &Exchange) -> (u32, f64) {
        let begun = clock::monotonic();
        let mut sent = 0;
        while sent < EXCHANGES && clock::monotonic() - begun < ROW {
            self.send(exchange).await;
            sent += 1;
        }
        let us = (clock::monotonic() - begun).as_secs_f64() * 1e6;
        (sent, us / f64::from(sent))
    }
}

/// What is sent, and how many visitors it speaks of.
fn kinds(waiting: u64) -> [(&'static str, Exchange, u64); 4] {
    let joins = |joins| Exchange {
        joins,
        ..Exchange::default()
    };
    let heard = Exchange {
        // Spread over the line, as they come; in a short one, the same again.
        heard: (0..1_000).map(|n| 1 + n * 997 % waiting).collect(),
        ..Exchange::default()
    };
    [
        ("idle", Exchange::default(), 0),
        ("100 joins", joins(100), 100),
        ("1,000 heard from", heard, 1_000),
        // The last: it makes the line a long one.
        ("10,000 joins (a rush)", joins(JOINS_MAX), JOINS_MAX),
    ]
}

fn per(value: f64, visitors: u64) -> String {
    if visitors == 0 {
        return "-".to_owned();
    }
    #[expect(clippy::cast_precision_loss, reason = "a few thousand visitors")]
    let each = value / visitors as f64;
    format!("{each:.3}")
}

async fn embedded() {
    println!("\nembedded store, its journal on disk");
    println!(
        "{:>10}  {:<24}{:>12}{:>14}",
        "waiting", "exchange", "us", "us/visitor"
    );
    for waiting in WAITING {
        let dir = TempDir::new().expect("a folder");
        let settings = Settings::Memory(memory::Settings {
            directory: Some(dir.path().to_owned()),
        });
        let mut rig = Rig::open(&settings, "bench", waiting).await;
        for (what, exchange, visitors) in kinds(waiting) {
            let (_, us) = rig.measure(&exchange).await;
            let each = per(us, visitors);
            println!("{waiting:>10}  {what:<24}{us:>12.1}{each:>14}");
        }
        rig.store.close().await.expect("a last snapshot");
    }
}

/// The server's CPU so far, in microseconds.
fn cpu_us(server: &Redis) -> f64 {
    let info = server.ask("INFO cpu");
    let seconds = |name: &str| -> f64 {
        let value = info.lines().find_map(|line| line.strip_prefix(name));
        value
            .and_then(|value| value.trim().parse().ok())
            .expect("seconds of CPU")
    };
    (seconds("used_cpu_user:") + seconds("used_cpu_sys:")) * 1e6
}

async fn redis() {
    let server = Redis::start();
    println!("\na Redis server; its own CPU and commands, those inside the script included");
    println!(
        "{:>10}  {:<24}{:>12}{:>12}{:>16}{:>12}",
        "waiting", "exchange", "us", "CPU us", "CPU us/visitor", "commands"
    );
    for waiting in WAITING {
        let settings = Settings::Redis(Box::new(redis::Settings {
            answer_deadline: Duration::from_secs(10),
            ..redis::Settings::new(server.url().parse().expect("it is the address of a server"))
        }));
        let mut rig = Rig::open(&settings, &format!("bench-{waiting}"), waiting).await;
        for (what, exchange, visitors) in kinds(waiting) {
            let (cpu, commands) = (cpu_us(&server), server.calls_total());
            let (sent, us) = rig.measure(&exchange).await;
            let cpu = (cpu_us(&server) - cpu) / f64::from(sent);
            #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 commands")]
            let commands = (server.calls_total() - commands) as f64 / f64::from(sent);
            let each = per(cpu, visitors);
            println!("{waiting:>10}  {what:<24}{us:>12.1}{cpu:>12.1}{each:>16}{commands:>12.1}");
        }
    }
    println!(
        "  a prototype: 8.6 us of CPU when idle, 0.19 us a join by 100, 0.57 us a presence bit in the script"
    );
    println!(
        "  goals: a join in a rush <= 1 us of Redis CPU and >= 1,000,000/s; a handful of commands per exchange, \
         whatever the crowd"
    );
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(embedded());
    runtime.block_on(redis());
}
