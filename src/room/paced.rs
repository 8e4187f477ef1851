//! Whom a replica lets in by itself while its store is away: those who ask and were called, by number, within its lease.
//!
//! Requests and the exchanger share one book under a lock: whoever asks is written down, each ask and each tick lets in
//! as many as there is credit for, the lowest number first, and a repeat gets the same stay. The exchanger opens the door,
//! closes it before it sends anything else to a store that is back, and tells the line of everybody who came in.
//!
//! Newcomers stand behind the tail in the order in which they came to this replica, and come in once everybody with a
//! number was called.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::time::Duration;
use std::time::Instant;

use crate::line::door::Door;
use crate::line::exchange::Answer;
use crate::line::exchange::Renewal;
use crate::line::exchange::Standing;
use crate::line::exchange::Visitor;
use crate::line::ids::TicketId;
use crate::room::event::Asked;

/// Whoever does not repeat that it asks within this time does so no more: several polls of somebody who is entering.
const ASKING: Duration = Duration::from_secs(15);
/// Most visitors whose asking is written down at once.
const ASKING_MAX: usize = 100_000;
/// Most visitors let in by one replica in one outage: as many as it can tell the line of.
const LET_IN_MAX: usize = 200_000;

/// The book of one replica.
#[derive(Debug, Default)]
pub(crate) struct Paced {
    open: Option<Open>,
}

/// The book while the door is open.
#[derive(Debug)]
struct Open {
    door: Door,
    /// When the last answer came, and what it said.
    since: Instant,
    line_us: u64,
    pass_idle_us: u64,
    tail: u64,
    /// The last index of those who came without a number before.
    stubs_before: u64,
    asking: BTreeMap<(u64, TicketId), Instant>,
    inside: HashMap<TicketId, Renewal>,
    /// Who came in and the exchanger has not heard of.
    fresh: Vec<Renewal>,
    /// How many found no room in the book.
    refused: u64,
    has_ended: bool,
}

/// What became of the door since the last look.
#[derive(Debug, Default)]
pub(crate) struct Tick {
    pub(crate) entered: Vec<Renewal>,
    pub(crate) refused: u64,
    /// How many came in since the door was opened.
    pub(crate) let_in: usize,
    /// The highest number called, and how many ask.
    pub(crate) head: u64,
    pub(crate) asking: u64,
    /// What is let in, in entries per hour; 0 once the lease has ended.
    pub(crate) lease_per_hour: u64,
    /// It has ended since the last look.
    pub(crate) ends: bool,
}

impl Paced {
    /// Opens the door that the last answer leaves, if there is one and its time has come; whether it has opened.
    pub(crate) fn open(
        &mut self,
        (answer, since): (&Answer, Instant),
        line_us: u64,
        stubs_before: u64,
        now: Instant,
    ) -> bool {
        if self.open.is_some() {
            return false;
        }
        let Some(door) = Door::of(answer).filter(|door| door.is_open(micros(now - since))) else {
            return false;
        };
        self.open = Some(Open {
            door,
            since,
            line_us,
            pass_idle_us: answer.settings.pass_idle_us,
            tail: answer.tail,
            stubs_before,
            asking: BTreeMap::new(),
            inside: HashMap::new(),
            fresh: Vec::new(),
            refused: 0,
            has_ended: false,
        });
        true
    }

    /// Lets in whom it can, and what came of the door since the last time.
    pub(crate) fn tick(&mut self, now: Instant) -> Option<Tick> {
        let open = self.open.as_mut()?;
        open.let_in(now);
        Some(open.take(now))
    }

    /// Closes the door: from now on nobody comes in by it. What came of it since the last time.
    pub(crate) fn close(&mut self, now: Instant) -> Option<Tick> {
        let mut open = self.open.take()?;
        Some(open.take(now))
    }

    /// Whoever has this number wants to come in, or still does; what becomes of it.
    pub(crate) fn ask(&mut self, visitor: Visitor, was_inside: bool, now: Instant) -> Asked {
        match &mut self.open {
            // It came in by the line, which alone can sign its pass once more.
            Some(open) if was_inside && !open.inside.contains_key(&visitor.id) => Asked::Away,
            Some(open) => open.ask(visitor, now),
            None => Asked::Away,
        }
    }

    /// The same for the newcomer with this index of this replica, who has no number.
    pub(crate) fn ask_as_newcomer(&mut self, index: u64, id: TicketId, now: Instant) -> Asked {
        match &mut self.open {
            Some(open) => {
                let number = open.tail + index.saturating_sub(open.stubs_before).max(1);
                open.ask(Visitor { number, id }, now)
            }
            None => Asked::Away,
        }
    }
}

impl Open {
    fn after_us(&self, now: Instant) -> u64 {
        micros(now.saturating_duration_since(self.since))
    }

    fn ask(&mut self, visitor: Visitor, now: Instant) -> Asked {
        let Visitor { number, id } = visitor;
        if let Some(stay) = self.inside.get(&id) {
            return entered(stay);
        }
        if number > self.door.head(self.after_us(now)) {
            return Asked::Standing(Standing::Waiting);
        }
        let has_room = self.asking.len() < ASKING_MAX && self.inside.len() < LET_IN_MAX;
        if !has_room && !self.asking.contains_key(&(number, id)) {
            self.refused += 1;
            return Asked::Away;
        }
        self.asking.insert((number, id), now);
        self.let_in(now);
        let stay = self.inside.get(&id);
        stay.map_or(Asked::Standing(Standing::Asking), entered)
    }

