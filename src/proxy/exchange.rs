//! Sends one request on one connection and waits for its response, with the one rule for sending it again.
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

use http::Request;
use http::Response;
use http::request::Parts;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;

use crate::proxy::carrier::Carrier;
use crate::proxy::error::OriginError;
use crate::proxy::error::OriginErrorKind;
use crate::proxy::h2;
use crate::proxy::h2::Replay;
use crate::proxy::h2::Source;
use crate::proxy::h2::Stream;
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
    /// Who is asking, where a connection tells that.
    pub(super) client: Option<SocketAddr>,
}

/// A response that has begun.
pub(super) struct Begun {
    pub(super) response: Response<Incoming>,
    pub(super) pool: Rc<OriginPool>,
    pub(super) carrier: Carrier,
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
    carrier: Carrier,
    alarm: Alarm,
    flight: Flight,
    progress: Option<Rc<Progress>>,
    /// The alarm is set to the client's next piece of its body, not to the origin's response.
    client_owes: bool,
    again: Again,
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
    let again = repeatable(pool, &lease, &request).map_or(Again::Nothing, Again::Copy);
    let progress = request.body().progress();
    let answer = lease.link.sender.try_send_request(request);
    let carried = Carried {
        carrier: Carrier::Own(lease),
        flight,
        progress,
        again,
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
    let (head, kept, body) = h2::split(request, stream.is_tls())?;
    let progress = body.progress();
    let (source, answer) = stream.send(head, body);
    let carried = Carried {
        carrier: Carrier::Stream(stream),
        flight,
        progress,
        again: Again::Stream(Box::new(kept), source),
    };
    Ok(sent(pool, answer, carried))
}

/// A request that was handed over.
struct Carried {
    carrier: Carrier,
    flight: Flight,
    progress: Option<Rc<Progress>>,
    again: Again,
}

fn sent<A>(pool: &Rc<OriginPool>, answer: A, carried: Carried) -> Sent<A> {
    let Carried {
        carrier,
        flight,
        progress,
        again,
    } = carried;
    let mut alarm = pool.ticker().alarm();
    set(pool, &mut alarm, &flight, false);
    Sent {
        answer,
        kept: Some(Kept {
            pool: Rc::clone(pool),
            carrier,
            alarm,
            flight,
            progress,
            client_owes: false,
            again,
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
            progress,
            client_owes: _,
            again,
        } = self;
        let unanswered = match answer {
            Ok(response) => {
                if let Again::Stream(_, source) = again {
                    source.forget();
                }
                return Ok(Begun {
                    response,
                    pool,
                    carrier,
                    alarm,
                    flight,
                });
            }
            Err(unanswered) => unanswered,
        };
        let was_processed = unanswered.was_sent && !h2::was_not_processed(&unanswered.error);
        let (mut error, unsent) = broken(unanswered, progress.as_deref());
        let is_broken = error.kind == OriginErrorKind::Broken;
        let again = match (again, &carrier) {
            // What a new connection did not take, another will not take either.
            (_, Carrier::Own(lease)) if !lease.link.is_reused => None,
            (Again::Copy(copy), _) => unsent.or(is_broken.then_some(copy)),
            (Again::Stream(head, source), _) if is_broken && !was_processed => {
                error.was_sent = false;
                let body = source.take_back();
                body.map(|body| Box::new(Request::from_parts(*head, body)))
            }
            (Again::Nothing | Again::Stream(..), _) => unsent,
        };
        Err(Failure {
            error,
            again,
            flight,
            pool,
        })
    }

    fn is_overdue(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some(progress) = self.progress.as_deref() {
            let owes = progress.waits_for_client();
            if progress.take_moved() || owes != self.client_owes {
                self.client_owes = owes;
                set(&self.pool, &mut self.alarm, &self.flight, owes);
            }
        }
        self.alarm.is_due(cx)
    }

    fn overdue(self) -> Failure {
        let kind = if self
            .progress
            .as_deref()
            .is_some_and(Progress::waits_for_client)
        {
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
