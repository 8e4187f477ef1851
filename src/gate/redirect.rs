//! Cleartext requests that are told to come again over TLS: to hosts of a fixed list, and nowhere else.
//!
//! The answer is `308` whatever the method (RFC 9110 §15.4.9): it keeps path, query, method and body, where `301` would
//! turn a form into a page. It may be kept for an hour, so that a wrong port is not in browsers for ever. A request for a
//! host that is not on the list gets `421` (§15.5.20): an answer made of what the client wrote would send people
//! wherever a link says.

use http::HeaderValue;
use http::Request;
use http::Response;
use http::StatusCode;
use http::header;
use rustc_hash::FxHashMap;

use crate::gate::calm::name_of;
use crate::message::Body;

/// How long an answer may be kept.
const KEPT: HeaderValue = HeaderValue::from_static("max-age=3600");

/// The hosts that may be redirected to.
#[derive(Debug, Default)]
pub struct Redirects {
    /// By name, what stands in the answer: the name, with a port if that is not the usual one.
    authorities: FxHashMap<String, String>,
}

impl Redirects {
    /// Redirects for these hosts, each a name with or without a port.
    #[must_use]
    pub fn new(hosts: &[String]) -> Self {
        let pair = |host: &String| (name_of(host), host.to_ascii_lowercase());
        Self {
            authorities: hosts.iter().map(pair).collect(),
        }
    }

    /// Where a request is to come again; `None` when its host is not on the list.
    pub(crate) fn answer<T>(&self, request: &Request<T>) -> Option<Response<Body>> {
        // HTTP/1.1 and HTTP/2 have exactly one by now.
        let host = request.headers().get(header::HOST)?.to_str().ok()?;
        let authority = self.authorities.get(&name_of(host))?;
        // A request for "*" is about the server as a whole.
        let target = request
            .uri()
            .path_and_query()
            .map_or("/", |target| target.as_str());
        let target = if target == "*" { "/" } else { target };
        let location = HeaderValue::try_from(format!("https://{authority}{target}")).ok()?;
        let mut response = Response::new(Body::default());
        *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
        let headers = response.headers_mut();
        headers.insert(header::LOCATION, location);
        headers.insert(header::CACHE_CONTROL, KEPT);
        Some(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(host: &str, target: &str) -> Option<String> {
        let hosts = ["a.example", "B.example:8443", "[::1]"].map(str::to_owned);
        let request = Request::builder().uri(target).header("host", host);
        let answer = Redirects::new(&hosts).answer(&request.body(()).unwrap())?;
        assert_eq!(answer.status(), 308);
        Some(answer.headers()["location"].to_str().unwrap().to_owned())
    }

    #[test]
    fn a_request_comes_again_with_its_path_and_query_at_the_host_on_the_list() {
        for (host, target, expected) in [
            ("a.example", "/x?y=//z", "https://a.example/x?y=//z"),
            ("A.Example:80", "/", "https://a.example/"),
            (
                "a.example.",
                "//evil.example/",
                "https://a.example//evil.example/",
            ),
            ("b.example:8080", "/?", "https://b.example:8443/?"),
            ("[::1]:80", "/%0d%0a", "https://[::1]/%0d%0a"),
            ("a.example", "*", "https://a.example/"),
        ] {
            assert_eq!(location(host, target).as_deref(), Some(expected));
        }
    }

    #[test]
    fn no_other_host_is_ever_redirected_to() {
        for host in [
            "evil.example",
            "a.example.evil",
            "x.a.example",
            "a.example:x",
            "",
            "[::2]",
        ] {
            assert_eq!(location(host, "/"), None, "{host}");
        }
    }
}
