//! A replica without visitors of its own: it fills a line, and sends what is measured.

use std::time::Duration;

use anteroom::clock;
use anteroom::line::exchange::Answer;
use anteroom::line::exchange::Exchange;
use anteroom::line::exchange::JOINS_MAX;
use anteroom::line::exchange::Known;
use anteroom::line::exchange::Proposal;
use anteroom::line::ids::InstanceId;
use anteroom::line::ids::KeyHash;
use anteroom::line::settings::Settings as LineSettings;
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
    pub(crate) fn open(settings: &Settings, room: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let store = runtime
            .block_on(Store::open(settings, room))
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

    /// Opens a room's store in this server.
    pub(crate) fn of(server: &Redis, room: &str) -> Self {
        let settings = redis::Settings {
            answer_deadline: Duration::from_secs(10),
            ..redis::Settings::new(server.url().parse().expect("it is the address of a server"))
        };
        Self::open(&Settings::Redis(Box::new(settings)), room)
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
        self.known = self.known.after(&answer);
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

    /// Puts these settings in force.
    pub(crate) fn set(&mut self, settings: LineSettings) -> Answer {
        let proposal = Proposal {
            content: KeyHash(u128::from(self.sequence) + 1),
            changed: true,
            settings,
        };
        self.send(&Exchange {
            proposal: Some(proposal),
            ..Exchange::default()
        })
    }

    /// The line need not wait for it any more.
    pub(crate) fn leave(&mut self) {
        self.send(&Exchange {
            leaving: true,
            ..Exchange::default()
        });
    }

    /// Closes the store, which keeps what it has on disk.
    pub(crate) fn close(self) {
        let closed = self.runtime.block_on(self.store.close());
        closed.expect("a last snapshot");
    }
}
