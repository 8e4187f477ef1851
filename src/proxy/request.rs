//! What changes about a request on its way to the origin.

use std::rc::Rc;

use http::HeaderMap;
use http::HeaderValue;
use http::Request;
use http::Uri;
use http::Version;
use http::header;
use http::request::Parts;
use http::uri::PathAndQuery;
use hyper::body::Incoming;

use crate::line::ids::TicketId;
use crate::message::Client;
use crate::message::Note;
use crate::message::headers;
use crate::proxy::settings::HostHeader;
use crate::proxy::settings::OriginSettings;
use crate::proxy::upload::Upload;

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
    settings: &OriginSettings,
) -> Request<Upload> {
    let (mut parts, body) = request.into_parts();
    edit_headers(&mut parts, passage, settings);
    edit_target(&mut parts, passage.path);
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    Request::from_parts(parts, Upload::new(body, settings.body_max))
}

fn edit_headers(parts: &mut Parts, passage: &Passage<'_>, settings: &OriginSettings) {
    let map = &mut parts.headers;
    let wants_trailers = accepts_trailers(map);
    headers::remove_hop_by_hop(map);
    headers::remove_claims(map);
    headers::remove_our_cookies(map);
    headers::set_forwarding(map, passage.client, parts.version, settings.forwarding);
    if let Some(visitor) = passage.visitor {
        map.insert(headers::VISITOR, visitor_value(visitor));
    }
    if let HostHeader::Fixed(host) = &settings.host {
        map.insert(header::HOST, host.clone());
    } else if !map.contains_key(header::HOST) {
        // HTTP/1.0 may come without, HTTP/1.1 may not go without (RFC 9112 §3.2).
        map.insert(header::HOST, settings.default_host());
    }
    if wants_trailers {
        // RFC 9110 §10.1.4: whoever sends `TE` nominates it.
        map.insert(header::TE, HeaderValue::from_static("trailers"));
        map.insert(header::CONNECTION, HeaderValue::from_static("te"));
    }
}

/// Whether the client takes trailers; any other transfer coding ends with us.
fn accepts_trailers(headers: &HeaderMap) -> bool {
    headers.get_all(header::TE).iter().any(|line| {
        line.as_bytes()
            .split(|byte| *byte == b',')
            .any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
    })
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

fn visitor_value(visitor: TicketId) -> HeaderValue {
    // Hexadecimal digits are always a valid header value.
    HeaderValue::try_from(visitor.to_string()).unwrap_or_else(|_| HeaderValue::from_static(""))
}
