//! The embedded store: the pure line in this process, and on its disk.
//!
//! One thread owns the line and its files, so that no runtime ever waits for a disk. An exchange is in the journal
//! before its answer is given, so whatever was answered outlives the process.

mod files;
mod journal;
mod replay;

use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use tokio::sync::mpsc;
use tokio::sync::oneshot;

use crate::clock;
use crate::line::Line;
use crate::line::exchange::Answer;
use crate::line::exchange::Exchange;
use crate::line::ids::KeyHash;
use crate::store::StoreError;
use crate::store::memory::journal::Journal;

/// Where the embedded store keeps its files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// The directory, made when missing; `None` keeps nothing on disk, so that a restart begins a new line.
    pub directory: Option<PathBuf>,
}

/// A line in this process. Dropping it ends its thread, which writes a last snapshot.
#[derive(Debug)]
pub struct Memory {
    orders: mpsc::Sender<Order>,
    /// The store's clock begins with the machine's and goes on evenly, whatever is done to that one meanwhile.
    opened: Instant,
    opened_us: u64,
}

/// What the thread that owns the line is told to do.
#[derive(Debug)]
enum Order {
    Exchange {
        clock_us: u64,
        exchange: Box<Exchange>,
        answer: oneshot::Sender<Result<Answer, StoreError>>,
    },
    Close(oneshot::Sender<Result<(), StoreError>>),
}

impl Memory {
    /// Opens the line of this room: the snapshot, and everything in the journal since.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another anteroom has this room's line open, [`StoreError::File`] when a file makes no
    /// sense, [`StoreError::Disk`] when the directory cannot be used.
    pub async fn open(settings: &Settings, room: &str) -> Result<Self, StoreError> {
        let (orders, inbox) = mpsc::channel(1);
        let (opened, is_open) = oneshot::channel();
        let directory = settings.directory.clone();
        let name = room.to_owned();
        let thread = thread::Builder::new().name(format!("store {room}"));
        thread
            .spawn(move || {
                match Keeper::open(directory, &name) {
                    Ok(keeper) => {
                        if opened.send(Ok(())).is_ok() {
                            keeper.run(inbox);
                        }
                    }
                    // Nobody waits for the answer any more when the room was given up meanwhile.
                    Err(error) => drop(opened.send(Err(error))),
                }
            })
            .map_err(|_| StoreError::Stopped)?;
        is_open.await.map_err(|_| StoreError::Stopped)??;
        Ok(Self {
            orders,
            opened: clock::monotonic(),
            opened_us: clock::wall_us(),
        })
    }

    /// See [`crate::store::Store::exchange_at`]; without a time, the machine's clock.
    pub(crate) async fn exchange(
        &mut self,
        exchange: &Exchange,
        clock_us: Option<u64>,
    ) -> Result<Answer, StoreError> {
        exchange.validate()?;
        let mut exchange = Box::new(exchange.clone());
        if clock_us.is_none() {
            // This store cannot have lost anything that its journal has.
            exchange.store = KeyHash::default();
        }
        let (answer, answered) = oneshot::channel();
        let order = Order::Exchange {
            clock_us: clock_us.unwrap_or_else(|| self.now_us()),
            exchange,
            answer,
        };
        self.order(order).await?;
        answered.await.map_err(|_| StoreError::Stopped)?
    }

    /// See [`crate::store::Store::close`].
    pub(crate) async fn close(self) -> Result<(), StoreError> {
        let (closed, is_closed) = oneshot::channel();
        self.order(Order::Close(closed)).await?;
        is_closed.await.map_err(|_| StoreError::Stopped)?
    }

    async fn order(&self, order: Order) -> Result<(), StoreError> {
        self.orders
            .send(order)
            .await
            .map_err(|_| StoreError::Stopped)
    }

    fn now_us(&self) -> u64 {
        let since = clock::monotonic().duration_since(self.opened);
        self.opened_us + u64::try_from(since.as_micros()).unwrap_or(u64::MAX / 2)
    }
}

/// The owner of a line and of its files.
#[derive(Debug)]
struct Keeper {
    line: Line,
    journal: Option<Journal>,
}

impl Keeper {
    fn open(directory: Option<PathBuf>, room: &str) -> Result<Self, StoreError> {
        let Some(directory) = directory else {
            return Ok(Self {
                line: Line::new(),
                journal: None,
            });
        };
        let (line, journal) = Journal::open(directory, room)?;
        Ok(Self {
            line,
            journal: Some(journal),
        })
    }

    /// Works until told to close, or until nobody can give orders any more.
    fn run(mut self, mut inbox: mpsc::Receiver<Order>) {
        while let Some(order) = inbox.blocking_recv() {
            match order {
                Order::Exchange {
                    clock_us,
                    exchange,
                    answer,
                } => {
                    // Whoever asked may have stopped waiting; it will ask again.
                    drop(answer.send(self.exchange(clock_us, &exchange)));
                }
                Order::Close(closed) => {
                    let result = self.close();
                    drop(self);
                    drop(closed.send(result));
                    return;
                }
            }
        }
        if let Err(error) = self.close() {
            tracing::warn!(%error, "the last snapshot could not be written; the journal has everything");
        }
    }

    /// Writes an exchange down, applies it, and now and then writes the whole line down.
    fn exchange(&mut self, clock_us: u64, exchange: &Exchange) -> Result<Answer, StoreError> {
        let Some(journal) = &mut self.journal else {
            return Ok(self.line.apply(clock_us, exchange)?);
        };
        journal.reserve_for(&self.line, exchange)?;
        journal.append(clock_us, exchange)?;
        let answer = self.line.apply(clock_us, exchange)?;
        // Tickets of an epoch that was lost with the power would mean nothing any more: nobody is answered before it is
        // on the disk. The same exchange again gets the same answer.
        journal.keep_epoch(&self.line)?;
        journal.compact_when_due(&self.line);
        Ok(answer)
    }

    fn close(&mut self) -> Result<(), StoreError> {
        match &mut self.journal {
            Some(journal) => journal.close(&self.line),
            None => Ok(()),
        }
    }
}
