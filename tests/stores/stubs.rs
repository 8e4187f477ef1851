//! Stubs in random histories: what replicas give while no number can be issued, and what they send of it.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use anteroom::line::exchange::Answer;
use anteroom::line::exchange::Exchange;
use anteroom::line::exchange::LostStub;
use anteroom::line::exchange::NEWS_MAX;
use anteroom::line::exchange::STUB_SLICES_MAX;
use anteroom::line::exchange::StubBlock;
use anteroom::line::exchange::StubSlice;
use anteroom::line::ids::InstanceId;
use serde_json::Value;

use crate::random::Random;

/// How often histories met what is seldom.
#[derive(Debug, Default)]
pub struct Met {
    /// Answers that bring blocks; as many blocks as one answer holds; answers that leave stubs unnumbered.
    blocks: AtomicU64,
    cut: AtomicU64,
    left: AtomicU64,
    /// Histories whose line left a gap, and whose line gathered last.
    gaps: AtomicU64,
    gathered: AtomicU64,
    /// Openings that leave stubs of whoever came after them.
    split: AtomicU64,
    /// Answers that bring the number of a stub that was lost.
    lost: AtomicU64,
}

impl Met {
    /// Looks at an answer.
    pub fn answer(&self, exchange: &Exchange, answer: &Answer) {
        let count =
            |counter: &AtomicU64, is: bool| counter.fetch_add(u64::from(is), Ordering::Relaxed);
        count(&self.blocks, !answer.stubs.is_empty());
        count(&self.cut, answer.stubs.len() == NEWS_MAX);
        let brings = |lost: &LostStub| {
            let is_it = |block: &StubBlock| block.first == lost.index && block.count == 1;
            answer.stubs.iter().any(is_it)
        };
        count(&self.lost, exchange.lost.iter().any(brings));
        let opens = exchange.known.opening.is_awaited() && !answer.opening.is_awaited();
        count(&self.split, opens && answer.healing && answer.more);
        let numbered = answer.tail > exchange.known.tail && !answer.stubs.is_empty();
        count(&self.left, answer.healing && answer.more && numbered);
    }

    /// Looks at a line after its history.
    pub fn line(&self, state: &Value) {
        self.gaps
            .fetch_add(u64::from(state["gap_last"] != 0), Ordering::Relaxed);
        self.gathered
            .fetch_add(u64::from(state["gathers"] == true), Ordering::Relaxed);
    }

    /// All of it was met.
    pub fn check(&self) {
        println!("{self:?}");
        let all = [
            &self.blocks,
            &self.cut,
            &self.left,
            &self.gaps,
            &self.gathered,
            &self.lost,
        ];
        assert!(
            all.iter()
                .all(|counter| counter.load(Ordering::Relaxed) > 0),
            "{self:?}"
        );
    }
}

/// The stubs of one replica that it has seen no numbers for.
#[derive(Debug, Clone, Default)]
pub struct Stubs {
    slices: Vec<StubSlice>,
    given: u64,
}

impl Stubs {
    /// Gives some stubs, perhaps, and puts what has no number into the exchange.
    pub fn fill(
        &mut self,
        random: &mut Random,
        now_us: u64,
        healing: bool,
        exchange: &mut Exchange,
    ) {
        if random.chance(if healing { 500 } else { 20 }) {
            self.give(random, now_us);
        }
        if random.chance(60) {
            self.merge();
        }
        if random.chance(900) {
            exchange.stubs.clone_from(&self.slices);
        } else if random.chance(200) {
            // Part of them, as a replica that has lost count might.
            let first = random.below(self.slices.len() as u64);
            let rest = self
                .slices
                .iter()
                .skip(usize::try_from(first).expect("small"));
            exchange.stubs = rest.copied().collect();
        }
    }

    fn give(&mut self, random: &mut Random, now_us: u64) {
        let many = random.chance(60);
        let slices = if many {
            random.within(500, 1_000)
        } else {
            random.length(8)
        };
        let most = if random.chance(100) { 150_000 } else { 3 };
        // Ahead of the line or behind, as line time is that a replica carries on by itself.
        let mut at_us = (now_us + random.below(3_000_000)).saturating_sub(1_500_000);
        for _ in 0..slices {
            at_us += random.below(3) * 100_000;
            // One in a while is given to nobody.
            self.given += 1 + random.below(20) / 19;
            let count = 1 + random.below(most);
            self.slices.push(StubSlice {
                at_us,
                first: self.given,
                count,
            });
            self.given += count - 1;
        }
        if let Some(last) = self.slices.last_mut().filter(|_| random.chance(500)) {
            // The last slice grows.
            last.count += 1;
            self.given += 1;
        }
        while self.slices.len() > STUB_SLICES_MAX {
            self.merge();
        }
    }

    /// Merges neighbours, as a replica does in a long outage.
    fn merge(&mut self) {
        let mut merged: Vec<StubSlice> = Vec::new();
        for pair in self.slices.chunks(2) {
            match *pair {
                [one, two] if one.first + one.count == two.first => {
                    let count = one.count + two.count;
                    merged.push(StubSlice { count, ..one });
                }
                _ => merged.extend(pair),
            }
        }
        if merged.len() == self.slices.len() {
            merged.clear();
        }
        self.slices = merged;
    }

    /// Learns what has numbers now.
    pub fn learn(&mut self, instance: InstanceId, answer: &Answer) {
        for block in answer
            .stubs
            .iter()
            .filter(|block| block.instance == instance)
        {
            let end = block.first + block.count;
            self.slices.retain_mut(|slice| {
                let skipped = end.saturating_sub(slice.first).min(slice.count);
                slice.first += skipped;
                slice.count -= skipped;
                slice.count > 0
            });
        }
    }
}
