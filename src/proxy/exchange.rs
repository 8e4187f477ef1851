//! Sends one request on one connection and waits for its response, with the one rule for sending it again.
//!
//! On the usual way (there is room, and an idle connection) the request goes to its connection before anything is
//! awaited: a future that kept it, and each future around that one, would copy it about. Everything else is boxed.
//! For the same reason [`Sent`] is written by hand.

use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use http::Request;
use http::Response;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;

use crate::proxy::connect::Driver;
use crate::proxy::error::OriginError;
use crate::proxy::error::OriginErrorKind;
use crate::proxy::patience::Pace;
use crate::proxy::patience::Patience;
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
    pub(super) pool: Rc<OriginPool>,
    pub(super) lease: Lease,
    pub(super) alarm: Alarm,
    pub(super) flight: Flight,
}

pin_project_lite::pin_project! {
    /// A request that is out on a connection; done when its response begins, or there will be none.
    pub(super) struct Sent<A> {
        // What hyper answers with, for good or ill.
        #[pin]
        answer: A,
        // Taken when done.
        kept: Option<Kept>,
    }
}

/// What goes along with a request that is out.
struct Kept {
    pool: Rc<OriginPool>,
    lease: Lease,
    alarm: Alarm,
    flight: Flight,
    body: Option<Sending>,
    repeatable: Option<Box<Request<Upload>>>,
}

/// A client's body, which the origin waits for now and then.
struct Sending {
    progress: Rc<Progress>,
    patience: Patience,
    /// Since when the alarm is set to the client's next piece of its body, and not to the origin's response.
    owed_since_ms: Option<u64>,
}

/// A request that got no response on one connection.
pub(super) struct Failure {
    pub(super) error: OriginError,
    /// The request, when it may be sent again.
    pub(super) again: Option<Box<Request<Upload>>>,
    pub(super) flight: Flight,
    pub(super) pool: Rc<OriginPool>,
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
    pool: &Rc<OriginPool>,
    mut lease: Lease,
    request: Request<Upload>,
    flight: Flight,
) -> Sent<impl Answer + use<>> {
    let repeatable = repeatable(pool, &lease, &request);
    let body = request.body().progress().map(|progress| Sending {
        progress,
        patience: Patience::new(pool.settings.body_pace()),
        owed_since_ms: None,
    });
    let mut alarm = pool.ticker().alarm();
    set(pool, &mut alarm, &flight, None);
    let pool = Rc::clone(pool);
    Sent {
        answer: lease.link.sender.try_send_request(request),
        kept: Some(Kept {
            pool,
            lease,
            alarm,
            flight,
            body,
            repeatable,
        }),
    }
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

impl<A: Answer> Future for Sent<A> {
    type Output = Result<Begun, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(kept) = this.kept else {
            return Poll::Pending;
        };
        let mut answer = this.answer;
        let driver = &mut kept.lease.link.driver;
        Driver::drive(driver, cx);
        let mut polled = answer.as_mut().poll(cx);
        if polled.is_pending() && driver.as_ref().is_some_and(Driver::is_done) {
            // It ended without an answer; dropping it says so to whoever waits.
            *driver = None;
            polled = answer.poll(cx);
        }
        match polled {
            Poll::Ready(answer) => match this.kept.take() {
                Some(kept) => Poll::Ready(kept.answered(answer)),
                None => Poll::Pending,
            },
            Poll::Pending if kept.is_overdue(cx) => match this.kept.take() {
                Some(kept) => Poll::Ready(Err(kept.overdue())),
                None => Poll::Pending,
            },
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Kept {
    fn answered(
        self,
        answer: Result<Response<Incoming>, TrySendError<Request<Upload>>>,
    ) -> Result<Begun, Failure> {
        let Self {
            pool,
            lease,
            alarm,
            flight,
            body,
            repeatable,
        } = self;
        let error = match answer {
            Ok(response) => {
                return Ok(Begun {
                    response,
                    pool,
                    lease,
                    alarm,
                    flight,
                });
            }
            Err(error) => error,
        };
        let progress = body.as_ref().map(|body| &*body.progress);
        let (error, unsent) = broken(error, progress);
        let again = unsent.or(repeatable.filter(|_| error.kind == OriginErrorKind::Broken));
        // What a new connection did not take, another will not take either.
        let again = again.filter(|_| lease.link.is_reused);
        Err(Failure {
            error,
            again,
            flight,
            pool,
        })
    }

    fn is_overdue(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some(body) = &mut self.body
            && body.has_changed()
        {
            let ticker = self.pool.ticker();
            let left = body.note(ticker.now_ms(), self.pool.settings.body_pace());
            set(&self.pool, &mut self.alarm, &self.flight, left);
        }
        self.alarm.is_due(cx)
    }

    fn overdue(self) -> Failure {
        let waits_for_client = |body: &Sending| body.progress.waits_for_client();
        let kind = if self.body.as_ref().is_some_and(waits_for_client) {
            OriginErrorKind::ClientTimeout
        } else {
            OriginErrorKind::ResponseTimeout
        };
        let error = OriginError {
            kind,
            was_sent: true,
            source: None,
        };
        Failure {
            error,
            again: None,
            flight: self.flight,
            pool: self.pool,
        }
    }
}

impl Sending {
    /// Whether something arrived, or whose turn it is has changed.
    fn has_changed(&self) -> bool {
        self.progress.take_moved()
            || self.progress.waits_for_client() != self.owed_since_ms.is_some()
    }

    /// How long the client may take for its next piece, if it is its turn.
    fn note(&mut self, now_ms: u64, pace: Pace) -> Option<Duration> {
        let owes = self.progress.waits_for_client();
        let since_ms = std::mem::replace(&mut self.owed_since_ms, owes.then_some(now_ms));
        let waited_ms = since_ms.map_or(0, |since_ms| now_ms.saturating_sub(since_ms));
        self.patience
            .spend(waited_ms, self.progress.take_bytes(), pace);
        owes.then(|| self.patience.left())
    }
}

/// Sets the alarm to when the response must have begun, or the client have gone on, as far as we can tell now.
fn set(pool: &OriginPool, alarm: &mut Alarm, flight: &Flight, client_has: Option<Duration>) {
    let timeouts = &pool.settings.timeouts;
    let limit = client_has.unwrap_or(timeouts.response);
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
