//! Event streams end when the worker closes: they have no end of their own that a drain could wait for.
//!
//! Whoever listens to one comes back by itself (`EventSource` does after some seconds), and to a replica that goes on. A
//! stream that is cut when the drain's time is up would have held it for all of that time, and its client would have to
//! take it for an error.

use std::pin::Pin;
use std::task::Context;
use std::task::Poll;

use bytes::Bytes;
use http::HeaderMap;
use http::header;
use http_body::Body;
use http_body::Frame;
use tokio_util::sync::CancellationToken;
use tokio_util::sync::WaitForCancellationFutureOwned;

/// A body that ends with the worker, if not before.
pub(super) struct Events<B> {
    /// `None` once it has ended.
    body: Option<B>,
    closing: CancellationToken,
    closed: Pin<Box<WaitForCancellationFutureOwned>>,
}

/// Whether a response with these headers is one: without a length, or its end would be that of a broken body.
pub(super) fn are_in(headers: &HeaderMap) -> bool {
    let media = headers.get(header::CONTENT_TYPE).map(|value| {
        let media = value.as_bytes().split(|byte| *byte == b';').next();
        media.unwrap_or_default().trim_ascii()
    });
    media.is_some_and(|media| media.eq_ignore_ascii_case(b"text/event-stream"))
        && !headers.contains_key(header::CONTENT_LENGTH)
}

impl<B> Events<B> {
    pub(super) fn new(body: B, closing: &CancellationToken) -> Self {
        Self {
            body: Some(body),
            closing: closing.clone(),
            closed: Box::pin(closing.clone().cancelled_owned()),
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Events<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        let Some(body) = &mut this.body else {
            return Poll::Ready(None);
        };
        if !this.closing.is_cancelled() {
            let polled = Pin::new(body).poll_frame(cx);
            if polled.is_ready() || this.closed.as_mut().poll(cx).is_pending() {
                return polled;
            }
        }
        this.body = None;
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_stream_is_known_by_its_type_and_by_having_no_length() {
        let are = |kind: &str, length: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
            if let Some(length) = length {
                headers.insert(header::CONTENT_LENGTH, length.parse().unwrap());
            }
            are_in(&headers)
        };
        assert!(are("text/event-stream", None));
        assert!(are("Text/Event-Stream ; charset=utf-8", None));
        assert!(!are("text/event-stream", Some("9")));
        assert!(!are("text/html", None));
        assert!(!are_in(&HeaderMap::new()));
    }
}
