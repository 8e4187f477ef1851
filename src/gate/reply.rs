//! The responses we write ourselves, and what we add to those of the origin.

use bytes::Bytes;
use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::Response;
use http::StatusCode;
use http::header;

use crate::gate::visit::PASS;
use crate::gate::visit::TICKET;
use crate::gate::visit::Visit;
use crate::message::Body;
use crate::page::State;
use crate::seal::Pass;
use crate::seal::Stub;
use crate::seal::Ticket;

/// What a visitor's state is called, on every response about one.
pub(crate) const STATE: HeaderName = HeaderName::from_static("anteroom-state");
/// A visitor's number, on every response about one.
pub(crate) const NUMBER: HeaderName = HeaderName::from_static("anteroom-number");

const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Room for the headers of a response of ours.
const HEADERS: usize = 6;

/// What a body of ours is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Media {
    Html,
    Json,
    Problem,
}

/// A response of ours: never stored by anybody.
pub(crate) fn ours(status: StatusCode, media: Media, body: Bytes, csp: &str) -> Response<Body> {
    let mut response = Response::new(Body::full(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    // Once, instead of growing on the way.
    headers.reserve(HEADERS);
    headers.insert(
        header::CONTENT_TYPE,
        match media {
            Media::Html => HTML,
            Media::Json => JSON,
            Media::Problem => PROBLEM,
        },
    );
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    if media == Media::Html {
        headers.insert(ROBOTS, HeaderValue::from_static("noindex"));
        headers.insert(
            header::REFERRER_POLICY,
            HeaderValue::from_static("same-origin"),
        );
        if let Ok(csp) = HeaderValue::from_str(csp) {
            headers.insert(header::CONTENT_SECURITY_POLICY, csp);
        }
    }
    response
}

/// Sends a browser on with a GET (RFC 9110 §15.4.4).
pub(crate) fn see_other(to: &str) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::SEE_OTHER;
    let to = HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(header::LOCATION, to);
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, NO_STORE);
    response
}

/// Says in headers where the visitor stands.
pub(crate) fn say_state(headers: &mut HeaderMap, state: State, number: Option<u64>) {
    headers.insert(STATE, HeaderValue::from_static(state.name()));
    if let Some(number) = number {
        headers.insert(NUMBER, HeaderValue::from(number));
    }
}

/// Asks to come back after this many seconds (RFC 9110 §10.2.3).
pub(crate) fn retry_after(headers: &mut HeaderMap, seconds: u64) {
    headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
}

/// Gives a visitor its ticket; the text of it.
pub(crate) fn give_ticket(headers: &mut HeaderMap, visit: &Visit<'_>, ticket: &Ticket) -> String {
    let text = visit.live.keys.sign_ticket(visit.site.name(), ticket);
    give_place(headers, visit, &text);
    text
}

/// Gives a newcomer its stub, where its ticket will be; the text of it.
pub(crate) fn give_stub(headers: &mut HeaderMap, visit: &Visit<'_>, stub: &Stub) -> String {
    let text = visit.live.keys.sign_stub(visit.site.name(), stub);
    give_place(headers, visit, &text);
    text
}

fn give_place(headers: &mut HeaderMap, visit: &Visit<'_>, text: &str) {
    if let Some(cookie) = visit.site.cookies.set_ticket(visit.https, text) {
        headers.append(header::SET_COOKIE, cookie);
    }
    if visit.by_header
        && let Ok(value) = HeaderValue::from_str(text)
    {
        headers.insert(TICKET, value);
    }
}

/// Gives a visitor its pass; the text of it.
pub(crate) fn give_pass(headers: &mut HeaderMap, visit: &Visit<'_>, pass: &Pass) -> String {
    let text = visit.live.keys.sign_pass(visit.site.name(), pass);
    if let Some(cookie) = visit.site.cookies.set_pass(visit.https, &text) {
        headers.append(header::SET_COOKIE, cookie);
    }
    if visit.by_header
        && let Ok(value) = HeaderValue::from_str(&text)
    {
        headers.insert(PASS, value);
    }
    text
}

/// Keeps shared caches from storing a response that carries a visitor's cookie (RFC 9111 §5.2.2.7).
///
/// What speaks past `Cache-Control` to the caches of one operator (RFC 9213 and its forerunners) goes.
pub(crate) fn keep_private(headers: &mut HeaderMap) {
    let targeted: Vec<_> = headers
        .keys()
        .filter(|name| is_for_shared_caches(name))
        .cloned()
        .collect();
    for name in targeted {
        headers.remove(name);
    }
    let values: Vec<_> = headers
        .get_all(header::CACHE_CONTROL)
        .iter()
        .filter_map(|v| v.to_str().ok())
        // A quoted argument names fields; without it the directive means more, which is safe.
        .map(|value| value.split('"').step_by(2).collect::<String>())
        .collect();
    let directives = values
        .iter()
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|d| !d.is_empty());
    let mut kept = Vec::new();
    for directive in directives {
        let name = directive.split('=').next().unwrap_or(directive).trim();
        if name.eq_ignore_ascii_case("no-store") {
            return;
        }
        // What only shared caches obey, and `private` with names, which covers only those fields.
        let shared = ["public", "private", "s-maxage", "proxy-revalidate"];
        if !shared
            .iter()
            .any(|shared| name.eq_ignore_ascii_case(shared))
        {
            kept.push(directive);
        }
    }
    kept.insert(0, "private");
    if let Ok(value) = HeaderValue::from_str(&kept.join(", ")) {
        headers.insert(header::CACHE_CONTROL, value);
    }
}

/// Whether a response header tells shared caches what to keep, whatever `Cache-Control` says.
fn is_for_shared_caches(name: &HeaderName) -> bool {
    let name = name.as_str();
    matches!(
        name,
        "surrogate-control" | "edge-control" | "x-accel-expires"
    ) || name.ends_with("cdn-cache-control")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_with_our_cookie_is_private() {
        let cases = [
            (None, "private"),
            (
                Some("public, max-age=600, s-maxage=60"),
                "private, max-age=600",
            ),
            (Some("no-store"), "no-store"),
            (
                Some("private=\"x, y\", must-revalidate"),
                "private, must-revalidate",
            ),
        ];
        for (before, after) in cases {
            let mut headers = HeaderMap::new();
            for name in ["cdn-cache-control", "surrogate-control"] {
                headers.insert(name, HeaderValue::from_static("max-age=600"));
            }
            if let Some(before) = before {
                headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(before));
            }
            keep_private(&mut headers);
            assert_eq!(headers[header::CACHE_CONTROL], after);
            assert_eq!(headers.len(), 1);
        }
    }
}
