//! The end of a run: the world calms down, everybody comes back, and everybody gets in who has a right to.

use anteroom::line::exchange::Exchange;
use anteroom::line::exchange::ITEMS_MAX;
use anteroom::line::exchange::Known;
use anteroom::line::exchange::Standing;
use anteroom::line::exchange::Visitor;
use anteroom::line::ids::InstanceId;
use anteroom::line::ids::KeyHash;
use anteroom::line::promises::Promise;
use anteroom::line::settings::Mode;
use anteroom::line::settings::NO_LIMIT;
use anteroom::line::settings::Settings;

use crate::person::State;
use crate::plan::MILLI;
use crate::plan::SECOND;
use crate::replica::File;
use crate::shadow::Verdict;
use crate::shadow::claim;
use crate::world::World;

/// By then everybody has entered, after the last trouble.
const CALM_MAX_US: u64 = 1_200 * SECOND;

impl World {
    /// Ends all trouble, brings everybody back and waits until each is inside, or rightly spent.
    pub(crate) fn calm_down(&mut self) -> Verdict {
        self.calm = true;
        self.plan.lost = 0;
        self.plan.twice = 0;
        self.plan.poll_us = 0;
        self.plan.latency_us = (MILLI, 20 * MILLI);
        self.plan.tick_us = SECOND;
        self.store.away_until_us = 0;
        self.origin_until_us = 0;
        for replica in &mut self.replicas {
            replica.cut_until_us = 0;
        }
        // What was on its way before comes to rest first.
        self.pass(10 * SECOND)?;
        let file = File {
            content: KeyHash(self.rng.wide()),
            settings: Settings {
                rate_per_hour: 360_000,
                active_max: NO_LIMIT,
                mode: Mode::Open,
                presence_us: 20 * SECOND,
                pass_idle_us: 60 * SECOND,
                line_max: NO_LIMIT,
                late_share_ppm: 500_000,
                // A clock that was put back would keep the line closed for longer than anybody waits here.
                opens_at_us: (self.plan.settings.opens_at_us)
                    .min(self.store.clock_at_zero_us + self.now_us),
                ..self.plan.settings
            },
        };
        self.put_file(file);
        self.homecoming();
        let end_us = self.now_us + CALM_MAX_US;
        while self.now_us < end_us {
            self.pass(500 * MILLI)?;
            if self
                .people
                .iter()
                .all(|p| matches!(p.state, State::Inside { .. } | State::Spent))
            {
                return Ok(());
            }
        }
        let left: Vec<_> = self
            .people
            .iter()
            .filter(|p| !matches!(p.state, State::Inside { .. } | State::Spent))
            .collect();
        claim(left.is_empty(), Promise::P5, || {
            let settings = self.store.line.settings();
            format!(
                "{} never got in, the first is {:?} under {settings:?}",
                left.len(),
                left[0]
            )
        })
    }

    /// Everybody who was issued a number stands in exactly one place, and the counts agree.
    pub(crate) fn conserved(&self) -> Verdict {
        let Some(epoch) = self.store.line.epoch() else {
            return Ok(());
        };
        let holders = self
            .store
            .record
            .holders
            .iter()
            .filter(|h| h.1.epoch == epoch);
        let visitors: Vec<_> = holders
            .map(|(&id, h)| Visitor {
                number: h.number,
                id,
            })
            .collect();
        let (mut line, mut standings, mut counts) = (self.store.line.clone(), Vec::new(), None);
        for (sequence, checks) in (1..).zip(visitors.chunks(ITEMS_MAX)) {
            let exchange = Exchange {
                instance: InstanceId(1),
                sequence,
                known: Known {
                    epoch: Some(epoch),
                    ..Known::default()
                },
                store: self.store.process,
                checks: checks.to_vec(),
                ..Exchange::default()
            };
            let clock_us = self.store.clock_at_zero_us + self.now_us;
            let answer = line.apply(clock_us, &exchange).map_err(|refused| {
                let (promise, what) = (Promise::P5, refused.to_string());
                anteroom::line::promises::Broken { promise, what }
            })?;
            standings.extend(answer.standings.iter().copied());
            counts = Some(answer);
        }
        let Some(answer) = counts.filter(|a| !a.healing && !self.store.record.has_lost) else {
            return Ok(());
        };
        let count = |is: fn(&Standing) -> bool| standings.iter().filter(|s| is(s)).count() as u64;
        let all = || visitors.iter().zip(&standings);
        let waiting = all().filter(|(v, _)| v.number > answer.head).count() as u64;
        // Who left while waiting is called all the same as long as absence is not proven.
        let given_up = all().filter(|(v, s)| {
            **s == Standing::Spent && answer.turns.iter().any(|turn| turn.number == v.number)
        });
        let is = [
            visitors.len() as u64,
            waiting,
            count(|s| matches!(s, Standing::Turn { .. })) + given_up.count() as u64,
            count(|s| matches!(s, Standing::Asking)),
            count(|s| matches!(s, Standing::Inside { .. })),
        ];
        let counts = answer.counts;
        let asking = counts.asking + counts.asking_late;
        let should = [
            answer.tail,
            answer.tail - answer.head,
            counts.turns,
            asking,
            counts.inside,
        ];
        claim(is == should, Promise::P1, || {
            format!("issued, waiting, called, asking, inside are {is:?} and should be {should:?}")
        })
    }
}
