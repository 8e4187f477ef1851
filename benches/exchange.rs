//! What an exchange costs through a store: the embedded one, and a Redis server of the benchmark's own.
//!
//! Times are the replica's, from sending to the answer read; commands (those inside the script included) and CPU are the
//! server's own counters.
#![allow(
    clippy::print_stdout,
    reason = "a benchmark is there to print what it measured"
)]

mod parts;
#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Duration;

use anteroom::clock;
use anteroom::line::exchange::Exchange;
use anteroom::line::exchange::JOINS_MAX;
use anteroom::line::settings::Settings as LineSettings;
use anteroom::store::Settings;
use anteroom::store::memory;
use tempfile::TempDir;

use crate::parts::rig::Rig;
use crate::parts::server;
use crate::support::redis::Redis;

/// How many wait when it begins.
const WAITING: [u64; 2] = [10, 1_000_000];
/// No row takes longer.
const ROW: Duration = Duration::from_millis(2_500);
/// Exchanges of a row, if there is time for them.
const EXCHANGES: u32 = 4_000;

/// A replica in front of a line in which this many wait.
fn fill(mut rig: Rig, waiting: u64) -> Rig {
    rig.set(LineSettings {
        // A slice that begins would cost something of its own.
        presence_us: 3_600_000_000,
        line_max: 1 << 40,
        ..LineSettings::default()
    });
    let mut left = waiting;
    while left > 0 {
        let joins = left.min(JOINS_MAX);
        left -= joins;
        rig.send(&Exchange {
            joins,
            ..Exchange::default()
        });
    }
    rig
}

/// Sends as many as there is time for; how many, and microseconds of each.
fn measure(rig: &mut Rig, exchange: &Exchange) -> (u32, f64) {
    let begun = clock::monotonic();
    let mut sent = 0;
    while sent < EXCHANGES && clock::monotonic() - begun < ROW {
        rig.send(exchange);
        sent += 1;
    }
    let us = (clock::monotonic() - begun).as_secs_f64() * 1e6;
    (sent, us / f64::from(sent))
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

fn embedded() {
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
        let mut rig = fill(Rig::open(&settings, "bench"), waiting);
        for (what, exchange, visitors) in kinds(waiting) {
            let (_, us) = measure(&mut rig, &exchange);
            let each = per(us, visitors);
            println!("{waiting:>10}  {what:<24}{us:>12.1}{each:>14}");
        }
        rig.close();
    }
}

fn redis() {
    let redis = Redis::start();
    println!("\na Redis server; its own CPU and commands, those inside the script included");
    println!(
        "{:>10}  {:<24}{:>12}{:>12}{:>16}{:>12}",
        "waiting", "exchange", "us", "CPU us", "CPU us/visitor", "commands"
    );
    for waiting in WAITING {
        let mut rig = fill(Rig::of(&redis, &format!("bench-{waiting}")), waiting);
        for (what, exchange, visitors) in kinds(waiting) {
            let (cpu, commands) = (server::cpu_us(&redis), redis.calls_total());
            let (sent, us) = measure(&mut rig, &exchange);
            let cpu = (server::cpu_us(&redis) - cpu) / f64::from(sent);
            #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 commands")]
            let commands = (redis.calls_total() - commands) as f64 / f64::from(sent);
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
    embedded();
    redis();
}
