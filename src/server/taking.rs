//! How the client of an HTTP/2 stream takes its response.
//!
//! A stream has a window of its own: a client that never opens it holds the response, and the origin's connection behind
//! it, while the rest of its connection is in the best of health. What is taken is seen where it is handed over, in the
//! body of the response: the library asks for more when the client has room for it. A response that waits for the origin
//! (an event stream, most of the time) keeps nobody waiting, and its client has all the time there is.
//!
//! What was handed over is not yet sent: the last piece of a response is taken by the library as soon as there is room for
//! one byte of it, and is seen here no more. What waits in memory then is bounded in time over the whole connection (see
//! [`crate::server::held`]).

use std::cell::Cell;
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use tokio::task::AbortHandle;

use crate::proxy::Pace;
use crate::proxy::Patience;

/// One response on its way over HTTP/2.
#[derive(Debug)]
pub(super) struct Taking {
    /// Where it is among those of its connection.
    index: Cell<usize>,
    /// There is something for the client, which has not asked for it.
    is_due: Cell<bool>,
    /// What it took since this was last looked at.
    bytes: Cell<u64>,
    patience: Cell<Patience>,
    /// What ends the stream.
    task: RefCell<Option<AbortHandle>>,
}

/// All of one connection.
#[derive(Debug, Default)]
pub(super) struct Streams(RefCell<Vec<Rc<Taking>>>);

/// The stream whose request has just begun, until its task is started: the library does so at once.
#[derive(Default)]
pub(super) struct Beginning(Cell<Option<Rc<Taking>>>);

impl fmt::Debug for Beginning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Beginning")
    }
}

impl Beginning {
    pub(super) fn set(&self, taking: Rc<Taking>) {
        self.0.set(Some(taking));
    }

    /// This task sends the response to the request that has just begun.
    pub(super) fn started(&self, task: AbortHandle) {
        if let Some(taking) = self.0.take() {
            *taking.task.borrow_mut() = Some(task);
        }
    }
}

impl Streams {
    pub(super) fn begin(&self, pace: Pace) -> Rc<Taking> {
        let mut streams = self.0.borrow_mut();
        let taking = Rc::new(Taking {
            index: Cell::new(streams.len()),
            is_due: Cell::new(false),
            bytes: Cell::new(0),
            patience: Cell::new(Patience::new(pace)),
            task: RefCell::default(),
        });
        streams.push(Rc::clone(&taking));
        taking
    }

    pub(super) fn end(&self, taking: &Taking) {
        let mut streams = self.0.borrow_mut();
        let index = taking.index.get();
        streams.swap_remove(index);
        if let Some(moved) = streams.get(index) {
            moved.index.set(index);
        }
    }

    /// Ends those whose clients used up their time, of which so much has gone by; how many.
    pub(super) fn check(&self, waited_ms: u64, pace: Pace) -> usize {
        let ended = |taking: &&Rc<Taking>| !taking.check(waited_ms, pace) && taking.end();
        self.0.borrow().iter().filter(ended).count()
    }
}

impl Taking {
    /// There is something for the client.
    pub(super) fn offer(&self) {
        self.is_due.set(true);
    }

    /// There is nothing for it: we wait for the origin ourselves.
    pub(super) fn wait(&self) {
        self.is_due.set(false);
    }

    /// So many bytes were handed over, and there may be more.
    pub(super) fn take(&self, bytes: u64) {
        self.is_due.set(true);
        self.bytes.set(self.bytes.get().saturating_add(bytes));
    }

    fn check(&self, waited_ms: u64, pace: Pace) -> bool {
        let waited_ms = if self.is_due.get() { waited_ms } else { 0 };
        let mut patience = self.patience.get();
        let goes_on = patience.spend(waited_ms, self.bytes.take(), pace);
        self.patience.set(patience);
        goes_on
    }

    /// Ends the stream, and nothing else on its connection; whether it was still to be ended.
    fn end(&self) -> bool {
        let task = self.task.borrow_mut().take();
        task.inspect(AbortHandle::abort).is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PACE: Pace = Pace {
        pause: Duration::from_secs(10),
        bytes_per_s: 100,
    };

    /// A stream with a task that ends only when it is told to.
    fn begin(streams: &Streams) -> (Rc<Taking>, tokio::task::JoinHandle<()>) {
        let taking = streams.begin(PACE);
        let beginning = Beginning::default();
        beginning.set(Rc::clone(&taking));
        let task = tokio::spawn(std::future::pending());
        beginning.started(task.abort_handle());
        (taking, task)
    }

    #[tokio::test]
    async fn only_the_stream_whose_client_takes_nothing_is_ended() {
        let streams = Streams::default();
        let (starving, ended) = begin(&streams);
        let (waiting, _) = begin(&streams);
        let (taking, _) = begin(&streams);
        starving.offer();
        waiting.offer();
        waiting.wait();
        for _ in 0..9 {
            taking.take(100);
            assert_eq!(streams.check(1_000, PACE), 0);
        }
        taking.take(100);
        assert_eq!(streams.check(1_000, PACE), 1);
        assert!(ended.await.unwrap_err().is_cancelled());
        // It is ended once.
        assert_eq!(streams.check(1_000, PACE), 0);
        for taking in [starving, waiting, taking] {
            streams.end(&taking);
        }
        assert!(streams.0.borrow().is_empty());
    }
}
