//! What carries a request to the origin: a connection of its own, or a stream of one that others use as well.

use std::task::Context;

use crate::proxy::connect::Driver;
use crate::proxy::h2::Stream;
use crate::proxy::pool::InUse;
use crate::proxy::pool::Lease;

/// What a request is out on. Dropped, the request is broken off: a connection closes, a stream is reset.
#[derive(Debug)]
pub(super) enum Carrier {
    /// HTTP/1.1: the connection is the request's alone until the response has ended.
    Own(Lease),
    /// HTTP/2.
    Stream(Stream),
}

impl Carrier {
    /// The server it goes to.
    pub(super) fn in_use(&self) -> &InUse {
        match self {
            Self::Own(lease) => &lease.in_use,
            Self::Stream(stream) => stream.in_use(),
        }
    }

    /// Whether the connection has carried another request before.
    pub(super) fn is_reused(&self) -> bool {
        match self {
            Self::Own(lease) => lease.link.is_reused,
            // What one stream of a connection is refused, another connection may be granted.
            Self::Stream(_) => true,
        }
    }

    /// Lets the connection do what it can. One that streams share has a task that does.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        if let Self::Own(lease) = self {
            Driver::drive(&mut lease.link.driver, cx);
        }
    }

    /// Lets go of a connection that has ended, which answers whoever waits for it; whether there was one.
    pub(super) fn drop_ended(&mut self) -> bool {
        let Self::Own(lease) = self else {
            return false;
        };
        let driver = &mut lease.link.driver;
        let has_ended = driver.as_ref().is_some_and(Driver::is_done);
        if has_ended {
            *driver = None;
        }
        has_ended
    }

    /// Whether an end of the body that the body does not know of is a loss. The library takes a stream that was reset
    /// without an error (RFC 9113 §8.1) for one that has ended, also where its end never came.
    pub(super) fn marks_ends(&self) -> bool {
        matches!(self, Self::Stream(_))
    }

    /// The response is over: keeps the connection for the next request.
    pub(super) fn give_back(self) {
        match self {
            Self::Own(lease) => lease.give_back(),
            Self::Stream(stream) => drop(stream),
        }
    }
}
