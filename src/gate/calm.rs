//! Which host was asked for, and the calm answers that concern no room.

use http::Request;
use http::Response;
use http::StatusCode;
use http::header;
use hyper::body::Incoming;

use crate::clock;
use crate::gate::live::Live;
use crate::gate::reply;
use crate::gate::reply::Media;
use crate::message::Body;
use crate::message::Client;
use crate::page::Calm;
use crate::page::State;
use crate::page::View;
use crate::page::negotiate;

/// The host the visitor asked for, without its port, in lower case.
pub(crate) fn host_of(client: &Client, request: &Request<Incoming>) -> String {
    let host = client
        .host
        .as_ref()
        .or_else(|| request.headers().get(header::HOST));
    name_of(host.and_then(|host| host.to_str().ok()).unwrap_or(""))
}

pub(crate) fn name_of(host: &str) -> String {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    // A name that ends in a dot is the same name (RFC 3986 §3.2.2): it must not lead past the room.
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Nothing is at this address.
pub(crate) fn nothing_here(live: &Live, request: &Request<Incoming>) -> Response<Body> {
    let is_navigation = crate::message::accept::is_navigation(request.method(), request.headers());
    let accept = request
        .headers()
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok());
    calm(
        live,
        Calm::NotFound,
        StatusCode::NOT_FOUND,
        is_navigation,
        accept,
    )
}

/// A calm answer that concerns no room.
pub(crate) fn calm(
    live: &Live,
    kind: Calm,
    status: StatusCode,
    is_navigation: bool,
    accept: Option<&str>,
) -> Response<Body> {
    let now = i64::try_from(clock::wall_us())
        .ok()
        .and_then(|us| jiff::Timestamp::from_microsecond(us).ok());
    let mut view = View::new(
        &live.texts,
        State::Origin,
        now.unwrap_or(jiff::Timestamp::UNIX_EPOCH),
    );
    view.lang = negotiate(None, accept, &live.texts.languages).lang;
    let pages = &live.pages;
    let mut response = if is_navigation {
        reply::ours(status, Media::Html, pages.calm(kind, &view), pages.csp())
    } else {
        reply::ours(
            status,
            Media::Problem,
            pages.calm_problem(kind, &view, status.as_u16()),
            "",
        )
    };
    if status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::TOO_MANY_REQUESTS {
        reply::retry_after(response.headers_mut(), 5);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::name_of;

    #[test]
    fn a_host_is_one_name_however_it_is_written() {
        for host in [
            "portal.example",
            "Portal.Example:8443",
            "portal.example.",
            "portal.example.:80",
        ] {
            assert_eq!(name_of(host), "portal.example", "{host}");
        }
        assert_eq!(name_of("[::1]:8080"), "[::1]");
        assert_eq!(name_of(""), "");
    }
}
