//! Forwards one request to the origin and its response back.
//!
//! Each worker has its own [`OriginPool`] per origin: connections never change threads, nothing is locked and nothing
//! is shared. A request is sent at most once unless repeating it is safe (RFC 9110 §9.2.2). Knows nothing about
//! rooms: whoever asks for a request to be forwarded has decided that it may be.

mod connect;
mod error;
mod exchange;
mod pool;
mod request;
mod response;
mod settings;
mod share;
mod ticker;
pub mod tls;
mod tunnel;
mod upgrade;
mod upload;

use std::rc::Rc;

use http::Method;
use http::Request;
use http::Response;
use http::StatusCode;
use hyper::body::Incoming;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::message::Body;

pub use error::OriginError;
pub use error::OriginErrorKind;
pub use pool::OriginPool;
pub use pool::OriginStats;
pub use request::Passage;
pub use settings::HostHeader;
pub use settings::OriginAddress;
pub use settings::OriginSettings;
pub use settings::OriginTimeouts;
pub use ticker::Alarm;
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

impl OriginPool {
    /// Forwards one request to the origin and returns once the response has begun.
    ///
    /// The response's body holds the connection, and this worker's leave to have the request in flight, until its
    /// end. Dropping the future or the body cancels the request: its connection is closed.
    ///
    /// # Errors
    ///
    /// Says what went wrong, whose doing it was, and whether the origin may have seen the request.
    pub async fn forward(
        self: &Rc<Self>,
        request: Request<Incoming>,
        passage: &Passage<'_>,
    ) -> Result<Forwarded, OriginError> {
        if request.method() == Method::CONNECT {
            return Err(OriginErrorKind::ConnectMethod.into());
        }
        if http_body::Body::size_hint(request.body()).lower() > self.settings.body_max {
            return Err(OriginErrorKind::BodyTooLarge.into());
        }
        let permit = match self.share.try_take() {
            Some(permit) => permit,
            None => {
                self.share
                    .take(self.settings.timeouts.room, self.ticker())
                    .await?
            }
        };
        let total_at_ms = self
            .settings
            .timeouts
            .total
            .map(|total| self.ticker().in_ms(total));
        if let Some(protocol) = upgrade::wanted(&request, &self.settings.upgrades) {
            return upgrade::forward(self, request, passage, protocol, permit).await;
        }
        let request = request::to_origin(request, passage, &self.settings);
        let begun = exchange::send(self, request).await?;
        if begun.response.status() == StatusCode::SWITCHING_PROTOCOLS {
            // Nobody asked for it.
            return Err(OriginError {
                kind: OriginErrorKind::Broken,
                was_sent: true,
                source: None,
            });
        }
        Ok(response::to_client(self, begun, permit, total_at_ms).await)
    }
}
