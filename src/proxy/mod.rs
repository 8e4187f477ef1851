//! Forwards one request to the origin and its response back.
//!
//! Each worker has its own [`OriginPool`] per origin: connections never change threads, nothing is locked and nothing
//! is shared. A request is sent at most once unless repeating it is safe (RFC 9110 §9.2.2). Knows nothing about
//! rooms: whoever asks for a request to be forwarded has decided that it may be.

mod error;
mod settings;
mod ticker;

use http::Response;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use std::rc::Rc;

use crate::message::Body;

pub use error::OriginError;
pub use error::OriginErrorKind;
pub use settings::HostHeader;
pub use settings::OriginAddress;
pub use settings::OriginSettings;
pub use settings::OriginTimeouts;
pub use ticker::Ticker;

/// What an origin answered.
#[derive(Debug)]
pub struct Forwarded {
    /// The response, without what was only for us.
    pub response: Response<Body>,
    /// `Anteroom-Command`, if the origin sent one we know.
    pub command: Option<Command>,
    /// `Anteroom-Stock`, if the origin sent it.
    pub stock: Option<u64>,
}

/// What an origin may tell us to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// This visitor is done.
    Finish,
    /// Nothing is left to book.
    SoldOut,
}

/// What a worker lends to things that go on after a response: where their tasks belong, and when to end.
#[derive(Debug, Clone)]
pub struct Background {
    /// Every task belongs here; a drain waits for it to empty.
    pub tasks: TaskTracker,
    /// Cancelled when the worker drains: long-lived streams close.
    pub closing: CancellationToken,
    /// The worker's coarse clock and alarms.
    pub ticker: Rc<Ticker>,
}
