//! What one exchange costs the pure line: with joins of every number, and when it calls, in lines of ten to ten million.
#![allow(
    clippy::print_stdout,
    reason = "a benchmark is there to print what it measured"
)]

use std::hint::black_box;
use std::time::Duration;

use anteroom::clock;
use anteroom::line::Line;
use anteroom::line::exchange::Answer;
use anteroom::line::exchange::CALLS_MAX;
use anteroom::line::exchange::Exchange;
use anteroom::line::exchange::HEARD_MAX;
use anteroom::line::exchange::JOINS_MAX;
use anteroom::line::exchange::Known;
use anteroom::line::exchange::Proposal;
use anteroom::line::ids::InstanceId;
use anteroom::line::ids::KeyHash;
use anteroom::line::settings::RATE_PER_HOUR_MAX;
use anteroom::line::settings::Settings;

/// How many wait.
const WAITING: [u64; 4] = [10, 10_000, 1_000_000, 10_000_000];
/// How often each is measured; the middle one is shown.
const SAMPLES: usize = 15;
/// Exchanges of one sample: the first of them finds nothing of a copied line in the processor's cache.
const EXCHANGES: u32 = 50;
/// A row takes about this long; three samples are taken even where that is longer.
const ROW: Duration = Duration::from_secs(2);
/// Between two exchanges of the store's clock, in microseconds.
const STEP_US: u64 = 1_000;

/// A line, and the one replica that moves it.
#[derive(Clone)]
struct Rig {
    line: Line,
    clock_us: u64,
    sequence: u64,
    known: Known,
}

impl Rig {
    fn new() -> Self {
        Self {
            line: Line::new(),
            clock_us: 1_795_000_000_000_000,
            sequence: 0,
            known: Known::default(),
        }
    }

    fn send(&mut self, after_us: u64, exchange: Exchange) -> Answer {
        self.clock_us += after_us;
        self.sequence += 1;
        let exchange = Exchange {
            instance: InstanceId(1),
            sequence: self.sequence,
            known: self.known,
            ..exchange
        };
        let answer = self
            .line
            .apply(self.clock_us, black_box(&exchange))
            .expect("an exchange within its bounds");
        self.known = self.known.after(&answer);
        answer
    }

    fn set(&mut self, settings: Settings) -> Answer {
        let proposal = Proposal {
            content: KeyHash(u128::from(self.sequence) + 1),
            changed: true,
            settings,
        };
        self.send(
            STEP_US,
            Exchange {
                proposal: Some(proposal),
                ..Exchange::default()
            },
        )
    }

    fn join(&mut self, waiting: u64) {
        let mut left = waiting;
        while left > 0 {
            let joins = left.min(JOINS_MAX);
            left -= joins;
            self.send(
                STEP_US,
                Exchange {
                    joins,
                    ..Exchange::default()
                },
            );
        }
    }
}

/// Nobody enters, however long it takes.
fn still(presence_us: u64) -> Settings {
    Settings {
        rate_per_hour: 0,
        presence_us,
        line_max: 1 << 40,
        ..Settings::default()
    }
}

/// A line in which this many wait and are present.
fn waiting(waiting: u64) -> Rig {
    let mut rig = Rig::new();
    rig.set(still(3_600_000_000));
    rig.join(waiting);
    rig
}

/// A line in which this many wait and were last heard from long ago, but for every so many-th and the last one.
fn absent(waiting: u64, every: u64) -> Rig {
    let mut rig = Rig::new();
    rig.set(still(1_000_000));
    rig.join(waiting);
    // Three slices of half a window and a window of listening, in steps that line time follows.
    for _ in 0..40 {
        rig.send(100_000, Exchange::default());
    }
    let heard: Vec<u64> = (1..=waiting)
        .filter(|number| number % every == 0)
        .take(HEARD_MAX - 1)
        .chain([waiting])
        .collect();
    rig.send(
        STEP_US,
        Exchange {
            heard,
            ..Exchange::default()
        },
    );
    rig
}

/// Microseconds of one of `exchanges` exchanges, the middle one of several tries, each with a line of its own.
fn measure(rig: &Rig, exchanges: u32, mut run: impl FnMut(&mut Rig)) -> f64 {
    let begun = clock::monotonic();
    let mut samples = Vec::new();
    while samples.len() < SAMPLES && (samples.len() < 3 || clock::monotonic() - begun < ROW) {
        let mut rig = rig.clone();
        let started = clock::monotonic();
        for _ in 0..exchanges {
            run(&mut rig);
        }
        samples.push((clock::monotonic() - started).as_secs_f64() * 1e6 / f64::from(exchanges));
        black_box(rig);
    }
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

fn row(what: &str, values: &[f64]) {
    let values: Vec<_> = values.iter().map(|us| format!("{us:>12.2}")).collect();
    println!("{what:<34}{}", values.concat());
}

fn joins() {
    println!("\nmicroseconds per exchange of the pure line, by how many wait");
    let heads: Vec<_> = WAITING.iter().map(|n| format!("{n:>12}")).collect();
    println!("{:<34}{}", "", heads.concat());
    let rigs: Vec<_> = WAITING.into_iter().map(waiting).collect();
    for joins in [0, 100, 1_000] {
        let exchange = Exchange {
            joins,
            ..Exchange::default()
        };
        let measured: Vec<_> = rigs
            .iter()
            .map(|rig| {
                measure(rig, EXCHANGES, |rig| {
                    black_box(rig.send(STEP_US, exchange.clone()));
                })
            })
            .collect();
        row(&format!("{joins} joins"), &measured);
        if joins == 1_000 {
            let worst = measured.iter().copied().fold(0.0, f64::max);
            // A thousand joins in so many microseconds.
            println!(
                "  = {:.1} million joins/s at least; goal: 1 million (through Redis)",
                1e3 / worst
            );
        }
    }
    println!(
        "  goal: what a poll, a join and an admitted request cost is flat within 10 % from 10 to 10,000,000"
    );
}

fn calls() {
    println!("\nmicroseconds per exchange that calls, nearly everybody being absent");
    let heads: Vec<_> = WAITING.iter().map(|n| format!("{n:>12}")).collect();
    println!("{:<34}{}", "", heads.concat());
    for (what, every) in [
        ("only the last present", u64::MAX),
        ("1 of 1,000 present", 1_000),
    ] {
        let mut called = Vec::new();
        let measured: Vec<_> = WAITING
            .iter()
            .map(|&waiting| {
                let rig = absent(waiting, every);
                let fast = Settings {
                    rate_per_hour: RATE_PER_HOUR_MAX,
                    presence_us: 1_000_000,
                    ..still(1_000_000)
                };
                let mut calls = 0;
                let us = measure(&rig, 1, |rig| {
                    calls = rig.set(fast).counts.turns;
                });
                called.push(calls);
                us
            })
            .collect();
        row(what, &measured);
        let called: Vec<_> = called.iter().map(|n| format!("{n:>12}")).collect();
        println!("{:<34}{}", "  called", called.concat());
    }
    println!(
        "  at most {CALLS_MAX} are called at once; a prototype in Redis skipped 10,000,000 absent in 59 µs; goal: no \
         command above 5,000 µs"
    );
}

fn main() {
    joins();
    calls();
}
