//! Cost per request beside nginx and `HAProxy`, as a table: who is admitted, polls, the waiting page, TLS, HTTP/2, large bodies.
//!
//! Real parts: the release binary with one worker, nginx with one worker and `HAProxy` with one thread, each alone on one
//! core while it is measured; an origin and the load on the other. anteroom checks a pass or a ticket with every request,
//! counts it and writes the access log; the peers do nothing of that, or, where it says so, write their logs. CPU is what
//! the kernel accounts to the process. All are asked in turns, in the opposite order every other round, and compared round
//! by round, because a machine's speed drifts by more than what is looked for: medians, with the least and the most.
//!
//! `PEERS_ROUNDS` (9), `PEERS_SECONDS` (2, of each turn) and `PEERS_ROWS` (a part of the rows' names) change what is run.
//! A peer that is not installed is left out.
#![allow(
    clippy::print_stdout,
    reason = "a benchmark is there to print what it measured"
)]

mod http2;
mod once;
#[path = "../parts/mod.rs"]
mod parts;
mod places;
mod rows;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::time::Duration;

use crate::parts::pin;
use crate::places::Places;
use crate::rows::Row;
use crate::rows::Turn;

/// What one contender used in one round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Used {
    /// CPU of the process that answered, per request, in microseconds.
    pub(crate) cpu_us: f64,
    /// 99 of 100 answers came within this, in microseconds; zero where that is not looked at.
    pub(crate) p99_us: f64,
}

fn main() {
    let rounds = setting("PEERS_ROUNDS", 9);
    let span = Duration::from_secs(setting("PEERS_SECONDS", 2));
    let only = std::env::var("PEERS_ROWS").unwrap_or_default();
    if !pin::is_possible() {
        println!("there are not two cores, or no taskset: everything shares what there is");
    }
    let places = Places::open();
    println!(
        "medians of {rounds} rounds of {} s; ratio: CPU of anteroom to that peer's, least to most",
        span.as_secs()
    );
    for row in rows::all(&places) {
        if row.name.contains(&only) {
            measure(&row, rounds, span);
        }
    }
}

fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().expect("a whole number"))
}

/// Runs and prints one row. Its first turn is anteroom's.
fn measure(row: &Row<'_>, rounds: u64, span: Duration) {
    for turn in &row.turns {
        // The first of each finds nothing warm.
        (turn.ask)(span / 4);
    }
    let mut used: Vec<Vec<Used>> = row.turns.iter().map(|_| Vec::new()).collect();
    for round in 0..rounds {
        let ask = |(turn, used): (&Turn<'_>, &mut Vec<Used>)| used.push((turn.ask)(span));
        let both = row.turns.iter().zip(&mut used);
        if round % 2 == 0 {
            both.for_each(ask);
        } else {
            both.rev().for_each(ask);
        }
    }
    println!("\n{}  (goal: {})", row.name, row.goal);
    let (ours, peers) = used.split_first().expect("anteroom has a turn");
    println!(
        "  {:<26}{:>9.1} us{}",
        row.turns[0].name,
        median(ours, |used| used.cpu_us),
        late(ours)
    );
    for (turn, theirs) in row.turns[1..].iter().zip(peers) {
        let mut ratios: Vec<_> = ours
            .iter()
            .zip(theirs)
            .map(|(ours, theirs)| ours.cpu_us / theirs.cpu_us)
            .collect();
        ratios.sort_by(f64::total_cmp);
        println!(
            "  {:<26}{:>9.1} us{}   ratio {:.2} ({:.2} to {:.2})",
            turn.name,
            median(theirs, |used| used.cpu_us),
            late(theirs),
            ratios[ratios.len() / 2],
            ratios[0],
            ratios[ratios.len() - 1],
        );
    }
}

fn late(used: &[Used]) -> String {
    let p99_us = median(used, |used| used.p99_us);
    if p99_us > 0.0 {
        format!("   p99 {:>6.2} ms", p99_us / 1_000.0)
    } else {
        String::new()
    }
}

fn median(used: &[Used], part: fn(&Used) -> f64) -> f64 {
    let mut values: Vec<_> = used.iter().map(part).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
