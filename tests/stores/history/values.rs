//! What a random history is made of: settings, visitors, numbers and times, the likely and the odd.

use anteroom::line::exchange::Known;
use anteroom::line::exchange::LostStub;
use anteroom::line::exchange::Visitor;
use anteroom::line::ids::InstanceId;
use anteroom::line::ids::TicketId;
use anteroom::line::settings::Mode;
use anteroom::line::settings::NO_LIMIT;
use anteroom::line::settings::Settings;

use super::History;
use super::SECOND;
use crate::met::moment;
use crate::random::Random;
use crate::random::mix;

impl History {
    pub(super) fn presence(&mut self) -> u64 {
        let long = if self.calm { 2 } else { 5 };
        let any = [
            SECOND,
            5 * SECOND,
            30 * SECOND,
            150 * SECOND,
            3_600 * SECOND,
        ];
        self.random.pick(&any[..long])
    }

    pub(super) fn settings(&mut self) -> Settings {
        let presence_us = self.presence();
        let random = &mut self.random;
        let settings = Settings {
            rate_per_hour: random.pick(&[0, 60, 3_600, 7_200, 36_000, 3_600_000, 360_000_000]),
            active_max: random.pick(&[0, 1, 5, 60, 1_000, NO_LIMIT, NO_LIMIT, NO_LIMIT]),
            mode: match random.below(20) {
                0 => Mode::Paused,
                1 => Mode::Closed,
                2 => Mode::SoldOut,
                3 => Mode::Bypass,
                4 => Mode::Observe,
                _ => Mode::Open,
            },
            presence_us,
            turn_us: random.pick(&[SECOND, 10 * SECOND, 600 * SECOND]),
            late_share_ppm: random.pick(&[0, 1, 333_333, 500_000, 1_000_000]),
            pass_idle_us: random.pick(&[SECOND, 30 * SECOND, 900 * SECOND]),
            returns: random.below(14),
            line_max: random.pick(&[0, 10, 1_000, 1_000_000, 1_000_000, NO_LIMIT]),
            guard_share_ppm: random.pick(&[0, 1, 200_000, 500_000, 1_000_000]),
            guard_recovery_us: random.pick(&[SECOND, 7 * SECOND, 60 * SECOND, 3_600 * SECOND]),
            opens_at_us: moment(random, self.clock_us, 150),
            draw: random.chance(500),
            closes_at_us: moment(random, self.clock_us, 30),
            paced: random.chance(700),
        };
        self.crowd(settings)
    }

    /// The same for a line that is soon full and stays so, if this one is to be.
    pub(super) fn crowd(&mut self, settings: Settings) -> Settings {
        if !self.crowded {
            return settings;
        }
        Settings {
            rate_per_hour: self.random.pick(&[0, 60, 3_600]),
            presence_us: SECOND,
            line_max: self.random.pick(&[10, 60, 300]),
            opens_at_us: 0,
            ..settings
        }
    }

    pub(super) fn many<T>(&mut self, make: impl Fn(&mut Random, u64) -> T) -> Vec<T> {
        let count = self.random.length(self.busy);
        (0..count)
            .map(|index| make(&mut self.random, index))
            .collect()
    }

    pub(super) fn visitors(&mut self) -> Vec<Visitor> {
        let count = self.random.length(self.busy);
        if self.random.chance(100) {
            // Everybody around the head at once.
            let first = self.head.saturating_sub(self.random.below(self.busy));
            return (first..first + self.busy)
                .map(|number| self.visitor_of(number))
                .collect();
        }
        (0..count).map(|_| self.visitor()).collect()
    }

    /// A number worth naming: mostly near `head`, sometimes anywhere, sometimes never issued.
    pub(super) fn number(&mut self) -> u64 {
        match self.random.below(20) {
            0..8 => self
                .random
                .within(self.head.saturating_sub(30), self.head + 30),
            8..12 => self
                .random
                .within(self.head.saturating_sub(600), self.head + 1_200),
            12..16 => self.random.within(self.head, self.tail),
            16..18 => self.random.below(self.tail + 1),
            18 => self.random.within(self.tail, self.tail + 10),
            _ => self.random.below(self.tail + 2_000),
        }
    }

    /// Whoever has such a number: an id belongs to one number, but a number can have two.
    pub(super) fn visitor(&mut self) -> Visitor {
        let number = self.number();
        self.visitor_of(number)
    }

    pub(super) fn visitor_of(&mut self, number: u64) -> Visitor {
        let other = u64::from(self.random.chance(30));
        let id = mix(self.seed ^ (number * 2 + other));
        Visitor {
            number,
            id: TicketId(u128::from(id) << 8),
        }
    }

    /// What a replica knows of others and of leases: anything, and of long ago.
    pub(super) fn odd_lease(&mut self, known: Known) -> Known {
        let before_us = self.random.below(9 * SECOND).min(self.now_us);
        Known {
            instances: self.random.below(6),
            lease_per_hour: self.random.pick(&[0, 7, 100_000, known.lease_per_hour]),
            withheld_per_hour: self.random.pick(&[0, 7, 100_000]),
            now_us: self.now_us - before_us,
            ..known
        }
    }

    /// Whose stubs so many joins by a key go by, mostly.
    pub(super) fn lost(&mut self, joins: usize) -> Vec<LostStub> {
        let whose = self.replicas.iter().map(|replica| replica.instance);
        let whose: Vec<_> = whose.chain([InstanceId(3)]).collect();
        let joins = if self.random.chance(700) { joins } else { 0 };
        let lost = |_| LostStub {
            instance: self.random.pick(&whose),
            index: self.random.below(60),
        };
        (0..joins).map(lost).collect()
    }

    pub(super) fn until(&mut self) -> u64 {
        let now_us = self.now_us.max(20 * SECOND);
        match self.random.below(4) {
            0 => now_us - self.random.below(10 * SECOND),
            1 => now_us + self.random.below(2 * SECOND),
            _ => now_us + self.random.below(2_000 * SECOND),
        }
    }
}
