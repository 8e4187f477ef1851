//! How the origin does with those inside a room, as one worker sees it: what was answered, what failed, what takes long.
//!
//! A request that is still out when it has taken too long is told of at once and not only when it ends: an origin that
//! hangs answers nothing for as long as anybody waits.
//!
//! Only a few requests of each visitor count in a second: whoever asks for what fails again and again must not slow the
//! pace for everybody.

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;
use std::time::Instant;

use crate::line::exchange::Health;
use crate::line::exchange::WITNESSES_ALL;
use crate::line::ids::TicketId;

/// Requests of one visitor that count in one second: a page, and some of what belongs to it.
const EACH_MAX: u8 = 3;
/// Visitors whose requests count in one second; beyond these there is more than enough to go by.
const VISITORS_MAX: usize = 4_096;
const SECOND: Duration = Duration::from_secs(1);

/// What one worker has sent to the origin for those inside, and has seen of it since it was last asked.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    seen: Cell<Health>,
    /// As many places as requests were ever in flight at once, and which of them are free.
    out: RefCell<(Vec<Option<Timed>>, Vec<usize>)>,
    counted: RefCell<Counted>,
}

/// A request that is timed: when it left, and who sent it, as the line is told.
type Timed = (Instant, u64);

/// How many requests of whom have counted in this second.
#[derive(Debug, Default)]
struct Counted {
    since: Option<Instant>,
    visitors: HashMap<TicketId, u8>,
}

impl Counted {
    /// Whether one more of this visitor counts.
    fn counts(&mut self, visitor: TicketId, now: Instant) -> bool {
        if self
            .since
            .is_none_or(|since| now.saturating_duration_since(since) >= SECOND)
        {
            self.since = Some(now);
            self.visitors.clear();
        }
        let is_room = self.visitors.len() < VISITORS_MAX;
        match self.visitors.get_mut(&visitor) {
            Some(count) if *count < EACH_MAX => *count += 1,
            None if is_room => {
                self.visitors.insert(visitor, 1);
            }
            Some(_) | None => return false,
        }
        true
    }
}

/// A request on its way; dropped without a word about its end, it counts for nothing.
#[derive(Debug)]
pub struct Out<'a> {
    watch: &'a Watch,
    place: usize,
    is_timed: bool,
    /// Who sent it, as the line is told.
    witness: u64,
}

impl Watch {
    /// A request of this visitor leaves; none if it does not count. One that is not timed, as its client may be what
    /// takes long, can fail but not be slow.
    pub(crate) fn leave(&self, visitor: TicketId, now: Instant, is_timed: bool) -> Option<Out<'_>> {
        let counts = self.counted.borrow_mut().counts(visitor, now);
        counts.then(|| self.begin(Health::witness(visitor), now, is_timed))
    }

    fn begin(&self, witness: u64, now: Instant, is_timed: bool) -> Out<'_> {
        let (places, free) = &mut *self.out.borrow_mut();
        let since = is_timed.then_some((now, witness));
        let place = if let Some(place) = free.pop() {
            places[place] = since;
            place
        } else {
            places.push(since);
            places.len() - 1
        };
        Out {
            watch: self,
            place,
            is_timed,
            witness,
        }
    }

    /// What was seen since the last time. Requests that are out for longer than `slow_after` are slow from now on.
    pub(crate) fn take(&self, now: Instant, slow_after: Duration) -> Health {
        for place in &mut self.out.borrow_mut().0 {
            let is_slow = |&(since, _): &Timed| now.saturating_duration_since(since) > slow_after;
            if let Some((_, witness)) = place.take_if(|timed| is_slow(timed)) {
                self.saw(1, 0, 1, witness);
            }
        }
        self.seen.take()
    }

    fn saw(&self, answered: u64, failed: u64, slow: u64, witness: u64) {
        let seen = self.seen.get();
        self.seen.set(Health {
            answered: seen.answered + answered,
            failed: seen.failed + failed,
            slow: seen.slow + slow,
            witnesses: seen.witnesses | witness,
        });
    }
}

impl Out<'_> {
    /// The origin answered, this long after the request left.
    pub fn answered(self, after: Duration, slow_after: Duration) {
        if self.is_untold() {
            let slow = u64::from(self.is_timed && after > slow_after);
            self.watch.saw(1, 0, slow, self.witness * slow);
        }
    }

    /// The origin failed, or said that it has.
    pub fn failed(self) {
        if self.is_untold() {
            self.watch.saw(0, 1, 0, self.witness);
        }
    }

    /// No connection to the origin came about, whoever had asked for one and for whatever.
    pub fn unreached(self) {
        let failed = u64::from(self.is_untold());
        self.watch.saw(0, failed, 0, WITNESSES_ALL);
    }

    /// The origin had no room for it in time.
    pub fn found_no_room(self) {
        if self.is_untold() {
            self.watch.saw(1, 0, 1, self.witness);
        }
    }

    /// Whether it has not been told of as slow.
    fn is_untold(&self) -> bool {
        !self.is_timed || self.watch.out.borrow().0[self.place].is_some()
    }
}

