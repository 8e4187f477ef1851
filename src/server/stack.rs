//! What every request goes through, in order: the table of contents of a request.

use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;

use http::Response;
use tower::Service;
use tower::ServiceBuilder;

use crate::message::Asked;
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
        .service_fn(move |asked: Asked| {
            let handler = Rc::clone(&innermost);
            // Boxed, because the layers above and hyper move what is here. In a future of its own, so that nothing
            // of the handler runs outside the rescue.
            Box::pin(async move { handler.handle(asked).await })
        })
}
