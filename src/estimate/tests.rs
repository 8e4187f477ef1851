//! The estimator on its own, and over whole simulated openings.

use super::Estimator;
use super::Sample;
use super::Trend;
use super::Wait;

const SECOND: u64 = 1_000_000;
const RATE: u64 = 12 * 3_600;
/// A Sunday at half past nine, in microseconds since 1970.
const WALL: i64 = 1_763_803_800_000_000;

fn wall(second: u64) -> i64 {
    WALL + i64::try_from(second * SECOND).unwrap()
}

fn sample(second: u64, head: u64, rate_per_hour: u64) -> Sample {
    Sample {
        now_us: second * SECOND,
        wall_us: wall(second),
        head,
        tail: 50_000,
        rate_per_hour,
    }
}

/// A line moving at 12 a second for this long.
fn steady(seconds: u64) -> Estimator {
    let mut estimator = Estimator::new();
    for second in 0..=seconds {
        estimator.sample(sample(second, 12 * second, RATE));
    }
    estimator
}

fn told(estimator: &Estimator, number: u64, second: u64) -> Wait {
    estimator.forecast().wait(number, 12 * second, wall(second))
}

#[test]
fn nothing_is_told_in_the_first_two_minutes_then_a_range_around_the_truth() {
    assert_eq!(told(&steady(115), 20_000, 115), Wait::UNKNOWN);
    let estimator = steady(300);
    let wait = told(&estimator, 20_000, 300);
    let truth_s = (20_000 - 3_600) / 12;
    assert!(
        wait.known && wait.lo_s <= truth_s && truth_s <= wait.hi_s,
        "{wait:?}"
    );
    assert!(wait.hi_s - wait.lo_s <= 600, "{wait:?}");
    assert_eq!(wait.lo_s % 300, 0);
    assert_eq!(wait.from_us % 300_000_000, 0);
    assert_eq!(wait.trend, Trend::Steady);
}

#[test]
fn nothing_is_told_to_those_called_or_while_nobody_is_let_in() {
    let mut estimator = steady(300);
    assert_eq!(told(&estimator, 3_600, 300), Wait::UNKNOWN);
    estimator.sample(sample(301, 3_612, 0));
    assert_eq!(told(&estimator, 20_000, 301), Wait::UNKNOWN);
    // The pause over, what was measured before it still holds.
    estimator.sample(sample(600, 3_612, RATE));
    let wait = estimator.forecast().wait(20_000, 3_612, wall(600));
    assert!(wait.known && wait.lo_s > 900, "{wait:?}");
}

#[test]
fn a_line_that_stands_still_tells_nothing() {
    let mut estimator = steady(300);
    for second in 301..500 {
        estimator.sample(sample(second, 3_600, RATE));
    }
    assert_eq!(told(&estimator, 20_000, 499), Wait::UNKNOWN);
}

#[test]
fn another_epoch_begins_with_nothing_known() {
    let mut estimator = steady(300);
    estimator.sample(sample(301, 0, RATE));
    assert_eq!(told(&estimator, 20_000, 301), Wait::UNKNOWN);
}

#[test]
fn a_quiet_time_before_the_rush_says_nothing_about_the_pace() {
    let mut estimator = Estimator::new();
    for second in 0..3_600 {
        let head = second / 60;
        let quiet = sample(second, head, RATE);
        estimator.sample(Sample {
            tail: head,
            ..quiet
        });
    }
    for second in 3_600..3_900 {
        estimator.sample(sample(second, 60 + (second - 3_600) * 12, RATE));
    }
    let wait = estimator.forecast().wait(20_060, 3_660, wall(3_900));
    assert!(
        wait.known && wait.lo_s <= 1_366 && wait.hi_s < 2_100,
        "{wait:?}"
    );
}

#[test]
fn far_away_the_wait_has_no_end_and_its_beginning_stays() {
    let mut estimator = Estimator::new();
    let mut told = Vec::new();
    for second in 0..3_000 {
        let mut seen = sample(second, second + second % 7, 3_600);
        seen.tail = 100_000;
        estimator.sample(seen);
        let wait = estimator.forecast().wait(50_000, seen.head, seen.wall_us);
        if wait.known {
            assert!(wait.is_long() && wait.lo_s > 3_600, "{wait:?}");
            assert_eq!(wait.from_us % 1_800_000_000, 0);
            told.push(wait.from_us);
        }
    }
    told.dedup();
    assert!(told.len() <= 3, "{told:?}");
}

#[test]
fn a_slower_line_is_said_to_be_slower_and_only_once() {
    let mut estimator = steady(1_500);
    let (mut head, mut changes) = (18_000, 0);
    let mut last = told(&estimator, 30_000, 1_500);
    for second in 1_501..2_700 {
        head += 6;
        estimator.sample(sample(second, head, RATE / 2));
        let wait = estimator.forecast().wait(30_000, head, wall(second));
        if wait.to_us > last.to_us && last.known {
            changes += 1;
            assert_eq!(wait.trend, Trend::Slower, "{wait:?}");
        }
        last = wait;
    }
    assert!((1..=4).contains(&changes), "{changes}");
}

