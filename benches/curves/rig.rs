//! A replica without visitors of its own: it fills a line, and sends what is measured.

use std::time::Duration;

use anteroom::clock;
use anteroom::line::exchange::Answer;
use anteroom::line::exchange::Exchange;
use anteroom::line::exchange::JOINS_MAX;
use anteroom::line::exchange::Known;
use anteroom::line::ids::InstanceId;
use anteroom::seal;
use anteroom::store::Settings;
use anteroom::store::Store;
use anteroom::store::redis;
use tokio::runtime::Runtime;

use crate::support::redis::Redis;

/// One more replica of a room.
pub(crate) struct Rig {
    runtime: Runtime,
    store: Store,
    instance: InstanceId,
    sequence: u64,
    known: Known,
}

impl Rig {
    /// Opens a room's store and waits until its line is there.
    pub(crate) fn open(server: &Redis, room: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let settings = Settings::Redis(Box::new(redis::Settings {
            answer_deadline: Duration::from_secs(10),
            ..redis::Settings::new(server.url().parse().expect("it is the address of a server"))
        }));
        let store = runtime
            .block_on(Store::open(&settings, room))
            .expect("a store");
        let mut rig = Self {
            runtime,
            store,
            instance: seal::instance_id(),
            sequence: 0,
            known: Known::default(),
        };
        let began = clock::monotonic();
        while rig.send(&Exchange::default()).healing {
            assert!(clock::monotonic() - began < Duration::from_secs(10));
        }
        rig
    }

    /// Sends an exchange and gives its answer.
    pub(crate) fn send(&mut self, exchange: &Exchange) -> Answer {
        self.sequence += 1;
        let exchange = Exchange {
            instance: self.instance,
            sequence: self.sequence,
            known: self.known,
            nonce: seal::nonce(),
            ..exchange.clone()
        };
        let answer = self
            .runtime
            .block_on(self.store.exchange(&exchange))
            .expect("an answer");
        self.known = Known {
            epoch: Some(answer.epoch).filter(|epoch| epoch.created_us > 0),
            tail: answer.tail,
            head: answer.head,
            now_us: answer.now_us,
            turns: answer.turns_to,
            entries: answer.entries,
            finished: answer.finished_to,
            opening: answer.opening,
            stubs: answer.stubs_to,
            instances: answer.counts.instances,
            lease_per_hour: answer.lease_per_hour,
            withheld_per_hour: answer.withheld_per_hour,
        };
        answer
    }

    /// Lets newcomers in until so many wait.
    pub(crate) fn fill(&mut self, waiting: u64) -> Answer {
        loop {
            let answer = self.send(&Exchange::default());
            let left = waiting.saturating_sub(answer.tail - answer.head);
            if left == 0 {
                return answer;
            }
            self.send(&Exchange {
                joins: left.min(JOINS_MAX),
                ..Exchange::default()
            });
        }
    }

    /// The line need not wait for it any more.
    pub(crate) fn leave(&mut self) {
        self.send(&Exchange {
            leaving: true,
            ..Exchange::default()
        });
    }
}
