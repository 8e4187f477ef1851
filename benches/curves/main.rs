//! Cost against the length of the line: polls, admitted requests, joins, exchanges and Redis memory with ten to ten
//! million waiting, as a table and as a plot.
//!
//! Real parts: the release binary with one worker on one core, a Redis server per length, an origin, and 64 connections
//! that ask as fast as they are answered from the other core. Lines are filled through the exchange, tickets and passes
//! are signed with the replica's own key file. What HTTP costs is compared in alternating pairs, a line of ten beside
//! the longer one, because a machine's speed drifts by more than what is looked for.
//!
//! `CURVES_PAIRS` (7), `CURVES_SECONDS` (2, of each half of a pair), `CURVES_MAX` (10000000) and `CURVES_SVG` (a path)
//! change what is run.
#![allow(
    clippy::print_stdout,
    reason = "a benchmark is there to print what it measured"
)]

#[path = "../parts/mod.rs"]
mod parts;
mod plot;
mod stage;
mod stall;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::time::Duration;

use crate::parts::load::Run;
use crate::parts::pin;
use crate::parts::portal;
use crate::stage::Exchanged;
use crate::stage::Stage;

/// How many wait.
const WAITING: [u64; 4] = [10, 10_000, 1_000_000, 10_000_000];

/// What a request costs.
#[derive(Debug, Clone, Copy)]
struct Cost {
    cpu_us: f64,
    p50_us: f64,
    p99_us: f64,
}

/// What a length costs beside the shortest: medians of pairs.
#[derive(Debug, Clone, Copy)]
struct Beside {
    cost: Cost,
    ratio: Cost,
}

/// Everything that was measured of one length.
#[derive(Debug)]
pub(crate) struct Row {
    waiting: u64,
    poll: Beside,
    admitted: Beside,
    join: Cost,
    join_redis_us: f64,
    joins_per_s: f64,
    exchanged: Exchanged,
}

fn main() {
    let max = setting("CURVES_MAX", 10_000_000);
    let pairs = usize::try_from(setting("CURVES_PAIRS", 7)).expect("a small number");
    let span = Duration::from_secs(setting("CURVES_SECONDS", 2));
    if !pin::is_possible() {
        println!("there are not two cores, or no taskset: everything shares what there is");
    }
    let portal = portal::start();
    let waiting = WAITING.into_iter().filter(|&waiting| waiting <= max);
    let mut stages: Vec<_> = waiting.map(|n| Stage::open(n, portal)).collect();
    let exchanged: Vec<_> = stages.iter_mut().map(Stage::exchange).collect();
    let beside: Vec<_> = (0..stages.len())
        .map(|at| {
            let poll = compare(&stages[0], &stages[at], Stage::poll, pairs, span);
            let admitted = compare(&stages[0], &stages[at], Stage::admit, pairs, span);
            println!("  {} waiting: compared", stages[at].waiting);
            (poll, admitted)
        })
        .collect();
    let rows: Vec<_> = stages
        .iter_mut()
        .zip(exchanged)
        .zip(beside)
        .map(|((stage, exchanged), (poll, admitted))| {
            let (join, join_redis_us) = stage.join(span);
            Row {
                waiting: stage.waiting,
                poll,
                admitted,
                join: cost(&join),
                join_redis_us,
                joins_per_s: join.per_s(),
                exchanged,
            }
        })
        .collect();
    print(&rows);
    let path = std::env::var("CURVES_SVG").unwrap_or_else(|_| "target/curves.svg".to_owned());
    plot::draw(&rows, path.as_ref()).expect("the plot is written");
    println!("\nplot: {path}");
}

fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().expect("a whole number"))
}

fn cost(run: &Run) -> Cost {
    Cost {
        cpu_us: run.cpu_us,
        p50_us: run.p50_us,
        p99_us: run.p99_us,
    }
}