#[test]
fn tables_stay_small_at_any_pace_and_length() {
    for (per_second, tail) in [
        (1, 10_000_000),
        (10_000, 10_000_000),
        (10_000, u64::MAX >> 11),
    ] {
        let mut estimator = Estimator::new();
        for second in 0..200 {
            let mut seen = sample(second, second * per_second, per_second * 3_600);
            seen.tail = tail;
            estimator.sample(seen);
        }
        let forecast = estimator.forecast();
        assert!(forecast.wait(tail, 200 * per_second, wall(200)).known);
        assert!(forecast.near.len() + forecast.far.len() <= 5_000);
    }
}

/// A crowd's opening: noisy origin, 11 % who do not come, on request a cut to half and a pause.
struct Opening {
    called: Vec<u64>,
    rate: Vec<u64>,
}

impl Opening {
    const SECONDS: usize = 5_400;

    fn new(mut seed: u64, incidents: bool) -> Self {
        // A small generator is enough for noise, and the same on every machine.
        let mut uniform = move || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            f64::from(u32::try_from(seed >> 33).unwrap()) / f64::from(1_u32 << 31) - 0.5
        };
        let (mut drift, mut position) = (0.0_f64, 0.0_f64);
        let (mut called, mut rate) = (vec![0], Vec::new());
        for second in 0..Self::SECONDS {
            drift = 0.98 * drift + (0..4).map(|_| uniform()).sum::<f64>() * 0.6;
            let cut = incidents && (1_260..1_680).contains(&second);
            let paused = incidents && (2_700..3_000).contains(&second);
            let speed = match (cut, paused) {
                (_, true) => 0.0,
                (true, _) => 6.0 + drift / 2.0,
                _ => 12.0 + drift,
            };
            position += speed.max(0.0) / 0.89;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "small"
            )]
            called.push(position as u64);
            rate.push(if paused {
                0
            } else if cut {
                RATE / 2
            } else {
                RATE
            });
        }
        Self { called, rate }
    }

    /// The second at which a number is called.
    fn truth(&self, number: u64) -> usize {
        self.called.partition_point(|called| *called < number)
    }
}

/// What people were told: how often the told end was missed by two minutes, how often the truth was inside, how often
/// the window moved per person.
fn score(incidents: bool) -> (f64, f64, f64) {
    let (mut shown, mut broken, mut inside, mut moved, mut people) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for seed in 1..=5 {
        let opening = Opening::new(seed, incidents);
        let mut estimator = Estimator::new();
        let numbers: Vec<u64> = (0..40).map(|one| 2_000 + one * 950).collect();
        let mut last = vec![0; numbers.len()];
        people += 40.0;
        for second in 0..Opening::SECONDS {
            let at = u64::try_from(second).unwrap();
            let head = opening.called[second];
            estimator.sample(sample(at, head, opening.rate[second]));
            if second % 15 != 0 {
                continue;
            }
            let forecast = estimator.forecast();
            for (number, last) in numbers.iter().zip(&mut last) {
                let truth = opening.truth(*number);
                if truth >= Opening::SECONDS || truth <= second {
                    continue;
                }
                let wait = forecast.wait(*number, head, wall(at));
                assert!(!wait.known || (at >= 120 && opening.rate[second] > 0));
                if !wait.known {
                    *last = 0;
                    continue;
                }
                if *last != 0 && *last != wait.to_us && wait.to_us > wall(at) {
                    moved += 1.0;
                }
                *last = wait.to_us;
                if truth > second + 120 {
                    let truth = wall(u64::try_from(truth).unwrap());
                    shown += 1.0;
                    broken += f64::from(truth > wait.to_us + 120_000_000);
                    inside += f64::from(wait.from_us <= truth && truth <= wait.to_us);
                }
            }
        }
    }
    (broken / shown, inside / shown, moved / people)
}

#[test]
fn what_people_are_told_holds() {
    let (broken, inside, moved) = score(false);
    assert!(
        broken <= 0.01,
        "broken {broken:.3} inside {inside:.3} moved {moved:.1}"
    );
    assert!(
        inside >= 0.75 && moved <= 6.0,
        "broken {broken:.3} inside {inside:.3} moved {moved:.1}"
    );
}

#[test]
fn what_people_are_told_mostly_holds_through_a_cut_and_a_pause() {
    let (broken, inside, moved) = score(true);
    assert!(
        broken <= 0.08,
        "broken {broken:.3} inside {inside:.3} moved {moved:.1}"
    );
    assert!(
        inside >= 0.65 && moved <= 6.0,
        "broken {broken:.3} inside {inside:.3} moved {moved:.1}"
    );
}
