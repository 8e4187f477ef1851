//! The store of the world: one line, its process, its clock and its last snapshot.

use std::rc::Rc;

use anteroom::line::Line;
use anteroom::line::exchange::Answer;
use anteroom::line::ids::KeyHash;

use crate::plan::SECOND;
use crate::record::Answered;
use crate::record::Record;
use crate::replica::Sent;
use crate::rng::Rng;
use crate::shadow::Shadow;
use crate::shadow::Verdict;

/// What true time zero is on the store's clock.
const START_US: u64 = 1_700_000_000 * SECOND;

/// What a restart goes back to.
#[derive(Debug, Clone, Default)]
struct Snapshot {
    line: Line,
    shadow: Shadow,
    answered: Answered,
}

/// One line and what it lives in.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) line: Line,
    pub(crate) shadow: Shadow,
    pub(crate) record: Record,
    /// Identity of the process; zero for the embedded store.
    pub(crate) process: KeyHash,
    /// Nobody reaches it until this time.
    pub(crate) away_until_us: u64,
    /// The store's clock at true time zero.
    pub(crate) clock_at_zero_us: u64,
    embedded: bool,
    /// Highest number ever issued: the embedded store reserves on disk before it issues.
    reserved: u64,
    snapshot: Snapshot,
}

impl Store {
    pub(crate) fn new(rng: &mut Rng, embedded: bool) -> Self {
        Self {
            line: Line::new(),
            shadow: Shadow::default(),
            record: Record::new(),
            process: KeyHash(if embedded { 0 } else { rng.wide() }),
            away_until_us: 0,
            clock_at_zero_us: START_US + rng.below(3_600) * SECOND,
            embedded,
            reserved: 0,
            snapshot: Snapshot::default(),
        }
    }

    /// Applies an exchange, now and then keeping a snapshot.
    pub(crate) fn apply(
        &mut self,
        rng: &mut Rng,
        now_us: u64,
        sent: &Sent,
    ) -> Verdict<Option<Rc<Answer>>> {
        let clock_us = self.clock_at_zero_us + now_us;
        let (line, shadow) = (&mut self.line, &mut self.shadow);
        self.record.stub_ids(sent.exchange.instance, &sent.stub_ids);
        let sent = (&sent.exchange, sent.joiners.as_slice());
        let answer = self.record.apply(line, shadow, clock_us, sent)?;
        self.reserved = self.reserved.max(self.line.tail());
        if rng.chance(20) {
            self.save();
        }
        Ok(answer)
    }

    fn save(&mut self) {
        self.snapshot = Snapshot {
            line: self.line.clone(),
            shadow: self.shadow.clone(),
            answered: self.record.saved(),
        };
    }

    /// The process starts again from its last snapshot, or having lost nothing.
    pub(crate) fn restart(&mut self, rng: &mut Rng) {
        if rng.chance(400) {
            self.save();
        }
        let written = serde_json::to_vec(&self.snapshot.line).expect("a line can be written");
        self.line = serde_json::from_slice(&written).expect("and read again");
        self.shadow = self.snapshot.shadow.clone();
        self.record.lost(self.snapshot.answered.clone());
        if self.embedded {
            self.line.reserve(self.reserved);
            self.line.forfeit_credit();
            self.shadow.reserve(self.reserved);
        } else {
            self.process = KeyHash(rng.wide());
        }
    }

    /// Everything is lost.
    pub(crate) fn empty(&mut self, rng: &mut Rng) {
        self.line = Line::new();
        self.shadow = Shadow::default();
        self.record.emptied();
        self.save();
        self.process = KeyHash(rng.wide());
    }
}