impl Drop for Out<'_> {
    fn drop(&mut self) {
        let (places, free) = &mut *self.watch.out.borrow_mut();
        places[self.place] = None;
        free.push(self.place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const SLOW: Duration = Duration::from_secs(5);

    fn counts(health: Health) -> (u64, u64, u64) {
        (health.answered, health.failed, health.slow)
    }

    #[test]
    fn what_ends_is_counted_once_and_by_how_it_ended() {
        let (watch, now) = (Watch::default(), clock::monotonic());
        watch.begin(1, now, true).answered(SLOW, SLOW);
        watch.begin(1, now, true).answered(SLOW * 2, SLOW);
        watch.begin(1, now, false).answered(SLOW * 2, SLOW);
        watch.begin(1, now, true).failed();
        watch.begin(1, now, false).failed();
        watch.begin(1, now, true).found_no_room();
        drop(watch.begin(1, now, true));
        assert_eq!(counts(watch.take(now, SLOW)), (4, 2, 2));
        assert_eq!(watch.take(now, SLOW), Health::default());
        // None of them was out at the same time as another.
        assert_eq!(watch.out.borrow().0.len(), 1);
    }

    #[test]
    fn what_hangs_is_slow_before_it_ends_and_not_once_more_then() {
        let (watch, now) = (Watch::default(), clock::monotonic());
        let hanging = [(); 3].map(|()| watch.begin(1, now, true));
        let upload = watch.begin(1, now, false);
        assert_eq!(watch.take(now + SLOW, SLOW), Health::default());
        let later = now + SLOW * 2;
        assert_eq!(counts(watch.take(later, SLOW)), (3, 0, 3));
        let [one, two, three] = hanging;
        one.answered(SLOW * 2, SLOW);
        two.failed();
        drop(three);
        upload.answered(SLOW * 2, SLOW);
        assert_eq!(counts(watch.take(later, SLOW)), (1, 0, 0));
    }

    #[test]
    fn it_tells_how_many_met_what_is_bad_and_that_nobody_could_be_connected() {
        let (watch, now) = (Watch::default(), clock::monotonic());
        let out = |id| watch.leave(TicketId(id), now, true).unwrap();
        let told = |later| watch.take(now + later, SLOW).witnesses;
        out(1).answered(SLOW, SLOW);
        assert_eq!(told(Duration::ZERO), 0);
        out(1).failed();
        out(1).failed();
        out(2).answered(SLOW * 2, SLOW);
        assert_eq!(told(Duration::ZERO), 0b110);
        let (hanging, never_connected) = (out(3), out(4));
        assert_eq!(told(SLOW * 2), 0b11000);
        hanging.failed();
        never_connected.unreached();
        assert_eq!(told(SLOW * 2), WITNESSES_ALL);
        out(5).unreached();
        assert_eq!(counts(watch.take(now, SLOW)), (0, 1, 0));
    }

    #[test]
    fn one_visitor_counts_little_however_often_it_asks_for_what_fails() {
        let (watch, now) = (Watch::default(), clock::monotonic());
        let (many, few) = (TicketId(1), TicketId(2));
        let ask = |visitor, now| {
            let out = watch.leave(visitor, now, true);
            out.map(Out::failed).is_some()
        };
        let each = usize::from(EACH_MAX);
        assert_eq!((0..100).filter(|_| ask(many, now)).count(), each);
        assert!(ask(few, now));
        assert!(!ask(many, now + SECOND / 2));
        assert!(ask(many, now + SECOND));
        assert_eq!(counts(watch.take(now, SLOW)), (0, each as u64 + 2, 0));
    }

    #[test]
    fn no_more_visitors_are_remembered_than_there_is_room_for() {
        let (watch, now) = (Watch::default(), clock::monotonic());
        let visitors = 0..2 * VISITORS_MAX as u128;
        let counted = visitors.filter(|&id| watch.leave(TicketId(id), now, true).is_some());
        assert_eq!(counted.count(), VISITORS_MAX);
        assert_eq!(watch.counted.borrow().visitors.len(), VISITORS_MAX);
    }
}
