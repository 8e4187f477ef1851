//! What every request goes through, in order: the table of contents of a request.

use std::cell::Cell;
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Context;
use std::task::Poll;

use http::Response;
use tower::Service;
use tower::ServiceBuilder;

use crate::message::Asked;
use crate::message::Body;
use crate::message::Fault;
use crate::message::Handler;
use crate::message::Refusal;
use crate::server::connections::Activity;
use crate::server::in_flight::InFlightLayer;
use crate::server::log::AccessLogLayer;
use crate::server::log::Sent;
use crate::server::rescue::RescueLayer;

/// A request as it came off its connection.
#[derive(Debug)]
pub(super) struct Arrived {
    /// The request.
    pub(super) asked: Asked,
    /// What is wrong with its form, if anything is. It is refused inside, so that it is logged like any other.
    pub(super) refusal: Option<Refusal>,
    /// What counts it as in flight; the log takes it, and puts it in the answer's body.
    pub(super) activity: Option<Activity>,
}

/// Builds the layers around a handler. Every layer is ready at any time.
pub(super) fn stack<H: Handler>(
    handler: &Rc<H>,
    in_flight: Rc<Cell<usize>>,
    in_flight_max: usize,
) -> impl Service<Arrived, Response = Response<Sent<H>>, Error = Infallible> + Clone + use<H> {
    let innermost = Rc::clone(handler);
    ServiceBuilder::new()
        // Outermost: sees every answer, also those written by the layers below, and outlives them in the body.
        .layer(AccessLogLayer(Rc::clone(handler)))
        // Faults and panics of everything below become answers.
        .layer(RescueLayer(Rc::clone(handler)))
        // Malformed and supernumerary requests end here.
        .layer(InFlightLayer {
            count: in_flight,
            max: in_flight_max,
        })
        .service_fn(move |asked: Asked| Handling::New(Rc::clone(&innermost), asked))
}

/// A request with its handler. Nothing of the handler runs before it is polled, so all of it runs inside the rescue.
#[expect(
    clippy::large_enum_variant,
    reason = "boxing the request would cost every poll an allocation"
)]
enum Handling<H> {
    New(Rc<H>, Asked),
    /// Boxed, because the layers above and hyper move what is here.
    Later(Pin<Box<dyn Future<Output = Result<Response<Body>, Fault>>>>),
    Answered,
}

// The request is moved out of it, and what is boxed is pinned by its box.
impl<H> Unpin for Handling<H> {}

impl<H: Handler> Future for Handling<H> {
    type Output = Result<Response<Body>, Fault>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Self::Later(later) = &mut *self {
            return later.as_mut().poll(cx);
        }
        let Self::New(handler, asked) = std::mem::replace(&mut *self, Self::Answered) else {
            return Poll::Pending;
        };
        if let Some(response) = handler.at_once(&asked) {
            return Poll::Ready(Ok(response));
        }
        let mut later: Pin<Box<dyn Future<Output = _>>> = Box::pin(handler.handle(asked));
        let polled = later.as_mut().poll(cx);
        *self = Self::Later(later);
        polled
    }
}
