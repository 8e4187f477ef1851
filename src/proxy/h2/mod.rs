//! HTTP/2 to the origin: requests as streams of few connections, sent again when the origin says that it did not
//! process them.
//!
//! Each worker has its own connections to each server. One is opened when all streams of the others are in use, as far
//! as the server allows streams at once and up to [`connections::CONNECTIONS_MAX`]; beyond that a request waits for a stream as it
//! waits for room. A task drives each connection, unlike in HTTP/1.1: streams of many requests depend on it.
//!
//! Over TLS both protocols are offered, and a server that chooses HTTP/1.1 gets HTTP/1.1 (RFC 7301). In cleartext it
//! has to know HTTP/2 without being asked (RFC 9113 §3.3).
//!
//! What a server refused to process (`REFUSED_STREAM`, or a stream above the last one that `GOAWAY` names, RFC 9113
//! §8.7) goes out again whatever its method, with the body as far as it was taken, if that is little. Requests are
//! copied for it: headers only, and references to the body's pieces.

mod connections;
mod form;
mod listened;
mod replay;

use std::error::Error as StdError;
use std::rc::Rc;

use h2::Reason;
use http::Request;

use crate::proxy;
use crate::proxy::Forwarded;
use crate::proxy::balance::Next;
use crate::proxy::carrier::Carrier;
use crate::proxy::error::OriginError;
use crate::proxy::error::OriginErrorKind;
use crate::proxy::exchange;
use crate::proxy::exchange::Flight;
use crate::proxy::pool::OriginPool;
use crate::proxy::upload::Upload;

pub(super) use connections::Connections;
pub(super) use connections::Stream;
pub(super) use connections::lease_apart;
pub(super) use form::Unsayable;
pub(super) use form::split;
pub(super) use replay::Replay;
pub(super) use replay::Source;

/// Times one request is sent when the origin processes none of them.
const TRIES: usize = 3;

/// Forwards one request to an origin that speaks HTTP/2.
pub(super) async fn forward(
    pool: &Rc<OriginPool>,
    mut request: Request<Upload>,
    mut flight: Flight,
) -> Result<Forwarded, OriginError> {
    let mut next = Next::of(&request);
    let mut was_sent = false;
    let mut tries_left = TRIES;
    loop {
        tries_left -= 1;
        let (carrier, is_elsewhere) = connections::lease(pool, next)
            .await
            .map_err(|error| error.after(was_sent))?;
        if tries_left == 0 || is_elsewhere {
            flight = flight.last();
        }
        let sent = match carrier {
            Carrier::Own(lease) => exchange::begin(pool, lease, request, flight).await,
            Carrier::Stream(stream) => {
                let sent = exchange::begin_stream(pool, stream, request, flight);
                sent.map_err(|error| error.after(was_sent))?.await
            }
        };
        let failure = match sent {
            Ok(begun) => return proxy::answered(begun).await,
            Err(failure) => failure,
        };
        let Some(again) = failure.again else {
            return Err(failure.error.after(was_sent));
        };
        if failure.error.was_sent {
            was_sent = true;
            // The origin may have seen it: that much may happen once.
            tries_left = 1;
        }
        next = Next::Instead(failure.server);
        (request, flight) = (*again, failure.flight);
    }
}

/// Whether the origin says that it has not processed what failed with this error (RFC 9113 §8.7).
pub(super) fn was_not_processed(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            // The library ends with the peer's GOAWAY only streams above the last one it names.
            return error.is_remote()
                && (error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM));
        }
        next = error.source();
    }
    false
}

impl From<Unsayable> for OriginError {
    fn from(_: Unsayable) -> Self {
        OriginErrorKind::Host.into()
    }
}
