//! Sends one request on one connection and waits for its response, with the one rule for sending it again.
//!
//! A request is sent once more at most, to another server where there is one: when nothing of it had been sent, or when it
//! is safe, has no body and its connection broke before the response; the latter only within a [budget](super::budget).
//! With one server a copy is kept only where the connection may have been closing when it was used; with several a server
//! may die at any time, and the copy is what that costs.
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
use crate::proxy::ejection::Mishap;
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
    /// None for a request of our own.
    _permit: Option<Permit>,
    pub(super) total_at_ms: Option<u64>,
    /// Whatever becomes of it, it is not sent again.
    pub(super) is_last: bool,
}

impl Flight {
    pub(super) fn new(permit: Permit, total_at_ms: Option<u64>) -> Self {
        Self {
            _permit: Some(permit),
            total_at_ms,
            is_last: false,
        }
    }

    /// Counted nowhere, and not repeated.
    pub(super) fn uncounted() -> Self {
        Self {
            _permit: None,
            total_at_ms: None,
            is_last: true,
        }
    }

    /// The last try.
    pub(super) fn last(self) -> Self {
        Self {
            is_last: true,
            ..self
        }
    }
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
    /// The connection was idle for so long that the server may have closed it, which is nobody's failure.
    is_risky: bool,
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
    /// The server that did not answer it.
    pub(super) server: usize,
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
    pool.budget.earn();
    let is_risky = is_risky(pool, &lease);
    let may_repeat = !flight.is_last && (is_risky || pool.has_several());
    let repeatable = may_repeat.then(|| repeatable(&request)).flatten();
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
            is_risky,
        }),
    }
}

/// Whether the connection was idle for so long that it may be closing just now.
fn is_risky(pool: &OriginPool, lease: &Lease) -> bool {
    let fresh_ms = pool.settings.timeouts.fresh.as_millis();
    let idle_ms = pool
        .ticker()
        .now_ms()
        .saturating_sub(lease.link.idle_since_ms);
    lease.link.is_reused && u128::from(idle_ms) >= fresh_ms
}

/// Whether a request may be sent again: it is safe and has no body. What is merely idempotent (RFC 9110 §9.2.2), as `PUT`
/// and `DELETE` are, would change nothing more, but may be answered otherwise the second time, and its visitor would
/// read that nothing was there to cancel.
pub(super) fn is_repeatable(request: &Request<Upload>) -> bool {
    request.method().is_safe() && request.body().is_empty()
}

/// A copy to send again, if that is allowed.
fn repeatable(request: &Request<Upload>) -> Option<Box<Request<Upload>>> {
    if !is_repeatable(request) {
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
            is_risky,
        } = self;
        let error = match answer {
            Ok(response) => {
                lease.in_use.answered(response.status());
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
        let is_reused = lease.link.is_reused;
        let is_broken = error.kind == OriginErrorKind::Broken;
        if is_broken && !is_risky && (error.was_sent || !is_reused) {
            lease.in_use.failed(Mishap::Unanswered);
        }
        // What a new connection did not take, another to the same server will not take either.
        let may_repeat = !flight.is_last && (is_reused || pool.has_several());
        let again = match unsent {
            Some(unsent) => may_repeat.then_some(unsent),
            None => repeatable.filter(|_| is_broken && may_repeat && pool.may_repeat()),
        };
        if again.is_some() {
            let is_unsent = !error.was_sent;
            pool.repeats.count(|counts| {
                counts.unsent += u64::from(is_unsent);
                counts.safe += u64::from(!is_unsent);
            });
        }
        Err(Failure {
            error,
            again,
            flight,
            server: lease.in_use.server,
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
            self.lease.in_use.failed(Mishap::Unanswered);
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
            server: self.lease.in_use.server,
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
