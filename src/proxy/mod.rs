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

use std::pin::Pin;
use std::rc::Rc;

use http::Method;
use http::Request;
use http::Response;
use http::StatusCode;
use http_body::Body as _;
use hyper::body::Incoming;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::message::Body;
use crate::proxy::exchange::Answer;
use crate::proxy::exchange::Begun;
use crate::proxy::exchange::Flight;
use crate::proxy::upgrade::Upgrade;
use crate::proxy::upload::Upload;

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

/// How a request goes: already out on a connection, or some longer way.
enum Way<A> {
    Sent(exchange::Sent<A>, Flight),
    Longer(Pin<Box<dyn Future<Output = Result<Forwarded, OriginError>>>>),
}

impl OriginPool {
    /// Forwards one request to the origin; the future is done once the response has begun.
    ///
    /// The response's body holds the connection, and this worker's leave to have the request in flight, until its
    /// end. Dropping the future or the body cancels the request: its connection is closed. The future is to be
    /// awaited at once: what can be done without waiting is done by the call.
    ///
    /// # Errors
    ///
    /// Says what went wrong, whose doing it was, and whether the origin may have seen the request.
    pub fn forward(
        self: &Rc<Self>,
        request: Request<Incoming>,
        passage: &Passage<'_>,
    ) -> impl Future<Output = Result<Forwarded, OriginError>> + use<> {
        let way = self.way(request, passage);
        let pool = Rc::clone(self);
        async move {
            match way {
                Way::Sent(sent, flight) => {
                    let begun = exchange::finish(&pool, sent, flight).await?;
                    answered(&pool, begun).await
                }
                Way::Longer(way) => way.await,
            }
        }
    }

    fn way(
        self: &Rc<Self>,
        mut request: Request<Incoming>,
        passage: &Passage<'_>,
    ) -> Way<impl Answer + use<>> {
        if request.method() == Method::CONNECT {
            let refused = std::future::ready(Err(OriginErrorKind::ConnectMethod.into()));
            return Way::Longer(Box::pin(refused));
        }
        if request.body().size_hint().lower() > self.settings.body_max {
            let refused = std::future::ready(Err(OriginErrorKind::BodyTooLarge.into()));
            return Way::Longer(Box::pin(refused));
        }
        let upgrade = upgrade::wanted(&request, &self.settings.upgrades).map(|protocol| Upgrade {
            protocol,
            client: hyper::upgrade::on(&mut request),
            note: Rc::clone(passage.note),
        });
        let request = request::to_origin(request, passage, self);
        let total_at_ms = self
            .settings
            .timeouts
            .total
            .map(|total| self.ticker().in_ms(total));
        if upgrade.is_none()
            && let Some(permit) = self.share.try_take()
            && let Ok(lease) = self.lease_idle()
        {
            let flight = Flight {
                _permit: permit,
                total_at_ms,
            };
            return Way::Sent(exchange::begin(self, lease, request), flight);
        }
        Way::Longer(Box::pin(longer(
            Rc::clone(self),
            request,
            total_at_ms,
            upgrade,
        )))
    }
}

/// What takes longer: waiting for room, a new connection, an upgrade.
async fn longer(
    pool: Rc<OriginPool>,
    request: Request<Upload>,
    total_at_ms: Option<u64>,
    upgrade: Option<Upgrade>,
) -> Result<Forwarded, OriginError> {
    let permit = pool
        .share
        .take(pool.settings.timeouts.room, pool.ticker())
        .await?;
    let flight = Flight {
        _permit: permit,
        total_at_ms,
    };
    if let Some(upgrade) = upgrade {
        return upgrade::forward(&pool, request, upgrade, flight).await;
    }
    let begun = match pool.lease_idle() {
        Ok(lease) => {
            let sent = exchange::begin(&pool, lease, request);
            exchange::finish(&pool, sent, flight).await?
        }
        Err(in_use) => exchange::send_new(&pool, Some(in_use), request, flight).await?,
    };
    answered(&pool, begun).await
}

async fn answered(pool: &Rc<OriginPool>, begun: Begun) -> Result<Forwarded, OriginError> {
    if begun.response.status() == StatusCode::SWITCHING_PROTOCOLS {
        // Nobody asked for it.
        return Err(OriginError {
            kind: OriginErrorKind::Broken,
            was_sent: true,
            source: None,
        });
    }
    Ok(response::to_client(pool, begun).await)
}
