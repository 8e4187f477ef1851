//! Full lines in random histories: that there are some, and what becomes of them.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use anteroom::line::exchange::Answer;
use anteroom::line::exchange::Exchange;
use serde_json::Value;

/// How often histories met what there is of full lines.
#[derive(Debug, Default)]
pub struct Met {
    /// Answers that number newcomers although as many numbers wait as may: not all of these are present.
    beyond: AtomicU64,
    /// Answers that refuse some.
    refused: AtomicU64,
    /// Histories at whose end those present have been counted, and with places left by that count.
    counted: AtomicU64,
    left: AtomicU64,
}

impl Met {
    /// Looks at an answer.
    pub fn answer(&self, exchange: &Exchange, answer: &Answer) {
        let is_full = answer.tail - answer.head > answer.settings.line_max;
        count(&self.beyond, answer.issued > 0 && is_full);
        let issues = answer.settings.mode.issues() && !answer.healing;
        count(&self.refused, issues && answer.issued < exchange.joins);
    }

    /// Looks at a line after its history.
    pub fn line(&self, state: &Value) {
        count(&self.counted, state["counted_us"] != 0);
        count(&self.left, state["places"] != 0);
    }

    /// All of it was met, if there were histories enough.
    pub fn check(&self, enough: bool) {
        println!("full: {self:?}");
        let all = [&self.beyond, &self.refused, &self.counted, &self.left];
        let is_met = |counter: &&AtomicU64| counter.load(Ordering::Relaxed) > 0;
        assert!(!enough || all.iter().all(is_met), "{self:?}");
    }
}

fn count(counter: &AtomicU64, is: bool) {
    counter.fetch_add(u64::from(is), Ordering::Relaxed);
}
