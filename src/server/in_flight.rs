//! The bound on requests in flight, and the door for those that must not go further.
//!
//! A request counts from its head to the last byte of its answer: what counts it rides in the answer's body.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Context;
use std::task::Poll;

use tower::Layer;
use tower::Service;

use crate::message::Asked;
use crate::message::Fault;
use crate::server::stack::Arrived;

/// Makes [`InFlight`].
#[derive(Debug, Clone)]
pub(super) struct InFlightLayer {
    /// Requests in flight on this worker, this one included.
    pub(super) count: Rc<Cell<usize>>,
    /// How many there may be.
    pub(super) max: usize,
}

/// Lets a request through unless it is malformed or one too many.
#[derive(Debug, Clone)]
pub(super) struct InFlight<S> {
    inner: S,
    bound: InFlightLayer,
}

pin_project_lite::pin_project! {
    /// The inner answer, or why there is none.
    #[project = DoorProjection]
    pub(super) enum Door<F> {
        Open { #[pin] inner: F },
        Shut { fault: Option<Fault> },
    }
}

impl<S> Layer<S> for InFlightLayer {
    type Service = InFlight<S>;

    fn layer(&self, inner: S) -> InFlight<S> {
        InFlight {
            inner,
            bound: self.clone(),
        }
    }
}

impl<S> Service<Arrived> for InFlight<S>
where
    S: Service<Asked, Error = Fault>,
{
    type Response = S::Response;
    type Error = Fault;
    type Future = Door<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, arrived: Arrived) -> Self::Future {
        if let Some(refusal) = arrived.refusal {
            return Door::Shut {
                fault: Some(refusal.into()),
            };
        }
        if self.bound.count.get() > self.bound.max {
            return Door::Shut {
                fault: Some(Fault::Overloaded),
            };
        }
        Door::Open {
            inner: self.inner.call(arrived.asked),
        }
    }
}

impl<F, T> Future for Door<F>
where
    F: Future<Output = Result<T, Fault>>,
{
    type Output = Result<T, Fault>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            DoorProjection::Open { inner } => inner.poll(cx),
            DoorProjection::Shut { fault } => match fault.take() {
                Some(fault) => Poll::Ready(Err(fault)),
                None => Poll::Pending,
            },
        }
    }
}
