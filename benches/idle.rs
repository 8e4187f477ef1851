//! What an open connection costs on which nothing happens: bytes of the process, beside nginx and `HAProxy` where they are
//! installed; and what a request costs whose connection was taken apart before it.
//!
//! Every connection has made one request, as that of a browser has that waits. Bytes are what the process has that it
//! shares with nobody (`Anonymous` of `smaps_rollup`), with all connections open less with none. anteroom is measured
//! when it says that all are parked, everybody else when no more is given back.
//!
//! `IDLE_CONNECTIONS` (10000) and `IDLE_CONNECTIONS_H2` (2000) change how many there are, `IDLE_ROUNDS` (10) how often
//! each asks where the CPU is measured.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark is there to print what it measured by the machine's clock"
)]

#[path = "idle/clients.rs"]
mod clients;
#[path = "idle/contenders.rs"]
mod contenders;
#[path = "parts/pin.rs"]
mod pin;
#[path = "../tests/support/mod.rs"]
mod support;

use std::thread;
use std::time::Duration;

use crate::clients::Clients;
use crate::contenders::Certificate;
use crate::contenders::Contender;
use crate::support::wait_for;

/// Connections opened and closed again before anything is measured.
const WARM: usize = 256;
/// Nothing here takes longer.
const PATIENCE: Duration = Duration::from_secs(120);
/// Connections where the CPU is measured.
const ASKING: usize = 1_000;
/// How often each of them asks when it is not parked in between, and when it is.
const OFTEN: Duration = Duration::from_millis(500);
const SELDOM: Duration = Duration::from_millis(2_600);

/// What is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Plain,
    Tls,
    Http2,
}

fn main() {
    let files = anteroom::server::raise_descriptor_limit();
    if !pin::is_possible() {
        println!("there are not two cores, or no taskset: everything shares what there is");
    }
    let count = setting("IDLE_CONNECTIONS", 10_000);
    let most = files.now.map_or(usize::MAX, |most| {
        usize::try_from(most).unwrap_or(usize::MAX)
    });
    assert!(count + 100 < most, "no more than {most} files can be open");
    let count_h2 = setting("IDLE_CONNECTIONS_H2", 2_000).min(count);
    let rounds = setting("IDLE_ROUNDS", 10);
    let certificate = Certificate::new();
    println!("| bytes of an idle connection | HTTP/1.1 | HTTP/1.1 over TLS | HTTP/2 over TLS |");
    println!("|---|---|---|---|");
    for start in [contenders::anteroom, contenders::nginx, contenders::haproxy] {
        let mut row = Vec::new();
        for kind in [Kind::Plain, Kind::Tls, Kind::Http2] {
            let count = if kind == Kind::Http2 { count_h2 } else { count };
            let Some(contender) = start(kind, &certificate) else {
                break;
            };
            row.push(format!(
                "{:.0}",
                bytes(&contender, kind, &certificate, count)
            ));
            if row.len() == 3 {
                println!("| {} | {} |", contender.name, row.join(" | "));
            }
        }
    }
    println!("\n| CPU of a request, µs | HTTP/1.1 | HTTP/1.1 over TLS |\n|---|---|---|");
    let cpu = [Kind::Plain, Kind::Tls].map(|kind| cpu_us(kind, &certificate, rounds));
    println!("| every 0.5 s | {:.1} | {:.1} |", cpu[0].0, cpu[1].0);
    println!(
        "| every 2.6 s, taken apart in between | {:.1} | {:.1} |",
        cpu[0].1, cpu[1].1
    );
}

fn setting(name: &str, usual: usize) -> usize {
    std::env::var(name).map_or(usual, |text| text.parse().expect("a whole number"))
}

/// Bytes that each of so many idle connections costs.
fn bytes(contender: &Contender, kind: Kind, certificate: &Certificate, count: usize) -> f64 {
    drop(Clients::open(contender.addr, kind, certificate, WARM));
    thread::sleep(Duration::from_secs(1));
    let before = settled(contender.pid);
    let clients = Clients::open(contender.addr, kind, certificate, count);
    if kind != Kind::Http2 {
        wait_until_parked(contender, count);
    }
    let after = settled(contender.pid);
    drop(clients);
    (after - before) / count_f64(count)
}

/// CPU of a request on connections that are busy and on ones that are parked before each.
fn cpu_us(kind: Kind, certificate: &Certificate, rounds: usize) -> (f64, f64) {
    let contender = contenders::anteroom(kind, certificate).expect("it is ours");
    pin::set(contender.pid, pin::MEASURED);
    let mut clients = Clients::open(contender.addr, kind, certificate, ASKING);
    let requests = count_f64(ASKING * rounds);
    let mut measure = |pause: Duration| {
        clients.ask();
        let before = pin::cpu_us(contender.pid);
        for _ in 0..rounds {
            thread::sleep(pause);
            if pause == SELDOM {
                wait_until_parked(&contender, ASKING);
            }
            clients.ask();
        }
        let used = pin::cpu_us(contender.pid) - before;
        // What it does by itself in this time is not a request's.
        let before = pin::cpu_us(contender.pid);
        thread::sleep(OFTEN * 2);
        let idle = pin::cpu_us(contender.pid) - before;
        (used - idle * pause.as_secs_f64() * count_f64(rounds)) / requests
    };
    (measure(OFTEN), measure(SELDOM))
}

fn wait_until_parked(contender: &Contender, count: usize) {
    if let Some(anteroom) = &contender.anteroom {
        wait_for("all connections are parked", PATIENCE, || {
            let parked = anteroom.metric("anteroom_connections_parked")?;
            (parked >= count_f64(count)).then_some(())
        });
    }
}

/// Bytes of a process, once it gives none back for two seconds.
fn settled(pid: u32) -> f64 {
    let mut least = bytes_of(pid);
    let mut looks = 0;
    while looks < 4 {
        thread::sleep(Duration::from_millis(500));
        let now = bytes_of(pid);
        looks = if now < least { 0 } else { looks + 1 };
        least = least.min(now);
    }
    least
}

fn bytes_of(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("a process");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Anonymous:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok());
    kib.expect("the kernel tells it") * 1_024.0
}

#[expect(
    clippy::cast_precision_loss,
    reason = "far fewer than 2^52 of anything"
)]
fn count_f64(count: usize) -> f64 {
    count as f64
}
