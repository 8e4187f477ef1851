//! Forwards one request to the origin and its response back.
//!
//! Each worker has its own [`OriginPool`] per origin: connections never change threads, nothing is locked and nothing
//! is shared, in HTTP/1.1 nor in HTTP/2 ([`h2`]). A request is sent at most once unless repeating it is safe (RFC 9110 §9.2.2). Knows nothing about
//! rooms: whoever asks for a request to be forwarded has decided that it may be.
//!
//! # Several servers
//!
//! A request goes to the less busy of two drawn servers (`choice`). The workers of a replica share what they know of each
//! (`standing`): one that takes no connection, or fails some requests in a row, is passed over for a second, then two, up to
//! a bound, each time until one request has tried it (`ejection`). Others do it in these ways: nginx counts failures within
//! a time and leaves a server out for as long again, `HAProxy` waits for its checks, Envoy ejects for a multiple of half a
//! minute and never more than a tenth of them. Here there is no such share: what is left out is what takes nothing anyway,
//! and where all are out, all are used. A check of their health (`check`) is off unless a path is named, and is asked by
//! one worker. Which answers count, and what is sent a second time, stands in `exchange` and [`EjectionRule`].
//!
//! With one server, nothing of this is asked: the way of a request is the same as if there were none of it.
//!
//! # Room at the origin
//!
//! What waits for room waits in turn by visitor (`share`, `fair`), and what becomes free is handed over, not fought for.

mod balance;
mod budget;
mod carrier;
mod check;
mod choice;
mod connect;
mod ejection;
mod error;
mod events;
mod exchange;
mod fair;
mod forwards;
mod h2;
mod leave;
mod patience;
mod pool;
mod preamble;
mod request;
mod response;
mod settings;
mod share;
mod standing;
mod ticker;
pub mod tls;
mod tunnel;
mod upgrade;
mod upload;

use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Context;
use std::task::Poll;

use http::Method;
use http::Request;
use http::Response;
use http::StatusCode;
use http_body::Body as _;
use hyper::body::Incoming;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::message::Body;
use crate::message::headers;
use crate::proxy::balance::Next;
use crate::proxy::exchange::Answer;
use crate::proxy::exchange::Begun;
use crate::proxy::exchange::Failure;
use crate::proxy::exchange::Flight;
use crate::proxy::pool::InUse;
use crate::proxy::share::Who;
use crate::proxy::upgrade::Upgrade;
use crate::proxy::upload::Upload;

pub use check::HealthCheck;
pub use ejection::EjectionRule;
pub use error::OriginError;
pub use error::OriginErrorKind;
pub use patience::Pace;
pub use patience::Patience;
pub use pool::OriginPool;
pub use pool::OriginStats;
pub use pool::RepeatCounts;
/// What `server::fuzz_wire` reads back.
#[cfg(any(test, fuzzing))]
pub(crate) use preamble::header as preamble_header;
pub use request::Passage;
pub use settings::HostHeader;
pub use settings::OriginAddress;
pub use settings::OriginSettings;
pub use settings::OriginTimeouts;
pub use share::Pot;
pub use standing::ServerStats;
pub use standing::Standings;
pub use ticker::Alarm;
pub use ticker::Ticker;
pub use tls::OriginTls;

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

pin_project_lite::pin_project! {
    /// A request being forwarded: out on a connection, or on some longer way.
    #[project = WayProjection]
    enum Way<A> {
        Sent {
            #[pin]
            sent: exchange::Sent<A>,
        },
        Longer {
            way: Pin<Box<dyn Future<Output = Result<Forwarded, OriginError>>>>,
        },
    }
}

