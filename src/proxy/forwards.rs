//! `Max-Forwards` (RFC 9110 §7.6.2): `OPTIONS` and `TRACE` count the hops they may take, and end here when none is left.

use http::HeaderValue;
use http::Method;
use http::Request;
use http::Response;
use http::StatusCode;
use http::header;

use crate::message::Body;
use crate::proxy::Forwarded;

/// What we understand ourselves (RFC 9110 §10.2.1). `TRACE` is not among it: its answer would show what is for us only.
const ALLOW: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, OPTIONS");

/// Takes one hop off. The answer, when the request goes no further. What is no number was refused before.
pub(super) fn count_down<B>(request: &mut Request<B>) -> Option<Forwarded> {
    let is_options = *request.method() == Method::OPTIONS;
    if !is_options && *request.method() != Method::TRACE {
        return None;
    }
    let count = request.headers().get(header::MAX_FORWARDS)?;
    let count = count.to_str().ok()?.parse::<u32>().ok()?;
    let Some(left) = count.checked_sub(1) else {
        return Some(answer(is_options));
    };
    request
        .headers_mut()
        .insert(header::MAX_FORWARDS, HeaderValue::from(left));
    None
}

/// The final recipient's answer.
fn answer(is_options: bool) -> Forwarded {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = if is_options {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::METHOD_NOT_ALLOWED
    };
    response.headers_mut().insert(header::ALLOW, ALLOW);
    Forwarded {
        response,
        command: None,
        stock: None,
    }
}
