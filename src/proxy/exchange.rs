//! Sends one request on one connection and waits for its response, with the one rule for sending it again.
//!
//! On the usual way (there is room, and an idle connection) the request goes to its connection before anything is
//! awaited: a future that kept it, and each future around that one, would copy it about. Everything else is boxed.

use std::error::Error as StdError;
use std::future::Future;
use std::rc::Rc;
use std::task::Poll;

use http::Request;
use http::Response;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;

use crate::proxy::connect::Driver;
use crate::proxy::error::OriginError;
use crate::proxy::error::OriginErrorKind;
use crate::proxy::pool::InUse;
use crate::proxy::pool::Lease;
use crate::proxy::pool::OriginPool;
use crate::proxy::share::Permit;
use crate::proxy::ticker::Alarm;
use crate::proxy::upload::Progress;
use crate::proxy::upload::Upload;

/// A request on its way: leave to be in flight, and the time when all of it must be over.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) _permit: Permit,
    pub(super) total_at_ms: Option<u64>,
}

/// A response that has begun.
pub(super) struct Begun {
    pub(super) response: Response<Incoming>,
    pub(super) lease: Lease,
    pub(super) alarm: Alarm,
    pub(super) flight: Flight,
}

/// A request that is out on a connection.
pub(super) struct Sent<A> {
    /// What hyper answers with, for good or ill.
    answer: A,
    lease: Lease,
    progress: Option<Rc<Progress>>,
    repeatable: Option<Box<Request<Upload>>>,
}

/// A request that got no response on one connection.
pub(super) struct Failure {
    pub(super) error: OriginError,
    /// The request, when it may be sent again.
    again: Option<Box<Request<Upload>>>,
    flight: Flight,
}

/// What a request sent by [`begin`] is answered with.
pub(super) trait Answer:
    Future<Output = Result<Response<Incoming>, TrySendError<Request<Upload>>>>
{
}

impl<F> Answer for F where
    F: Future<Output = Result<Response<Incoming>, TrySendError<Request<Upload>>>>
{
}

/// Hands the request to its connection.
pub(super) fn begin(
    pool: &OriginPool,
    mut lease: Lease,
    request: Request<Upload>,
) -> Sent<impl Answer + use<>> {
    let repeatable = repeatable(pool, &lease, &request);
    let progress = request.body().progress();
    let answer = lease.link.sender.try_send_request(request);
    Sent {
        answer,
        lease,
        progress,
        repeatable,
    }
}

/// Waits until the response to a request begins, which is sent again if it may and must be.
pub(super) async fn finish(
    pool: &Rc<OriginPool>,
    sent: Sent<impl Answer>,
    flight: Flight,
) -> Result<Begun, OriginError> {
    match wait(pool, sent, flight).await {
        Ok(begun) => Ok(begun),
        Err(Failure {
            again: Some(request),
            flight,
            ..
        }) => Box::pin(send_new(pool, None, *request, flight)).await,
        Err(failure) => Err(failure.error),
    }
}

/// Sends the request on a new connection, once.
pub(super) async fn send_new(
    pool: &Rc<OriginPool>,
    to: Option<InUse>,
    request: Request<Upload>,
    flight: Flight,
) -> Result<Begun, OriginError> {
    let lease = pool.lease_new(to).await?;
    send_on(pool, lease, request, flight).await
}

/// Sends the request on this new connection, once.
pub(super) async fn send_on(
    pool: &Rc<OriginPool>,
    lease: Lease,
    request: Request<Upload>,
    flight: Flight,
) -> Result<Begun, OriginError> {
    let sent = begin(pool, lease, request);
    wait(pool, sent, flight)
        .await
        .map_err(|failure| failure.error)
}

