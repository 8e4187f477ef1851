//! What happens in a run and when: who comes, and which faults befall whom. All of it follows from one seed.

use crate::rng::Rng;
use crate::seen::Kind;
use crate::seen::Touches;
use crate::visitor::Coming;

/// Running replicas.
pub(crate) const REPLICAS: usize = 3;
const MILLI: u64 = 1_000;
const SECOND: u64 = 1_000_000;
/// From one trouble's end to a loss, at least: every replica has heard of what the others did by then. Whoever loses
/// the only copies of a number at two places at once loses it.
const BEFORE_LOSS: u64 = 1_500 * MILLI;

/// How large a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) visitors: usize,
    /// How long faults go on.
    pub(crate) seconds: u64,
    pub(crate) sentinels: usize,
    /// Rates that are in force one after the other, entries a second.
    pub(crate) rates: [u64; 3],
    /// And at the end, for everybody to get in.
    pub(crate) last_rate: u64,
}

/// What happens to a replica's way to the store, or to the origin's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Cut,
    HalfClose,
    Delay { us: u64, for_us: u64 },
    Silent { for_us: u64 },
    Refuse { for_us: u64 },
    LoseAnswers { for_us: u64 },
}

/// Something that goes wrong, or is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// kill -9, and started again after this time.
    KillReplica {
        at: usize,
        after_us: u64,
    },
    /// The same, started with its first configuration file.
    KillToOldFile {
        at: usize,
    },
    /// SIGTERM, and started again.
    DrainReplica {
        at: usize,
    },
    /// SIGSTOP and SIGCONT.
    FreezeReplica {
        at: usize,
        for_us: u64,
    },
    FreezePrimary {
        for_us: u64,
    },
    /// The primary is killed, and comes back as a replica of the other.
    FailOver,
    Flush,
    /// The primary is killed and comes back empty before anybody has noticed.
    EmptyRestart,
    /// The way of one replica to the store.
    Link {
        at: usize,
        way: Way,
    },
    /// The way of all to the origin.
    Origin {
        way: Way,
    },
    Rate {
        per_second: u64,
    },
    RotateKeys,
}

impl Fault {
    pub(crate) fn touches(self) -> Touches {
        match self {
            Self::KillReplica { at, .. }
            | Self::KillToOldFile { at }
            | Self::DrainReplica { at }
            | Self::FreezeReplica { at, .. }
            | Self::Link { at, .. } => Touches::Replica(at),
            // Whoever is silent for a second has been replaced by then, or not.
            Self::FreezePrimary { .. } | Self::FailOver | Self::Flush | Self::EmptyRestart => {
                Touches::Loss
            }
            Self::Origin { .. } => Touches::Origin,
            Self::Rate { .. } => Touches::Pace,
            Self::RotateKeys => Touches::Keys,
        }
    }
}

/// A fault, and how long after the end of the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Blow {
    pub(crate) after_us: u64,
    pub(crate) fault: Fault,
}

/// The whole run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) size: Size,
    pub(crate) comings: Vec<Coming>,
    /// More than a run has time for.
    pub(crate) blows: Vec<Blow>,
}

impl Plan {
    /// The run of this seed.
    pub(crate) fn new(seed: u64, size: Size) -> Self {
        let mut rng = Rng::new(seed);
        let coming_us = size.seconds * SECOND * 2 / 3;
        let mut comings: Vec<_> = (0..size.visitors)
            .map(|index| Coming {
                index,
                at_us: rng.below(coming_us),
                kind: kind(&mut rng),
                seed: rng.bits(),
            })
            .collect();
        // A third comes at once: that is what a waiting room is for.
        for coming in comings.iter_mut().step_by(3) {
            coming.at_us = rng.below(SECOND);
        }
        let blows = (0..size.seconds * 2)
            .map(|_| blow(&mut rng, &size))
            .collect();
        Self {
            size,
            comings,
            blows,
        }
    }
}

fn kind(rng: &mut Rng) -> Kind {
    match rng.below(100) {
        0..54 => Kind::Steady,
        54..66 => Kind::Vanishing,
        66..78 => Kind::Late,
        78..88 => Kind::Replaying,
        88..96 => Kind::Sharing,
        _ => Kind::Hammering,
    }
}

fn blow(rng: &mut Rng, size: &Size) -> Blow {
    let fault = fault(rng, size);
    let after_us = rng.between(200 * MILLI, 2_000 * MILLI);
    let least_us = if fault.touches() == Touches::Loss {
        BEFORE_LOSS
    } else {
        0
    };
    Blow {
        after_us: after_us.max(least_us),
        fault,
    }
}

fn fault(rng: &mut Rng, size: &Size) -> Fault {
    let at = rng.index(REPLICAS);
    match rng.below(100) {
        0..12 => Fault::KillReplica {
            at,
            after_us: rng.below(1_500 * MILLI),
        },
        12..15 => Fault::KillToOldFile { at },
        15..19 => Fault::DrainReplica { at },
        19..25 => Fault::FreezeReplica {
            at,
            for_us: rng.between(200 * MILLI, 2_500 * MILLI),
        },
        25..33 => Fault::FreezePrimary {
            for_us: rng.between(200 * MILLI, 3_000 * MILLI),
        },
        33..42 => Fault::FailOver,
        42..48 => Fault::Flush,
        48..54 => Fault::EmptyRestart,
        54..76 => Fault::Link { at, way: way(rng) },
        76..84 => Fault::Origin { way: way(rng) },
        84..94 => Fault::Rate {
            per_second: rng.pick(&size.rates),
        },
        _ => Fault::RotateKeys,
    }
}

fn way(rng: &mut Rng) -> Way {
    let for_us = rng.between(300 * MILLI, 2_500 * MILLI);
    match rng.below(6) {
        0 => Way::Cut,
        1 => Way::HalfClose,
        2 => Way::Delay {
            us: rng.between(20 * MILLI, 700 * MILLI),
            for_us,
        },
        3 => Way::Silent { for_us },
        4 => Way::Refuse { for_us },
        _ => Way::LoseAnswers { for_us },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CI;

    #[test]
    fn a_seed_is_a_plan_and_every_kind_of_visitor_and_trouble_is_in_some() {
        assert_eq!(Plan::new(7, CI), Plan::new(7, CI));
        assert_ne!(Plan::new(7, CI), Plan::new(8, CI));
        let plans: Vec<_> = (0..20).map(|seed| Plan::new(seed, CI)).collect();
        for kind in Kind::ALL {
            let has = |plan: &Plan| plan.comings.iter().any(|coming| coming.kind == kind);
            assert!(plans.iter().all(has), "{kind:?}");
        }
        let blows = || plans.iter().flat_map(|plan| &plan.blows);
        let losses = || blows().filter(|blow| blow.fault.touches() == Touches::Loss);
        assert!(losses().count() > 20);
        assert!(losses().all(|blow| blow.after_us >= BEFORE_LOSS));
        for touches in [
            Touches::Origin,
            Touches::Keys,
            Touches::Pace,
            Touches::Replica(2),
        ] {
            assert!(blows().any(|blow| blow.fault.touches() == touches));
        }
    }
}
