//! The outermost layer: every request is told to the log once, when its answer was sent or nobody wants it any more.

use std::pin::Pin;
use std::rc::Rc;
use std::task::Context;
use std::task::Poll;
use std::time::Instant;

use bytes::Bytes;
use http::HeaderValue;
use http::Method;
use http::Response;
use http::StatusCode;
use http::Uri;
use http::Version;
use http::header;
use http_body::Body as _;
use http_body::Frame;
use http_body::SizeHint;
use tower::Layer;
use tower::Service;

use crate::clock;
use crate::message::Body;
use crate::message::BodyError;
use crate::message::Handler;
use crate::message::Note;
use crate::message::Peer;
use crate::message::Record;
use crate::server::connections::Activity;
use crate::server::stack::Arrived;

/// Makes [`AccessLog`].
#[derive(Debug)]
pub(super) struct AccessLogLayer<H>(pub(super) Rc<H>);

/// Keeps an [`Entry`] for the time a request takes.
#[derive(Debug)]
pub(super) struct AccessLog<S, H> {
    inner: S,
    handler: Rc<H>,
}

/// The body as it is sent: counted, and holding what ends with it.
#[derive(Debug)]
pub(super) struct Sent<H: Handler> {
    body: Body,
    entry: Entry<H>,
    activity: Activity,
}

/// What is known of a request; told to the log when dropped.
#[derive(Debug)]
struct Entry<H: Handler> {
    handler: Rc<H>,
    note: Rc<Note>,
    peer: Peer,
    method: Method,
    uri: Uri,
    version: Version,
    began: Instant,
    status: Option<StatusCode>,
    body_bytes: u64,
    is_complete: bool,
}

pin_project_lite::pin_project! {
    /// Waits for the answer.
    pub(super) struct Logged<F, H: Handler> {
        #[pin]
        inner: F,
        kept: Option<(Entry<H>, Activity)>,
    }
}

impl<S, H> Layer<S> for AccessLogLayer<H> {
    type Service = AccessLog<S, H>;

    fn layer(&self, inner: S) -> Self::Service {
        AccessLog {
            inner,
            handler: Rc::clone(&self.0),
        }
    }
}

impl<S: Clone, H> Clone for AccessLog<S, H> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            handler: Rc::clone(&self.handler),
        }
    }
}

impl<S, H> Service<Arrived> for AccessLog<S, H>
where
    S: Service<Arrived, Response = Response<Body>>,
    H: Handler,
{
    type Response = Response<Sent<H>>;
    type Error = S::Error;
    type Future = Logged<S::Future, H>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut arrived: Arrived) -> Self::Future {
        let request = &arrived.asked.request;
        let entry = Entry {
            handler: Rc::clone(&self.handler),
            note: Rc::clone(&arrived.asked.note),
            peer: arrived.asked.peer,
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            began: clock::monotonic(),
            status: None,
            body_bytes: 0,
            is_complete: false,
        };
        let kept = arrived.activity.take().map(|activity| (entry, activity));
        Logged {
            inner: self.inner.call(arrived),
            kept,
        }
    }
}

impl<F, H, E> Future for Logged<F, H>
where
    F: Future<Output = Result<Response<Body>, E>>,
    H: Handler,
{
    type Output = Result<Response<Sent<H>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = std::task::ready!(this.inner.poll(cx))?;
        let Some((mut entry, activity)) = this.kept.take() else {
            return Poll::Pending;
        };
        entry.handler.dress(entry.peer, response.headers_mut());
        entry.status = Some(response.status());
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            activity.upgraded(&entry.note);
        }
        entry.is_complete = response.body().is_end_stream();
        activity.offer();
        if activity.is_last() && entry.version < Version::HTTP_2 {
            // RFC 9112 §9.6: so the client sends nothing more here.
            let close = HeaderValue::from_static("close");
            response
                .headers_mut()
                .entry(header::CONNECTION)
                .or_insert(close);
        }
        Poll::Ready(Ok(response.map(|body| Sent {
            body: match body {
                Body::Full(bytes) => Body::Full(activity.hold(bytes)),
                body @ (Body::Empty | Body::Streaming(_)) => body,
            },
            entry,
            activity,
        })))
    }
}

impl<H: Handler> Drop for Entry<H> {
    fn drop(&mut self) {
        let finished = clock::monotonic();
        self.handler.log(&Record {
            peer: self.peer,
            method: &self.method,
            path: self.uri.path(),
            version: self.version,
            status: self.status,
            body_bytes: self.body_bytes,
            is_complete: self.is_complete,
            finished,
            duration: finished.saturating_duration_since(self.began),
            note: &self.note,
        });
    }
}

impl<H: Handler> http_body::Body for Sent<H> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        std::task::ready!(this.activity.poll_room(cx));
        let streams = matches!(this.body, Body::Streaming(_));
        let mut polled = Pin::new(&mut this.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &mut polled
            && streams
            && let Some(bytes) = frame.data_mut()
        {
            *bytes = this.activity.hold(std::mem::take(bytes));
        }
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let len = frame.data_ref().map_or(0, Bytes::len);
                this.activity.hand(len);
                this.entry.body_bytes = this.entry.body_bytes.saturating_add(len as u64);
                this.entry.is_complete = this.body.is_end_stream();
                this.activity.take(len as u64);
            }
            Poll::Ready(None) => this.entry.is_complete = true,
            Poll::Ready(Some(Err(_))) => {}
            Poll::Pending => this.activity.wait(),
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
