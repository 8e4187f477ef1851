//! What one seed decides before its run begins: how many replicas, how bad the network, which settings, which troubles.

use anteroom::line::settings::Mode;
use anteroom::line::settings::NO_LIMIT;
use anteroom::line::settings::Settings;

use crate::rng::Rng;

pub(crate) const MILLI: u64 = 1_000;
pub(crate) const SECOND: u64 = 1_000 * MILLI;

/// The troubles a run can have; each run has about half of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The operator edits the file; some replicas see it later than others.
    Edit,
    /// A replica starts again with the file as it was.
    OldFile,
    /// The store's clock jumps up to an hour.
    StoreClock,
    /// A replica's clock jumps.
    ReplicaClock,
    /// Nobody reaches the store for seconds to minutes.
    Outage,
    /// The store's process restarts and loses what came after its last snapshot.
    Restart,
    /// The store is emptied.
    Flush,
    /// A replica dies; another takes its place.
    Crash,
    /// A replica leaves as it should; another takes its place.
    Leave,
    /// One replica does not reach the store for a while.
    Partition,
    /// Many newcomers at once.
    Rush,
    /// Half of all visitors are gone from one moment to the next.
    Exodus,
    /// Everybody who went away is back at once.
    Homecoming,
    /// The origin says that nothing is left.
    SoldOut,
    /// The origin is slow, fails at times, or is down for a while.
    Origin,
}

impl Trouble {
    const ALL: [Self; 15] = [
        Self::Edit,
        Self::OldFile,
        Self::StoreClock,
        Self::ReplicaClock,
        Self::Outage,
        Self::Restart,
        Self::Flush,
        Self::Crash,
        Self::Leave,
        Self::Partition,
        Self::Rush,
        Self::Exodus,
        Self::Homecoming,
        Self::SoldOut,
        Self::Origin,
    ];
}

/// How visitors behave, in parts of a thousand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manners {
    /// Never press the button.
    pub(crate) never: u64,
    /// Close the tab while waiting, for good.
    pub(crate) vanish: u64,
    /// Close the tab while waiting and come back later.
    pub(crate) wander: u64,
    /// Close the tab once called.
    pub(crate) shy: u64,
    /// Press and poll many times a second.
    pub(crate) hammer: u64,
    /// The page presses by itself.
    pub(crate) auto: u64,
    /// Those who press do so this long after the call is shown, in microseconds at most.
    pub(crate) press_us: u64,
}

/// What a seed decides.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The store is the embedded one: one replica, numbers reserved on disk, no identity.
    pub(crate) embedded: bool,
    pub(crate) replicas: usize,
    /// Most visitors of the run.
    pub(crate) people: usize,
    /// How many of them come in the first moment.
    pub(crate) at_once: usize,
    /// One newcomer comes in this time, on average.
    pub(crate) arrival_us: u64,
    pub(crate) tick_us: u64,
    /// Time that passes in one step, at most twice this.
    pub(crate) step_us: u64,
    pub(crate) latency_us: (u64, u64),
    /// Requests and answers lost, and requests sent twice by the network, in thousandths.
    pub(crate) lost: u64,
    pub(crate) twice: u64,
    /// The longest poll interval told, beyond what presence would have it, in microseconds.
    pub(crate) poll_us: u64,
    pub(crate) manners: Manners,
    pub(crate) settings: Settings,
    pub(crate) troubles: Vec<Trouble>,
    /// Troubles in a thousand steps.
    pub(crate) trouble: u64,
    /// The file says that the line opens this long after the beginning; 0 for a line that is open.
    pub(crate) opens_after_us: u64,
}

impl Plan {
    /// The plan of a seed.
    pub(crate) fn of(rng: &mut Rng) -> Self {
        let embedded = rng.chance(150);
        let people = usize::try_from(rng.pick(&[6, 30, 80, 200])).unwrap_or(6);
        let mut troubles: Vec<_> = Trouble::ALL
            .into_iter()
            .filter(|_| rng.chance(500))
            .collect();
        troubles.retain(|t| !embedded || !matches!(t, Trouble::Flush | Trouble::Partition));
        Self {
            embedded,
            replicas: if embedded { 1 } else { 1 + rng.index(5) },
            people,
            at_once: rng.index(people + 1),
            arrival_us: rng.pick(&[500 * MILLI, 2 * SECOND, 8 * SECOND]),
            tick_us: rng.pick(&[250 * MILLI, 250 * MILLI, 500 * MILLI, SECOND, 1_800 * MILLI]),
            step_us: rng.pick(&[60 * MILLI, 150 * MILLI, 400 * MILLI]),
            latency_us: rng.pick(&[
                (100, 2 * MILLI),
                (MILLI, 30 * MILLI),
                (5 * MILLI, 400 * MILLI),
                (5 * MILLI, 3 * SECOND),
            ]),
            lost: if embedded {
                0
            } else {
                rng.pick(&[0, 0, 10, 50, 200])
            },
            twice: rng.pick(&[0, 0, 20, 100]),
            poll_us: rng.pick(&[0, 0, 0, 45 * SECOND]),
            manners: Manners {
                never: rng.pick(&[0, 100, 500]),
                vanish: rng.pick(&[0, 100, 500]),
                wander: rng.pick(&[0, 200, 500]),
                shy: rng.pick(&[0, 100, 300]),
                hammer: rng.pick(&[0, 50]),
                auto: rng.pick(&[0, 500, 1_000]),
                press_us: rng.pick(&[SECOND, 10 * SECOND, 60 * SECOND]),
            },
            settings: settings(rng, embedded),
            troubles,
            trouble: rng.pick(&[0, 5, 15, 40]),
            opens_after_us: rng.pick(&[0, 0, 0, 20 * SECOND, 90 * SECOND]),
        }
    }
}

/// Settings as an operator in trouble might choose them.
pub(crate) fn settings(rng: &mut Rng, gentle: bool) -> Settings {
    let mode = rng.pick(&[
        Mode::Open,
        Mode::Open,
        Mode::Open,
        Mode::Open,
        Mode::Open,
        Mode::Open,
        Mode::Open,
        Mode::Paused,
        Mode::Closed,
        Mode::Bypass,
    ]);
    Settings {
        rate_per_hour: rng.pick(&[
            0,
            1,
            300,
            1_800,
            3_600,
            5 * 3_600,
            5 * 3_600,
            20 * 3_600,
            100 * 3_600,
            36_000_000,
        ]),
        active_max: rng.pick(&[NO_LIMIT, NO_LIMIT, NO_LIMIT, 1, 5, 40]),
        mode: if gentle { Mode::Open } else { mode },
        presence_us: rng.pick(&[5, 10, 30, 60, 150]) * SECOND,
        turn_us: rng.pick(&[2, 10, 60, 600]) * SECOND,
        late_share_ppm: rng.pick(&[0, 100_000, 500_000, 500_000, 1_000_000]),
        pass_idle_us: rng.pick(&[5, 20, 60, 900]) * SECOND,
        returns: rng.pick(&[0, 1, 3, 13]),
        line_max: rng.pick(&[NO_LIMIT, 1_000_000, 15, 60]),
        guard_share_ppm: rng.pick(&[0, 1, 300_000, 500_000, 1_000_000]),
        guard_recovery_us: rng.pick(&[1, 10, 60, 300]) * SECOND,
        paced: rng.chance(300),
        ..Settings::default()
    }
}
