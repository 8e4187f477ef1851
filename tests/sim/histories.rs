//! Random histories: one per seed.

use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::thread;

use crate::shadow::Verdict;
use crate::world::World;

/// A number from the environment, or this one.
fn env(name: &str, default: u64) -> u64 {
    let value = std::env::var(name).ok();
    value.map_or(default, |v| {
        v.parse().expect("the environment gives a number")
    })
}

/// So many seeds meet everything that can happen.
const ENOUGH: u64 = 100;

/// How many runs met what is seldom.
#[derive(Debug, Default)]
struct Met {
    /// Stubs given, and numbered.
    given: AtomicU64,
    numbered: AtomicU64,
    /// Runs that ended with a gap in the line.
    gaps: AtomicU64,
    /// Newcomers that found places of those who had gone away.
    beyond: AtomicU64,
}

impl Met {
    fn note(&self, world: &World) {
        let record = &world.store.record;
        self.given.fetch_add(world.given, Ordering::Relaxed);
        self.numbered.fetch_add(record.numbered, Ordering::Relaxed);
        self.beyond.fetch_add(record.beyond, Ordering::Relaxed);
        let gap = u64::from(world.store.shadow.has_gap());
        self.gaps.fetch_add(gap, Ordering::Relaxed);
    }

    fn is_complete(&self) -> bool {
        let all = [&self.given, &self.numbered, &self.gaps, &self.beyond];
        all.iter()
            .all(|counter| counter.load(Ordering::Relaxed) > 0)
    }
}

fn play(world: &mut World, step: &mut u64, steps: u64) -> Verdict {
    while *step < steps {
        *step += 1;
        world.step()?;
    }
    world.conserved()?;
    world.calm_down()?;
    world.conserved()
}

/// Plays one seed; what broke, and at which step.
fn run(seed: u64, steps: u64, loud: bool) -> Result<World, String> {
    let mut world = World::new(seed);
    world.loud = loud;
    let mut step = 0;
    if loud {
        println!("{:#?}", world.plan);
    }
    let played = catch_unwind(AssertUnwindSafe(|| play(&mut world, &mut step, steps)));
    let broken = match played {
        Ok(Ok(())) => return Ok(world),
        Ok(Err(broken)) => broken.to_string(),
        Err(panic) => panic
            .downcast_ref::<String>()
            .map_or_else(|| "a panic without words".to_owned(), Clone::clone),
    };
    Err(format!(
        "seed {seed}, step {step} of {steps}: {broken}\nreplay: ANTEROOM_SIM_SEED={seed} ANTEROOM_SIM_STEPS={steps} \
         cargo test --test sim random_histories -- --nocapture\n"
    ))
}

#[test]
fn random_histories_keep_every_promise() {
    let steps = env("ANTEROOM_SIM_STEPS", 2_000);
    let one = std::env::var("ANTEROOM_SIM_SEED").is_ok();
    let first = env("ANTEROOM_SIM_SEED", 0);
    let seeds = if one {
        1
    } else {
        env("ANTEROOM_SIM_SEEDS", 256)
    };
    let (next, failures) = (AtomicU64::new(first), Mutex::new(Vec::new()));
    let met = Met::default();
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + seeds {
                break;
            }
            match run(seed, steps, one) {
                Ok(world) => met.note(&world),
                Err(failure) => failures
                    .lock()
                    .expect("no panic holds it")
                    .push((seed, failure)),
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let mut failures = failures.into_inner().expect("no panic held it");
    failures.sort();
    let told: Vec<_> = failures.iter().take(3).map(|f| f.1.as_str()).collect();
    assert!(
        failures.is_empty(),
        "{} of {seeds} seeds failed\n{}",
        failures.len(),
        told.join("\n")
    );
    println!("{met:?}");
    assert!(seeds < ENOUGH || met.is_complete(), "{met:?}");
}

#[test]
fn the_same_seed_plays_the_same_history() {
    for seed in [3, 1_000_003] {
        let traces = [(); 2].map(|()| run(seed, 500, false).map(|w| (w.trace, w.now_us)));
        assert!(traces[0].is_ok());
        assert_eq!(traces[0], traces[1]);
    }
}
