//! The answer to an exchange: what the replica asked, and the news it has not heard.

use crate::line::exchange::Answer;
use crate::line::exchange::Counts;
use crate::line::exchange::Entered;
use crate::line::exchange::Exchange;
use crate::line::exchange::Measured;
use crate::line::exchange::NEWS_MAX;
use crate::line::exchange::Standing;
use crate::line::exchange::Turn;
use crate::line::ids::TicketId;
use crate::line::state::Answered;
use crate::line::state::LIVE_US;
use crate::line::state::Line;
use crate::line::state::Scored;
use crate::line::state::Step;

impl Line {
    /// Writes the answer and keeps it, in case it gets lost on its way.
    pub(crate) fn answer(
        &mut self,
        exchange: &Exchange,
        step: Step,
        standings: Vec<Standing>,
    ) -> Answer {
        // Whoever has a number is to know of which line.
        self.provisional &= self.tail == 0;
        let same = exchange.known.epoch == self.epoch;
        let known = |value: u64| if same { value } else { 0 };
        let (entered, entries, cut_entered) = news(
            &self.inside_order,
            &self.inside,
            known(exchange.known.entries),
            self.entries_seq,
        );
        let (finished, finished_to, cut_finished) = news(
            &self.finished_order,
            &self.finished,
            known(exchange.known.finished),
            self.finished_seq,
        );
        let (turns, turns_to, cut_turns) = self.turns_after(known(exchange.known.turns));
        let (stubs, stubs_to, cut_stubs) = self.blocks_after(known(exchange.known.stubs));
        let lease_per_hour = self.grant_lease(exchange, &step);
        let answer = Answer {
            sequence: exchange.sequence,
            // One that may yet give way to an older one must not be remembered by anybody.
            epoch: self.epoch.filter(|_| !self.provisional).unwrap_or_default(),
            healing: step.healing,
            more: step.more || cut_entered || cut_finished || cut_turns || cut_stubs,
            now_us: self.now_us,
            turn_now_us: self.turn_now_us,
            tail: self.tail,
            head: self.head,
            first: step.first,
            issued: step.issued,
            keyed: step.keyed,
            standings,
            entered,
            entries,
            turns,
            turns_to,
            finished,
            finished_to,
            slice: self.slice,
            settings: self.settings,
            revision: self.revision,
            content: self.content,
            counts: self.counts(),
            measured: Measured {
                delay_us: self.delay_us,
                share_ppm: self.share_ppm,
                effective_rate_per_hour: self.effective_rate_per_hour(),
                held_back_ppm: self.held_back_ppm,
            },
            stock: self.stock,
            clock_us: self.clock_us,
            opening: self.opening,
            stubs,
            stubs_to,
            lease_per_hour,
            withheld_per_hour: self.leases.withheld_per_hour,
        };
        let kept = Answered {
            sequence: exchange.sequence,
            answer: answer.clone(),
        };
        self.answered.insert(exchange.instance, kept);
        answer
    }

    fn counts(&self) -> Counts {
        Counts {
            inside: self.inside.len(),
            asking: self.asking_on_time(),
            asking_late: self.asking_late.len(),
            turns: self.turns.len(),
            entered: self.entered,
            instances: self.seen.count_above(self.now_us.saturating_sub(LIVE_US)),
        }
    }

    /// Turns of numbers above this one, up to which number they go, and whether there are more.
    fn turns_after(&self, number: u64) -> (Vec<Turn>, u64, bool) {
        let rows = self.turns.members_after(number).take(NEWS_MAX);
        let rows: Vec<_> = rows
            .map(|(number, until_us)| Turn { number, until_us })
            .collect();
        let cut = rows.len() == NEWS_MAX;
        let to = if cut {
            rows.last().map_or(number, |row| row.number)
        } else {
            self.head
        };
        (rows, to, cut)
    }
}

/// Members that came after a sequence number, with their times; up to where they go, and whether there are more.
fn news(
    order: &Scored<TicketId>,
    times: &Scored<TicketId>,
    known: u64,
    last: u64,
) -> (Vec<Entered>, u64, bool) {
    let rows: Vec<_> = order.from(known + 1).take(NEWS_MAX).collect();
    let cut = rows.len() == NEWS_MAX;
    let to = if cut {
        rows.last().map_or(known, |row| row.0)
    } else {
        last
    };
    let rows = rows.into_iter().map(|(_, id)| Entered {
        id,
        until_us: times.score(id).unwrap_or(0),
    });
    (rows.collect(), to, cut)
}
