//! The line under fire: real replicas, a real Redis under Sentinel and real sockets, while everything fails in turn.
//!
//! Visitors of six kinds come to three replicas of the real binary; replicas, Redis, its sentinels, the network
//! between them and the origin are killed, stopped, cut and slowed by a plan that follows from a seed. What the
//! visitors were told and what the origin saw is then judged by the promises (`checks`).
//!
//! `cargo test --test chaos` plays a number of short runs. `ANTEROOM_FULL=1 cargo test --release --test chaos` plays
//! one of five minutes with thousands. A failure prints its seed; `CHAOS_SEED=7` plays that one alone,
//! `CHAOS_SECONDS=60` says how long, `CHAOS_SEEDS=100` how many (from that one on). A seed repeats the plan, not what the machine makes
//! of it. Timers here pace visitors and faults, which is the scenario; whatever is waited for has a deadline.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on panics, and a run says what happened"
)]

#[path = "../support/mod.rs"]
mod support;

mod checks;
mod client;
mod ground;
mod link;
mod origin;
mod plan;
#[path = "../sim/rng.rs"]
#[allow(dead_code, reason = "shared with the simulation")]
mod rng;
mod seen;
mod stage;
mod storm;
mod visitor;
mod weather;

use std::env;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::thread;

use plan::Plan;
use plan::Size;
use seen::End;

/// The short runs of every `cargo test`.
const CI: Size = Size {
    visitors: 240,
    seconds: 15,
    sentinels: 1,
    rates: [6, 4, 10],
    last_rate: 40,
};
/// The long one.
const FULL: Size = Size {
    visitors: 4_000,
    seconds: 300,
    sentinels: 3,
    rates: [12, 8, 20],
    last_rate: 60,
};
/// Short runs played.
const SEEDS: u64 = 20;
/// How many of them at once.
const AT_ONCE: u64 = 3;

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} is no number")),
    )
}

#[test]
fn promises_are_kept_whatever_fails() {
    let is_full = env::var_os("ANTEROOM_FULL").is_some_and(|full| full == "1");
    let mut size = if is_full { FULL } else { CI };
    size.seconds = number("CHAOS_SECONDS").unwrap_or(size.seconds);
    let seeds = match number("CHAOS_SEED") {
        Some(seed) => seed..seed + number("CHAOS_SEEDS").unwrap_or(1),
        None => 1..1 + number("CHAOS_SEEDS").unwrap_or(if is_full { 1 } else { SEEDS }),
    };
    let next = AtomicU64::new(seeds.start);
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(seeds.end - seeds.start) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= seeds.end {
                        return;
                    }
                    let failure = one(seed, size);
                    let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
                    failures.extend(failure);
                }
            });
        }
    });
    let failures = failures
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Plays one seed; what it broke, if anything.
fn one(seed: u64, size: Size) -> Option<String> {
    let plan = Plan::new(seed, size);
    let began = tokio::time::Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let played = storm::play(&plan, runtime.handle());
    let run = &played.run;
    let mut violations = played.violations;
    violations.extend(checks::broken(run));
    let served = run.people.iter().filter(|p| p.end == End::Served).count();
    let asked: usize = run.people.iter().map(|p| p.heard.len()).sum();
    println!(
        "seed {seed}: {:.0} s, {} visitors, {served} served, {asked} requests, {} at the origin, {} troubles, the pace's use judged for {} ms, {} broken",
        began.elapsed().as_secs_f64(),
        run.people.len(),
        run.arrivals.len(),
        run.troubles.len(),
        checks::judged_us(run) / 1_000,
        violations.len(),
    );
    print!("{}", checks::time_line(run));
    if violations.is_empty() {
        return None;
    }
    let logs = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("chaos-{seed}.log"));
    fs::write(&logs, &played.logs).expect("the logs are written");
    let told: Vec<_> = violations
        .iter()
        .take(6)
        .map(|v| checks::told(run, v))
        .collect();
    Some(format!(
        "CHAOS_SEED={seed} CHAOS_SECONDS={}: {} broken; the replicas' logs are in {}\n{}{}",
        size.seconds,
        violations.len(),
        logs.display(),
        checks::time_line(run),
        told.join("")
    ))
}
