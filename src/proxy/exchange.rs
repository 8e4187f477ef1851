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
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use http::Request;
use http::Response;
use http::request::Parts;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;

use crate::proxy::carrier::Carrier;
use crate::proxy::ejection::Mishap;
use crate::proxy::error::OriginError;
use crate::proxy::error::OriginErrorKind;
use crate::proxy::h2;
use crate::proxy::h2::Replay;
use crate::proxy::h2::Source;
use crate::proxy::h2::Stream;
use crate::proxy::patience::Pace;
use crate::proxy::patience::Patience;
use crate::proxy::pool::Lease;
use crate::proxy::pool::OriginPool;
use crate::proxy::request::is_repeatable;
use crate::proxy::request::repeatable;
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
    /// Who is asking, where a connection tells that.
    pub(super) client: Option<SocketAddr>,
    /// Whatever becomes of it, it is not sent again.
    pub(super) is_last: bool,
}

impl Flight {
    pub(super) fn new(
        permit: Permit,
        total_at_ms: Option<u64>,
        client: Option<SocketAddr>,
    ) -> Self {
        Self {
            _permit: Some(permit),
            total_at_ms,
            client,
            is_last: false,
        }
    }

    /// Counted nowhere, and not repeated.
    pub(super) fn uncounted() -> Self {
        Self {
            _permit: None,
            total_at_ms: None,
            client: None,
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
    pub(super) carrier: Carrier,
    pub(super) alarm: Alarm,
    pub(super) flight: Flight,
    /// How the request's body is doing, if it has one: it may go on.
    pub(super) upload: Option<Rc<Progress>>,
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
    carrier: Carrier,
    alarm: Alarm,
    flight: Flight,
    body: Option<Sending>,
    again: Again,
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

/// What there is to send again.
enum Again {
    Nothing,
    /// The request, if repeating it is safe.
    Copy(Box<Request<Upload>>),
    /// The request that a stream carries, if the origin did not process it.
    Stream(Box<Parts>, Rc<Source>),
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
    Future<Output = Result<Response<Incoming>, TrySendError<Request<Self::Body>>>>
{
    /// The body of the request.
    type Body: Unsent;
}

impl<F, B> Answer for F
where
    F: Future<Output = Result<Response<Incoming>, TrySendError<Request<B>>>>,
    B: Unsent,
{
    type Body = B;
}

/// A request's body that comes back with a request that was not sent.
pub(super) trait Unsent: Sized {
    /// The request as it was handed over; `None` where whoever sent it keeps it.
    fn again(request: Request<Self>) -> Option<Box<Request<Upload>>>;
}

impl Unsent for Upload {
    fn again(request: Request<Self>) -> Option<Box<Request<Self>>> {
        Some(Box::new(request))
    }
}

impl Unsent for Replay {
    fn again(_: Request<Self>) -> Option<Box<Request<Upload>>> {
        None
    }
}

/// No answer: why, and whether the request was sent.
struct Unanswered {
    error: hyper::Error,
    was_sent: bool,
    unsent: Option<Box<Request<Upload>>>,
}

impl<B: Unsent> From<TrySendError<Request<B>>> for Unanswered {
    fn from(mut error: TrySendError<Request<B>>) -> Self {
        let unsent = error.take_message();
        Self {
            was_sent: unsent.is_none(),
            unsent: unsent.and_then(B::again),
            error: error.into_error(),
        }
    }
}

/// Hands the request to its connection.
pub(super) fn begin(
    pool: &Rc<OriginPool>,
    mut lease: Lease,
    request: Request<Upload>,
    flight: Flight,
) -> Sent<impl Answer<Body = Upload> + use<>> {
    pool.budget.earn();
    let is_risky = is_risky(pool, &lease);
    let may_repeat = !flight.is_last && (is_risky || pool.has_several());
    let copy = may_repeat.then(|| repeatable(&request)).flatten();
    let again = copy.map_or(Again::Nothing, Again::Copy);
    let progress = request.body().progress();
    let answer = lease.link.sender.try_send_request(request);
    let carried = Carried {
        carrier: Carrier::Own(lease),
        flight,
        progress,
        again,
        is_risky,
    };
    sent(pool, answer, carried)
}

/// Hands the request to the connection that a stream is of.
pub(super) fn begin_stream(
    pool: &Rc<OriginPool>,
    mut stream: Stream,
    request: Request<Upload>,
    flight: Flight,
) -> Result<Sent<impl Answer<Body = Replay> + use<>>, OriginError> {
    pool.budget.earn();
    let (head, kept, body) = h2::split(request, stream.is_tls())?;
    let progress = body.progress();
    let (source, answer) = stream.send(head, body);
    let carried = Carried {
        carrier: Carrier::Stream(stream),
        flight,
        progress,
        again: Again::Stream(Box::new(kept), source),
        // Its task has seen that it was closed, if it was.
        is_risky: false,
    };
    Ok(sent(pool, answer, carried))
}

/// A request that was handed over.
struct Carried {
    carrier: Carrier,
    flight: Flight,
    progress: Option<Rc<Progress>>,
    again: Again,
    is_risky: bool,
}

fn sent<A>(pool: &Rc<OriginPool>, answer: A, carried: Carried) -> Sent<A> {
    let Carried {
        carrier,
        flight,
        progress,
        again,
        is_risky,
    } = carried;
    let mut alarm = pool.ticker().alarm();
    let body = progress.map(|progress| Sending {
        progress,
        patience: Patience::new(pool.settings.body_pace()),
        owed_since_ms: None,
    });
    set(pool, &mut alarm, &flight, None);
    Sent {
        answer,
        kept: Some(Kept {
            pool: Rc::clone(pool),
            carrier,
            alarm,
            flight,
            body,
            again,
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

impl<A: Answer> Future for Sent<A> {
    type Output = Result<Begun, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(kept) = this.kept else {
            return Poll::Pending;
        };
        let mut answer = this.answer;
        kept.carrier.drive(cx);
        let mut polled = answer.as_mut().poll(cx);
        if polled.is_pending() && kept.carrier.drop_ended() {
            polled = answer.poll(cx);
        }
        match polled {
            Poll::Ready(answer) => match this.kept.take() {
                Some(kept) => Poll::Ready(kept.answered(answer.map_err(Unanswered::from))),
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
    fn answered(self, answer: Result<Response<Incoming>, Unanswered>) -> Result<Begun, Failure> {
        let Self {
            pool,
            carrier,
            alarm,
            flight,
            body,
            again,
            is_risky,
        } = self;
        let unanswered = match answer {
            Ok(response) => {
                carrier.in_use().answered(response.status());
                if let Again::Stream(_, source) = again {
                    source.forget();
                }
                return Ok(Begun {
                    response,
                    pool,
                    carrier,
                    alarm,
                    flight,
                    upload: body.map(|body| body.progress),
                });
            }
            Err(unanswered) => unanswered,
        };
        let was_processed = unanswered.was_sent && !h2::was_not_processed(&unanswered.error);
        let progress = body.as_ref().map(|body| &*body.progress);
        let (mut error, unsent) = broken(unanswered, progress);
        error.was_sent = was_processed;
        let is_reused = carrier.is_reused();
        let is_broken = error.kind == OriginErrorKind::Broken;
        if is_broken && !is_risky && (was_processed || !is_reused) {
            carrier.in_use().failed(Mishap::Unanswered);
        }
        // What a new connection did not take, another to the same server will not take either.
        let may_repeat = !flight.is_last && (is_reused || pool.has_several());
        let again = match again {
            _ if !may_repeat => None,
            Again::Stream(head, source) if is_broken => {
                let body = source.take_back();
                let whole = body.map(|body| Box::new(Request::from_parts(*head, body)));
                whole.filter(|whole| {
                    !was_processed
                        || (pool.has_several() && is_repeatable(whole) && pool.may_repeat())
                })
            }
            Again::Copy(copy) if unsent.is_none() => {
                Some(copy).filter(|_| is_broken && pool.may_repeat())
            }
            Again::Nothing | Again::Copy(_) | Again::Stream(..) => unsent,
        };
        if again.is_some() {
            pool.repeats.count(|counts| {
                counts.unsent += u64::from(!was_processed);
                counts.safe += u64::from(was_processed);
            });
        }
        Err(Failure {
            error,
            again,
            flight,
            server: carrier.in_use().server,
            pool,
        })
    }

    fn is_overdue(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some(body) = &mut self.body
            && body.has_changed()
        {
            let ticker = self.pool.ticker();
            let left = body.note(ticker.now_ms(), self.pool.settings.body_pace());
            // Not left to the alarm: a byte with every tick would set it anew for ever.
            if left.is_some_and(|left| left.is_zero()) {
                return true;
            }
            set(&self.pool, &mut self.alarm, &self.flight, left);
        }
        self.alarm.is_due(cx)
    }

    fn overdue(self) -> Failure {
        let waits_for_client = |body: &Sending| body.progress.waits_for_client();
        let kind = if self.body.as_ref().is_some_and(waits_for_client) {
            OriginErrorKind::ClientTimeout
        } else {
            self.carrier.in_use().failed(Mishap::Unanswered);
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
            server: self.carrier.in_use().server,
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
    unanswered: Unanswered,
    progress: Option<&Progress>,
) -> (OriginError, Option<Box<Request<Upload>>>) {
    let Unanswered {
        error,
        was_sent,
        unsent,
    } = unanswered;
    let kind = if progress.is_some_and(Progress::is_too_large) {
        OriginErrorKind::BodyTooLarge
    } else if progress.is_some_and(Progress::client_failed) {
        OriginErrorKind::ClientBody
    } else {
        OriginErrorKind::Broken
    };
    let source: Option<Box<dyn StdError + Send + Sync>> = Some(error.into());
    let error = OriginError {
        kind,
        was_sent,
        source,
    };
    (error, unsent)
}
