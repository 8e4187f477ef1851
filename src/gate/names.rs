//! What happened, in the words it is counted by.

use http::Response;

use crate::gate::decide::Decision as Act;
use crate::gate::forward;
use crate::message::Body;
use crate::message::Ended;
use crate::message::Fault;
use crate::proxy::OriginErrorKind;
use crate::telemetry::metrics::Decision;
use crate::telemetry::metrics::OriginFailure;
use crate::telemetry::metrics::Turned;

/// The bound at which a request was turned away, if that is what happened.
pub(super) fn turned(fault: &Fault) -> Option<Turned> {
    match fault {
        Fault::Refused(_) => Some(Turned::Malformed),
        Fault::Overloaded => Some(Turned::InFlight),
        Fault::TooLarge => Some(Turned::BodySize),
        Fault::ClientSlow => Some(Turned::BodyTimeout),
        Fault::OriginBusy
        | Fault::OriginDown
        | Fault::OriginSlow
        | Fault::ClientGone
        | Fault::Panicked => None,
    }
}

/// How an origin's failure is counted.
pub(super) fn failure(kind: OriginErrorKind) -> OriginFailure {
    match kind {
        OriginErrorKind::Connect => OriginFailure::Connect,
        OriginErrorKind::ConnectTimeout => OriginFailure::ConnectTimeout,
        OriginErrorKind::ResponseTimeout => OriginFailure::Timeout,
        OriginErrorKind::Broken => OriginFailure::Closed,
        OriginErrorKind::Busy => OriginFailure::Full,
        OriginErrorKind::ClientBody
        | OriginErrorKind::ClientTimeout
        | OriginErrorKind::BodyTooLarge => OriginFailure::Body,
        OriginErrorKind::ConnectMethod | OriginErrorKind::Upgrade | OriginErrorKind::Host => {
            OriginFailure::Upgrade
        }
    }
}

/// How a decision about a request to a room is counted.
pub(super) fn counted(act: Act, response: &Result<Response<Body>, Fault>) -> Decision {
    match act {
        _ if response.is_err() => Decision::Error,
        _ if response.as_ref().is_ok_and(forward::is_limited) => Decision::Limited,
        Act::Admit | Act::Grace => Decision::Forward,
        Act::Through => Decision::Bypass,
        Act::Preflight => Decision::Preflight,
        Act::Refuse => Decision::Problem,
        Act::Crowded => Decision::Limited,
        Act::Collect | Act::Join | Act::Check | Act::Show | Act::Pending | Act::Unusable => {
            Decision::Page
        }
    }
}

/// The bound at which a connection, or a response, was ended.
pub(super) fn ended(why: Ended) -> Turned {
    match why {
        Ended::Address => Turned::Client,
        Ended::HeadSlow => Turned::HeadTimeout,
        Ended::TakingSlow => Turned::SendTimeout,
        Ended::Lingering => Turned::Lingering,
        Ended::HoldsTooMuch => Turned::Unsent,
    }
}
