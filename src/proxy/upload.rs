//! The request's body on its way to the origin, and who is to blame when it stops.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Context;
use std::task::Poll;

use bytes::Bytes;
use http_body::Body;
use http_body::Frame;
use http_body::SizeHint;
use hyper::body::Incoming;

use crate::message::headers;
use crate::proxy::leave::Leave;

/// The client's body as the origin's connection reads it: no faster than the origin takes it.
#[derive(Debug)]
pub(super) struct Upload {
    /// What was taken of it and comes again, the last piece first.
    put_back: Vec<Bytes>,
    /// `None` when there is no body at all.
    body: Option<Incoming>,
    progress: Option<Rc<Progress>>,
    /// Bytes that may still come.
    left: u64,
    /// What is waited for before the client is asked for its body.
    leave: Option<Leave>,
}

/// Why a body ended before its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum UploadError {
    /// The client broke off.
    #[error(transparent)]
    Client(#[from] hyper::Error),
    /// It is larger than it may be.
    #[error("the request's body is too large")]
    TooLarge,
}

/// How an upload is doing; shared with whoever waits for the response.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Something arrived from the client since this was last asked.
    moved: Cell<bool>,
    /// Bytes that arrived since this was last asked.
    bytes: Cell<u64>,
    /// The last time anybody asked, the client had nothing to give.
    client_owes: Cell<bool>,
    /// The client broke off, or sent something that is no body.
    client_failed: Cell<bool>,
    /// More came than may.
    is_too_large: Cell<bool>,
    /// Nothing is left to come.
    ended: Cell<bool>,
}

impl Upload {
    /// At most `max` bytes of this body.
    pub(super) fn new(body: Incoming, max: u64) -> Self {
        let body = (!body.is_end_stream()).then_some(body);
        let progress = body.is_some().then(Rc::default);
        Self {
            put_back: Vec::new(),
            body,
            progress,
            left: max,
            leave: None,
        }
    }

    /// No body.
    pub(super) fn empty() -> Self {
        Self {
            put_back: Vec::new(),
            body: None,
            progress: None,
            left: 0,
            leave: None,
        }
    }

    /// Asks the client for nothing until there is leave.
    pub(super) fn wait_for(&mut self, leave: Leave) {
        self.leave = Some(leave);
    }

    /// Whether there is no body at all: the request can be repeated as far as that goes.
    pub(super) fn is_empty(&self) -> bool {
        self.body.is_none()
    }

    /// These pieces, which were taken from its beginning, come again before the rest.
    pub(super) fn put_back(&mut self, pieces: Vec<Bytes>) {
        self.put_back.extend(pieces.into_iter().rev());
    }

    pub(super) fn progress(&self) -> Option<Rc<Progress>> {
        self.progress.clone()
    }
}

impl Progress {
    /// Whether anything arrived from the client since the last call.
    pub(super) fn take_moved(&self) -> bool {
        self.moved.take()
    }

    /// Bytes that arrived from the client since the last call.
    pub(super) fn take_bytes(&self) -> u64 {
        self.bytes.take()
    }

    pub(super) fn client_failed(&self) -> bool {
        self.client_failed.get()
    }

    pub(super) fn is_too_large(&self) -> bool {
        self.is_too_large.get()
    }

    /// Whether everybody waits for the client.
    pub(super) fn waits_for_client(&self) -> bool {
        self.client_owes.get() && !self.ended.get()
    }
}

/// Trailers as the origin may see them.
fn cleaned(frame: Frame<Bytes>) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(mut trailers) => {
            headers::clean_trailers(&mut trailers);
            Frame::trailers(trailers)
        }
        Err(frame) => frame,
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let this = &mut *self;
        if let Some(piece) = this.put_back.pop() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        let Some(body) = &mut this.body else {
            return Poll::Ready(None);
        };
        if let Some(leave) = &mut this.leave {
            if !leave.is_given(cx) {
                return Poll::Pending;
            }
            this.leave = None;
        }
        let polled = Pin::new(body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
            let Some(left) = this.left.checked_sub(bytes) else {
                if let Some(progress) = &this.progress {
                    progress.is_too_large.set(true);
                }
                return Poll::Ready(Some(Err(UploadError::TooLarge)));
            };
            this.left = left;
        }
        if let Some(progress) = &this.progress {
            progress.client_owes.set(polled.is_pending());
            match &polled {
                Poll::Pending => {}
                Poll::Ready(Some(Ok(frame))) => {
                    let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                    progress.moved.set(true);
                    progress
                        .bytes
                        .set(progress.bytes.get().saturating_add(bytes));
                }
                Poll::Ready(Some(Err(_))) => progress.client_failed.set(true),
                Poll::Ready(None) => progress.ended.set(true),
            }
        }
        polled.map_ok(cleaned).map_err(UploadError::from)
    }

    fn is_end_stream(&self) -> bool {
        self.put_back.is_empty() && self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self
            .body
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        let again = self.put_back.iter().map(|piece| piece.len() as u64).sum();
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(again));
        }
        hint.set_lower(hint.lower().saturating_add(again));
        hint
    }
}
