//! How many requests may be sent once more: a share of all of them, so that an outage's load is not doubled.

use std::cell::Cell;

/// One repeated request costs as much as so many sent: a fifth may be repeated.
const PRICE: u32 = 5;

/// What can be saved up.
const MOST: u32 = 10 * PRICE;

/// What is left for repeating.
#[derive(Debug)]
pub(super) struct Budget(Cell<u32>);

impl Default for Budget {
    fn default() -> Self {
        Self(Cell::new(MOST))
    }
}

impl Budget {
    /// A request is sent.
    pub(super) fn earn(&self) {
        self.0.set((self.0.get() + 1).min(MOST));
    }

    /// A second has gone: where there are few requests, one of them may be repeated all the same.
    pub(super) fn second(&self) {
        self.0.set((self.0.get() + PRICE).min(MOST));
    }

    /// Whether a request may be repeated; it counts then.
    pub(super) fn try_spend(&self) -> bool {
        let left = self.0.get().checked_sub(PRICE);
        self.0.set(left.unwrap_or(self.0.get()));
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_requests_that_all_fail_a_fifth_is_sent_again() {
        let budget = Budget::default();
        let repeated = (0..1_000).filter(|_| {
            budget.earn();
            budget.try_spend()
        });
        // Ten were saved up before, and the first brought nothing more.
        assert_eq!(repeated.count(), 10 + 199);
    }

    #[test]
    fn what_is_saved_up_has_a_bound_and_comes_back_with_time() {
        let budget = Budget::default();
        (0..10_000).for_each(|_| budget.earn());
        (0..100).for_each(|_| budget.second());
        assert_eq!((0..100).filter(|_| budget.try_spend()).count(), 10);
        budget.second();
        assert!(budget.try_spend() && !budget.try_spend());
    }
}
