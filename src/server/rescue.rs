//! Faults and panics become answers: the only map from an error to a status code.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Context;
use std::task::Poll;

use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::Method;
use http::Response;
use http::StatusCode;
use http::Version;
use http::header;
use tower::Layer;
use tower::Service;

use crate::message::Body;
use crate::message::Fault;
use crate::message::Handler;
use crate::message::Refusal;
use crate::message::Trouble;
use crate::message::accept;
use crate::server::stack::Arrived;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// Makes [`Rescue`].
#[derive(Debug)]
pub(super) struct RescueLayer<H>(pub(super) Rc<H>);

/// Answers where the inner service fails.
#[derive(Debug)]
pub(super) struct Rescue<S, H> {
    inner: S,
    handler: Rc<H>,
}

/// What must be known of a request to answer it calmly once it is gone.
#[derive(Debug)]
struct Facts {
    method: Method,
    version: Version,
    is_grpc: bool,
    is_navigation: bool,
    languages: Option<HeaderValue>,
}

pin_project_lite::pin_project! {
    /// Waits for the answer, or gives one.
    pub(super) struct Rescued<F, H> {
        #[pin]
        inner: F,
        handler: Rc<H>,
        facts: Facts,
    }
}

impl<S, H> Layer<S> for RescueLayer<H> {
    type Service = Rescue<S, H>;

    fn layer(&self, inner: S) -> Self::Service {
        Rescue {
            inner,
            handler: Rc::clone(&self.0),
        }
    }
}

impl<S: Clone, H> Clone for Rescue<S, H> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            handler: Rc::clone(&self.handler),
        }
    }
}

impl<S, H> Service<Arrived> for Rescue<S, H>
where
    S: Service<Arrived, Response = Response<Body>, Error = Fault>,
    H: Handler,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Rescued<S::Future, H>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // The inner layers are ready at any time: what is too much is refused, not kept waiting.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, arrived: Arrived) -> Self::Future {
        let request = &arrived.asked.request;
        let facts = Facts {
            method: request.method().clone(),
            version: request.version(),
            is_grpc: is_grpc(request.headers()),
            is_navigation: accept::is_navigation(request.method(), request.headers()),
            languages: request.headers().get(header::ACCEPT_LANGUAGE).cloned(),
        };
        let handler = Rc::clone(&self.handler);
        Rescued {
            inner: self.inner.call(arrived),
            handler,
            facts,
        }
    }
}

impl<F, H> Future for Rescued<F, H>
where
    F: Future<Output = Result<Response<Body>, Fault>>,
    H: Handler,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let polled = catch_unwind(AssertUnwindSafe(|| this.inner.poll(cx)));
        let fault = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(response))) => return Poll::Ready(Ok(response)),
            Ok(Poll::Ready(Err(fault))) => fault,
            Err(_) => {
                tracing::error!(
                    "a request's handler panicked; the request got an error, the rest goes on"
                );
                Fault::Panicked
            }
        };
        Poll::Ready(Ok(answer(&**this.handler, this.facts, &fault)))
    }
}

fn answer<H: Handler>(handler: &H, facts: &Facts, fault: &Fault) -> Response<Body> {
    let status = status(fault);
    let trouble = Trouble {
        fault,
        status,
        method: &facts.method,
        is_navigation: facts.is_navigation,
        languages: facts.languages.as_ref(),
    };
    let written = catch_unwind(AssertUnwindSafe(|| handler.rescue(&trouble)));
    let mut response = written.unwrap_or_else(|_| {
        tracing::error!("writing the answer to a failed request panicked");
        Response::default()
    });
    *response.status_mut() = status;
    let is_framed_badly = matches!(
        fault,
        Fault::Refused(_) | Fault::ClientGone | Fault::ClientSlow | Fault::TooLarge
    );
    if is_framed_badly && facts.version < Version::HTTP_2 {
        // Where this request ends and the next one begins is in doubt.
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if facts.is_grpc {
        response
            .headers_mut()
            .insert(GRPC_STATUS, grpc_status(status));
    }
    response
}

/// Whether a gRPC client asks: one that would take our words for a message of its own.
fn is_grpc(headers: &HeaderMap) -> bool {
    let media = headers.get(header::CONTENT_TYPE);
    media.is_some_and(|media| media.as_bytes().starts_with(b"application/grpc"))
}

/// The same in gRPC's codes, by which its clients go before anything else: what may be tried again is UNAVAILABLE.
fn grpc_status(status: StatusCode) -> HeaderValue {
    HeaderValue::from_static(match status {
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => "14",
        StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT => "4",
        StatusCode::PAYLOAD_TOO_LARGE => "8",
        StatusCode::NOT_IMPLEMENTED => "12",
        _ => "13",
    })
}

/// The status each fault is told with.
fn status(fault: &Fault) -> StatusCode {
    match fault {
        Fault::Refused(Refusal::Connect | Refusal::Upgrade | Refusal::CodingUnsupported) => {
            StatusCode::NOT_IMPLEMENTED
        }
        Fault::Refused(Refusal::Expectation) => StatusCode::EXPECTATION_FAILED,
        Fault::Refused(_) | Fault::ClientGone => StatusCode::BAD_REQUEST,
        Fault::Overloaded | Fault::OriginBusy => StatusCode::SERVICE_UNAVAILABLE,
        Fault::OriginDown => StatusCode::BAD_GATEWAY,
        Fault::OriginSlow => StatusCode::GATEWAY_TIMEOUT,
        Fault::ClientSlow => StatusCode::REQUEST_TIMEOUT,
        Fault::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Fault::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
