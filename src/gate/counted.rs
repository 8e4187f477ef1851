//! A bound on how many of something go on at once at one worker.

use std::cell::Cell;

/// One of a bounded number; counted until it is dropped, also when the client goes away in between.
#[derive(Debug)]
pub(crate) struct Counted<'a>(&'a Cell<usize>);

impl<'a> Counted<'a> {
    /// One more, unless there are `max` already.
    pub(crate) fn try_take(count: &'a Cell<usize>, max: usize) -> Option<Self> {
        (count.get() < max).then(|| {
            count.set(count.get() + 1);
            Self(count)
        })
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}