/// The same requests to a line of ten and to a longer one, in turns.
fn compare(
    base: &Stage,
    stage: &Stage,
    ask: impl Fn(&Stage, Duration) -> Run,
    pairs: usize,
    span: Duration,
) -> Beside {
    // The first of each finds nothing warm.
    for stage in [base, stage] {
        ask(stage, span / 4);
    }
    let (mut costs, mut ratios) = (Vec::new(), Vec::new());
    for pair in 0..pairs {
        let (one, other) = if pair % 2 == 0 {
            let one = ask(base, span);
            (one, ask(stage, span))
        } else {
            let other = ask(stage, span);
            (ask(base, span), other)
        };
        let (one, other) = (cost(&one), cost(&other));
        costs.push(other);
        ratios.push(Cost {
            cpu_us: other.cpu_us / one.cpu_us,
            p50_us: other.p50_us / one.p50_us,
            p99_us: other.p99_us / one.p99_us,
        });
    }
    Beside {
        cost: middle(&costs),
        ratio: middle(&ratios),
    }
}

/// The median of each.
fn middle(costs: &[Cost]) -> Cost {
    let of = |part: fn(&Cost) -> f64| {
        let mut values: Vec<_> = costs.iter().map(part).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Cost {
        cpu_us: of(|cost| cost.cpu_us),
        p50_us: of(|cost| cost.p50_us),
        p99_us: of(|cost| cost.p99_us),
    }
}

fn print(rows: &[Row]) {
    println!(
        "\na request: anteroom's CPU, and its ratio to ten waiting as the median of pairs: CPU, p50, p99"
    );
    println!(
        "{:>10}{:>10}{:>22}{:>14}{:>22}",
        "waiting", "poll us", "ratio", "admitted us", "ratio"
    );
    for row in rows {
        println!(
            "{:>10}{:>10.1}{:>22}{:>14.1}{:>22}",
            row.waiting,
            row.poll.cost.cpu_us,
            ratio(row.poll.ratio),
            row.admitted.cost.cpu_us,
            ratio(row.admitted.ratio),
        );
    }
    println!("  goal: CPU and p50 within 10 %, p99 within 25 %");
    println!("\na join over HTTP, anteroom and Redis on a core each, Redis and the load on one");
    println!(
        "{:>10}{:>12}{:>12}{:>14}{:>12}{:>12}",
        "waiting", "joins/s", "CPU us", "Redis us", "p50 us", "p99 us"
    );
    for row in rows {
        println!(
            "{:>10}{:>12.0}{:>12.1}{:>14.3}{:>12.0}{:>12.0}",
            row.waiting,
            row.joins_per_s,
            row.join.cpu_us,
            row.join_redis_us,
            row.join.p50_us,
            row.join.p99_us
        );
    }
    println!(
        "\nan exchange: CPU us of Redis, alone on its core; its slowest command of three runs; its memory"
    );
    println!(
        "{:>10}{:>8}{:>12}{:>14}{:>16}{:>14}{:>12}{:>12}{:>14}",
        "waiting",
        "idle",
        "500 heard",
        "10,000 joins",
        "skip the line",
        "slowest ms",
        "stall ms",
        "KiB",
        "bytes/visitor"
    );
    for row in rows {
        let each = &row.exchanged;
        println!(
            "{:>10}{:>8.1}{:>12.1}{:>14.1}{:>16.1}{:>14.2}{:>12.2}{:>12.0}{:>14.3}",
            row.waiting,
            each.idle_us,
            each.heard_us,
            each.joins_us,
            each.skip_us,
            each.slowest_ms,
            each.stall_ms,
            each.memory / 1024.0,
            each.per_visitor(row.waiting),
        );
    }
    println!(
        "  stall: the longest that a bare loop on the server's core stood still in five seconds"
    );
    println!("  goals: slowest command <= 5 ms and <= 2 bytes a visitor at a million");
}

fn ratio(cost: Cost) -> String {
    format!("{:.2} {:.2} {:.2}", cost.cpu_us, cost.p50_us, cost.p99_us)
}
