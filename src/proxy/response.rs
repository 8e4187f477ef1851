//! What changes about a response on its way back, and its body streaming to the client.

use std::pin::Pin;
use std::rc::Rc;
use std::task::Context;
use std::task::Poll;

use bytes::Bytes;
use http::StatusCode;
use http::Version;
use http::header;
use http_body::Body as _;
use http_body::Frame;
use http_body::SizeHint;
use hyper::body::Incoming;

use crate::message::Body;
use crate::message::BodyError;
use crate::message::headers;
use crate::message::headers::Orders;
use crate::proxy::Command;
use crate::proxy::Forwarded;
use crate::proxy::carrier::Carrier;
use crate::proxy::events;
use crate::proxy::events::Events;
use crate::proxy::exchange::Begun;
use crate::proxy::exchange::Flight;
use crate::proxy::pool::OriginPool;
use crate::proxy::ticker::Alarm;
use crate::proxy::upload::Progress;

/// A body that arrives from the origin as the client takes it. It holds the connection, and the leave to be in
/// flight, until its end.
struct Download {
    incoming: Incoming,
    /// What had arrived together with the head.
    first: Option<Result<Frame<Bytes>, hyper::Error>>,
    held: Option<Held>,
    /// Waiting since the alarm was set, and nothing came.
    is_waiting: bool,
    /// The end to come once what came before it had a chance to be sent.
    failed: Option<BodyError>,
}

struct Held {
    carrier: Carrier,
    alarm: Alarm,
    pool: Rc<OriginPool>,
    flight: Flight,
    upload: Option<Rc<Progress>>,
}

/// Turns what the origin answered into what goes on.
///
/// A body that is here already, as small ones are, is taken at once: the connection is free before the client has
/// seen a byte.
pub(super) fn to_client(begun: Begun, cx: &mut Context<'_>) -> Forwarded {
    let Begun {
        response,
        pool,
        carrier,
        alarm,
        flight,
        upload,
    } = begun;
    let (mut parts, incoming) = response.into_parts();
    let (command, stock) = understand(&headers::clean_response(&mut parts.headers));
    if parts.status == StatusCode::NO_CONTENT {
        // RFC 9110 §8.6: it has none, so it tells none.
        parts.headers.remove(header::CONTENT_LENGTH);
    }
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    let ends_with_us = events::are_in(&parts.headers).then(|| pool.background.closing.clone());
    let held = Held {
        carrier,
        alarm,
        pool,
        flight,
        upload,
    };
    let mut download = Download {
        incoming,
        first: None,
        held: Some(held),
        is_waiting: false,
        failed: None,
    };
    let body = download
        .take_what_is_here(cx)
        .unwrap_or_else(|| match &ends_with_us {
            Some(closing) => Body::streaming(Events::new(download, closing)),
            None => Body::streaming(download),
        });
    Forwarded {
        response: http::Response::from_parts(parts, body),
        command,
        stock,
    }
}

/// What the origin says to us. What we do not understand is ignored.
pub(super) fn understand(orders: &Orders) -> (Option<Command>, Option<u64>) {
    let command = orders
        .command
        .as_ref()
        .and_then(|word| match word.as_bytes().trim_ascii() {
            b"finish" => Some(Command::Finish),
            b"sold-out" => Some(Command::SoldOut),
            _ => None,
        });
    let stock = orders
        .stock
        .as_ref()
        .and_then(|number| number.to_str().ok()?.trim().parse().ok());
    (command, stock)
}

/// Trailers as the client may see them.
fn cleaned(frame: Frame<Bytes>) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(mut trailers) => {
            headers::clean_response_trailers(&mut trailers);
            Frame::trailers(trailers)
        }
        Err(frame) => frame,
    }
}