/// A copy to send again, if that may be needed and is allowed.
fn repeatable(
    pool: &OriginPool,
    lease: &Lease,
    request: &Request<Upload>,
) -> Option<Box<Request<Upload>>> {
    let fresh_ms = pool.settings.timeouts.fresh.as_millis();
    let idle_ms = pool
        .ticker()
        .now_ms()
        .saturating_sub(lease.link.idle_since_ms);
    let is_risky = lease.link.is_reused && u128::from(idle_ms) >= fresh_ms;
    if !is_risky || !request.method().is_safe() || !request.body().is_empty() {
        return None;
    }
    let mut copy = Request::new(Upload::empty());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    Some(Box::new(copy))
}

/// Waits until the response begins.
async fn wait(
    pool: &Rc<OriginPool>,
    sent: Sent<impl Answer>,
    flight: Flight,
) -> Result<Begun, Failure> {
    let Sent {
        answer,
        mut lease,
        progress,
        repeatable,
    } = sent;
    let mut answer = std::pin::pin!(answer);
    let mut alarm = pool.ticker().alarm();
    let mut client_owes = false;
    set(pool, &mut alarm, &flight, client_owes);
    let link = &mut *lease.link;
    let polled = std::future::poll_fn(|cx| {
        Driver::drive(&mut link.driver, cx);
        let mut polled = answer.as_mut().poll(cx);
        if polled.is_pending() && link.driver.as_ref().is_some_and(Driver::is_done) {
            // It ended without an answer; dropping it says so to whoever waits.
            link.driver = None;
            polled = answer.as_mut().poll(cx);
        }
        if let Poll::Ready(answer) = polled {
            return Poll::Ready(Some(answer));
        }
        if let Some(progress) = progress.as_deref() {
            let owes = progress.waits_for_client();
            if progress.take_moved() || owes != client_owes {
                client_owes = owes;
                set(pool, &mut alarm, &flight, owes);
            }
        }
        if alarm.is_due(cx) {
            Poll::Ready(None)
        } else {
            Poll::Pending
        }
    });
    match polled.await {
        Some(Ok(response)) => Ok(Begun {
            response,
            lease,
            alarm,
            flight,
        }),
        Some(Err(error)) => {
            let (error, unsent) = broken(error, progress.as_deref());
            let again = unsent.or(repeatable.filter(|_| error.kind == OriginErrorKind::Broken));
            // What a new connection did not take, another will not take either.
            let again = again.filter(|_| lease.link.is_reused);
            Err(Failure {
                error,
                again,
                flight,
            })
        }
        None => Err(Failure {
            error: overdue(progress.as_deref()),
            again: None,
            flight,
        }),
    }
}

/// Sets the alarm to when the response must have begun, or the client have gone on, as far as we can tell now.
fn set(pool: &OriginPool, alarm: &mut Alarm, flight: &Flight, client_owes: bool) {
    let timeouts = &pool.settings.timeouts;
    let limit = if client_owes {
        timeouts.body
    } else {
        timeouts.response
    };
    let at_ms = pool.ticker().in_ms(limit);
    alarm.set_at(
        flight
            .total_at_ms
            .map_or(at_ms, |total_at_ms| total_at_ms.min(at_ms)),
    );
}

fn broken(
    mut error: TrySendError<Request<Upload>>,
    progress: Option<&Progress>,
) -> (OriginError, Option<Box<Request<Upload>>>) {
    let unsent = error.take_message().map(Box::new);
    let kind = if progress.is_some_and(Progress::is_too_large) {
        OriginErrorKind::BodyTooLarge
    } else if progress.is_some_and(Progress::client_failed) {
        OriginErrorKind::ClientBody
    } else {
        OriginErrorKind::Broken
    };
    let source: Option<Box<dyn StdError + Send + Sync>> = Some(error.into_error().into());
    (
        OriginError {
            kind,
            was_sent: unsent.is_none(),
            source,
        },
        unsent,
    )
}

fn overdue(progress: Option<&Progress>) -> OriginError {
    let kind = if progress.is_some_and(Progress::waits_for_client) {
        OriginErrorKind::ClientTimeout
    } else {
        OriginErrorKind::ResponseTimeout
    };
    OriginError {
        kind,
        was_sent: true,
        source: None,
    }
}
