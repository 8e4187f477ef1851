//! What changes about a request on its way to the origin.

use std::rc::Rc;

use http::HeaderValue;
use http::Request;
use http::Uri;
use http::Version;
use http::header;
use http::request::Parts;
use http::uri::PathAndQuery;
use http_body::Body as _;
use hyper::body::Incoming;

use crate::line::ids::TicketId;
use crate::message::Client;
use crate::message::Note;
use crate::message::headers;
use crate::proxy::leave::Leave;
use crate::proxy::pool::OriginPool;
use crate::proxy::settings::HostHeader;
use crate::proxy::upload::Upload;

const CHUNKED: HeaderValue = HeaderValue::from_static("chunked");

/// With whom and where to a request goes through; said by the gate.
#[derive(Debug, Clone, Copy)]
pub struct Passage<'a> {
    /// Who is asking.
    pub client: &'a Client,
    /// The visitor's ticket, told to the origin as `Anteroom-Visitor`.
    pub visitor: Option<TicketId>,
    /// The path to ask for instead of the one received (see [`crate::message::NormalPath::rewritten`]).
    pub path: Option<&'a str>,
    /// Held as long as the response goes on; an upgraded connection holds it to its own end.
    pub note: &'a Rc<Note>,
}

/// The request as the origin gets it: HTTP/1.1, origin-form, without what was meant for us or for one connection.
pub(super) fn to_origin(
    request: Request<Incoming>,
    passage: &Passage<'_>,
    pool: &OriginPool,
) -> Request<Upload> {
    let (mut parts, body) = request.into_parts();
    edit_headers(&mut parts, passage, pool);
    if !body.is_end_stream() && !parts.headers.contains_key(header::CONTENT_LENGTH) {
        // The library would leave out the body of a GET that does not say how long it is (RFC 9110 §9.3.1).
        parts.headers.insert(header::TRANSFER_ENCODING, CHUNKED);
    }
    edit_target(&mut parts, passage.path);
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    let upload = Upload::new(body, pool.settings.body_max);
    // In HTTP/2 an origin can stop a body at any time, and the library does not tell us what it says before it answers.
    let waits =
        !pool.settings.http2 && !upload.is_empty() && parts.headers.contains_key(header::EXPECT);
    let mut request = Request::from_parts(parts, upload);
    if waits {
        let leave = Leave::of(&mut request, pool.ticker());
        request.body_mut().wait_for(leave);
    }
    request
}

fn edit_headers(parts: &mut Parts, passage: &Passage<'_>, pool: &OriginPool) {
    let map = &mut parts.headers;
    let takes_trailers = headers::clean_request(map);
    pool.teller.tell(map, passage.client, parts.version);
    if let Some(visitor) = passage.visitor {
        map.insert(headers::VISITOR, visitor_value(visitor));
    }
    if let HostHeader::Fixed(host) = &pool.settings.host {
        map.insert(header::HOST, host.clone());
    } else if parts.version == Version::HTTP_10 && !map.contains_key(header::HOST) {
        // HTTP/1.0 may come without, HTTP/1.1 may not go without (RFC 9112 §3.2).
        map.insert(header::HOST, pool.settings.default_host());
    }
    if takes_trailers {
        // RFC 9110 §10.1.4: whoever sends `TE` nominates it.
        map.insert(header::TE, HeaderValue::from_static("trailers"));
        map.insert(header::CONNECTION, HeaderValue::from_static("te"));
    }
}

fn edit_target(parts: &mut Parts, path: Option<&str>) {
    let current = &parts.uri;
    if path.is_none() && current.scheme().is_none() && current.authority().is_none() {
        return;
    }
    let target = match (path, current.query()) {
        (Some(path), Some(query)) => PathAndQuery::try_from(format!("{path}?{query}")).ok(),
        (Some(path), None) => PathAndQuery::try_from(path).ok(),
        (None, _) => current.path_and_query().cloned(),
    };
    if let Some(target) = target {
        parts.uri = Uri::from(target);
    }
}

/// The ticket's id as it is written everywhere: 32 hexadecimal digits.
fn visitor_value(visitor: TicketId) -> HeaderValue {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 32];
    for (pair, byte) in text.chunks_exact_mut(2).zip(visitor.0.to_be_bytes()) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 0xf)];
    }
    // Hexadecimal digits are always a valid header value.
    HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Whether a request may be sent again: it is safe and has no body. What is merely idempotent (RFC 9110 §9.2.2), as `PUT`
/// and `DELETE` are, would change nothing more, but may be answered otherwise the second time, and its visitor would
/// read that nothing was there to cancel.
pub(super) fn is_repeatable(request: &Request<Upload>) -> bool {
    request.method().is_safe() && request.body().is_empty()
}

/// A copy to send again, if that is allowed.
pub(super) fn repeatable(request: &Request<Upload>) -> Option<Box<Request<Upload>>> {
    if !is_repeatable(request) {
        return None;
    }
    let mut copy = Request::new(Upload::empty());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    Some(Box::new(copy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_visitor_is_told_as_its_ticket_is_written() {
        let visitor = TicketId(0x0123_4567_89ab_cdef_0011_2233_4455_6677);
        assert_eq!(visitor_value(visitor), visitor.to_string());
    }
}