impl Download {
    /// The whole body, if it is here already; otherwise what is here of it is kept for later.
    fn take_what_is_here(&mut self, cx: &mut Context<'_>) -> Option<Body> {
        if self.incoming.is_end_stream() {
            self.finish();
            return Some(Body::Empty);
        }
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Pending => return None,
            Poll::Ready(None) if self.is_cut_short() => {
                self.failed = Some(cut_short());
                return None;
            }
            Poll::Ready(None) => {
                self.finish();
                return Some(Body::Empty);
            }
            Poll::Ready(Some(first)) => self.first = Some(first),
        }
        if !self.incoming.is_end_stream() {
            return None;
        }
        match self.first.take()?.map(Frame::into_data) {
            Ok(Ok(bytes)) => {
                self.finish();
                Some(Body::Full(bytes))
            }
            Ok(Err(other)) => {
                self.first = Some(Ok(other));
                None
            }
            Err(error) => {
                self.first = Some(Err(error));
                None
            }
        }
    }

    /// The body is over: the connection is good for the next request.
    fn finish(&mut self) {
        if let Some(held) = self.held.take() {
            held.carrier.give_back();
        }
    }

    /// Nothing more comes, and the end was not among what came.
    fn is_cut_short(&self) -> bool {
        let held = self.held.as_ref();
        held.is_some_and(|held| held.carrier.marks_ends()) && !self.incoming.is_end_stream()
    }

    fn poll_incoming(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.incoming).poll_frame(cx);
        match &mut self.held {
            Some(held) if polled.is_pending() => {
                held.carrier.drive(cx);
                Pin::new(&mut self.incoming).poll_frame(cx)
            }
            _ => polled,
        }
    }

    /// Lets go of the connection, and fails at the next poll: a server whose body fails drops what it has not sent
    /// yet, be it the head, and a client should get what there is.
    fn fail(
        &mut self,
        error: BodyError,
        cx: &Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.held = None;
        self.failed = Some(error);
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether we have waited for too long. The time begins when there is nothing to take: a client that takes its
    /// time is not the origin's doing. What the client sends meanwhile begins it anew: both sides may talk at once.
    fn check_alarm(&mut self, cx: &mut Context<'_>) -> Option<BodyError> {
        let held = self.held.as_mut()?;
        let ticker = held.pool.ticker();
        let total_at_ms = held.flight.total_at_ms;
        if total_at_ms.is_some_and(|at_ms| at_ms <= ticker.now_ms()) {
            return Some(BodyError::Overdue);
        }
        if !self.is_waiting {
            self.is_waiting = true;
            held.set_alarm();
            held.has_moved();
        }
        if !held.alarm.is_due(cx) {
            return None;
        }
        if held.has_moved() {
            held.set_alarm();
            return held.alarm.is_due(cx).then_some(BodyError::Stalled);
        }
        Some(BodyError::Stalled)
    }
}

impl Held {
    /// Sets the alarm to when something must have come, from now on.
    fn set_alarm(&mut self) {
        let ticker = self.pool.ticker();
        let idle_at_ms = ticker.in_ms(self.pool.settings.timeouts.idle);
        let total_at_ms = self.flight.total_at_ms;
        self.alarm
            .set_at(total_at_ms.map_or(idle_at_ms, |at_ms| at_ms.min(idle_at_ms)));
    }

    /// Whether the client has sent something since this was last asked.
    fn has_moved(&self) -> bool {
        let upload = self.upload.as_ref();
        upload.is_some_and(|upload| upload.take_moved())
    }
}

fn cut_short() -> BodyError {
    BodyError::Origin("the stream was reset before its end".into())
}

impl http_body::Body for Download {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if let Some(error) = this.failed.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let polled = match this.first.take() {
            Some(first) => Poll::Ready(Some(first)),
            None => this.poll_incoming(cx),
        };
        match polled {
            Poll::Pending => match this.check_alarm(cx) {
                None => Poll::Pending,
                Some(error) => this.fail(error, cx),
            },
            Poll::Ready(Some(Ok(frame))) => {
                this.is_waiting = false;
                let frame = cleaned(frame);
                if this.incoming.is_end_stream() {
                    this.finish();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) if this.is_cut_short() => this.fail(cut_short(), cx),
            Poll::Ready(None) => {
                this.finish();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => this.fail(BodyError::Origin(error.into()), cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.failed.is_none() && self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.incoming.size_hint();
        let first = self
            .first
            .as_ref()
            .and_then(|first| first.as_ref().ok()?.data_ref());
        let first = first.map_or(0, |bytes| bytes.len() as u64);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(first));
        }
        hint.set_lower(hint.lower().saturating_add(first));
        hint
    }
}