    /// Lets in those who ask, the lowest number first.
    fn let_in(&mut self, now: Instant) {
        let after_us = self.after_us(now);
        while let Some(first) = self.asking.first_entry() {
            let gone = now.saturating_duration_since(*first.get()) > ASKING;
            let may = gone || self.inside.len() < LET_IN_MAX && self.door.let_in(after_us);
            if !may {
                return;
            }
            let ((_, id), _) = first.remove_entry();
            if gone {
                continue;
            }
            let stay = Renewal {
                id,
                until_us: self.line_us + self.pass_idle_us,
                entered_us: self.line_us,
            };
            self.inside.insert(id, stay);
            self.fresh.push(stay);
        }
    }

    fn take(&mut self, now: Instant) -> Tick {
        let after_us = self.after_us(now);
        let is_open = self.door.is_open(after_us);
        let ends = !is_open && !std::mem::replace(&mut self.has_ended, !is_open);
        Tick {
            entered: std::mem::take(&mut self.fresh),
            refused: std::mem::take(&mut self.refused),
            let_in: self.inside.len(),
            head: self.door.head(after_us).min(self.tail),
            asking: self.asking.len() as u64,
            lease_per_hour: if is_open {
                self.door.lease_per_hour()
            } else {
                0
            },
            ends,
        }
    }
}

fn entered(stay: &Renewal) -> Asked {
    Asked::Entered {
        until_us: stay.until_us,
        entered_us: stay.entered_us,
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::line::settings::Settings;
    use crate::line::tests::founded;

    const SECOND: Duration = Duration::from_secs(1);

    /// A door at one entry a second of a line of five, of whom two were called; when it was opened.
    fn book() -> (Paced, Instant) {
        let settings = Settings {
            rate_per_hour: 7_200,
            paced: true,
            ..Settings::default()
        };
        let (.., answer) = founded(settings, 5);
        let answer = Answer {
            head: 2,
            lease_per_hour: 3_600,
            ..answer
        };
        let (mut paced, since) = (Paced::default(), clock::monotonic());
        let mut open = |after| paced.open((&answer, since), answer.now_us, 3, since + after);
        assert!(!open(6 * SECOND));
        assert!(open(7 * SECOND));
        assert!(!open(7 * SECOND));
        (paced, since + 7 * SECOND)
    }

    fn visitor(number: u64) -> Visitor {
        Visitor {
            number,
            id: TicketId(number.into()),
        }
    }

    fn is_in(asked: Asked) -> bool {
        matches!(asked, Asked::Entered { .. })
    }

    #[test]
    fn whoever_was_called_goes_in_by_number_and_gets_the_same_stay_again() {
        let (mut paced, now) = book();
        let mut ask = |number, now| paced.ask(visitor(number), false, now);
        assert_eq!(ask(2, now), Asked::Standing(Standing::Asking));
        assert_eq!(ask(1, now), Asked::Standing(Standing::Asking));
        assert_eq!(ask(3, now), Asked::Standing(Standing::Waiting));
        // There is credit for one: the one who came first.
        let later = now + SECOND;
        assert_eq!(ask(2, later), Asked::Standing(Standing::Asking));
        let stay = ask(1, later);
        assert!(is_in(stay));
        assert_eq!(ask(1, later + SECOND), stay);
        assert!(is_in(ask(2, later + SECOND)));
        let tick = paced.tick(later + SECOND).unwrap();
        let entered: Vec<_> = tick.entered.iter().map(|pass| pass.id).collect();
        assert_eq!(entered, [TicketId(1), TicketId(2)]);
        assert_eq!((tick.let_in, tick.asking), (2, 0));
        assert!(paced.tick(later + SECOND).unwrap().entered.is_empty());
    }

    #[test]
    fn whoever_asks_no_more_costs_those_behind_nothing() {
        let (mut paced, now) = book();
        paced.ask(visitor(1), false, now);
        let later = now + ASKING + SECOND;
        assert!(is_in(paced.ask(visitor(2), false, later)));
        let tick = paced.close(later).unwrap();
        assert_eq!(tick.entered.len(), 1);
        assert_eq!(paced.ask(visitor(2), false, later), Asked::Away);
    }

    #[test]
    fn newcomers_follow_in_their_order_when_everybody_with_a_number_was_called() {
        let (mut paced, now) = book();
        let newcomer = |paced: &mut Paced, index, now| {
            paced.ask_as_newcomer(index, TicketId(100 + u128::from(index)), now)
        };
        let waits = Asked::Standing(Standing::Waiting);
        assert_eq!(newcomer(&mut paced, 4, now + SECOND), waits);
        // Two are called each second: the last with a number, and then the first without.
        let later = now + 2 * SECOND;
        assert_eq!(newcomer(&mut paced, 5, later), waits);
        assert!(is_in(newcomer(&mut paced, 4, later)));
        let head = paced.tick(later).unwrap().head;
        assert_eq!(head, 5, "beyond the tail nobody has a number");
    }

    #[test]
    fn somebody_whom_the_line_let_in_does_not_come_in_twice() {
        let (mut paced, now) = book();
        let later = now + SECOND;
        assert_eq!(paced.ask(visitor(1), true, later), Asked::Away);
        assert!(is_in(paced.ask(visitor(2), false, later)));
        assert!(is_in(paced.ask(visitor(2), true, later)));
    }
}
