//! Sends one request on one connection and waits for its response, with the one rule for sending it again.

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
use crate::proxy::pool::Lease;
use crate::proxy::pool::OriginPool;
use crate::proxy::ticker::Alarm;
use crate::proxy::upload::Progress;
use crate::proxy::upload::Upload;

/// A response that has begun.
pub(super) struct Begun {
    pub(super) response: Response<Incoming>,
    pub(super) lease: Lease,
    pub(super) alarm: Alarm,
}

/// A request that got no response on one connection.
pub(super) struct Failure {
    pub(super) error: OriginError,
    /// The request, when not a byte of it was sent.
    unsent: Option<Request<Upload>>,
}

/// Sends the request and waits until its response begins.
///
/// It is sent a second time, on a new connection, only when the first was an idle one that turned out closed, and
/// either nothing was sent or the request is safe and has no body (RFC 9110 §9.2.2).
pub(super) async fn send(
    pool: &Rc<OriginPool>,
    request: Request<Upload>,
) -> Result<Begun, OriginError> {
    let mut lease = pool.lease(true).await?;
    let repeatable = repeatable(pool, &lease, &request);
    let is_reused = lease.link.is_reused;
    let mut alarm = pool.ticker().alarm();
    let failure = match attempt(pool, &mut lease, &mut alarm, request).await {
        Ok(response) => {
            return Ok(Begun {
                response,
                lease,
                alarm,
            });
        }
        Err(failure) => failure,
    };
    drop(lease);
    let again = failure
        .unsent
        .or(repeatable.filter(|_| failure.error.kind == OriginErrorKind::Broken));
    let Some(request) = again.filter(|_| is_reused) else {
        return Err(failure.error);
    };
    let mut lease = pool.lease(false).await?;
    match attempt(pool, &mut lease, &mut alarm, request).await {
        Ok(response) => Ok(Begun {
            response,
            lease,
            alarm,
        }),
        Err(failure) => Err(failure.error),
    }
}

/// A copy to send again, if that may be needed and is allowed.
fn repeatable(
    pool: &OriginPool,
    lease: &Lease,
    request: &Request<Upload>,
) -> Option<Request<Upload>> {
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
    Some(copy)
}

/// Sends the request on this connection, once.
pub(super) async fn attempt(
    pool: &OriginPool,
    lease: &mut Lease,
    alarm: &mut Alarm,
    request: Request<Upload>,
) -> Result<Response<Incoming>, Failure> {
    let progress = request.body().progress();
    let timeouts = &pool.settings.timeouts;
    let mut client_owes = false;
    alarm.set(timeouts.response);
    let link = &mut *lease.link;
    let mut answer = std::pin::pin!(link.sender.try_send_request(request));
    std::future::poll_fn(|cx| {
        Driver::drive(&mut link.driver, cx);
        let mut polled = answer.as_mut().poll(cx);
        if polled.is_pending() && link.driver.as_ref().is_some_and(Driver::is_done) {
            // It ended without an answer; dropping it says so to whoever waits.
            link.driver = None;
            polled = answer.as_mut().poll(cx);
        }
        if let Poll::Ready(answer) = polled {
            return Poll::Ready(answer.map_err(|error| broken(error, progress.as_deref())));
        }
        if let Some(progress) = progress.as_deref() {
            let owes = progress.waits_for_client();
            if progress.take_moved() || owes != client_owes {
                client_owes = owes;
                alarm.set(if owes {
                    timeouts.body
                } else {
                    timeouts.response
                });
            }
        }
        if alarm.is_due(cx) {
            return Poll::Ready(Err(overdue(progress.as_deref())));
        }
        Poll::Pending
    })
    .await
}

fn broken(mut error: TrySendError<Request<Upload>>, progress: Option<&Progress>) -> Failure {
    let unsent = error.take_message();
    let was_sent = unsent.is_none();
    let kind = if progress.is_some_and(Progress::is_too_large) {
        OriginErrorKind::BodyTooLarge
    } else if progress.is_some_and(Progress::client_failed) {
        OriginErrorKind::ClientBody
    } else {
        OriginErrorKind::Broken
    };
    let source: Option<Box<dyn StdError + Send + Sync>> = Some(error.into_error().into());
    Failure {
        error: OriginError {
            kind,
            was_sent,
            source,
        },
        unsent,
    }
}

fn overdue(progress: Option<&Progress>) -> Failure {
    let kind = if progress.is_some_and(Progress::waits_for_client) {
        OriginErrorKind::ClientTimeout
    } else {
        OriginErrorKind::ResponseTimeout
    };
    Failure {
        error: OriginError {
            kind,
            was_sent: true,
            source: None,
        },
        unsent: None,
    }
}