impl<A: Answer> Future for Way<A> {
    type Output = Result<Forwarded, OriginError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let sent = match self.as_mut().project() {
            WayProjection::Sent { sent } => std::task::ready!(sent.poll(cx)),
            WayProjection::Longer { way } => return way.as_mut().poll(cx),
        };
        match sent {
            Ok(begun) => Poll::Ready(to_client(begun, cx)),
            Err(Failure {
                again: None, error, ..
            }) => Poll::Ready(Err(error)),
            Err(Failure {
                again: Some(request),
                error,
                flight,
                pool,
                server,
            }) => {
                let again = again(pool, request, flight, server);
                let way = async move { again.await.map_err(|next| next.after(error.was_sent)) };
                self.set(Self::Longer { way: Box::pin(way) });
                self.poll(cx)
            }
        }
    }
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
        self.way(request, passage)
    }

    fn way(
        self: &Rc<Self>,
        mut request: Request<Incoming>,
        passage: &Passage<'_>,
    ) -> Way<impl Answer + use<>> {
        if request.method() == Method::CONNECT {
            let refused = std::future::ready(Err(OriginErrorKind::ConnectMethod.into()));
            return Way::Longer {
                way: Box::pin(refused),
            };
        }
        if let Some(answered) = forwards::count_down(&mut request) {
            return Way::Longer {
                way: Box::pin(std::future::ready(Ok(answered))),
            };
        }
        if request.body().size_hint().lower() > self.settings.body_max {
            let refused = std::future::ready(Err(OriginErrorKind::BodyTooLarge.into()));
            return Way::Longer {
                way: Box::pin(refused),
            };
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
        let client = self.settings.proxy_protocol.then(|| passage.client.addr());
        let mut begun = None;
        if upgrade.is_none()
            && !self.settings.http2
            && let Some(permit) = self.share.try_take()
        {
            let flight = Flight::new(permit, total_at_ms, client);
            match self.lease_idle(Next::of(&request), client) {
                Ok(lease) => {
                    return Way::Sent {
                        sent: exchange::begin(self, lease, request, flight),
                    };
                }
                Err(in_use) => begun = Some((flight, in_use)),
            }
        }
        let late = Late {
            who: Who::new(passage.visitor, passage.client.ip),
            total_at_ms,
            client,
            begun,
            upgrade,
        };
        let way = Box::pin(longer(Rc::clone(self), request, late));
        Way::Longer { way }
    }
}

/// What a request that takes longer goes with.
struct Late {
    who: Who,
    total_at_ms: Option<u64>,
    /// Who is asking, where a connection tells that.
    client: Option<SocketAddr>,
    /// Leave to be in flight, and the server to connect to, when that much was had at once.
    begun: Option<(Flight, InUse)>,
    upgrade: Option<Upgrade>,
}

/// What takes longer: waiting for room, a new connection, an upgrade.
async fn longer(
    pool: Rc<OriginPool>,
    request: Request<Upload>,
    late: Late,
) -> Result<Forwarded, OriginError> {
    let (flight, leased) = match late.begun {
        Some((flight, in_use)) => (flight, Err(in_use)),
        None => {
            let room = pool.settings.timeouts.room;
            let permit = pool.share.take(late.who, room, pool.ticker()).await?;
            let flight = Flight::new(permit, late.total_at_ms, late.client);
            if let Some(upgrade) = late.upgrade {
                return upgrade::forward(&pool, request, upgrade, flight).await;
            }
            if pool.settings.http2 {
                return h2::forward(&pool, request, flight).await;
            }
            (flight, pool.lease_idle(Next::of(&request), late.client))
        }
    };
    let (lease, is_last) = match leased {
        Ok(lease) => (lease, false),
        Err(in_use) => pool.lease_new(in_use, false).await?,
    };
    let flight = if is_last { flight.last() } else { flight };
    match exchange::begin(&pool, lease, request, flight).await {
        Ok(begun) => answered(begun).await,
        Err(Failure {
            again: Some(request),
            error,
            flight,
            pool,
            server,
        }) => {
            let ended = again(pool, request, flight, server).await;
            ended.map_err(|next| next.after(error.was_sent))
        }
        Err(failure) => Err(failure.error),
    }
}

/// Sends a request again that may be, on a new connection, and to another server where there is one.
async fn again(
    pool: Rc<OriginPool>,
    request: Box<Request<Upload>>,
    flight: Flight,
    server: usize,
) -> Result<Forwarded, OriginError> {
    let in_use = pool.choose(Next::Instead(server)).told(flight.client);
    let (lease, _) = pool.lease_new(in_use, true).await?;
    let sent = exchange::begin(&pool, lease, *request, flight.last()).await;
    answered(sent.map_err(|failure| failure.error)?).await
}

async fn answered(begun: Begun) -> Result<Forwarded, OriginError> {
    let mut begun = Some(begun);
    std::future::poll_fn(|cx| match begun.take() {
        Some(begun) => Poll::Ready(to_client(begun, cx)),
        None => Poll::Pending,
    })
    .await
}

fn to_client(mut begun: Begun, cx: &mut Context<'_>) -> Result<Forwarded, OriginError> {
    let is_unasked = begun.response.status() == StatusCode::SWITCHING_PROTOCOLS;
    if is_unasked || !headers::is_framed_plainly(begun.response.headers_mut()) {
        // Where it ends is in doubt, or what follows it. Its connection ends here.
        return Err(OriginError {
            kind: OriginErrorKind::Broken,
            was_sent: true,
            source: None,
        });
    }
    Ok(response::to_client(begun, cx))
}
